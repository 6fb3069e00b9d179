//! The listening half of a bus: a stream of events and notices, decoded as they are read.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::task::coop;
use tokio::time::timeout_at;

use crate::channel::{Channel, ChannelFilter};
use crate::codec::{Headers, SharedCodec};
use crate::deadline::Deadline;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::event_type::{Chosen, EventTypes, View, Wanted, whole};
use crate::message::{Decoded, Message};
use crate::passed_over::{MOST_KEPT, PassedOver};
use crate::port::Port;
use crate::sequence::{Tracks, Verdict};
use crate::transport::{End, Inbox, Item, LeaseKey};

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
    /// What stands behind a gap that was told.
    behind_gap: Option<Read<E, P>>,
}

/// What ends when the subscription is dropped.
struct Ear {
    port: Arc<Port>,
    filters: Vec<(ChannelFilter, LeaseKey)>,
    inbox: Inbox,
    /// Notices that a wait came upon; the next reads get them first.
    passed_over: PassedOver,
}

/// What came first.
enum Either<E, P: ?Sized, T> {
    Event(Result<Delivery<E, P>>),
    Other(T),
}

impl<E: Event> Subscription<E> {
    /// Without a filter it hears nothing yet.
    pub(crate) fn new(port: Arc<Port>, inbox: Inbox, codec: SharedCodec<E>) -> Result<Self> {
        port.admit(&inbox)?;
        let ear = Ear { port, filters: Vec::new(), inbox, passed_over: PassedOver::default() };
        Ok(Self { ear, codec, view: whole, wanted: None, tracks: Tracks::default(), behind_gap: None })
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
        let Self { ear, codec, tracks, behind_gap, .. } = self;
        let wanted = Wanted::new(names);
        let behind_gap = match behind_gap {
            Some(Ok(delivery)) => see(delivery, Some(&wanted), view).map(Ok),
            Some(Err(notice)) => Some(Err(notice)),
            None => None,
        };
        Subscription { ear, codec, view, wanted: Some(wanted), tracks, behind_gap }
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
        let lease = self.ear.port.subscribe(&filter, &self.ear.inbox).await?;
        if !self.ear.filters.is_empty() {
            // A publish that is under way may have passed this filter already: until it has passed the others too, none
            // of them may be removed. If that can't be known, the connection is lost, and that is told.
            let _ = self.ear.port.transport().fence().await;
        }
        match self.ear.inbox.keep(lease) {
            Some(key) => {
                self.tracks.excuse(); // what was published to it before was not for us
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
        self.tracks.excuse();
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

    /// The next event, if one comes within `timeout`. Listen first, then do what triggers the event, then
    /// wait: the other way round, an answer that is faster than the subscription is lost.
    ///
    /// `None` only if nothing can have been missed: the stream told of nothing, and towards the end of the time the
    /// server has shown that it still answers. Notices that the wait comes upon are not lost: [`recv`](Self::recv)
    /// gives them next; of more than 64, the oldest are added up.
    ///
    /// # Errors
    /// [`ErrorKind::Missed`] if none came, but something was missed or did not decode that may have been it, or is
    /// being missed, or the server did not answer in the last quarter of the time (at least 50 ms, at most 500 ms);
    /// also if very many notices came before the next event.
    /// [`ErrorKind::Closed`] or [`ErrorKind::Denied`] if the subscription ended meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait(&mut self, timeout: Duration) -> Result<Option<Delivery<E, P>>> {
        self.wait_until(Deadline::after(timeout)).await
    }

    pub(crate) async fn wait_until(&mut self, deadline: Deadline) -> Result<Option<Delivery<E, P>>> {
        if let Ok(event) = timeout_at(deadline.test_at(), self.first_event()).await {
            return event.map(Some);
        }
        let port = Arc::clone(&self.ear.port);
        let tested = async {
            let tested = timeout_at(deadline.at(), port.transport().fence()).await;
            tokio::time::sleep_until(deadline.at()).await;
            tested
        };
        let tested = match self.first_event_unless(tested).await {
            Either::Event(event) => return event.map(Some),
            Either::Other(tested) => tested,
        };
        let missed = |why: String| {
            let text =
                format!("no event within {:?}, but one may have been missed: {why}", deadline.timeout());
            Error::new(ErrorKind::Missed, text)
        };
        if let Some(notice) = self.ear.passed_over.tell() {
            return Err(missed(notice.to_string()));
        }
        match tested {
            _ if self.ear.inbox.is_cut_off() => Err(missed("the connection is lost".into())),
            Ok(Ok(())) => Ok(None),
            Ok(Err(error)) => Err(missed(error.to_string()).with_source(error)),
            Err(_) => Err(missed("the server does not answer".into())),
        }
    }

    /// Ends now, with what is queued unread.
    #[cfg(feature = "blocking")]
    pub(crate) fn abandon(&mut self) {
        self.ear.inbox.abandon();
    }

    async fn first_event(&mut self) -> Result<Delivery<E, P>> {
        std::future::poll_fn(|cx| self.poll_first_event(cx)).await
    }

    async fn first_event_unless<T>(&mut self, other: impl Future<Output = T>) -> Either<E, P, T> {
        let mut other = std::pin::pin!(other);
        std::future::poll_fn(|cx| match self.poll_first_event(cx) {
            Poll::Ready(event) => Poll::Ready(Either::Event(event)),
            Poll::Pending => other.as_mut().poll(cx).map(Either::Other),
        })
        .await
    }

    fn poll_first_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery<E, P>>> {
        loop {
            match ready!(self.poll_inbox(cx)) {
                Some(Ok(delivery)) => return Poll::Ready(Ok(delivery)),
                Some(Err(notice)) => self.ear.passed_over.push(notice),
                None => return Poll::Ready(Err(ended_while_waiting(self.ear.passed_over.last()))),
            }
            if self.ear.passed_over.is_full() && !self.ear.passed_over.fold_oldest() {
                let first = self.ear.passed_over.tell().map(ToString::to_string).unwrap_or_default();
                let text =
                    format!("more than {MOST_KEPT} notices came before the next event, the first: {first}");
                return Poll::Ready(Err(Error::new(ErrorKind::Missed, text)));
            }
        }
    }

    /// Whether nothing more will be queued.
    pub(crate) fn has_ended(&self) -> bool {
        self.ear.inbox.has_ended()
    }

    /// Unsubscribes; what is queued can still be read, and then it ends.
    pub(crate) fn end(&self) {
        self.ear.inbox.end(End::Closed);
    }

    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read<E, P>>> {
        match self.ear.passed_over.pop() {
            Some(notice) => Poll::Ready(Some(Err(notice))),
            None => self.poll_inbox(cx),
        }
    }

    fn poll_inbox(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read<E, P>>> {
        let read = ready!(self.poll_uncounted(cx));
        match &read {
            Some(Ok(_)) => self.ear.port.tally().count_event(),
            Some(Err(notice)) => self.ear.port.tally().count_notice(notice),
            None => {}
        }
        Poll::Ready(read)
    }

    fn poll_uncounted(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read<E, P>>> {
        if let Some(read) = self.behind_gap.take() {
            return Poll::Ready(Some(read));
        }
        loop {
            // A listener under a flood would otherwise never yield to its neighbours on the same worker.
            let budget = ready!(coop::poll_proceed(cx));
            let item = ready!(self.ear.inbox.poll_next(cx));
            budget.made_progress();
            let read = match item {
                Some(Item::Message(message)) => self.read(message),
                Some(Item::Signal(signal)) => {
                    self.tracks.excuse();
                    Some(Err(signal.into()))
                }
                Some(Item::End(end)) => Some(Err(final_notice(end))),
                None => return Poll::Ready(None),
            };
            if read.is_some() {
                return Poll::Ready(read);
            }
        }
    }

    /// What `message` is to this listener; `None` if it wants other types, or has it already.
    fn read(&mut self, message: Arc<Message>) -> Option<Read<E, P>> {
        let channel = message.channel().clone();
        if let Some(wanted) = &self.wanted
            && let Some(headers) = message.unwanted(wanted, &self.codec)
        {
            return self.behind_its_gap(&channel, Some(&headers), None);
        }
        let decoded = message.decode(&self.codec);
        let headers = match &decoded {
            Decoded::Event(envelope) => Some(envelope.headers.clone()),
            Decoded::Unknown(_, headers) => Some(headers.clone()),
            Decoded::Undecodable(_, headers) => headers.clone(),
            Decoded::Oversized(_) => Some(Headers::default()), // no number was used up for it
        };
        let read = match Delivery::of(message, decoded) {
            Ok(delivery) => see(delivery, self.wanted.as_ref(), self.view).map(Ok),
            Err(Notice::UnknownType { .. }) if self.wanted.is_some() => None,
            Err(notice) => Some(Err(notice)),
        };
        self.behind_its_gap(&channel, headers.as_ref(), read)
    }

    /// `read`, if nothing is missing before it; else the gap, and `read` comes next. Without headers nothing can be told.
    fn behind_its_gap(
        &mut self,
        channel: &Channel,
        headers: Option<&Headers>,
        read: Option<Read<E, P>>,
    ) -> Option<Read<E, P>> {
        let Some(headers) = headers else {
            self.tracks.excuse(); // its number is missing, and what it was is told
            return read;
        };
        match self.tracks.note(channel, headers) {
            Verdict::Right => read,
            Verdict::Double => None,
            Verdict::Gap(missed) => {
                self.behind_gap = read;
                Some(Err(Notice::Gap { channel: channel.clone(), missed }))
            }
        }
    }
}

/// `delivery` through `view`, if it is of a type that is wanted.
fn see<E: Event, P: ?Sized>(
    delivery: Delivery<E>,
    wanted: Option<&Wanted>,
    view: View<E, P>,
) -> Option<Delivery<E, P>> {
    let is_wanted = wanted.is_none_or(|wanted| wanted.takes(delivery.event_type(), E::EVENT_TYPES));
    if is_wanted { delivery.seen(view) } else { None }
}

/// What a subscription gives.
pub(crate) type Read<E, P> = Result<Delivery<E, P>, Notice>;

impl<E: Event, P: ?Sized> Stream for Subscription<E, P> {
    type Item = Result<Delivery<E, P>, Notice>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.inbox.abandon();
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

fn final_notice(end: End) -> Notice {
    match end {
        End::Denied(reason) => Notice::Denied { reason },
        End::Overflowed => Notice::Overflowed,
        End::Stopped(reason) => Notice::Stopped { reason },
        End::Closed => Notice::Stopped { reason: "it was closed".into() },
    }
}

fn ended_while_waiting(last: Option<&Notice>) -> Error {
    match last {
        Some(notice @ Notice::Denied { .. }) => Error::new(ErrorKind::Denied, notice.to_string()),
        Some(notice) if notice.is_final() => Error::new(ErrorKind::Missed, notice.to_string()),
        _ => Error::new(ErrorKind::Closed, "the subscription has ended"),
    }
}
