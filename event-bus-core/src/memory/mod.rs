//! A transport within the process: the same registry and inboxes as over a network, and as asynchronous. What is
//! published arrives through a task of its own, so that no test passes by luck of timing.

mod carrier;
mod faults;
mod recording;
mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::message::Message;
use crate::meters::count_reconnects;
use crate::receipt::Receipt;
use crate::transport::{Capabilities, End, Filter, Health, Inbox, Lease, StateWatch, Transport};

/// What it is called in spans and metrics.
const SYSTEM: &str = "memory";

use carrier::Shared;
pub use recording::Recording;
use state::State;

/// Carries messages within one process. Clones are the same transport.
///
/// For tests, examples, and services that run without a server. It needs a Tokio runtime with its time driver
/// (`enable_time`), and panics on one without; a runtime that stands still carries nothing, of which the state knows nothing. If
/// the runtime that first used it ends, its subscriptions end with
/// [`Notice::Stopped`](crate::Notice::Stopped) and the next use starts afresh.
///
/// # In tests
/// It [records](Self::record) what is published, and fails on demand: [`interrupt`](Self::interrupt) and
/// [`resume`](Self::resume), [`drop_next`](Self::drop_next), [`delay`](Self::delay), [`fail_next`](Self::fail_next).
/// Who gets a message is decided when it is published, and a fault holds for what is published behind it: a test
/// that awaits its publishes reads the same each time, on any runtime.
/// What was published is delivered a moment later: closing the transport delivers what is on its way, closing a bus does not.
///
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport, Notice};
/// # #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "pings", channel(all = "all"))]
/// # struct Ping { n: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = MemoryTransport::new();
/// let bus = PingBus::new(memory.clone());
/// let recording = memory.record();
/// let mut pings = bus.all().listen().await?;
///
/// memory.interrupt();
/// bus.publish(&Ping { n: 1 }).await?; // goes to nobody
/// memory.resume();
/// bus.publish(&Ping { n: 2 }).await?;
///
/// assert!(matches!(pings.recv().await, Some(Err(Notice::Interrupted))));
/// assert!(matches!(pings.recv().await, Some(Err(Notice::Resumed { .. }))));
/// assert_eq!(pings.recv().await.transpose()?.map(|ping| ping.n), Some(2));
///
/// let published = recording.take().into_iter().map(|message| bus.read(message));
/// let numbers = published.map(|event| event.map(|ping| ping.n)).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(numbers, [1, 2]);
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryTransport(Arc<Shared>);

impl MemoryTransport {
    /// A transport on which nothing has been published.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps everything that is published from now on. Recordings do not disturb each other.
    ///
    /// A message stands in it when its publish has returned, whether anybody got it or not; one of which the
    /// publisher was told that it was not sent does not.
    pub fn record(&self) -> Recording {
        let tape = Arc::default();
        let number = self.0.change(|state, _| state.start_tape(Arc::clone(&tape)));
        let shared = Arc::downgrade(&self.0);
        let lease = Lease::new(move || {
            if let Some(shared) = shared.upgrade() {
                drop(shared.change(|state, _| state.stop_tape(number)));
            }
        });
        Recording::new(tape, lease)
    }

    /// Cuts all listeners off, until [`resume`](Self::resume): each gets
    /// [`Notice::Interrupted`](crate::Notice::Interrupted) behind what was published before, but for messages that
    /// are [delayed](Self::delay) and still on their way; they are lost with the connection.
    ///
    /// What is published meanwhile is taken, with a receipt of 0 receivers, and reaches nobody. A `listen` waits for
    /// `resume`, and fails with `NotSubscribed` after five seconds. The listener's state is `Interrupted`.
    /// Interrupting twice is interrupting once.
    pub fn interrupt(&self) {
        self.0.change(State::interrupt);
    }

    /// Ends an interruption: listeners get [`Notice::Resumed`](crate::Notice::Resumed), and everything published
    /// from now on. Does nothing if there is none.
    pub fn resume(&self) {
        if self.0.change(|state, _| state.resume()) {
            count_reconnects(SYSTEM, 1);
        }
    }

    /// Lets each message that is published from now on arrive that much later; [`Duration::ZERO`] ends that.
    ///
    /// The order is kept: nothing overtakes what is on its way. Nothing is told, since nothing is lost. Publishing
    /// is not slowed unless 1024 messages are on their way; then it waits for the first of them, and fails with
    /// `NotSent` after five seconds. Listening is not slowed, and a new listener does not get what was published
    /// before; a filter that is [added](crate::Subscription::add) to a subscription waits for that, for five seconds at most.
    pub fn delay(&self, delay: Duration) {
        self.0.change(|state, _| state.faults.delay(delay));
    }

    /// Loses the next messages that are published, on whichever channel. The receipts do not show it.
    ///
    /// Those who would have got one, and nobody else, are told where it would have stood, as by a connection that
    /// was lost for a moment: [`Notice::Interrupted`](crate::Notice::Interrupted), then
    /// [`Notice::Resumed`](crate::Notice::Resumed). Losses beside each other are told as one. A later call replaces
    /// what is left of this one.
    pub fn drop_next(&self, messages: usize) {
        self.0.change(|state, _| state.faults.drop_next(messages));
    }

    /// Fails the next messages that are published, with the kind of error that a transport would give. An event
    /// that goes to several channels is several messages.
    ///
    /// They reach nobody and listeners are told nothing, as nothing was published. Only with
    /// [`ErrorKind::OutcomeUnknown`] they are published all the same, since that is the worse of the two: a publisher
    /// that tries again then doubles them. A later call replaces what is left of this one.
    pub fn fail_next(&self, messages: usize, kind: ErrorKind) {
        self.0.change(|state, _| state.faults.fail_next(messages, kind));
    }
}

impl Transport for MemoryTransport {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            results.push(self.publish_one(message).await);
        }
        results
    }

    async fn publish_one(&self, message: Message) -> Result<Receipt> {
        let channel = message.channel().clone();
        match self.0.publish(Arc::new(message)).await {
            Ok(topics) => Ok(Receipt::new(channel, Some(topics))),
            Err(error) => Err(error.with_channel(channel)),
        }
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        self.0.subscribe(state::topic(filter), inbox).await
    }

    async fn fence(&self) -> Result<()> {
        self.0.fence().await
    }

    async fn close(&self) {
        self.0.end_all(&End::Closed, true);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().patterns(true).receiver_counts(true)
    }

    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn health(&self) -> Health {
        self.0.health()
    }

    fn watch_state(&self) -> StateWatch {
        self.0.watch()
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let health = self.health();
        f.debug_struct("MemoryTransport")
            .field("wanted", &health.wanted)
            .field("listener", &health.listener.state)
            .finish_non_exhaustive()
    }
}
