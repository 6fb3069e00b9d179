//! One channel of a bus as a value: what the generated channel methods return.

use std::fmt;
use std::time::Duration;

use crate::bus::EventBus;
use crate::channel::ChannelKey;
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::key_error::KeyError;
use crate::receipt::Receipt;
use crate::subscription::Subscription;

/// One channel of a bus, from a generated method such as `bus.run(…)`.
///
/// A parameter that can't stand in the channel is reported by the first use, so that getting a handle needs no
/// `?`.
#[must_use = "a handle does nothing until it is used"]
pub struct ChannelHandle<E> {
    bus: EventBus<E>,
    key: Result<ChannelKey, KeyError>,
}

impl<E: Event> ChannelHandle<E> {
    /// The channel `key` of `bus`. For generated code.
    #[doc(hidden)]
    pub fn new(bus: &EventBus<E>, key: Result<ChannelKey, KeyError>) -> Self {
        Self { bus: bus.clone(), key }
    }

    /// The key of this channel.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if a parameter can't stand in it.
    pub fn key(&self) -> Result<&ChannelKey> {
        self.key.as_ref().map_err(|error| Error::new(ErrorKind::InvalidKey, error.to_string()))
    }

    /// Publishes `event` to this channel alone.
    ///
    /// # Errors
    /// As for [`EventBus::publish`].
    ///
    /// # Cancel safety
    /// As for [`EventBus::publish`].
    pub async fn publish(&self, event: &E) -> Result<Receipt> {
        self.bus.publish_to(self.key()?.clone(), event).await
    }

    /// Listens to this channel, from the server's confirmation on.
    ///
    /// # Errors
    /// As for [`EventBus::listen`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn listen(&self) -> Result<Subscription<E>> {
        self.bus.listen(self.key()?).await
    }

    /// The first event on this channel within `timeout`.
    ///
    /// # Errors
    /// As for [`EventBus::wait`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn wait(&self, timeout: Duration) -> Result<Option<Delivery<E>>> {
        self.bus.wait(self.key()?, timeout).await
    }
}

impl<E> Clone for ChannelHandle<E> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), key: self.key.clone() }
    }
}

impl<E> fmt::Debug for ChannelHandle<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelHandle").field("bus", &self.bus).field("key", &self.key).finish()
    }
}
