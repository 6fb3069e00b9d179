//! The listening half of a blocking bus: an iterator of events and notices, with a time-out for each where asked for.

use std::fmt;
use std::iter::FusedIterator;
use std::time::Duration;

use super::runtime::BlockingRuntime;
use crate::channel::ChannelFilter;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::event_type::EventTypes;
use crate::subscription::Subscription;

/// Listens to channels and patterns of a bus, from [`BlockingEventBus::listen`](crate::BlockingEventBus::listen).
///
/// An iterator of `Result<Delivery<E, P>, Notice>`, which waits for each item. A [`Notice`] is not the end: it tells what
/// was missed, or does not decode, and the next events follow. `None` is the end, and stays. Items are queued
/// while nobody reads, as they are in a [`Subscription`].
///
/// It begins with one filter; [more](Self::add) may come and go while it lives. Dropping it unsubscribes, anywhere.
///
/// An iterator can't return an error. Read as one in async code, it does not wait: its last item is
/// [`Notice::Stopped`], which says so, and the subscription has ended. [`recv`](Self::recv) and the others return an error there,
/// and the subscription lives on.
#[must_use = "a subscription that is dropped hears nothing"]
pub struct BlockingSubscription<E, P: ?Sized = E> {
    /// Before the runtime: fields are dropped in their order.
    subscription: Subscription<E, P>,
    runtime: BlockingRuntime,
    /// Read as an iterator where it could not wait.
    is_stopped: bool,
}

impl<E: Event> BlockingSubscription<E> {
    pub(super) fn new(runtime: BlockingRuntime, subscription: Subscription<E>) -> Self {
        Self { subscription, runtime, is_stopped: false }
    }

    /// Narrows it to one or several types of events. As [`Subscription::only`].
    pub fn only<T: EventTypes<E>>(self, types: T) -> BlockingSubscription<E, T::Payload> {
        let Self { subscription, runtime, is_stopped } = self;
        BlockingSubscription { subscription: subscription.only(types), runtime, is_stopped }
    }
}

impl<E: Event, P: ?Sized> BlockingSubscription<E, P> {
    /// Waits for the next event or notice; `None` at the end.
    ///
    /// # Errors
    /// [`ErrorKind::CannotBlock`]; nothing is lost by it.
    pub fn recv(&mut self) -> Result<Option<Result<Delivery<E, P>, Notice>>> {
        if self.is_stopped {
            return Ok(None);
        }
        self.runtime.wait_for(self.subscription.recv())
    }

    /// Waits for the next event or notice, for `timeout` at most; `None` at the end. What is there already is
    /// returned at once, also if `timeout` is zero.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] if nothing came in time; [`ErrorKind::CannotBlock`]. Nothing is lost by either.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{BlockingRuntime, ErrorKind, EventBus, MemoryTransport};
    /// # use std::time::Duration;
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// let bus = PingBlockingBus::new(&BlockingRuntime::new()?, MemoryTransport::new());
    /// let mut pings = bus.all().listen()?;
    /// match pings.recv_timeout(Duration::from_millis(10)) {
    ///     Ok(Some(Ok(ping))) => println!("ping {}", ping.n),
    ///     Ok(Some(Err(notice))) => println!("{notice}"),
    ///     Ok(None) => println!("the bus was closed"),
    ///     Err(error) if error.kind() == ErrorKind::TimedOut => println!("nothing yet"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok::<(), event_bus_core::Error>(())
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Result<Delivery<E, P>, Notice>>> {
        if self.is_stopped {
            return Ok(None);
        }
        self.runtime.wait_at_most(timeout, self.subscription.recv())
    }

    /// An iterator that waits for `timeout` at most for each item, and yields an error of the kind
    /// [`TimedOut`](ErrorKind::TimedOut) each time it waited in vain. It ends with the subscription, or behind an error of
    /// another kind; the subscription can be used again after it.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{BlockingRuntime, ErrorKind, EventBus, MemoryTransport};
    /// # use std::time::Duration;
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # let bus = PingBlockingBus::new(&BlockingRuntime::new()?, MemoryTransport::new());
    /// let mut pings = bus.all().listen()?;
    /// for item in pings.with_timeout(Duration::from_millis(10)) {
    ///     match item {
    ///         Ok(Ok(ping)) => println!("ping {}", ping.n),
    ///         Ok(Err(notice)) => println!("{notice}"),
    ///         Err(error) if error.kind() == ErrorKind::TimedOut => break, // or do something else meanwhile
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # Ok::<(), event_bus_core::Error>(())
    /// ```
    pub fn with_timeout(&mut self, timeout: Duration) -> TimedItems<'_, E, P> {
        TimedItems { subscription: self, timeout, is_over: false }
    }

    /// The next event, if one comes within `timeout`. As [`Subscription::wait`].
    ///
    /// # Errors
    /// As for [`Subscription::wait`]; [`ErrorKind::CannotBlock`].
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Delivery<E, P>>> {
        self.runtime.run(self.subscription.wait(timeout))
    }

    /// What it listens to, in the order in which it came to.
    pub fn filters(&self) -> impl Iterator<Item = &ChannelFilter> {
        self.subscription.filters()
    }

    /// Listens to one more channel or pattern. Returns when the server has confirmed it. As [`Subscription::add`].
    ///
    /// # Errors
    /// As for [`Subscription::add`]; [`ErrorKind::CannotBlock`].
    pub fn add<F>(&mut self, filter: F) -> Result<()>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        self.runtime.run(self.subscription.add(filter))
    }

    /// Stops listening to a channel or pattern; what came on it before is still read. Never waits. As
    /// [`Subscription::remove`].
    ///
    /// # Errors
    /// As for [`Subscription::remove`].
    pub fn remove<F>(&mut self, filter: F) -> Result<bool>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        self.subscription.remove(filter)
    }
}

impl<E: Event, P: ?Sized> Iterator for BlockingSubscription<E, P> {
    type Item = Result<Delivery<E, P>, Notice>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv().unwrap_or_else(|error| {
            // A loop over it must come to its end, and what the last item says must be true.
            self.is_stopped = true;
            self.subscription.abandon();
            Some(Err(Notice::Stopped { reason: error.to_string().into() }))
        })
    }
}

impl<E: Event, P: ?Sized> FusedIterator for BlockingSubscription<E, P> {}

impl<E: Event, P: ?Sized> fmt::Debug for BlockingSubscription<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingSubscription").field(&self.subscription).finish()
    }
}

/// The items of a subscription with a time-out for each, from
/// [`BlockingSubscription::with_timeout`].
#[must_use = "an iterator does nothing until it is read"]
pub struct TimedItems<'a, E, P: ?Sized = E> {
    subscription: &'a mut BlockingSubscription<E, P>,
    timeout: Duration,
    is_over: bool,
}

impl<E: Event, P: ?Sized> Iterator for TimedItems<'_, E, P> {
    type Item = Result<Result<Delivery<E, P>, Notice>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let received = self.subscription.recv_timeout(self.timeout).transpose();
        self.is_over = match &received {
            Some(Err(error)) => error.kind() != ErrorKind::TimedOut,
            received => received.is_none(),
        };
        received
    }
}

impl<E: Event, P: ?Sized> FusedIterator for TimedItems<'_, E, P> {}

impl<E: Event, P: ?Sized> fmt::Debug for TimedItems<'_, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedItems")
            .field("subscription", &self.subscription)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
