//! What an outbox tells of its work: the sum so far, and each event that was not published for sure.

use std::fmt;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::message::Message;

/// What an [`Outbox`](super::Outbox) has done so far.
///
/// Everything is counted per channel: an event that goes to two channels counts twice. The numbers add up at any moment:
/// what was [accepted](Self::accepted) is [queued](Self::queued), [sent](Self::sent), or [lost](Self::lost).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OutboxReport {
    /// How much `send` has taken.
    pub accepted: u64,
    /// How much has no outcome yet: it waits, or is under way.
    pub queued: u64,
    /// How many bytes that is, without the names of the channels.
    pub queued_bytes: u64,
    /// How much the server has acknowledged.
    pub sent: u64,
    /// Whether the last that was tried could not be sent, since the server is away, say, and is going to be tried again.
    pub is_failing: bool,
    failures: Vec<(ErrorKind, u64)>,
}

impl OutboxReport {
    /// How much was not published, or not for sure, whatever the reason.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }

    /// How much was not published for this reason: [`QueueFull`](ErrorKind::QueueFull) if it was dropped to make room,
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) if it may have been published after all, [`NotSent`](ErrorKind::NotSent) if
    /// it was left over at the end or overtaken by a later event of its channel, `Denied` and `Refused` if the server does
    /// not want it, `Unsupported` if it lacks the command, `Partial` if one of two kinds of pub/sub
    /// failed, `Closed` if the transport was closed before.
    #[must_use]
    pub fn failed(&self, kind: ErrorKind) -> u64 {
        self.failures.iter().find(|(known, _)| *known == kind).map_or(0, |(_, count)| *count)
    }

    /// Each kind of failure that there was, and how often.
    pub fn failures(&self) -> impl Iterator<Item = (ErrorKind, u64)> + '_ {
        self.failures.iter().copied()
    }

    pub(super) fn count_failure(&mut self, kind: ErrorKind) {
        match self.failures.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => self.failures.push((kind, 1)),
        }
    }
}

/// An event that an [`Outbox`](super::Outbox) could not publish on one channel, or not for sure: what
/// [`on_failure`](super::OutboxConfig::on_failure) is told.
pub struct OutboxFailure {
    message: Message,
    error: Error,
}

impl OutboxFailure {
    pub(super) fn new(message: Message, error: Error) -> Self {
        Self { message, error }
    }

    /// Where it was to be published.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        self.message.channel()
    }

    /// Why it was not.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// What was to be published. [`EventBus::read`](crate::EventBus::read) makes an event of it.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }
}

impl fmt::Debug for OutboxFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxFailure").field("message", &self.message).field("error", &self.error).finish()
    }
}
