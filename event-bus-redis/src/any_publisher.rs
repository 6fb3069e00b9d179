//! Either way of publishing behind one door: to one server, or to the one of several that serves a channel.

use std::sync::Arc;

use event_bus_core::transport::{LinkHealth, StateBoard};
use event_bus_core::{Error, ErrorKind, Message, Receipt, Result};
use tokio::runtime::Handle;

use crate::config::RedisConfig;
use crate::publisher::Publisher;
use crate::routes::Routes;
use crate::topology::Topology;

pub(crate) enum AnyPublisher {
    One(Publisher),
    Several(Routes),
}

impl AnyPublisher {
    /// With a topology, to the servers that it tells of.
    pub(crate) fn new(config: Arc<RedisConfig>, topology: Option<Arc<Topology>>, board: StateBoard) -> Self {
        match topology {
            None => Self::One(Publisher::new(config, board)),
            Some(topology) => Self::Several(Routes::new(config, topology, board)),
        }
    }

    /// Finds out whether there is anybody to publish to, and whether we are let in.
    pub(crate) async fn connect(&self) -> Result<()> {
        match self {
            Self::One(publisher) => publisher.connect().await,
            Self::Several(routes) => routes.connect().await,
        }
    }

    pub(crate) async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        if Handle::try_current().is_err() {
            let no_runtime = |message: Message| {
                let error = Error::new(ErrorKind::NotSent, "publishing needs a tokio runtime");
                Err(error.with_channel(message.channel().clone()))
            };
            return messages.into_iter().map(no_runtime).collect();
        }
        match self {
            Self::One(publisher) => publisher.publish(messages).await,
            Self::Several(routes) => Box::pin(routes.publish(messages)).await,
        }
    }

    pub(crate) fn close(&self) {
        match self {
            Self::One(publisher) => publisher.close(),
            Self::Several(routes) => routes.close(),
        }
    }

    pub(crate) fn health(&self) -> LinkHealth {
        match self {
            Self::One(publisher) => publisher.health(),
            Self::Several(routes) => routes.health(),
        }
    }
}
