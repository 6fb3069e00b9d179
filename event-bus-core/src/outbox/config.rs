//! What an outbox is told: how much it may hold, what happens when it is full, and whom to tell of failures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::report::OutboxFailure;
use crate::error::{Error, ErrorKind, Result};

/// Settings of an [`Outbox`](super::Outbox). They are checked when it is made.
///
/// ```
/// # use std::time::Duration;
/// use event_bus_core::{OutboxConfig, OutboxOverflow};
///
/// let config = OutboxConfig::default()
///     .queue_messages(50_000)
///     .queue_bytes(64 * 1024 * 1024)
///     .overflow(OutboxOverflow::DropOldest)
///     .drain_within(Duration::from_secs(3))
///     .on_failure(|failure| eprintln!("{}: {}", failure.channel(), failure.error()));
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until an outbox is made with them"]
pub struct OutboxConfig {
    pub(super) messages: usize,
    pub(super) bytes: usize,
    pub(super) overflow: OutboxOverflow,
    pub(super) drain_within: Duration,
    pub(super) on_failure: Option<Arc<dyn Fn(OutboxFailure) + Send + Sync>>,
}

/// What happens when an event is sent and the outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutboxOverflow {
    /// `send` refuses the event with an error of the kind [`QueueFull`](ErrorKind::QueueFull). The default: who sends knows best
    /// whether to wait, to do without, or to fail.
    #[default]
    Refuse,
    /// The oldest events make room, and are counted and reported: for who wants to go on, and to say what is true now
    /// rather than what was. What is under way can't be dropped; where there is no room beside it, the new event is.
    /// [`send_when_room`](super::Outbox::send_when_room) drops nothing and waits.
    DropOldest,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 16 * 1024 * 1024,
            overflow: OutboxOverflow::default(),
            drain_within: Duration::from_secs(10),
            on_failure: None,
        }
    }
}

impl OutboxConfig {
    /// How many messages it may hold, those under way included; 10,000 by default: ten batches, enough to go on while
    /// a server restarts. An event that goes to several channels is several messages; one that goes to more than these is taken when
    /// the outbox is empty.
    pub fn queue_messages(mut self, messages: usize) -> Self {
        self.messages = messages;
        self
    }

    /// How many bytes it may hold, those under way included; 16 MiB by default, so that one message of the default
    /// limit fits. An event that is larger by itself is taken when the outbox is empty.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// What happens when it is full; [`OutboxOverflow::Refuse`] by default.
    pub fn overflow(mut self, overflow: OutboxOverflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How long it goes on publishing what it holds once it is closed or dropped, or its bus closed; 10 seconds by default:
    /// longer than one publish takes to give up, and shorter than the time that a service usually gets to end. What
    /// is left then is counted and reported.
    pub fn drain_within(mut self, time: Duration) -> Self {
        self.drain_within = time;
        self
    }

    /// Is told of each event that was not published on a channel, or not for sure; by default nobody is, and the
    /// [report](super::Outbox::report) counts them. The last one counts.
    ///
    /// It is called by the task that publishes, and with [`OutboxOverflow::DropOldest`] by who sends. It must not block, and
    /// must not panic. It may send to this outbox or another; while it is called, a full one refuses and does not drop, which
    /// would have no end.
    pub fn on_failure(mut self, told: impl Fn(OutboxFailure) + Send + Sync + 'static) -> Self {
        self.on_failure = Some(Arc::new(told));
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        for (capacity, unit) in [(self.messages, "messages"), (self.bytes, "bytes")] {
            if capacity == 0 {
                return Err(Error::new(ErrorKind::InvalidConfig, format!("an outbox that holds no {unit}")));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for OutboxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxConfig")
            .field("messages", &self.messages)
            .field("bytes", &self.bytes)
            .field("overflow", &self.overflow)
            .field("drain_within", &self.drain_within)
            .field("on_failure", &self.on_failure.is_some())
            .finish()
    }
}
