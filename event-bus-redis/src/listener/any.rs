//! Either way of listening behind one door: over one connection, or over one to each node that owns a channel.

use std::sync::Arc;

use event_bus_core::Result;
use event_bus_core::transport::{Filter, Health, Inbox, Lease, StateBoard};

use super::{Connection, Listener, Shards};
use crate::config::{Listening, RedisConfig, Servers};
use crate::topology::Topology;

#[derive(Clone)]
pub(crate) enum AnyListener {
    One(Listener),
    Shards(Shards),
}

impl AnyListener {
    pub(crate) fn new(config: Arc<RedisConfig>, topology: Option<Arc<Topology>>, board: StateBoard) -> Self {
        match (topology, config.servers(), config.listening) {
            (None, ..) => Self::One(Listener::new(config, board)),
            (Some(topology), Servers::Cluster(_), Listening::Sharded) => {
                Self::Shards(Shards::new(config, topology, board))
            }
            (Some(topology), ..) => Self::One(Listener::found(config, topology, board)),
        }
    }

    pub(crate) async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        match self {
            Self::One(listener) => listener.subscribe(filter, inbox).await,
            Self::Shards(shards) => shards.subscribe(filter, inbox).await,
        }
    }

    pub(crate) async fn fence(&self) -> Result<()> {
        match self {
            Self::One(listener) => listener.fence().await,
            Self::Shards(shards) => shards.fence().await,
        }
    }

    /// The connection that delivers `channel` now, or the next one.
    pub(crate) fn connection(&self, channel: &str) -> Option<Connection> {
        match self {
            Self::One(listener) => Some(listener.connection()),
            Self::Shards(shards) => shards.connection(channel),
        }
    }

    /// `connection` does not deliver `channel`: it is made anew, if it is still the one.
    pub(crate) fn distrust(&self, channel: &str, connection: Connection, why: &'static str) {
        match self {
            Self::One(listener) => listener.distrust(connection, why),
            Self::Shards(shards) => shards.distrust(channel, connection, why),
        }
    }

    pub(crate) fn close(&self) {
        match self {
            Self::One(listener) => listener.close(),
            Self::Shards(shards) => shards.close(),
        }
    }

    pub(crate) fn report(&self, health: &mut Health) {
        match self {
            Self::One(listener) => listener.report(health),
            Self::Shards(shards) => shards.report(health),
        }
    }
}
