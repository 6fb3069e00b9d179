//! Many events in few round trips: a batch that is read from an iterator piece by piece, with a result for each event.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::iter::Fuse;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tracing::{Instrument, Span};

use crate::awaited::Pending;
use crate::bus::EventBus;
use crate::channel::{Channel, ChannelKey};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::outgoing::{Channels, Outgoing, settle};
use crate::receipt::Receipt;
use crate::sequence::{Turn, out_of_turn};
use crate::telemetry::{Attempt, Sender, Telemetry, first_failure, note_batch, note_size};

/// When what is encoded goes out: enough to make the round trip cheap, and little enough to hold in memory.
const MOST_MESSAGES: usize = 1_000;
const MOST_BYTES: usize = 1024 * 1024;

/// How many are lined up before it is known how large they are: a turn is waited for before events are encoded.
const FIRST_IN_LINE: usize = 8;

impl<E: Event> EventBus<E> {
    /// Publishes many events to the channels that their type declares, in few round trips: what goes out together
    /// ends with the event that makes it 1,000 messages or 1 MiB.
    ///
    /// Awaited, it gives a result for each event, in their order. Read with [`next`](PublishBatch::next), or as a
    /// [`Stream`], it holds no more than one round trip's messages and results, however long the iterator is.
    /// Nothing is published before it is awaited or read. An event that fails does not stop the others.
    ///
    /// # Errors
    /// For each event as for [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// Dropping a batch that has begun leaves open whether the events of the last round trip were published;
    /// none behind them was.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// let results = bus.publish_batch([Ping { n: 1 }, Ping { n: 2 }]).await;
    /// assert!(results.iter().all(Result::is_ok));
    ///
    /// let mut batch = bus.publish_batch((0..10_000).map(|n| Ping { n }));
    /// while let Some(result) = batch.next().await {
    ///     let receipts = result?;
    ///     assert_eq!(receipts[0].channel.key(), "all");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn publish_batch<I>(&self, events: I) -> PublishBatch<E, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Borrow<E>,
    {
        PublishBatch::new(self.clone(), None, events.into_iter(), Told::OF_ALL_CHANNELS)
    }

    /// Publishes many events to the channel `key` alone, with one receipt for each. As [`publish_batch`](Self::publish_batch)
    /// besides.
    ///
    /// # Errors
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if the text is no key; for each event as for [`publish_to`](Self::publish_to).
    ///
    /// # Cancel safety
    /// As for [`publish_batch`](Self::publish_batch).
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// for result in bus.publish_batch_to("some", [Ping { n: 1 }, Ping { n: 2 }])?.await {
    ///     assert_eq!(result?.channel.key(), "some");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn publish_batch_to<K, I>(&self, key: K, events: I) -> Result<PublishBatch<E, I::IntoIter, Receipt>>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
        I: IntoIterator,
        I::Item: Borrow<E>,
    {
        let channel = self.channel(&key.try_into()?);
        Ok(PublishBatch::new(self.clone(), Some(channel), events.into_iter(), Told::OF_ONE_CHANNEL))
    }
}

/// Events on their way, from [`EventBus::publish_batch`], with the receipts of each; or from [`EventBus::publish_batch_to`], with one
/// each. Await it, or read it event by event.
#[must_use = "nothing is published before it is awaited or read"]
pub struct PublishBatch<E, I: Iterator, R = Vec<Receipt>> {
    bus: EventBus<E>,
    /// Where all of them go, or else to the channels that they declare.
    channel: Option<Channel>,
    events: Fuse<I>,
    /// Those that wait for the turn to number them; none on a bus that numbers nothing.
    lined_up: VecDeque<(I::Item, Result<Channels>)>,
    /// How many fit into a round trip, by the size of those before.
    fitting: usize,
    turn: Option<Pin<Box<dyn Future<Output = Result<Turn>> + Send>>>,
    under_way: Option<RoundTrip>,
    results: VecDeque<Result<R>>,
    told: Told<R>,
}

/// How what was published is told: by the receipts of all channels, or by that of the only one.
struct Told<R> {
    conclude: fn(Pending, &mut Outcomes) -> Result<R>,
    receipts: fn(&R) -> &[Receipt],
}

type Outcomes = std::vec::IntoIter<Result<Receipt>>;

struct RoundTrip {
    attempt: Attempt,
    sent: Pin<Box<dyn Future<Output = Vec<Result<Receipt>>> + Send>>,
    /// For each event to how many channels it goes, and what it waits for, or why it was not sent.
    awaited: Vec<(usize, Result<Pending>)>,
}

impl Told<Vec<Receipt>> {
    const OF_ALL_CHANNELS: Self = Self { conclude: Pending::conclude, receipts: Vec::as_slice };
}

impl Told<Receipt> {
    const OF_ONE_CHANNEL: Self = Self { conclude: Pending::conclude_one, receipts: std::slice::from_ref };
}

impl<R> Told<R> {
    fn count(&self, telemetry: &Telemetry, channels: usize, published: &Result<R>) {
        telemetry.count_published(channels, published.as_ref().map(self.receipts));
    }
}

impl<E, I, R> PublishBatch<E, I, R>
where
    E: Event,
    I: Iterator,
    I::Item: Borrow<E>,
{
    fn new(bus: EventBus<E>, channel: Option<Channel>, events: I, told: Told<R>) -> Self {
        let (lined_up, results) = (VecDeque::new(), VecDeque::new());
        let (events, fitting) = (events.fuse(), FIRST_IN_LINE);
        Self { bus, channel, events, lined_up, fitting, turn: None, under_way: None, results, told }
    }

    /// What became of the next event; `None` behind the last one.
    ///
    /// # Errors
    /// As for [`EventBus::publish`].
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call goes on where this one was. On a [numbered](crate::EventBusBuilder::sequenced)
    /// bus, who publishes to the same channels waits meanwhile, for 5 s at most: a batch that was begun is to be read on, or dropped.
    pub async fn next(&mut self) -> Option<Result<R>> {
        poll_fn(|cx| self.poll_result(cx)).await
    }

    /// What became of an event that went out with an earlier one: known without waiting.
    #[cfg(feature = "blocking")]
    pub(crate) fn next_known(&mut self) -> Option<Result<R>> {
        self.results.pop_front()
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<R>>> {
        loop {
            if let Some(result) = self.results.pop_front() {
                return Poll::Ready(Some(result));
            }
            if self.under_way.is_none() {
                let Ok(turn) = ready!(self.poll_turn(cx)) else {
                    self.give_up();
                    continue;
                };
                self.under_way = self.depart(turn);
            }
            let Some(RoundTrip { sent, .. }) = &mut self.under_way else { return Poll::Ready(None) };
            let sent = ready!(sent.as_mut().poll(cx));
            self.arrive(sent);
        }
    }

    /// Those that are lined up never had their turn.
    fn give_up(&mut self) {
        self.fitting = (2 * self.fitting).min(MOST_MESSAGES); // or each few of many would wait as long, one after the other
        let telemetry = self.bus.port().telemetry();
        self.results.extend(self.lined_up.drain(..).map(|(_, channels)| {
            let published = Err(out_of_turn());
            self.told.count(telemetry, channels.as_ref().map_or(1, Channels::len), &published);
            published
        }));
    }

    /// The round trip is over.
    fn arrive(&mut self, sent: Vec<Result<Receipt>>) {
        let Some(RoundTrip { attempt, awaited, .. }) = self.under_way.take() else { return };
        let (telemetry, mut sent) = (self.bus.port().telemetry(), sent.into_iter());
        self.results.extend(awaited.into_iter().map(|(channels, pending)| {
            let published = pending.and_then(|pending| (self.told.conclude)(pending, &mut sent));
            self.told.count(telemetry, channels, &published);
            published
        }));
        telemetry.end_publish(&attempt, first_failure(&self.results));
    }

    /// The turn to number the next events, which are lined up for it; at once on a bus that numbers nothing.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Turn>> {
        let Some(numbering) = self.bus.numbering().cloned() else { return Poll::Ready(Ok(Turn::default())) };
        if self.turn.is_none() {
            while self.lined_up.len() < self.fitting
                && let Some(event) = self.next_event()
            {
                self.lined_up.push_back(event);
            }
            let channels = self.lined_up.iter().filter_map(|(_, channels)| channels.as_ref().ok());
            let channels = channels.flat_map(Channels::iter).cloned().collect();
            self.turn = Some(Box::pin(async move { numbering.turn(channels).await }));
        }
        let Some(turn) = &mut self.turn else { return Poll::Pending };
        let turn = ready!(turn.as_mut().poll(cx));
        self.turn = None;
        Poll::Ready(turn)
    }

    /// The next round trip, if there are events left.
    fn depart(&mut self, mut turn: Turn) -> Option<RoundTrip> {
        let expected = self.lined_up.len().saturating_add(self.events.size_hint().0).min(MOST_MESSAGES);
        let (mut outgoing, mut awaited) = (Outgoing::with_capacity(expected), Vec::with_capacity(expected));
        let mut next = self.next_in_line();
        next.as_ref()?; // no span for nothing
        let attempt = self.bus.port().telemetry().begin_publish(Sender::Caller, 0, None);
        while outgoing.len() < MOST_MESSAGES && awaited.len() < MOST_MESSAGES && outgoing.bytes() < MOST_BYTES
        {
            let Some((event, channels)) = next.take().or_else(|| self.next_in_line()) else { break };
            let many = channels.as_ref().map_or(1, Channels::len);
            let encode = |channels| {
                let headers = self.bus.port().telemetry().headers(attempt.span());
                self.bus.encode(&mut outgoing, channels, (event.borrow(), headers), &mut turn)
            };
            awaited.push((many, channels.and_then(encode)));
        }
        self.fitting = (MOST_BYTES * awaited.len() / outgoing.bytes().max(1)).clamp(1, MOST_MESSAGES);
        match outgoing.len() {
            0 => {}
            1 => note_size(attempt.span(), outgoing.bytes()),
            messages => note_batch(attempt.span(), messages),
        }
        let sent = self.send(outgoing, turn, attempt.span().clone());
        Some(RoundTrip { attempt, sent, awaited })
    }

    fn next_in_line(&mut self) -> Option<(I::Item, Result<Channels>)> {
        if self.bus.numbering().is_some() { self.lined_up.pop_front() } else { self.next_event() }
    }

    fn next_event(&mut self) -> Option<(I::Item, Result<Channels>)> {
        let event = self.events.next()?;
        let channels = match &self.channel {
            Some(channel) => self.bus.port().refuse_if_closed().map(|()| channel.clone().into()),
            None => self.bus.declared_channels(event.borrow()),
        };
        Some((event, channels))
    }

    fn send(
        &self,
        outgoing: Outgoing,
        turn: Turn,
        span: Span,
    ) -> Pin<Box<dyn Future<Output = Vec<Result<Receipt>>> + Send>> {
        let port = Arc::clone(self.bus.port());
        let (messages, numbers) = outgoing.into_parts();
        let sent = async move {
            let sent = port.publish(messages).await;
            settle(turn, &numbers, &sent);
            sent
        };
        Box::pin(sent.instrument(span))
    }
}

/// Nothing in it is pinned where it stands.
impl<E, I: Iterator + Unpin, R> Unpin for PublishBatch<E, I, R> {}

impl<E, I, R> Stream for PublishBatch<E, I, R>
where
    E: Event,
    I: Iterator + Unpin,
    I::Item: Borrow<E>,
{
    type Item = Result<R>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_result(cx)
    }
}

impl<E, I, R> IntoFuture for PublishBatch<E, I, R>
where
    E: Event,
    I: Iterator + Unpin,
    I::Item: Borrow<E>,
{
    type Output = Vec<Result<R>>;
    type IntoFuture = PublishAll<E, I, R>;

    fn into_future(self) -> Self::IntoFuture {
        PublishAll { batch: self, results: Vec::new() }
    }
}

/// A batch that is awaited as a whole.
pub struct PublishAll<E, I: Iterator, R = Vec<Receipt>> {
    batch: PublishBatch<E, I, R>,
    results: Vec<Result<R>>,
}

/// Nothing in it is pinned where it stands.
impl<E, I: Iterator + Unpin, R> Unpin for PublishAll<E, I, R> {}

impl<E, I, R> Future for PublishAll<E, I, R>
where
    E: Event,
    I: Iterator + Unpin,
    I::Item: Borrow<E>,
{
    type Output = Vec<Result<R>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(result) = ready!(self.batch.poll_result(cx)) {
            let Self { batch, results } = &mut *self;
            results.push(result);
            results.extend(batch.results.drain(..));
        }
        Poll::Ready(std::mem::take(&mut self.results))
    }
}

impl<E, I: Iterator, R> fmt::Debug for PublishBatch<E, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishBatch")
            .field("bus", &self.bus)
            .field("channel", &self.channel)
            .field("is_under_way", &self.under_way.is_some())
            .finish_non_exhaustive()
    }
}

impl<E, I: Iterator, R> fmt::Debug for PublishAll<E, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishAll")
            .field("batch", &self.batch)
            .field("results", &self.results.len())
            .finish()
    }
}
