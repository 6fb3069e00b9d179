//! What a subscription hands out: a received event, or a notice of what a listener must know besides.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::channel::Channel;
use crate::codec::{CodecError, Headers, SharedCodec};
use crate::event::Event;
use crate::event_type::{Shown, View, whole};
use crate::message::{Heard, Message, NoEvent, Unheard};
use crate::trace_context::TraceContext;
use crate::transport::Signal;

/// One received event. Dereferences to it, or to its payload where a subscription was
/// [narrowed](crate::Subscription::only) to a newtype variant. Shared with all other listeners of the same message, so
/// cloning is cheap.
///
/// # Examples
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport};
/// # #[derive(Clone, serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "pings", channel(all = "all"))]
/// # struct Ping { n: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// # let bus = PingBus::new(MemoryTransport::new());
/// # let mut pings = bus.all().listen().await?;
/// # bus.publish(&Ping { n: 1 }).await?;
/// if let Some(Ok(ping)) = pings.recv().await {
///     assert_eq!(ping.n, 1); // it is the event
///     assert_eq!(ping.channel().as_str(), "pings/all");
///     assert_eq!(ping.raw(), r#"{"payload":{"n":1}}"#);
///     let mine: Ping = ping.into_event();
/// #   drop(mine);
/// }
/// # Ok(()) }
/// ```
pub struct Delivery<E, P: ?Sized = E> {
    heard: Heard<E>,
    /// Finds something: looked at when this was made.
    view: View<E, P>,
}

impl<E: Event> Delivery<E> {
    /// What `message` is to whoever uses `codec`.
    pub(crate) fn read(message: Arc<Message>, codec: &SharedCodec<E>) -> Result<Self, Notice> {
        Ok(Self::of(message.decode(codec)?, whole))
    }

    /// The same, seen through `view`; `None` if that finds nothing in it.
    pub(crate) fn seen<P: ?Sized>(self, view: View<E, P>) -> Option<Delivery<E, P>> {
        view(self.event())?;
        Some(Delivery::of(self.heard, view))
    }
}

impl<E: Event, P: ?Sized> Delivery<E, P> {
    /// What was heard, seen through `view`, which finds something in it.
    pub(crate) fn of(heard: Heard<E>, view: View<E, P>) -> Self {
        Self { heard, view }
    }

    /// The whole event.
    #[must_use]
    pub fn event(&self) -> &E {
        &self.heard.envelope().payload
    }

    /// The whole event as a value of its own: moved out if this is the last listener that holds it, else cloned.
    #[must_use]
    pub fn into_event(self) -> E
    where
        E: Clone,
    {
        self.heard.into_event().unwrap_or_else(|shared| shared.envelope().payload.clone())
    }

    /// The channel it came on.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        self.heard.message().channel()
    }

    /// What travelled beside the event.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.heard.envelope().headers
    }

    /// The trace that it was published in, if its publisher [passed that on](crate::EventBusBuilder::trace_context). It
    /// may come from anybody: what breaks the rules of W3C's trace context is none.
    #[must_use]
    pub fn trace_context(&self) -> Option<TraceContext> {
        TraceContext::read(self.headers())
    }

    /// The message as received.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        self.heard.message().payload()
    }
}

impl<E: Event, P: ?Sized> Deref for Delivery<E, P> {
    type Target = P;

    fn deref(&self) -> &P {
        (self.view)(self.event()).unwrap_or_else(|| unreachable!("an event keeps the type that it has"))
    }
}

impl<E, P: ?Sized> Clone for Delivery<E, P> {
    fn clone(&self) -> Self {
        Self { heard: self.heard.clone(), view: self.view }
    }
}

impl<E: Event + fmt::Debug, P: ?Sized> fmt::Debug for Delivery<E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("channel", self.channel())
            .field("event", self.event())
            .finish_non_exhaustive()
    }
}

/// What a listener must know besides events: above all what it did not get.
///
/// A notice stands in the stream where the loss was. It is an error, but not the end, unless
/// [`is_final`](Self::is_final); then the stream ends behind it.
///
/// # Examples
/// ```
/// use event_bus_core::{Event, Notice, Subscription};
///
/// async fn follow<E: Event>(mut events: Subscription<E>) {
///     while let Some(item) = events.recv().await {
///         match item {
///             Ok(event) => println!("an event on {}", event.channel()),
///             Err(Notice::Interrupted) => println!("what is shown may be out of date"),
///             Err(notice) if notice.asks_for_refetch() => println!("fetch the state anew: {notice}"),
///             Err(notice) => println!("the last item: {notice}"),
///         }
///     }
/// }
/// ```
///
/// [`Subscription::resync`](crate::Subscription::resync) fetches anew by itself.
#[derive(Clone)]
#[non_exhaustive]
pub enum Notice {
    /// This listener was too slow: its own queue was full, and this many messages were dropped here.
    Lagged {
        /// How many messages.
        missed: u64,
    },
    /// The connection was lost. Events published from now on are missed, until [`Resumed`](Self::Resumed).
    Interrupted,
    /// All channels of this listener are confirmed again. What was published meanwhile is gone: fetch the
    /// state anew if it matters.
    Resumed {
        /// From the moment the loss was noticed. It may have begun somewhat earlier.
        down_for: Duration,
    },
    /// Events are missing here although every connection looked healthy: their publisher
    /// [numbers](crate::EventBusBuilder::sequenced) its events, and numbers are missing that no other notice covers. An
    /// event whose publisher could not know whether it was published counts too.
    Gap {
        /// The channel on which they are missing.
        channel: Channel,
        /// How many events.
        missed: u64,
    },
    /// An event was too large to be published; this stood in its place.
    Oversized {
        /// The channel it was meant for.
        channel: Channel,
        /// The size of the whole message, in bytes.
        original_size_bytes: u64,
        /// The publisher's limit, in bytes.
        max_size_bytes: u64,
    },
    /// An event of a type that this program does not know: most likely its publisher is of a newer release. Only where
    /// the codec can tell the type; else it is [`Undecodable`](Self::Undecodable).
    UnknownType {
        /// The channel it came on.
        channel: Channel,
        /// What its type is called.
        event_type: Arc<str>,
        /// The message as received.
        raw: Bytes,
    },
    /// A message that does not decode as this bus's event.
    Undecodable {
        /// The channel it came on.
        channel: Channel,
        /// Why it does not decode; without values from the message.
        error: Arc<CodecError>,
        /// The message as received.
        raw: Bytes,
    },
    /// Final: the server does not let this listener hear this channel any more.
    Denied {
        /// The server's reason.
        reason: Arc<str>,
    },
    /// Final: the queue was full and the subscription was made to end then
    /// ([`Overflow::Close`](crate::transport::Overflow::Close)).
    Overflowed,
    /// Final: what delivered to this subscription is gone, for example the runtime that ran it.
    Stopped {
        /// What happened.
        reason: Arc<str>,
    },
}

impl Notice {
    /// The one channel that it is about, if it is about one: about a message, or a gap between messages.
    #[must_use]
    pub fn channel(&self) -> Option<&Channel> {
        match self {
            Self::Gap { channel, .. }
            | Self::Oversized { channel, .. }
            | Self::UnknownType { channel, .. }
            | Self::Undecodable { channel, .. } => Some(channel),
            _ => None,
        }
    }

    /// Whether a state that the events keep up to date is to be fetched anew now: something is missing before this place, and what
    /// comes behind it is heard. So it is with all notices but [`Interrupted`](Self::Interrupted), which
    /// [`Resumed`](Self::Resumed) follows, and those behind which nothing comes.
    #[must_use]
    pub fn asks_for_refetch(&self) -> bool {
        !matches!(self, Self::Interrupted) && !self.is_final()
    }

    /// Whether the stream ends behind this notice.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Denied { .. } | Self::Overflowed | Self::Stopped { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged { missed } => {
                write!(f, "too slow: {missed} messages were dropped from the full queue")
            }
            Self::Interrupted => f.write_str("the connection was lost: events are being missed"),
            Self::Resumed { down_for } => {
                write!(f, "listening again after {down_for:.1?}: what was published meanwhile was missed")
            }
            Self::Gap { channel, missed } => write!(f, "{missed} events on {channel} are missing"),
            Self::Oversized { channel, original_size_bytes, max_size_bytes } => write!(
                f,
                "an event on {channel} was not published: its {original_size_bytes} bytes are over the limit \
                 of {max_size_bytes}"
            ),
            Self::UnknownType { channel, event_type, raw } => write!(
                f,
                "a message of {} bytes on {channel} is an event of an unknown type: {}",
                raw.len(),
                Shown(event_type)
            ),
            Self::Undecodable { channel, error, raw } => {
                write!(f, "a message of {} bytes on {channel} is no event of this bus: {error}", raw.len())
            }
            Self::Denied { reason } => write!(f, "the server ended this subscription: {reason}"),
            Self::Overflowed => f.write_str("too slow: the queue was full, which ends this subscription"),
            Self::Stopped { reason } => write!(f, "the subscription stopped: {reason}"),
        }
    }
}

impl fmt::Debug for Notice {
    /// Like `Display`: the raw message may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({self})")
    }
}

impl std::error::Error for Notice {}

impl From<Unheard> for Notice {
    fn from(Unheard { message, what }: Unheard) -> Self {
        let channel = message.channel().clone();
        match &*what {
            NoEvent::Oversized(sizes) => Self::Oversized {
                channel,
                original_size_bytes: sizes.original_size_bytes,
                max_size_bytes: sizes.max_size_bytes,
            },
            NoEvent::Unknown(event_type, _) => Self::UnknownType {
                channel,
                event_type: Arc::clone(event_type),
                raw: message.payload().clone(),
            },
            NoEvent::Undecodable(error, _) => {
                Self::Undecodable { channel, error: Arc::clone(error), raw: message.payload().clone() }
            }
        }
    }
}

impl From<Signal> for Notice {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Lagged { missed } => Self::Lagged { missed },
            Signal::Interrupted => Self::Interrupted,
            Signal::Resumed { down_for } => Self::Resumed { down_for },
        }
    }
}
