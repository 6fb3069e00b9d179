//! Either way of publishing behind one door: to one server, or to the one of several that serves a channel.

use std::sync::Arc;

use event_bus_core::transport::{LinkHealth, StateBoard};
use event_bus_core::{Error, ErrorKind, Message, Receipt, Result};
use tokio::runtime::Handle;

use crate::batch::{Command, only};
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
        if Handle::try_current().is_err() {
            return Err(Error::new(ErrorKind::NotConnected, "connecting needs a tokio runtime"));
        }
        match self {
            Self::One(publisher) => publisher.connect().await,
            Self::Several(routes) => routes.connect().await,
        }
    }

    pub(crate) async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        if Handle::try_current().is_err() {
            return messages.iter().map(|message| Err(no_runtime(message))).collect();
        }
        match self {
            Self::One(publisher) => publisher.publish(messages).await,
            Self::Several(routes) => Box::pin(routes.publish(messages)).await,
        }
    }

    pub(crate) async fn publish_one(&self, message: Message) -> Result<Receipt> {
        if Handle::try_current().is_err() {
            return Err(no_runtime(&message));
        }
        match self {
            Self::One(publisher) => publisher.publish_one(message).await,
            Self::Several(routes) => only(Box::pin(routes.publish(vec![message])).await),
        }
    }

    /// Publishes with this command, whatever events are published with.
    pub(crate) async fn publish_with(
        &self,
        command: Command,
        messages: Vec<Message>,
    ) -> Vec<Result<Receipt>> {
        match self {
            Self::One(publisher) => publisher.publish_with(command, messages).await,
            Self::Several(routes) => routes.publish_with(command, messages).await,
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

#[cold]
fn no_runtime(message: &Message) -> Error {
    let error = Error::new(ErrorKind::NotSent, "publishing needs a tokio runtime");
    error.with_channel(message.channel().clone())
}
