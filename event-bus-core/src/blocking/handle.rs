//! One channel of a blocking bus as a value: what the channel methods of a generated blocking bus return.

use std::fmt;
use std::time::Duration;

use super::bus::BlockingEventBus;
use super::runtime::BlockingRuntime;
use super::subscription::BlockingSubscription;
use crate::channel::{ChannelFilter, ChannelKey, KeyPattern};
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::handle::ChannelHandle;
use crate::key_error::KeyError;
use crate::receipt::Receipt;

/// A channel of a blocking bus. As [`ChannelHandle`].
#[must_use = "a handle does nothing until it is used"]
pub struct BlockingChannelHandle<E, A = ChannelKey> {
    handle: ChannelHandle<E, A>,
    runtime: BlockingRuntime,
}

impl<E: Event, A> BlockingChannelHandle<E, A> {
    /// What `filter` names of `bus`. For generated code.
    #[doc(hidden)]
    pub fn new(bus: &BlockingEventBus<E>, filter: Result<ChannelFilter, KeyError>) -> Self {
        Self { handle: ChannelHandle::new(&bus.bus, filter), runtime: bus.runtime.clone() }
    }

    /// What it listens to.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if a parameter can't stand in the channel.
    pub fn filter(&self) -> Result<&ChannelFilter> {
        self.handle.filter()
    }

    /// Listens to this channel, from the server's confirmation on.
    ///
    /// # Errors
    /// As for [`BlockingEventBus::listen`].
    pub fn listen(&self) -> Result<BlockingSubscription<E>> {
        let subscription = self.runtime.run(self.handle.listen())?;
        Ok(BlockingSubscription::new(self.runtime.clone(), subscription))
    }

    /// The first event on this channel within `timeout`.
    ///
    /// # Errors
    /// As for [`BlockingEventBus::wait`].
    pub fn wait(&self, timeout: Duration) -> Result<Option<Delivery<E>>> {
        self.runtime.run(self.handle.wait(timeout))
    }
}

impl<E: Event> BlockingChannelHandle<E> {
    /// The key of this channel.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if a parameter can't stand in it.
    pub fn key(&self) -> Result<&ChannelKey> {
        self.handle.key()
    }

    /// Publishes `event` to this channel alone.
    ///
    /// # Errors
    /// As for [`BlockingEventBus::publish`].
    pub fn publish(&self, event: &E) -> Result<Receipt> {
        self.runtime.run(self.handle.publish(event))
    }
}

impl<E: Event> BlockingChannelHandle<E, KeyPattern> {
    /// The pattern for the channels that it stands for.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if a parameter can't stand in them.
    pub fn pattern(&self) -> Result<&KeyPattern> {
        self.handle.pattern()
    }
}

impl<E: Event, A> TryFrom<&BlockingChannelHandle<E, A>> for ChannelFilter {
    type Error = Error;

    fn try_from(handle: &BlockingChannelHandle<E, A>) -> Result<Self> {
        handle.filter().cloned()
    }
}

impl<E: Event, A> TryFrom<BlockingChannelHandle<E, A>> for ChannelFilter {
    type Error = Error;

    fn try_from(handle: BlockingChannelHandle<E, A>) -> Result<Self> {
        Self::try_from(&handle)
    }
}

impl<E, A> Clone for BlockingChannelHandle<E, A> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), runtime: self.runtime.clone() }
    }
}

impl<E, A> fmt::Debug for BlockingChannelHandle<E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingChannelHandle").field(&self.handle).finish()
    }
}
