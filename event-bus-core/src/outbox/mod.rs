//! The outbox of a bus: events are sent without waiting, and published in the background, in order.

mod config;
mod journal;
mod outcome;
mod parcel;
mod queue;
mod report;
mod shared;
mod task;
mod told;

use std::fmt;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tracing::Span;

use crate::bus::EventBus;
use crate::channel::ChannelKey;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::message::Message;
use crate::outgoing::{Channels, Outgoing};
use crate::port::Drain;
use crate::sequence::Turn;

pub use config::{OutboxConfig, OutboxOverflow};
pub use report::{OutboxFailure, OutboxReport};
use shared::Shared;
use task::Courier;

impl<E: Event> EventBus<E> {
    /// An outbox: [`send`](Outbox::send) is synchronous and never waits, and a task publishes what was sent in the
    /// background, on the runtime of this call. From one task that is several times as fast as
    /// [`publish`](Self::publish), which waits for the server.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for an outbox that holds nothing, or outside of a tokio runtime;
    /// [`ErrorKind::Unsupported`] on a [sequenced](crate::EventBusBuilder::sequenced) bus, whose numbers are given when an event
    /// is published and not when it is sent; [`ErrorKind::Closed`].
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// use event_bus_core::OutboxConfig;
    ///
    /// let bus = PingBus::new(MemoryTransport::new());
    /// let outbox = bus.outbox(OutboxConfig::default().queue_messages(1_000))?;
    /// outbox.send(&Ping { n: 0 })?; // at once; published soon
    /// for n in 1..5_000 {
    ///     outbox.send_when_room(&Ping { n }).await?; // no faster than they are published
    /// }
    /// let report = outbox.flush().await;
    /// assert_eq!((report.sent, report.lost()), (5_000, 0));
    /// # Ok(()) }
    /// ```
    pub fn outbox(&self, config: OutboxConfig) -> Result<Outbox<E>> {
        config.check()?;
        if self.numbering().is_some() {
            let text = "a sequenced bus has no outbox: its numbers are given when an event is published";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, "an outbox needs a tokio runtime").with_source(error)
        })?;
        let shared = Arc::new(Shared::new(Arc::clone(self.port()), config));
        let courier = Courier::new(Arc::clone(&shared), Arc::clone(self.port()));
        let drain: Weak<Shared> = Arc::downgrade(&shared);
        self.port().admit_drain(drain)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "ends when the outbox is closed or dropped, within a bound; it tells what it leaves behind"
        )]
        runtime.spawn(courier.run());
        Ok(Outbox { bus: self.clone(), door: Arc::new(Door { shared }) })
    }
}

/// Takes events without waiting and publishes them in the background, from [`EventBus::outbox`]. Clones are the same
/// outbox, and any thread may send.
///
/// # What is promised
/// - **In order.** What was sent one after the other to a channel is published in that order. One exception: where an answer
///   did not come in time, what was told as [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) may be on its way still, and come
///   late, behind later ones or between them. What counts as sent is in order always.
/// - **Bounded.** It never holds more than [it may](OutboxConfig), but for one event that is larger by itself; what happens when it is full is [chosen](OutboxOverflow).
/// - **Patient.** What surely was not published, since the server is away, say, stays queued, and is tried again until it
///   is published or dropped, or the outbox closed. What may have been published is never tried again: it would
///   come twice. It is counted and reported as [`OutcomeUnknown`](ErrorKind::OutcomeUnknown): when a connection breaks, that is the
///   batch under way, of at most 1,000 messages or 1 MiB (or one larger message). What the server refuses, the login
///   included, is not tried again either; there is a pause of up to a second after a batch of which nothing was sent, and a short one before what is left of one is tried again.
/// - **Nothing is lost unseen.** Each event that was accepted has an outcome in the end, which the
///   [report](Self::report) counts; [`on_failure`](OutboxConfig::on_failure) is told of each that failed. The log has a line when it
///   begins to fail and when it has recovered, and one at the end if something was left over.
///
/// # How it ends
/// [`close`](Self::close), or [`EventBus::close`], publishes what is queued and returns the report. Dropping the last clone lets
/// the task publish it in the background. Both [take their time](OutboxConfig::drain_within), and no longer. A runtime that
/// ends takes the task with it: close the outbox before. An [`on_failure`](OutboxConfig::on_failure) that owns a clone keeps the
/// outbox from ending by being dropped.
pub struct Outbox<E> {
    bus: EventBus<E>,
    door: Arc<Door>,
}

/// Shared by the clones. The task has none: it ends with the last of them.
struct Door {
    shared: Arc<Shared>,
}

impl<E: Event> Outbox<E> {
    /// Queues `event` for every channel that its type declares. It is encoded now, and may be dropped.
    ///
    /// # Errors
    /// [`ErrorKind::QueueFull`] if there is no room; `InvalidKey`, `Encode`, `Closed`. Nothing is queued then.
    /// `TooLarge` if it is over the limit: the marker that tells listeners so is queued in its place, unless the
    /// [rule](crate::Oversize) is to send nothing.
    ///
    /// All that happens later is told by the [report](Self::report) and [`on_failure`](OutboxConfig::on_failure).
    pub fn send(&self, event: &E) -> Result<()> {
        self.queue(self.bus.declared_channels(event), event)
    }

    /// Queues `event` for the channel `key` alone: a [`ChannelKey`], or text that is checked to be one.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_to<K>(&self, key: K, event: &E) -> Result<()>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
    {
        let key = key.try_into().map_err(|error| self.bus.unsent(error.into()))?;
        self.queue(Ok(self.bus.channel(&key).into()), event)
    }

    /// As [`send`](Self::send), but waits while there is no room, also where a full outbox [drops](OutboxOverflow::DropOldest):
    /// for who produces faster than the server takes. Those who wait have their turn in their order; one who sends without
    /// waiting may come before.
    ///
    /// # Errors
    /// As for [`send`](Self::send), except `QueueFull`.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done queues nothing. One that is kept and not polled any more holds up those who
    /// wait behind it.
    pub async fn send_when_room(&self, event: &E) -> Result<()> {
        self.queue_when_room(self.bus.declared_channels(event), event).await
    }

    /// As [`send_to`](Self::send_to), but waits while there is no room. As [`send_when_room`](Self::send_when_room).
    ///
    /// # Errors
    /// As for [`send_when_room`](Self::send_when_room).
    ///
    /// # Cancel safety
    /// As for [`send_when_room`](Self::send_when_room).
    pub async fn send_to_when_room<K>(&self, key: K, event: &E) -> Result<()>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
    {
        let key = key.try_into().map_err(|error| self.bus.unsent(error.into()))?;
        self.queue_when_room(Ok(self.bus.channel(&key).into()), event).await
    }

    /// Returns when everything that was sent before has an outcome, and everybody was told of it: what could be
    /// published is. While the server is away, that is when it is back; while nothing drives the runtime of the outbox, it is
    /// never.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn flush(&self) -> OutboxReport {
        self.shared().flushed().await;
        self.report()
    }

    /// Refuses everything from now on, on all clones, publishes what is queued, and returns what has been done. What is not
    /// published within [the time for it](OutboxConfig::drain_within) is counted and reported. Closing twice is closing once.
    /// While nothing drives the runtime of the outbox, it waits.
    ///
    /// # Cancel safety
    /// It is closed at the first poll. Dropping the future after it changes nothing.
    pub async fn close(&self) -> OutboxReport {
        self.begin_to_close();
        self.shared().drained().await;
        self.report()
    }

    /// What has been done so far.
    #[must_use]
    pub fn report(&self) -> OutboxReport {
        self.shared().report()
    }

    pub(crate) fn begin_to_close(&self) {
        Drain::close(&**self.shared());
    }

    /// What is left to be done, without keeping it open.
    #[cfg(feature = "blocking")]
    pub(crate) fn drain(&self) -> Arc<dyn Drain> {
        Arc::clone(self.shared()) as Arc<dyn Drain>
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.door.shared
    }

    fn queue(&self, channels: Result<Channels>, event: &E) -> Result<()> {
        let many = channels.as_ref().map_or(1, Channels::len);
        let queued = self.encode(channels, event).and_then(|(messages, over_limit)| {
            self.shared().add(&messages)?;
            over_limit.map_or(Ok(()), Err)
        });
        queued.inspect_err(|error| self.count_refused(error, many))
    }

    async fn queue_when_room(&self, channels: Result<Channels>, event: &E) -> Result<()> {
        let many = channels.as_ref().map_or(1, Channels::len);
        let queued = match self.encode(channels, event) {
            Ok((messages, over_limit)) => {
                let added = self.shared().add_when_room(&messages).await;
                added.and_then(|()| over_limit.map_or(Ok(()), Err))
            }
            Err(error) => Err(error),
        };
        queued.inspect_err(|error| self.count_refused(error, many))
    }

    /// Counts for metrics what its sender is told at once.
    fn count_refused(&self, error: &Error, messages: usize) {
        self.bus.port().telemetry().count_failed(error.kind(), messages);
    }

    /// The messages of `event`; and what its sender must know if it is too large.
    fn encode(&self, channels: Result<Channels>, event: &E) -> Result<(Vec<Message>, Option<Error>)> {
        let channels = channels?;
        let mut outgoing = Outgoing::with_capacity(channels.len());
        let headers = self.bus.port().telemetry().headers(&Span::none()); // the sender's trace: that of the batch is another
        let pending = self.bus.encode(&mut outgoing, channels, (event, headers), &mut Turn::default())?;
        let (messages, _) = outgoing.into_parts(); // an outbox has no numbers
        Ok((messages, pending.over_limit()))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        Drain::close(&*self.shared);
    }
}

impl<E> Clone for Outbox<E> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), door: Arc::clone(&self.door) }
    }
}

impl<E> fmt::Debug for Outbox<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("bus", &self.bus)
            .field("report", &self.door.shared.report())
            .finish_non_exhaustive()
    }
}
