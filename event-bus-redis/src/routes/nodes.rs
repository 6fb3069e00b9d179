//! The publishers to the servers that the newest map sends anybody to, each made when it is first needed. What is not in the
//! map any more is closed at once: nobody may publish to a master that was replaced.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use event_bus_core::transport::{LinkHealth, StateBoard};
use event_bus_core::{Channel, Error, ErrorKind, Result};

use crate::config::{Address, RedisConfig};
use crate::error::closed;
use crate::publisher::Publisher;
use crate::status::{Fleet, Status};
use crate::topology::Map;

pub(super) struct Nodes {
    config: Arc<RedisConfig>,
    fleet: Arc<Fleet>,
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The newest that anybody has come with.
    map: Option<Arc<Map>>,
    nodes: HashMap<Address, Node>,
    /// A channel that could not be published to, since nobody served it.
    unserved: Option<Channel>,
    is_closed: bool,
}

struct Node {
    publisher: Arc<Publisher>,
    status: Arc<Status>,
}

impl Nodes {
    pub(super) fn new(config: Arc<RedisConfig>, board: StateBoard) -> Self {
        Self { config, fleet: Fleet::new(board), inner: RwLock::default() }
    }

    /// The publisher to `address`, which is in `map`.
    pub(super) fn of(&self, map: &Arc<Map>, address: &Address) -> Result<Arc<Publisher>> {
        if let Some(publisher) = self.known(map, address) {
            return Ok(publisher);
        }
        self.follow(map);
        let mut inner = self.write();
        if inner.is_closed {
            return Err(closed());
        }
        // Somebody may have come with a newer map meanwhile.
        if inner.map.as_ref().is_some_and(|map| !map.is_owner(address)) {
            return Err(Error::new(ErrorKind::NotSent, format!("redis at {address} was replaced")));
        }
        if let Some(node) = inner.nodes.get(address) {
            return Ok(Arc::clone(&node.publisher));
        }
        let config = Arc::new(self.config.at_master(address.clone(), true));
        let status = self.fleet.join();
        let publisher = Arc::new(Publisher::told_by(config, Arc::clone(&status)));
        inner.nodes.insert(address.clone(), Node { publisher: Arc::clone(&publisher), status });
        Ok(publisher)
    }

    fn known(&self, map: &Map, address: &Address) -> Option<Arc<Publisher>> {
        let inner = self.read();
        let follows = inner.map.as_ref().is_some_and(|known| known.began() >= map.began());
        inner.nodes.get(address).filter(|_| follows).map(|node| Arc::clone(&node.publisher))
    }

    /// Closes what is not in `map`, unless a newer one is known. What is in flight there ends as it ends.
    pub(super) fn follow(&self, map: &Arc<Map>) {
        let (left, is_served_again) = {
            let mut inner = self.write();
            if inner.map.as_ref().is_some_and(|known| known.began() >= map.began()) {
                return;
            }
            inner.map = Some(Arc::clone(map));
            let left: Vec<_> = inner.nodes.extract_if(|address, _| !map.is_owner(address)).collect();
            let served = inner.unserved.take_if(|channel| map.owner(channel.as_str()).is_some());
            (left, served.is_some() && self.fleet.astray(None))
        };
        if is_served_again {
            self.fleet.show();
            tracing::info!("publishing to redis again");
        }
        for (address, Node { publisher, status }) in left {
            tracing::debug!(%address, "publishing to this redis no more: another one serves its part");
            self.fleet.leave(&status);
            publisher.close();
        }
    }

    /// Nobody was found who serves `channel`.
    pub(super) fn unserved(&self, channel: &Channel, error: &str) {
        let is_new = {
            let mut inner = self.write();
            let is_served = inner.map.as_ref().is_some_and(|map| map.owner(channel.as_str()).is_some());
            if is_served || inner.is_closed {
                return;
            }
            inner.unserved = Some(channel.clone());
            self.fleet.astray(Some(error))
        };
        self.fleet.show();
        if is_new {
            tracing::warn!(error, "publishing to redis was interrupted");
        }
    }

    pub(super) fn close(&self) {
        let nodes = {
            let mut inner = self.write();
            inner.is_closed = true;
            std::mem::take(&mut inner.nodes)
        };
        self.fleet.closed();
        nodes.into_values().for_each(|node| node.publisher.close());
    }

    pub(super) fn health(&self) -> LinkHealth {
        self.fleet.health()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}
