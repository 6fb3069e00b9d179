//! What is tortured: a server behind networks of its own, or a transport within the process; and how it is reached. What
//! is done to it stands in `faults.rs`.

use std::time::Duration;

use event_bus_core::transport::{Health, Transport};
use event_bus_core::{EventBusBuilder, MemoryTransport, Result};
use event_bus_redis::{RedisConfig, RedisTransport};

use super::event::{Stamped, StampedBus};
use super::options::Medium;
use crate::{Proxy, RedisServer};

#[derive(Debug)]
pub(super) enum Site {
    Redis(Box<Network>),
    Memory(MemoryTransport),
}

/// A server, and the networks through which it is reached.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) server: RedisServer,
    pub(super) listeners: Proxy,
    pub(super) publishers: Proxy,
}

/// A transport: the one that all listeners share, or a publisher's own.
#[derive(Clone, Debug)]
pub(super) enum Carrier {
    Redis(RedisTransport),
    Memory(MemoryTransport),
}

impl Site {
    pub(super) fn start(medium: Medium) -> Self {
        match medium {
            Medium::Redis => Self::Redis(Box::new(Network::start())),
            Medium::Memory => Self::Memory(MemoryTransport::new()),
        }
    }

    /// The transport of the listeners.
    pub(super) async fn listening(&self) -> Result<Carrier> {
        Ok(match self {
            Self::Redis(network) => Carrier::Redis(RedisTransport::connect(network.listeners.url()).await?),
            Self::Memory(memory) => Carrier::Memory(memory.clone()),
        })
    }

    /// A transport of the publisher's own. Every other one gives up early, so that some events are surely not sent.
    pub(super) async fn publishing(&self, publisher: u32) -> Result<Carrier> {
        let network = match self {
            Self::Memory(memory) => return Ok(Carrier::Memory(memory.clone())),
            Self::Redis(network) => network,
        };
        let mut config = RedisConfig::from_url(network.publishers.url())?;
        if publisher % 2 == 1 {
            config = config
                .publish_timeout(Duration::from_millis(150))
                .response_timeout(Duration::from_millis(800));
        }
        Ok(Carrier::Redis(RedisTransport::connect(config).await?))
    }

    /// How many channels and patterns somebody is subscribed to, by the server's own word. Blocks its thread.
    pub(super) fn subscribed(&self) -> usize {
        let Self::Redis(network) = self else { return 0 };
        let server = &network.server;
        let channels: Vec<String> =
            redis::from_redis_value(server.command(&["PUBSUB", "CHANNELS"])).expect("a list of channels");
        let patterns: usize =
            redis::from_redis_value(server.command(&["PUBSUB", "NUMPAT"])).expect("a number of patterns");
        channels.len() + patterns
    }
}

impl Network {
    fn start() -> Self {
        let server = RedisServer::start();
        let [listeners, publishers] = [(); 2].map(|()| Proxy::start(server.port()));
        Self { server, listeners, publishers }
    }

    pub(super) fn both_or_listeners(&self, publishers_too: bool) -> impl Iterator<Item = &Proxy> {
        std::iter::once(&self.listeners).chain(publishers_too.then_some(&self.publishers))
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
