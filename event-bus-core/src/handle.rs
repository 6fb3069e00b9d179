//! A channel of a bus as a value: what the generated channel methods return.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use crate::bus::EventBus;
use crate::channel::{ChannelFilter, ChannelKey, KeyPattern};
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::key_error::KeyError;
use crate::receipt::Receipt;
use crate::subscription::Subscription;

/// A channel of a bus, from a generated method such as `bus.run(…)`: one channel, or with parameters left
/// [open](crate::Any) all that have the others, which `A` tells: [`ChannelKey`] or [`KeyPattern`].
///
/// A parameter that can't stand in the channel is reported by the first use, so that getting a handle needs no
/// `?`. A handle is a filter, too: [`Subscription::add`] and all others that take one take it.
///
/// ```
/// # use event_bus_core::{Any, EventBus, MemoryTransport};
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
/// # struct OrderChanged { customer_id: String, order_id: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = OrderChangedBus::new(MemoryTransport::new());
/// let mut changes = bus.order(OrderChannel { customer_id: "c-7", order_id: 42 }).listen().await?;
/// changes.add(bus.order(OrderChannel { customer_id: "c-8", order_id: Any })).await?;
/// # Ok(()) }
/// ```
#[must_use = "a handle does nothing until it is used"]
pub struct ChannelHandle<E, A = ChannelKey> {
    bus: EventBus<E>,
    filter: Result<ChannelFilter, KeyError>,
    address: PhantomData<fn() -> A>,
}

impl<E: Event, A> ChannelHandle<E, A> {
    /// What `filter` names of `bus`. For generated code.
    #[doc(hidden)]
    pub fn new(bus: &EventBus<E>, filter: Result<ChannelFilter, KeyError>) -> Self {
        Self { bus: bus.clone(), filter, address: PhantomData }
    }

    /// What it listens to.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if a parameter can't stand in the channel.
    pub fn filter(&self) -> Result<&ChannelFilter> {
        self.filter.as_ref().map_err(|error| Error::from(error.clone()))
    }

    /// Listens to this channel, from the server's confirmation on.
    ///
    /// # Errors
    /// As for [`EventBus::listen`]; `Unsupported` if a parameter is open and the transport has no patterns.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn listen(&self) -> Result<Subscription<E>> {
        self.bus.listen(self).await
    }

    /// The first event on this channel within `timeout`.
    ///
    /// # Errors
    /// As for [`EventBus::wait`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn wait(&self, timeout: Duration) -> Result<Option<Delivery<E>>> {
        self.bus.wait(self, timeout).await
    }
}

impl<E: Event> ChannelHandle<E> {
    /// The key of this channel.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if a parameter can't stand in it.
    pub fn key(&self) -> Result<&ChannelKey> {
        match self.filter()? {
            ChannelFilter::Key(key) => Ok(key),
            ChannelFilter::Pattern(_) => Err(not_as_typed("the channel leaves a parameter open")),
        }
    }

    /// Publishes `event` to this channel alone.
    ///
    /// # Errors
    /// As for [`EventBus::publish`].
    ///
    /// # Cancel safety
    /// As for [`EventBus::publish`].
    pub async fn publish(&self, event: &E) -> Result<Receipt> {
        let key = self.key().map_err(|error| self.bus.unsent(error))?;
        self.bus.publish_to(key, event).await
    }
}

impl<E: Event> ChannelHandle<E, KeyPattern> {
    /// The pattern for the channels that it stands for.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if a parameter can't stand in them.
    pub fn pattern(&self) -> Result<&KeyPattern> {
        match self.filter()? {
            ChannelFilter::Pattern(pattern) => Ok(pattern),
            ChannelFilter::Key(_) => Err(not_as_typed("the channel leaves no parameter open")),
        }
    }
}

/// Generated code never gets here: the type of a handle follows from its parameters.
fn not_as_typed(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidKey, what)
}

impl<E: Event, A> TryFrom<&ChannelHandle<E, A>> for ChannelFilter {
    type Error = Error;

    fn try_from(handle: &ChannelHandle<E, A>) -> Result<Self> {
        handle.filter().cloned()
    }
}

impl<E: Event, A> TryFrom<ChannelHandle<E, A>> for ChannelFilter {
    type Error = Error;

    fn try_from(handle: ChannelHandle<E, A>) -> Result<Self> {
        Self::try_from(&handle)
    }
}

impl<E, A> Clone for ChannelHandle<E, A> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), filter: self.filter.clone(), address: PhantomData }
    }
}

impl<E, A> fmt::Debug for ChannelHandle<E, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelHandle").field("bus", &self.bus).field("filter", &self.filter).finish()
    }
}
