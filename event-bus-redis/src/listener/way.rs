//! To which server a listening connection goes, and whether it is still the right one. Who looks after that stands in `lookout.rs`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::displaced::Displaced;
use crate::config::{Address, RedisConfig};
use crate::topology::{Map, Topology};

/// How often it is asked whether the server is still the right one. A ping does not tell: one that was deposed, or is cut
/// off from the others, answers it.
pub(super) const POLL: Duration = Duration::from_secs(1);

pub(super) enum Way {
    /// To the one that the config names.
    Fixed,
    /// To one that is found whenever it is needed, by what it has to be.
    Found(Found),
    /// To one of several nodes; what it does not serve is given to whoever knows the others.
    Node(Arc<dyn Exile>),
}

pub(super) struct Found {
    aim: Aim,
    topology: Arc<Topology>,
    /// Where a connection was made to, or tried, last.
    last: Mutex<Option<Target>>,
    /// That was found to be wrong.
    is_wrong: Notify,
}

#[derive(Clone)]
struct Target {
    address: Address,
    /// When the servers were asked that named it.
    known_since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// The only one that is published to.
    Master,
    /// Any one, since all pass on what is published to any.
    Member,
}

/// Takes in what a node does not serve any more.
pub(super) trait Exile: Send + Sync {
    /// Called under the node's lock: nothing else may be locked for it but by itself.
    fn take_in(&self, displaced: Vec<Displaced>);
    /// What is known of the servers may be out of date.
    fn hurry(&self);
}

impl Way {
    /// The server to connect to now.
    pub(super) async fn find(&self, config: &RedisConfig) -> Result<RedisConfig> {
        match self {
            Self::Found(found) => found.find(config).await,
            Self::Fixed | Self::Node(_) => Ok(config.clone()),
        }
    }

    /// Whether it was found out that a connection should go elsewhere than it is just being made to. Waits until it was.
    pub(super) async fn is_wrong(&self) {
        match self {
            Self::Found(found) => found.is_wrong.notified().await,
            Self::Fixed | Self::Node(_) => std::future::pending().await,
        }
    }

    /// What a loss means for the others who look for servers.
    pub(super) fn note_loss(&self) {
        if let Self::Node(exile) = self {
            exile.hurry();
        }
    }

    pub(super) fn exile(&self) -> Option<&dyn Exile> {
        match self {
            Self::Node(exile) => Some(&**exile),
            Self::Fixed | Self::Found(_) => None,
        }
    }
}

impl Aim {
    /// Another one than the last, if there is one: it was lost.
    fn choose<'a>(self, map: &'a Map, last: Option<&Address>) -> Option<&'a Address> {
        match self {
            Self::Master => map.owner(""),
            Self::Member => {
                let others: Vec<&Address> =
                    map.members().iter().filter(|address| Some(*address) != last).collect();
                fastrand::choice(others).or_else(|| map.members().first())
            }
        }
    }

    /// Why `address` is not the right one any more, if so.
    fn fault_of(self, map: &Map, address: &Address) -> Option<&'static str> {
        match self {
            Self::Master if !map.is_owner(address) => Some("another server is the master now"),
            Self::Member if map.is_outcast(address) => Some("the node is out of touch with its cluster"),
            _ => None,
        }
    }
}

impl Found {
    pub(super) fn new(aim: Aim, topology: Arc<Topology>) -> Self {
        Self { aim, topology, last: Mutex::default(), is_wrong: Notify::new() }
    }

    async fn find(&self, config: &RedisConfig) -> Result<RedisConfig> {
        let map = self.topology.newer_than(Instant::now()).await?;
        let last = self.last().map(|last| last.address);
        let address = self.aim.choose(&map, last.as_ref()).cloned().ok_or_else(|| {
            let text = format!("no server of {} is in touch with the others", config.server());
            Error::new(ErrorKind::NotConnected, text)
        })?;
        let target = Target { address: address.clone(), known_since: map.began() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
        self.topology.keep_asking(address.clone());
        Ok(config.at_master(address, self.aim == Aim::Master))
    }

    /// The connection should go elsewhere than it is just being made to.
    pub(super) fn note_wrong(&self) {
        self.is_wrong.notify_waiters();
    }

    /// Ends when something new is known of the servers, or after `time`.
    pub(super) async fn news_within(&self, time: Duration) {
        self.topology.news_within(time).await;
    }

    fn last(&self) -> Option<Target> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the connection that there is, or is being made, should not be there, if so. That nobody answers proves nothing:
    /// it is tested by pings itself. Nor does an answer that is older than the one by which its server was found.
    pub(super) async fn fault(&self) -> Option<&'static str> {
        let map = self.topology.newer_than(Instant::now()).await.ok()?;
        let last = self.last().filter(|last| map.began() >= last.known_since)?;
        self.aim.fault_of(&map, &last.address)
    }
}
