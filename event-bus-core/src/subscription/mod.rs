//! The listening half of a bus: a stream of events and notices. How a message is read is in `reading.rs`, how one waits
//! for an event in `waiting.rs`, what came before a filter in `joins.rs`.

mod joins;
mod reading;
mod waiting;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use crate::channel::ChannelFilter;
use crate::codec::SharedCodec;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::event_type::{Chosen, EventTypes, View, Wanted, whole};
use crate::passed_over::PassedOver;
use crate::port::Port;
use crate::sequence::Tracks;
use crate::transport::{End, Hand, Inbox, Lease, LeaseKey};

use joins::Joins;
use reading::see;

/// Listens to channels and patterns of a bus, from [`EventBus::listen`](crate::EventBus::listen).
///
/// A [`Stream`] of `Result<Delivery<E>, Notice>`, and the same with [`recv`](Self::recv). A [`Notice`] is not the
/// end: it tells what was missed, or does not decode, and the next events follow. `None` is the end, and
/// stays.
///
/// It begins with one filter; [more](Self::add) may come and go while it lives. An event that several of them match
/// comes once.
///
/// Dropping it unsubscribes, anywhere: inside or outside a runtime, and while one shuts down.
///
/// [`only`](Self::only) narrows it to some types of events; `P` is what is then seen of them.
#[must_use = "a subscription that is dropped hears nothing"]
pub struct Subscription<E, P: ?Sized = E> {
    ear: Ear,
    codec: SharedCodec<E>,
    view: View<E, P>,
    /// All types, if there are none.
    wanted: Option<Wanted>,
    tracks: Tracks,
    joins: Joins,
    /// What stands behind a gap that was told.
    behind_gap: Option<Taken<E, P>>,
}

/// What ends when the subscription is dropped.
struct Ear {
    port: Arc<Port>,
    filters: Vec<(ChannelFilter, LeaseKey)>,
    inbox: Inbox,
    /// Messages out of it, which are read next.
    hand: Hand,
    /// Notices that a wait came upon; the next reads get them first.
    passed_over: PassedOver,
    _admitted: Lease,
}

impl<E: Event> Subscription<E> {
    /// Without a filter it hears nothing yet.
    pub(crate) fn new(port: Arc<Port>, inbox: Inbox, codec: SharedCodec<E>) -> Result<Self> {
        let admitted = port.admit(&inbox)?;
        let (filters, hand, passed_over) = (Vec::new(), Hand::default(), PassedOver::default());
        let ear = Ear { port, filters, inbox, hand, passed_over, _admitted: admitted };
        let (tracks, joins) = (Tracks::default(), Joins::default());
        Ok(Self { ear, codec, view: whole, wanted: None, tracks, joins, behind_gap: None })
    }

    /// Narrows it to one or several types of events: an [`EventType`](crate::EventType), which the derive makes of each
    /// variant, or a tuple of them.
    ///
    /// Of a newtype variant the payload is seen, of all others the event; so it is for several types. Events of other
    /// types are passed over, also unknown ones, and not even decoded where the codec can tell their type without.
    /// Notices stay: what was missed may have been one that is wanted.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Payment { order_id: u64, cents: u64 }
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "orders", channel(order = "{order_id}"))]
    /// # enum OrderEvent { Opened { order_id: u64 }, Paid(Payment), Closed { order_id: u64 } }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = OrderEventBus::new(MemoryTransport::new());
    /// let mut payments = bus.order(OrderChannel { order_id: 7 }).listen().await?.only(OrderEvent::PAID);
    /// let mut ends = bus.order(OrderChannel { order_id: 7 }).listen().await?.only((OrderEvent::OPENED, OrderEvent::CLOSED));
    ///
    /// bus.publish(&OrderEvent::Paid(Payment { order_id: 7, cents: 950 })).await?;
    /// bus.publish(&OrderEvent::Closed { order_id: 7 }).await?;
    /// if let Some(Ok(payment)) = payments.recv().await {
    ///     assert_eq!(payment.cents, 950); // a `Payment`
    /// }
    /// if let Some(Ok(end)) = ends.recv().await {
    ///     assert!(matches!(*end, OrderEvent::Closed { .. })); // an `OrderEvent`
    /// }
    /// # Ok(()) }
    /// ```
    pub fn only<T: EventTypes<E>>(self, types: T) -> Subscription<E, T::Payload> {
        let Chosen { names, view } = types.chosen();
        let Self { ear, codec, tracks, joins, behind_gap, .. } = self;
        let wanted = Wanted::new(names);
        let behind_gap = match behind_gap {
            Some(Ok(delivery)) => see(delivery, &wanted, view).map(Ok),
            Some(Err(notice)) => Some(Err(notice)),
            None => None,
        };
        Subscription { ear, codec, view, wanted: Some(wanted), tracks, joins, behind_gap }
    }

    /// Narrows it to some types, of which the event is seen.
    pub(crate) fn only_wanted(self, wanted: Wanted) -> Self {
        Self { wanted: Some(wanted), ..self }
    }
}

impl<E: Event, P: ?Sized> Subscription<E, P> {
    /// What it listens to, in the order in which it came to.
    pub fn filters(&self) -> impl Iterator<Item = &ChannelFilter> {
        self.ear.filters.iter().map(|(filter, _)| filter)
    }

    /// Listens to one more channel or pattern. Returns when the server has confirmed it. What it listens to already
    /// stays as it is, also if this fails. Nothing happens if the filter is among them.
    ///
    /// [`Interrupted`](Notice::Interrupted) and [`Resumed`](Notice::Resumed) then mean the first filter that is cut off
    /// and the last one that is confirmed again; events on the others may come in between.
    ///
    /// # Errors
    /// As for [`EventBus::listen`](crate::EventBus::listen); [`ErrorKind::Closed`] if the subscription has ended.
    ///
    /// # Cancel safety
    /// Dropping the future leaves everything as it was.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, KeyPattern, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings")]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// let mut pings = bus.listen("east").await?;
    /// pings.add("west").await?;
    /// pings.add(KeyPattern::new("*th")?).await?;
    /// pings.remove("east")?;
    /// assert_eq!(pings.filters().map(ToString::to_string).collect::<Vec<_>>(), ["west", "*th"]);
    /// # Ok(()) }
    /// ```
    pub async fn add<F>(&mut self, filter: F) -> Result<()>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let filter = filter.try_into()?;
        if self.filters().any(|known| *known == filter) {
            return Ok(());
        }
        let mark = self.joins.begin(&self.ear.inbox);
        let lease = self.ear.port.subscribe(&filter, &self.ear.inbox).await?;
        if !self.ear.filters.is_empty() {
            // A publish that is under way may have passed this filter already: until it has passed the others too, none
            // of them may be removed. If that can't be known, the connection is lost, and that is told.
            let _ = self.ear.port.transport().fence().await;
        }
        match self.ear.inbox.keep(lease) {
            Some(key) => {
                self.joins.note(mark, filter.clone(), key);
                self.ear.filters.push((filter, key));
            }
            None => return Err(Error::new(ErrorKind::Closed, "the subscription has ended")),
        }
        Ok(())
    }

    /// Stops listening to a channel or pattern; what came on it before is still read. `false` if it was not listened
    /// to. Without any filter the subscription lives on, and hears nothing until one is [added](Self::add), nor of a
    /// transport that is closed; closing the bus ends it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] if the text is no key.
    pub fn remove<F>(&mut self, filter: F) -> Result<bool>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let filter = filter.try_into()?;
        let Some(at) = self.filters().position(|known| *known == filter) else { return Ok(false) };
        let (_, key) = self.ear.filters.remove(at);
        drop(self.ear.inbox.release(key));
        Ok(true)
    }

    /// The next event or notice; `None` at the end.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call goes on where this one was.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport, Notice};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus: EventBus<Ping> = EventBus::new(MemoryTransport::new());
    /// let mut pings = bus.listen("all").await?;
    /// bus.publish(&Ping { n: 1 }).await?;
    /// # bus.close().await;
    /// while let Some(item) = pings.recv().await {
    ///     match item {
    ///         Ok(ping) => println!("ping {} on {}", ping.n, ping.channel()),
    ///         Err(Notice::Resumed { down_for }) => println!("missed what came in {down_for:?}"),
    ///         Err(notice) => println!("{notice}"),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn recv(&mut self) -> Option<Result<Delivery<E, P>, Notice>> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Ends now, with what is queued unread.
    #[cfg(feature = "blocking")]
    pub(crate) fn abandon(&mut self) {
        self.ear.inbox.abandon(&mut self.ear.hand);
    }

    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.ear.port
    }

    /// Whether nothing more will be queued.
    pub(crate) fn has_ended(&self) -> bool {
        self.ear.inbox.has_ended()
    }

    /// Unsubscribes; what is queued can still be read, and then it ends.
    pub(crate) fn end(&self) {
        self.ear.inbox.end(End::Closed);
    }

    #[inline] // or the caller copies all the room that a notice takes
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read<E, P>>> {
        let taken = ready!(self.poll_taken(cx));
        Poll::Ready(taken.map(|taken| taken.map_err(|notice| *notice)))
    }

    fn poll_taken(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken<E, P>>> {
        match self.ear.passed_over.pop() {
            Some(notice) => Poll::Ready(Some(Err(Box::new(notice)))),
            None => self.poll_inbox(cx),
        }
    }
}

/// What a subscription gives.
pub(crate) type Read<E, P> = Result<Delivery<E, P>, Notice>;

/// The same on its way there, which copies it: a notice is large, and there is hardly ever one.
type Taken<E, P> = Result<Delivery<E, P>, Box<Notice>>;

impl<E: Event, P: ?Sized> Stream for Subscription<E, P> {
    type Item = Result<Delivery<E, P>, Notice>;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.inbox.abandon(&mut self.hand);
    }
}

impl<E, P: ?Sized> fmt::Debug for Subscription<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("filters", &self.ear.filters.iter().map(|(filter, _)| filter).collect::<Vec<_>>())
            .field("wanted", &self.wanted)
            .field("inbox", &self.ear.inbox)
            .finish_non_exhaustive()
    }
}
