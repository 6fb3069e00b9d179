//! What a subscriber tells of its work: what panicked, and the sum at the end.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::channel::Channel;
use crate::delivery::Notice;
use crate::event_type::Shown;

/// What a subscriber did, from [`RunningSubscriber::shutdown`](super::RunningSubscriber::shutdown).
///
/// The numbers add up to the events and notices that it received and had a handler for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SubscriberReport {
    /// How many handlers finished: of events and of notices.
    pub handled: u64,
    /// How many handlers panicked; also how many messages could not be read since the event type panicked over them.
    pub panicked: u64,
    /// How many handlers were ended because they ran longer than the shutdown allowed.
    pub aborted: u64,
    /// How many events and notices had been received when it was shut down, and were not handled any more.
    pub unhandled: u64,
    /// Why the subscription ended, if it did by itself and not because it was closed. The notice handler got it too.
    pub end: Option<Notice>,
}

/// The report as it grows: it outlives the task that writes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<SubscriberReport>>);

impl Tally {
    pub(super) fn write<T>(&self, change: impl FnOnce(&mut SubscriberReport) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn report(&self) -> SubscriberReport {
        self.write(|report| report.clone())
    }
}

/// A handler that panicked, or an event type that panicked while a message was read.
#[derive(Clone)]
pub struct HandlerPanic {
    about: About,
    message: String,
}

/// What was being done.
#[derive(Clone, Debug)]
pub(super) enum About {
    Event(Channel, String),
    /// A notice, about a message or not.
    Notice(Option<Channel>),
    Reading,
}

impl About {
    pub(super) fn channel(&self) -> Option<&Channel> {
        match self {
            Self::Event(channel, _) => Some(channel),
            Self::Notice(channel) => channel.as_ref(),
            Self::Reading => None,
        }
    }
}

impl HandlerPanic {
    pub(super) fn new(about: About, panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self { about, message: text.unwrap_or("a panic without a text").to_owned() }
    }

    /// The channel of the message that it handled; `None` for a notice that is about no message, and for a message that
    /// could not be read.
    #[must_use]
    pub fn channel(&self) -> Option<&Channel> {
        self.about.channel()
    }

    /// The type of the event that it handled; `None` for a notice, and for a message that could not be read.
    #[must_use]
    pub fn event_type(&self) -> Option<&str> {
        match &self.about {
            About::Event(_, event_type) => Some(event_type),
            About::Notice(_) | About::Reading => None,
        }
    }

    /// What the panic says. It may quote the event.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for HandlerPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            About::Event(channel, event_type) => {
                write!(f, "the handler of {} panicked over a message on {channel}", Shown(event_type))
            }
            About::Notice(Some(channel)) => {
                write!(f, "the handler of notices panicked over one about {channel}")
            }
            About::Notice(None) => f.write_str("the handler of notices panicked"),
            About::Reading => f.write_str("the event type panicked while a message was read"),
        }
    }
}

impl fmt::Debug for HandlerPanic {
    /// Like `Display`: the text of the panic may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HandlerPanic({self})")
    }
}
