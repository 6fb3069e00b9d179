//! What a subscriber tells of its work: a handler that panicked, and the sum at the end.

use std::any::Any;
use std::fmt;

use crate::channel::Channel;
use crate::delivery::Notice;

/// What a subscriber did, from [`RunningSubscriber::shutdown`](super::RunningSubscriber::shutdown).
///
/// Events that were handled, panicked, were aborted or unhandled add up to those received; so do notices, which are
/// counted among them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SubscriberReport {
    /// How many handlers finished.
    pub handled: u64,
    /// How many handlers panicked.
    pub panicked: u64,
    /// How many handlers were ended because they ran longer than the shutdown allowed.
    pub aborted: u64,
    /// How many events and notices had been received when it was shut down, and were not handled any more.
    pub unhandled: u64,
    /// Why the subscription ended, if it did by itself and not because it was closed. The notice handler got it too.
    pub end: Option<Notice>,
}

impl SubscriberReport {
    /// Of a subscriber whose task is gone, with all that it had counted.
    pub(super) fn of_the_lost() -> Self {
        let end = Some(Notice::Stopped { reason: "the runtime that ran the subscriber has ended".into() });
        Self { end, ..Self::default() }
    }
}

/// A handler that panicked.
#[derive(Clone)]
pub struct HandlerPanic {
    channel: Option<Channel>,
    event_type: Option<String>,
    message: String,
}

impl HandlerPanic {
    pub(super) fn new(
        channel: Option<Channel>,
        event_type: Option<String>,
        panic: &(dyn Any + Send),
    ) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self { channel, event_type, message: text.unwrap_or("a panic without a text").to_owned() }
    }

    /// The channel of the message that it handled; `None` for a notice that is about no message.
    #[must_use]
    pub fn channel(&self) -> Option<&Channel> {
        self.channel.as_ref()
    }

    /// The type of the event that it handled; `None` for a notice.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        self.event_type.as_deref()
    }

    /// What the panic says. It may quote the event.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for HandlerPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event_type {
            Some(event_type) => write!(f, "the handler of {event_type:?} panicked")?,
            None => f.write_str("the handler of notices panicked")?,
        }
        match &self.channel {
            Some(channel) => write!(f, " over a message on {channel}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for HandlerPanic {
    /// Like `Display`: the text of the panic may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandlerPanic({self})")
    }
}
