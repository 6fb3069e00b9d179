//! The publishers to the servers that the newest map sends anybody to, each made when it is first needed. What is not in the
//! map any more is closed at once: nobody may publish to a master that was replaced.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use event_bus_core::transport::{LinkHealth, StateBoard};
use event_bus_core::{Channel, Error, ErrorKind, Message, Result};
use tokio::time::Instant;

use crate::config::{Address, RedisConfig};
use crate::error::closed;
use crate::publisher::Publisher;
use crate::status::{Fleet, Status};
use crate::topology::Map;

/// For how long a channel rests after another server has come to serve it. What the one before took last may still be on its
/// way through the cluster to listeners, as always after `CLUSTER FAILOVER`: the next one must not overtake it.
const REST: Duration = Duration::from_millis(200);

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
    /// Maps that were replaced just now, and when.
    replaced: Vec<(Instant, Arc<Map>)>,
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
            inner.replace_map(map, Instant::now());
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

    /// Until when `messages`, which go to `address`, have to wait for what went another way before them.
    pub(super) fn rest(&self, messages: &[Message], address: &Address) -> Option<Instant> {
        let inner = self.read();
        let went_elsewhere = |map: &Map| {
            let mut owners = messages.iter().map(|message| map.owner(message.channel().as_str()));
            owners.any(|owner| owner.is_some_and(|owner| owner != address))
        };
        let last = inner.replaced.iter().rev().find(|(_, map)| went_elsewhere(map));
        last.map(|(at, _)| *at + REST).filter(|until| *until > Instant::now())
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

impl Inner {
    fn replace_map(&mut self, map: &Arc<Map>, now: Instant) {
        self.replaced.retain(|(at, _)| *at + REST > now);
        if let Some(before) = self.map.replace(Arc::clone(map))
            && !before.is_alike(map)
        {
            self.replaced.push((now, before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::Tcp("127.0.0.1".into(), port)
    }

    fn nodes() -> Nodes {
        let config = RedisConfig::sentinel("main", [("127.0.0.1", 1)]);
        Nodes::new(Arc::new(config), StateBoard::default())
    }

    fn map(port: u16) -> Arc<Map> {
        Arc::new(Map::of_one(Instant::now(), at(port)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_rests_when_another_server_has_come_to_serve_it() {
        let (nodes, tick) = (nodes(), Duration::from_millis(1));
        let messages = [Message::new(Channel::from_full_name("b/1"), "")];
        nodes.follow(&map(1));
        assert_eq!(nodes.rest(&messages, &at(1)), None, "nothing went another way");
        tokio::time::advance(tick).await;
        nodes.follow(&map(1));
        assert_eq!(nodes.rest(&messages, &at(1)), None, "a newer map that says the same");
        tokio::time::advance(tick).await;
        let switched = Instant::now();
        nodes.follow(&map(2));
        assert_eq!(nodes.rest(&messages, &at(2)), Some(switched + REST));
        tokio::time::advance(REST).await;
        assert_eq!(nodes.rest(&messages, &at(2)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_with_an_old_map_is_not_sent_to_a_server_that_was_replaced() {
        let nodes = nodes();
        let old = map(1);
        let left = nodes.of(&old, &at(1)).unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        let new = map(2);
        assert!(nodes.of(&new, &at(2)).is_ok());
        assert_eq!(nodes.of(&old, &at(1)).err().map(|error| error.kind()), Some(ErrorKind::NotSent));
        let message = Message::new(Channel::from_full_name("b/1"), "");
        let deadline = Instant::now() + Duration::from_secs(1);
        let outcomes = left.publish_once(crate::batch::Command::Publish, vec![message], deadline).await;
        assert_eq!(
            outcomes.unsent.map(|error| error.kind()),
            Some(ErrorKind::Closed),
            "it was closed at once"
        );
    }
}
