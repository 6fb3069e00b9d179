//! What is tortured: a server behind networks of its own, or a transport within the process; and how it is reached. What
//! is done to it stands in `faults.rs`.

use std::time::Duration;

use event_bus_core::transport::{Health, Transport};
use event_bus_core::{EventBusBuilder, MemoryTransport, Result};
use event_bus_redis::{RedisConfig, RedisTransport};
use tempfile::NamedTempFile;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::event::{Stamped, StampedBus};
use super::login::{Login, Operated};
use super::options::{Medium, PubSub};
use super::plan::Rotation;
use super::several::Several;
use crate::{Proxy, RedisServer};

#[derive(Debug)]
pub(super) enum Site {
    Redis(Box<Network>),
    Several(Box<Several>),
    Memory(MemoryTransport),
}

/// A server, and the networks through which it is reached.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) server: RedisServer,
    delivery: PubSub,
    pub(super) listeners: Proxy,
    pub(super) publishers: Proxy,
    login: Option<Login>,
    /// What the server remembers its users by.
    _users: NamedTempFile,
}

/// A transport: the one that all listeners share, or a publisher's own.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    Redis(RedisTransport),
    Memory(MemoryTransport),
}

impl Site {
    /// Blocks its thread while several servers find each other.
    pub(super) fn start(medium: Medium, delivery: PubSub, channels: u32, has_login: bool) -> Self {
        match medium {
            Medium::Redis => Self::Redis(Box::new(Network::start(delivery, has_login))),
            Medium::Sentinel | Medium::Cluster => {
                let start = || Several::start(medium, delivery, channels, has_login, Handle::current());
                Self::Several(Box::new(block_in_place(start)))
            }
            Medium::Memory => Self::Memory(MemoryTransport::new()),
        }
    }

    /// The transport of the listeners.
    pub(super) async fn listening(&self) -> Result<Carrier> {
        let config = match self {
            Self::Redis(network) => network.config(&network.listeners)?,
            Self::Several(several) => several.listening_config(),
            Self::Memory(memory) => return Ok(Carrier::Memory(memory.clone())),
        };
        Ok(Carrier::Redis(RedisTransport::connect(config).await?))
    }

    /// A transport of the publisher's own. Every other one gives up early, so that some events are surely not sent.
    pub(super) async fn publishing(&self, publisher: u32) -> Result<Carrier> {
        let mut config = match self {
            Self::Redis(network) => network.config(&network.publishers)?,
            Self::Several(several) => several.config(),
            Self::Memory(memory) => return Ok(Carrier::Memory(memory.clone())),
        };
        if publisher % 2 == 1 {
            config = config
                .publish_timeout(Duration::from_millis(150))
                .response_timeout(Duration::from_millis(800));
        }
        Ok(Carrier::Redis(RedisTransport::connect(config).await?))
    }

    /// Blocks its thread.
    pub(super) fn rotate(&self, rotation: Rotation) {
        let (login, servers): (_, &dyn Operated) = match self {
            Self::Redis(network) => (&network.login, &**network),
            Self::Several(several) => (&several.login, &**several),
            Self::Memory(_) => unreachable!("{rotation:?} is refused on the command line"),
        };
        login.as_ref().expect("a user of the bus's own").rotate(rotation, servers);
    }

    /// The channels on which `publisher` publishes. Of several servers, each has publishers of its own, so that not all wait
    /// for one that is away.
    pub(super) fn lines_of(&self, publisher: u32, channels: u32) -> Vec<u32> {
        let Self::Several(several) = self else { return (0..channels).collect() };
        let groups: Vec<Vec<u32>> = block_in_place(|| several.masters()).into_values().collect();
        groups[publisher as usize / 2 % groups.len()].clone()
    }

    /// How many channels and patterns somebody is subscribed to, by the server's own word. Blocks its thread.
    pub(super) fn subscribed(&self) -> usize {
        let network = match self {
            Self::Redis(network) => network,
            Self::Several(several) => return several.subscribed(),
            Self::Memory(_) => return 0,
        };
        let server = &network.server;
        let names = |kind| -> Vec<String> {
            redis::from_redis_value(server.command(&["PUBSUB", kind])).expect("a list of channels")
        };
        let channels = [names("CHANNELS"), names("SHARDCHANNELS")].concat();
        let patterns: usize =
            redis::from_redis_value(server.command(&["PUBSUB", "NUMPAT"])).expect("a number of patterns");
        channels.len() + patterns
    }
}

impl Network {
    fn start(delivery: PubSub, has_login: bool) -> Self {
        let users = NamedTempFile::new().expect("a temporary file");
        let server = RedisServer::start_with(&["--aclfile", &users.path().display().to_string()]);
        let [listeners, publishers] = [(); 2].map(|()| Proxy::start(server.port()));
        let network = Self { server, delivery, listeners, publishers, login: None, _users: users };
        let login = has_login.then(|| Login::at(&network));
        Self { login, ..network }
    }

    fn config(&self, proxy: &Proxy) -> Result<RedisConfig> {
        let config = RedisConfig::from_url(proxy.url())?;
        let config = if self.delivery == PubSub::Sharded { config.sharded() } else { config };
        Ok(match &self.login {
            Some(login) => login.of(config),
            None => config,
        })
    }

    pub(super) fn both_or_listeners(&self, publishers_too: bool) -> impl Iterator<Item = &Proxy> {
        std::iter::once(&self.listeners).chain(publishers_too.then_some(&self.publishers))
    }
}

impl Operated for Network {
    fn everywhere(&self, words: &[&str]) {
        let _answer = self.server.command(words);
    }

    fn remember_users(&self) {
        self.everywhere(&["ACL", "SAVE"]);
    }
}

impl Carrier {
    /// A bus that publishes under numbers of its own, if it is sequenced.
    pub(super) fn bus(&self, is_sequenced: bool) -> StampedBus {
        self.builder().sequenced(is_sequenced).build().expect("the defaults")
    }

    pub(super) fn builder(&self) -> EventBusBuilder<Stamped, StampedBus> {
        match self {
            Self::Redis(redis) => StampedBus::builder(redis.clone()),
            Self::Memory(memory) => StampedBus::builder(memory.clone()),
        }
    }

    pub(super) fn health(&self) -> Health {
        match self {
            Self::Redis(redis) => redis.health(),
            Self::Memory(memory) => memory.health(),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Redis(redis) => redis.close().await,
            Self::Memory(memory) => memory.close().await,
        }
    }
}
