//! The typed handle of a bus: publishes events and opens subscriptions. How messages travel is the transport's
//! business, how events become bytes the codec's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span};

use crate::awaited::Pending;
use crate::channel::{BusName, Channel, ChannelFilter, ChannelKey};
use crate::codec::{Codec, Headers, SharedCodec};
use crate::deadline::Deadline;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::json::Json;
use crate::message::Message;
use crate::meters::Start;
use crate::outgoing::{Channels, Outgoing, settle, single};
use crate::port::Port;
use crate::receipt::Receipt;
use crate::sequence::{Numbering, Turn};
use crate::settings::Settings;
use crate::subscription::Subscription;
use crate::telemetry::{Sender, note_failure, note_size};
use crate::trace_context::TracePropagator;
use crate::transport::{
    BoxFuture, Capabilities, DynTransport, Health, Inbox, StateWatch, Transport, TransportState,
};

/// Publishes and listens to events of type `E`. Clones are the same bus.
///
/// `#[derive(EventBus)]` generates a bus type of its own around it, which adds what the event type declares.
///
/// ```
/// use event_bus_core::{Event, EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "creds_changed", channel(all = "all"))]
/// struct CredentialsChanged {
///     user_id: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = CredentialsChangedBus::new(MemoryTransport::new());
/// let mut changes = bus.all().listen().await?;
/// bus.publish(&CredentialsChanged { user_id: "user-1".into() }).await?;
/// if let Some(Ok(change)) = changes.recv().await {
///     assert_eq!(change.user_id, "user-1");
/// }
/// # Ok(()) }
/// ```
#[doc(alias = "AsyncRedisEventBus")]
#[doc(alias = "BaseRedisEventBus")]
pub struct EventBus<E>(Arc<Core<E>>);

struct Core<E> {
    port: Arc<Port>,
    codec: SharedCodec<E>,
    settings: Settings,
    /// If it numbers its messages.
    numbering: Option<Arc<Numbering>>,
}

impl<E: Event> EventBus<E> {
    /// The bus [`Event::BUS_NAME`] with the default settings and the codec [`Json`]. A bus name that breaks the
    /// rules does not compile.
    pub fn new(transport: impl Transport) -> Self
    where
        Json: Codec<E>,
    {
        let name = const { BusName::checked_at_compile_time(E::BUS_NAME) }.get();
        Self::build(
            name,
            Arc::new(transport),
            SharedCodec::stateless(Arc::new(Json)),
            Settings::default(),
            None,
        )
    }

    pub(crate) fn build(
        name: BusName,
        transport: Arc<dyn DynTransport>,
        codec: SharedCodec<E>,
        settings: Settings,
        propagator: Option<Arc<dyn TracePropagator>>,
    ) -> Self {
        let numbering = settings.is_sequenced.then(|| Arc::new(Numbering::new()));
        let port = Arc::new(Port::new(name, transport, propagator));
        let codec = codec.metered(port.telemetry().meters().clone());
        Self(Arc::new(Core { port, codec, settings, numbering }))
    }

    /// Publishes `event` to every channel that its type declares, in one round trip where the transport can.
    /// Receipts stand in the order of the declaration. Channels that come out alike get it once.
    ///
    /// # Errors
    /// By [`kind`](Error::kind): `InvalidKey` if a value of the event can't stand in a channel, or if the type
    /// declares no channel; `Encode`, `TooLarge`, `NotSent`, `Refused`, `Denied`, `OutcomeUnknown`, `Unsupported`,
    /// `Closed`. Also `Partial`: of several channels, of which [`outcomes`](Error::outcomes) tells each one's, or where a transport
    /// publishes with two kinds of pub/sub and one failed.
    ///
    /// # Cancel safety
    /// Dropping the future once it has been polled leaves open whether the event was published. Other
    /// publishes are not disturbed.
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # use event_bus_core::{EventBus, KeyPattern, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(ping = "{n}"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// match bus.publish(&Ping { n: 1 }).await {
    ///     Ok(receipts) => println!("{} on {}", receipts.len(), receipts[0].channel),
    ///     Err(error) if error.is_retryable() => println!("surely not published: {error}"),
    ///     Err(error) if error.outcome_unknown() => println!("published or not: {error}"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn publish(&self, event: &E) -> Result<Vec<Receipt>> {
        let channels = self.declared_channels(event).map_err(|error| self.unsent(error))?;
        match channels.into_only() {
            Ok(channel) => self.send_one(channel, event).await.map(|receipt| vec![receipt]),
            Err(channels) => Box::pin(self.send(channels, event)).await,
        }
    }

    /// Publishes `event` to the channel `key` alone: a [`ChannelKey`], or text that is checked to be one.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// As for [`publish`](Self::publish).
    pub async fn publish_to<K>(&self, key: K, event: &E) -> Result<Receipt>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
    {
        let key = key.try_into().map_err(|error| self.unsent(error.into()))?;
        let channel = self.channel(&key);
        self.0.port.refuse_if_closed().map_err(|error| self.unsent(error))?;
        self.send_one(channel, event).await
    }

    /// Listens to one channel of this bus (a [`ChannelKey`], or text that is checked to be one), or to all that
    /// match a [`KeyPattern`](crate::KeyPattern). Returns when the server has confirmed: everything published from now on is
    /// heard.
    ///
    /// # Errors
    /// `InvalidKey`; `NotSubscribed` if the server did not confirm in time, `Denied` if it refuses, `Unsupported`
    /// for a pattern on a transport without them, `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # use event_bus_core::{EventBus, KeyPattern, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(ping = "{n}"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// let mut one = bus.listen("7").await?;
    /// let mut all = bus.listen(KeyPattern::any()).await?;
    /// bus.publish(&Ping { n: 7 }).await?;
    /// for pings in [&mut one, &mut all] {
    ///     if let Some(Ok(ping)) = pings.recv().await {
    ///         assert_eq!((ping.n, ping.channel().key()), (7, "7"));
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    #[doc(alias = "subscribe")]
    pub async fn listen<F>(&self, filter: F) -> Result<Subscription<E>>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let inbox = Inbox::new(self.0.settings.inbox, self.0.port.telemetry().meters().clone());
        // Made before the first await: should this future be dropped, it takes everything back.
        let mut subscription = Subscription::new(Arc::clone(&self.0.port), inbox, self.0.codec.clone())?;
        subscription.add(filter).await?;
        Ok(subscription)
    }

    /// The first event on `filter`, within `timeout` for everything: subscribing and waiting.
    ///
    /// For an answer to something that you trigger, [`listen`](Self::listen) first, trigger, then
    /// [`wait`](Subscription::wait) on the subscription.
    ///
    /// # Errors
    /// As for [`listen`](Self::listen) and [`Subscription::wait`]; `NotSubscribed` also if the time was over before the server
    /// had confirmed. `None` says that no event came and that none can have been missed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    ///
    /// # Examples
    /// ```
    /// # use std::time::Duration;
    /// # use event_bus_core::{EventBus, KeyPattern, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(ping = "{n}"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// assert!(bus.wait("7", Duration::from_millis(200)).await?.is_none()); // nobody publishes
    ///
    /// let mut answers = bus.listen("7").await?;
    /// bus.publish(&Ping { n: 7 }).await?; // or whatever makes somebody else publish
    /// let answer = answers.wait(Duration::from_secs(5)).await?;
    /// assert_eq!(answer.map(|ping| ping.n), Some(7));
    /// # Ok(()) }
    /// ```
    pub async fn wait<F>(&self, filter: F, timeout: Duration) -> Result<Option<Delivery<E>>>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let deadline = Deadline::after(timeout);
        let Ok(subscription) = tokio::time::timeout_at(deadline.at(), self.listen(filter)).await else {
            return Err(Error::new(
                ErrorKind::NotSubscribed,
                format!("the server did not confirm the subscription within {timeout:?}"),
            ));
        };
        subscription?.wait_until(deadline).await
    }

    /// Reads a message as a listener of this bus would, with its codec: one that was
    /// [recorded](crate::MemoryTransport::record), or kept. Whether its channel belongs to this bus is not looked at.
    ///
    /// # Errors
    /// The [`Notice`] that a listener would get in place of an event: `Oversized`, `UnknownType` or `Undecodable`.
    pub fn read(&self, message: Arc<Message>) -> Result<Delivery<E>, Notice> {
        Delivery::read(message, &self.0.codec)
    }

    /// Ends all subscriptions of this bus, once what they have queued is read, and refuses everything from now
    /// on, on all clones. Returns when its [outboxes](Self::outbox) have published what they hold, or their time for it is
    /// over; while nothing drives the runtime of one, it waits. Other buses on the same transport go on. Never fails; closing
    /// twice is closing once.
    /// What was published and is still on its way is not waited for, and not heard: closing the transport is what ends a test.
    ///
    /// # Cancel safety
    /// Everything is begun at the first poll. Dropping the future after it changes nothing: the outboxes go on.
    pub async fn close(&self) {
        self.0.port.close();
        self.0.port.drained().await;
    }

    /// The bus name.
    #[must_use]
    pub fn name(&self) -> &BusName {
        self.0.port.name()
    }

    /// The channel of `key` on this bus.
    #[must_use]
    pub fn channel(&self, key: &ChannelKey) -> Channel {
        self.0.port.channel(key)
    }

    /// What the transport below can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.0.port.transport().capabilities()
    }

    /// How the transport below is doing, and what the subscriptions of this bus have heard and missed so far.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.port.health()
    }

    /// A span for processing `delivery`, as OpenTelemetry's conventions have it, tied to the one in which it was published if
    /// this bus carries [trace context](crate::EventBusBuilder::trace_context). A [subscriber](crate::Subscriber) makes one for each
    /// handler by itself; this is for who reads a subscription. It lasts until it is dropped.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// let mut pings = bus.all().listen().await?;
    /// bus.publish(&Ping { n: 1 }).await?;
    /// if let Some(Ok(ping)) = pings.recv().await {
    ///     let span = bus.process_span(&ping); // around async work: `work.instrument(span).await`
    ///     span.in_scope(|| tracing::info!(n = ping.n, "a ping"));
    /// }
    /// # Ok(()) }
    /// ```
    #[must_use = "the work goes into it: `in_scope`, or `instrument`"]
    pub fn process_span<P: ?Sized>(&self, delivery: &Delivery<E, P>) -> tracing::Span {
        self.0.port.telemetry().process_span(delivery)
    }

    /// Whether the transport below works right now.
    #[must_use]
    pub fn state(&self) -> TransportState {
        self.0.port.transport().state()
    }

    /// Tells when the transport below stops working, and when it works again. Closing this bus alone ends
    /// nothing: others may share the transport.
    #[must_use]
    pub fn watch_state(&self) -> StateWatch {
        self.0.port.transport().watch_state()
    }

    pub(crate) fn port(&self) -> &Arc<Port> {
        &self.0.port
    }

    /// The channels that the type of `event` declares. Those that come out alike for it are one, which gets it once.
    pub(crate) fn declared_channels(&self, event: &E) -> Result<Channels> {
        self.0.port.refuse_if_closed()?;
        let keys = event.channel_keys()?;
        if keys.is_empty() {
            let name = self.name();
            let text = format!("the event declares no channel on the bus {name}: give a key to `publish_to`");
            return Err(Error::new(ErrorKind::InvalidKey, text));
        }
        Ok(keys.iter().map(|key| self.channel(key)).collect())
    }

    /// Counts an event that never came so far as to be sent.
    pub(crate) fn unsent(&self, error: Error) -> Error {
        self.0.port.telemetry().count_failed(error.kind(), 1);
        error
    }

    /// The numbers that messages on `channels` get; none if this bus does not number them.
    pub(crate) fn numbering(&self) -> Option<&Arc<Numbering>> {
        self.0.numbering.as_ref()
    }

    /// Adds `event` for `channels` to what goes out, with `headers` and numbers of `turn`.
    pub(crate) fn encode(
        &self,
        outgoing: &mut Outgoing,
        channels: Channels,
        event: (&E, Headers),
        turn: &mut Turn,
    ) -> Result<Pending> {
        outgoing.add(channels, event, &self.0.codec, self.0.settings.size_rule, turn)
    }

    /// As [`send`](Self::send), with no list where nothing asks for one.
    async fn send_one(&self, channel: Channel, event: &E) -> Result<Receipt> {
        if self.numbering().is_some() {
            return self.send_listed(channel, event).await;
        }
        let (telemetry, start) = (self.0.port.telemetry(), Start::now());
        let published = if telemetry.may_be_watched() {
            self.send_one_watched(channel, event).await
        } else {
            self.transmit_one(channel, (event, Headers::default()), None).await
        };
        telemetry.measure_publish(1, start, published.as_ref().map(std::slice::from_ref));
        published
    }

    /// Apart from the shorter way: between two publishes the kernel runs, and code has to come into the cache again.
    #[inline(never)]
    fn send_listed<'a>(&'a self, channel: Channel, event: &'a E) -> BoxFuture<'a, Result<Receipt>> {
        Box::pin(async move {
            let mut receipts = self.send(channel.into(), event).await?;
            receipts.pop().ok_or_else(Error::no_outcome)
        })
    }

    #[inline(never)]
    fn send_one_watched<'a>(&'a self, channel: Channel, event: &'a E) -> BoxFuture<'a, Result<Receipt>> {
        Box::pin(async move {
            let telemetry = self.0.port.telemetry();
            let span = telemetry.publish_span(Sender::Caller, 1, Some(&channel));
            let headers = telemetry.headers(&span); // not within the span: the caller's trace may be needed
            within(&span, self.transmit_one(channel, (event, headers), Some(&span))).await
        })
    }

    async fn transmit_one(
        &self,
        channel: Channel,
        event: (&E, Headers),
        span: Option<&Span>,
    ) -> Result<Receipt> {
        let (message, awaited) = single(channel, event, &self.0.codec, self.0.settings.size_rule)?;
        let Some(message) = message else { return awaited.conclude(|| Err(Error::no_outcome())) };
        if let Some(span) = span {
            note_size(span, message.payload().len());
        }
        let sent = self.0.port.publish_one(message).await;
        awaited.conclude(|| sent)
    }

    async fn send(&self, channels: Channels, event: &E) -> Result<Vec<Receipt>> {
        let telemetry = self.0.port.telemetry();
        let (many, start) = (channels.len(), Start::now());
        let published = if telemetry.may_be_watched() {
            Box::pin(self.send_watched(channels, event)).await // boxed, so that nobody else carries its state around
        } else {
            self.transmit(channels, event, None).await
        };
        telemetry.measure_publish(many, start, published.as_deref());
        published
    }

    async fn send_watched(&self, channels: Channels, event: &E) -> Result<Vec<Receipt>> {
        let telemetry = self.0.port.telemetry();
        let span = telemetry.publish_span(Sender::Caller, channels.len(), channels.iter().next());
        let headers = telemetry.headers(&span); // not within the span: the caller's trace may be needed
        within(&span, self.transmit(channels, event, Some((&span, headers)))).await
    }

    async fn transmit(
        &self,
        channels: Channels,
        event: &E,
        watched: Option<(&Span, Headers)>,
    ) -> Result<Vec<Receipt>> {
        let mut turn = match self.numbering() {
            Some(numbering) => numbering.turn(channels.iter().cloned().collect()).await?,
            None => Turn::default(),
        };
        let (span, headers) = watched.map_or_else(Default::default, |(span, headers)| (Some(span), headers));
        let mut outgoing = Outgoing::with_capacity(channels.len());
        let pending = self.encode(&mut outgoing, channels, (event, headers), &mut turn)?;
        if let Some(span) = span.filter(|_| outgoing.len() == 1) {
            note_size(span, outgoing.bytes());
        }
        let (messages, numbers) = outgoing.into_parts();
        let sent = self.0.port.publish(messages).await;
        settle(turn, &numbers, &sent);
        pending.conclude_alone(sent)
    }
}

/// Publishes in `span`, which tells how that ended.
async fn within<T>(span: &Span, publishing: impl Future<Output = Result<T>>) -> Result<T> {
    let published = publishing.instrument(span.clone()).await;
    note_failure(span, published.as_ref().err().map(|error| error.kind().error_type()));
    published
}

impl<E> Clone for EventBus<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for EventBus<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus")
            .field("port", &self.0.port)
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}
