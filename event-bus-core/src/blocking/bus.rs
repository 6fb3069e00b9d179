//! The blocking handle of a bus: every method is the one of `EventBus`, waited for.

use std::borrow::Borrow;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::batch::BlockingPublishBatch;
use super::outbox::BlockingOutbox;
use super::runtime::BlockingRuntime;
use super::subscription::BlockingSubscription;
use super::watch::BlockingStateWatch;
use crate::bus::EventBus;
use crate::channel::{BusName, Channel, ChannelFilter, ChannelKey};
use crate::codec::Codec;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::json::Json;
use crate::message::Message;
use crate::outbox::OutboxConfig;
use crate::receipt::Receipt;
use crate::transport::{Capabilities, Health, Transport, TransportState};

/// An [`EventBus<E>`] for code without `async`. Clones are the same bus, and any thread may use it.
///
/// Its methods are those of the async bus, and wait until they are done. Between the calls a
/// [thread of its own](BlockingRuntime) keeps its connections alive and its subscriptions filled.
/// `#[derive(EventBus)]` generates a blocking bus for the event type, with a method for each channel:
///
/// ```
/// use std::time::Duration;
/// use event_bus_core::{BlockingRuntime, EventBus, MemoryTransport, Notice};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "orders", channel(order = "{order_id}"))]
/// struct OrderChanged {
///     order_id: u64,
///     status: String,
/// }
///
/// // On Redis: `OrderChangedBlockingBus::connect(RedisTransport::connect("redis://127.0.0.1"))?`
/// let bus = OrderChangedBlockingBus::new(&BlockingRuntime::new()?, MemoryTransport::new());
///
/// let mut changes = bus.order(OrderChannel { order_id: 42 }).listen()?;
/// bus.publish(&OrderChanged { order_id: 42, status: "paid".into() })?;
///
/// # bus.close();
/// for item in changes {
///     match item {
///         Ok(change) => println!("order {} is {}", change.order_id, change.status),
///         Err(Notice::Resumed { down_for }) => println!("refetch: the connection was gone for {down_for:?}"),
///         Err(notice) => println!("{notice}"),
///     }
/// }
/// # Ok::<(), event_bus_core::Error>(())
/// ```
///
/// # Where it can be used
/// On plain threads, inside `tokio::task::spawn_blocking`, and inside `tokio::task::block_in_place`. In async code,
/// where waiting would stall other tasks, whatever waits does nothing and returns an error of the kind
/// [`CannotBlock`](crate::ErrorKind::CannotBlock); so it does in the destructor of a thread-local. Async code is known by tokio's
/// cooperative budget: under another executor, inside `tokio::task::unconstrained`, or in a destructor that the end of a
/// runtime runs, a call blocks. It never panics. Dropping is safe everywhere.
#[doc(alias = "RedisEventBus")]
pub struct BlockingEventBus<E> {
    /// Before the runtime: fields are dropped in their order.
    pub(super) bus: EventBus<E>,
    pub(super) runtime: BlockingRuntime,
}

impl<E: Event> BlockingEventBus<E> {
    /// The bus [`Event::BUS_NAME`] with the default settings and the codec [`Json`](crate::Json), on `runtime`.
    ///
    /// Buses that share a transport should share the runtime: what a transport does for all lives on the runtime of
    /// its first user, and ends with it.
    pub fn new(runtime: &BlockingRuntime, transport: impl Transport) -> Self
    where
        Json: Codec<E>,
    {
        Self::on(runtime, &EventBus::new(transport))
    }

    /// A bus with a transport and a [runtime](Self::runtime) of its own, with the default settings and the codec
    /// [`Json`](crate::Json). `transport` is what an async program would await, such as `RedisTransport::connect(url)`.
    ///
    /// # Errors
    /// Those of `transport`; [`CannotBlock`](crate::ErrorKind::CannotBlock) in async code, or if the runtime can't be started.
    pub fn connect(transport: impl Future<Output = Result<impl Transport>>) -> Result<Self>
    where
        Json: Codec<E>,
    {
        let runtime = BlockingRuntime::new()?;
        let transport = runtime.run(transport)?;
        Ok(Self::new(&runtime, transport))
    }

    /// `bus`, used from code that blocks: for settings of your own, from its
    /// [builder](crate::EventBusBuilder), and for programs of which only a part is async. Both are the same bus:
    /// closing one closes the other.
    ///
    /// What the transport does lives on the runtime of its first user, which may be the one of async code.
    #[must_use]
    pub fn on(runtime: &BlockingRuntime, bus: &EventBus<E>) -> Self {
        Self { bus: bus.clone(), runtime: runtime.clone() }
    }

    /// What it works on: for further buses on the same transport.
    #[must_use]
    pub fn runtime(&self) -> &BlockingRuntime {
        &self.runtime
    }

    /// Publishes `event` to every channel that its type declares. As [`EventBus::publish`].
    ///
    /// # Errors
    /// As for [`EventBus::publish`]; [`CannotBlock`](crate::ErrorKind::CannotBlock).
    pub fn publish(&self, event: &E) -> Result<Vec<Receipt>> {
        self.runtime.run(self.bus.publish(event))
    }

    /// Publishes `event` to the channel `key` alone. As [`EventBus::publish_to`].
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub fn publish_to<K>(&self, key: K, event: &E) -> Result<Receipt>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
    {
        self.runtime.run(self.bus.publish_to(key, event))
    }

    /// Publishes many events to the channels that their type declares, in few round trips, as their results are
    /// read. As [`EventBus::publish_batch`].
    ///
    /// # Errors
    /// For each event as for [`publish`](Self::publish).
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{BlockingRuntime, EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// let bus = PingBlockingBus::new(&BlockingRuntime::new()?, MemoryTransport::new());
    /// for result in bus.publish_batch((0..10_000).map(|n| Ping { n })) {
    ///     let receipts = result?;
    ///     assert_eq!(receipts[0].channel.key(), "all");
    /// }
    /// # Ok::<(), event_bus_core::Error>(())
    /// ```
    pub fn publish_batch<I>(&self, events: I) -> BlockingPublishBatch<E, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Borrow<E>,
    {
        BlockingPublishBatch::new(self.runtime.clone(), self.bus.publish_batch(events))
    }

    /// Publishes many events to the channel `key` alone, with one receipt for each. As [`publish_batch`](Self::publish_batch)
    /// besides.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if the text is no key; for each event as for [`publish_to`](Self::publish_to).
    pub fn publish_batch_to<K, I>(
        &self,
        key: K,
        events: I,
    ) -> Result<BlockingPublishBatch<E, I::IntoIter, Receipt>>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
        I: IntoIterator,
        I::Item: Borrow<E>,
    {
        Ok(BlockingPublishBatch::new(self.runtime.clone(), self.bus.publish_batch_to(key, events)?))
    }

    /// An outbox: events are sent without waiting, and published in the background on the [runtime](Self::runtime) of this
    /// bus. As [`EventBus::outbox`].
    ///
    /// # Errors
    /// As for [`EventBus::outbox`].
    pub fn outbox(&self, config: OutboxConfig) -> Result<BlockingOutbox<E>> {
        BlockingOutbox::new(self.runtime.clone(), &self.bus, config)
    }

    /// Listens to one channel of this bus, or to all that match a [`KeyPattern`](crate::KeyPattern). Returns when the server has
    /// confirmed: everything published from now on is heard, also while nobody reads. As [`EventBus::listen`].
    ///
    /// # Errors
    /// As for [`EventBus::listen`]; [`CannotBlock`](crate::ErrorKind::CannotBlock).
    #[doc(alias = "subscribe")]
    pub fn listen<F>(&self, filter: F) -> Result<BlockingSubscription<E>>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let subscription = self.runtime.run(self.bus.listen(filter))?;
        Ok(BlockingSubscription::new(self.runtime.clone(), subscription))
    }

    /// The first event on `filter`, within `timeout` for everything. As [`EventBus::wait`]; for an answer to
    /// something that you trigger, listen first.
    ///
    /// # Errors
    /// As for [`EventBus::wait`]; [`CannotBlock`](crate::ErrorKind::CannotBlock).
    pub fn wait<F>(&self, filter: F, timeout: Duration) -> Result<Option<Delivery<E>>>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        self.runtime.run(self.bus.wait(filter, timeout))
    }

    /// Ends all subscriptions of this bus, once what they have queued is read, and refuses everything from now
    /// on, on all clones: a thread that waits for the next event gets the end. Waits until its
    /// [outboxes](Self::outbox) have published what they hold, or their time for it is over; in async code they do so
    /// in the background. Never fails; closing twice is closing once.
    pub fn close(&self) {
        self.bus.port().close();
        let _ = self.runtime.wait_for(self.bus.port().drained()); // where it can't wait, it is closed all the same
    }

    /// The bus name.
    #[must_use]
    pub fn name(&self) -> &BusName {
        self.bus.name()
    }

    /// The channel of `key` on this bus.
    #[must_use]
    pub fn channel(&self, key: &ChannelKey) -> Channel {
        self.bus.channel(key)
    }

    /// What the transport below can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.bus.capabilities()
    }

    /// Reads a message as a listener of this bus would, with its codec. As [`EventBus::read`].
    ///
    /// # Errors
    /// The [`Notice`] that a listener would get in place of an event.
    pub fn read(&self, message: Arc<Message>) -> Result<Delivery<E>, Notice> {
        self.bus.read(message)
    }

    /// How the transport below is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.bus.health()
    }

    /// A span for processing `delivery`. As [`EventBus::process_span`].
    #[must_use = "the work goes into it: `in_scope`, or `instrument`"]
    pub fn process_span<P: ?Sized>(&self, delivery: &Delivery<E, P>) -> tracing::Span {
        self.bus.process_span(delivery)
    }

    /// Whether the transport below works right now.
    #[must_use]
    pub fn state(&self) -> TransportState {
        self.bus.state()
    }

    /// Tells when the transport below stops working, and when it works again. As [`EventBus::watch_state`].
    #[must_use]
    pub fn watch_state(&self) -> BlockingStateWatch {
        BlockingStateWatch::new(self.runtime.clone(), self.bus.watch_state())
    }
}

impl<E> Clone for BlockingEventBus<E> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), runtime: self.runtime.clone() }
    }
}

impl<E> fmt::Debug for BlockingEventBus<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingEventBus").field(&self.bus).finish()
    }
}
