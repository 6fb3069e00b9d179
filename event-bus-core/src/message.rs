//! A message on its way: channel and bytes, decoded at most once for all listeners that may share the result.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::channel::Channel;
use crate::codec::{CodecError, CodecId, Envelope, Headers, Peek, SharedCodec};
use crate::event::Event;
use crate::event_type::{UnknownEvent, Wanted};
use crate::limit::{MarkerSizes, read_marker};
use crate::meters::Start;

/// Bytes on a channel, as a transport takes and hands them out.
pub struct Message {
    channel: Channel,
    payload: Bytes,
    decoded: OnceLock<Shared>,
    peeked: OnceLock<Box<Peeked>>,
}

/// What the first reader decoded, and for whom it holds: readers of the same event type *and* codec. A cell
/// known by its type alone would hand one bus's plaintext to another that has the wrong key.
struct Shared {
    codec: CodecId,
    event: TypeId,
    /// It is an event, beside which nothing travels: to find that out in the envelope would cost more.
    is_bare: bool,
    decoded: Result<ErasedEnvelope, Arc<NoEvent>>,
}

/// An [`Envelope`], whose event type is not known here.
type ErasedEnvelope = Box<dyn Any + Send + Sync>;

/// What the first reader who wanted some types only found out without decoding.
struct Peeked {
    codec: CodecId,
    event: TypeId,
    /// Which of the known types it is, and what travels beside it.
    known: Option<(&'static str, Headers)>,
}

/// What a message turned out to be to one reader.
pub(crate) type Decoded<E> = Result<Heard<E>, Unheard>;

/// A message that is an event, which stands in it, where many share it. So each holds one handle and not two: counting who
/// holds what is a good part of what a delivery costs.
pub(crate) struct Heard<E> {
    message: Arc<Message>,
    /// Only if the message holds what it is to readers of another codec, or of another event type.
    own: Option<Arc<Envelope<E>>>,
}

/// A message that is no event.
pub(crate) struct Unheard {
    pub(crate) message: Arc<Message>,
    pub(crate) what: Arc<NoEvent>,
}

/// What a message is that is no event.
pub(crate) enum NoEvent {
    Oversized(MarkerSizes),
    /// It is called this, which the event type does not know and has no place for.
    Unknown(Arc<str>, Headers),
    /// With its headers, if they could be read all the same.
    Undecodable(Arc<CodecError>, Option<Headers>),
}

impl Message {
    /// `payload` for, or from, `channel`.
    #[must_use]
    pub fn new(channel: Channel, payload: impl Into<Bytes>) -> Self {
        Self { channel, payload: payload.into(), decoded: OnceLock::new(), peeked: OnceLock::new() }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The channel, and the bytes on the wire: for a transport that sends them, and has no use for the message itself.
    ///
    /// ```
    /// use event_bus_core::{Channel, Message};
    ///
    /// let message = Message::new(Channel::from_full_name("pings/1"), r#"{"payload":{"n":1}}"#);
    /// let (channel, payload) = message.into_parts();
    /// assert_eq!((channel.as_str(), &payload[..]), ("pings/1", &br#"{"payload":{"n":1}}"#[..]));
    /// ```
    #[must_use]
    pub fn into_parts(self) -> (Channel, Bytes) {
        (self.channel, self.payload)
    }

    /// Whether it is, to whoever uses `codec`, an event that all may share, with nothing beside it: nearly all are.
    #[inline] // nothing but a look, for all but the first
    pub(crate) fn is_bare<E: Event>(&self, codec: &SharedCodec<E>) -> bool {
        let shared = self.decoded.get_or_init(|| self.decode_to_share(codec));
        shared.is_bare && shared.codec == codec.id() && shared.event == TypeId::of::<E>()
    }

    /// What it is to whoever uses `codec`.
    pub(crate) fn decode<E: Event>(self: Arc<Self>, codec: &SharedCodec<E>) -> Decoded<E> {
        let shared = self.decoded.get_or_init(|| self.decode_to_share(codec));
        if shared.codec != codec.id() || shared.event != TypeId::of::<E>() {
            return self.decode_for_one(codec);
        }
        match &shared.decoded {
            Ok(_) => Ok(Heard::of(self)),
            Err(what) => Err(Unheard { what: Arc::clone(what), message: self }),
        }
    }

    fn decode_to_share<E: Event>(&self, codec: &SharedCodec<E>) -> Shared {
        let (is_bare, decoded) = match self.decode_afresh(codec) {
            Ok(envelope) => (envelope.headers.is_empty(), Ok(Box::new(envelope) as ErasedEnvelope)),
            Err(what) => (false, Err(Arc::new(what))),
        };
        Shared { codec: codec.id(), event: TypeId::of::<E>(), is_bare, decoded }
    }

    fn decode_for_one<E: Event>(self: Arc<Self>, codec: &SharedCodec<E>) -> Decoded<E> {
        match self.decode_afresh(codec) {
            Ok(envelope) => Ok(Heard { message: self, own: Some(Arc::new(envelope)) }),
            Err(what) => Err(Unheard { message: self, what: Arc::new(what) }),
        }
    }

    fn decode_afresh<E: Event>(&self, codec: &SharedCodec<E>) -> Result<Envelope<E>, NoEvent> {
        if let Some(sizes) = read_marker(&self.payload) {
            return Err(NoEvent::Oversized(sizes));
        }
        let start = Start::now();
        let decoded = codec.decode(&self.channel, &self.payload);
        codec.meters().time_decode(start);
        let error = match decoded {
            Ok(envelope) => return Ok(envelope),
            Err(error) => error,
        };
        let Some(Peek { event_type, headers }) = self.peek(codec) else {
            return Err(NoEvent::Undecodable(Arc::new(error), None));
        };
        if E::EVENT_TYPES.contains(&&*event_type) {
            return Err(NoEvent::Undecodable(Arc::new(error), Some(headers)));
        }
        match E::from_unknown(UnknownEvent::new(&*event_type, self.payload.clone())) {
            Some(payload) => Ok(Envelope { payload, headers }),
            None => Err(NoEvent::Unknown(event_type.into(), headers)),
        }
    }

    /// The headers of this, if it is an event of a known type that is none of those `wanted`, as far as can be told
    /// without decoding it.
    pub(crate) fn unwanted<E: Event>(&self, wanted: &Wanted, codec: &SharedCodec<E>) -> Option<Headers> {
        let is_ours = |shared: &Shared| shared.codec == codec.id() && shared.event == TypeId::of::<E>();
        if self.decoded.get().is_some_and(|shared| is_ours(shared) && shared.decoded.is_ok()) {
            return None; // the event itself tells, and costs less
        }
        let peeked = self.peeked.get_or_init(|| Box::new(self.peek_known(codec)));
        let known = if peeked.codec == codec.id() && peeked.event == TypeId::of::<E>() {
            peeked.known.clone()
        } else {
            self.peek_known(codec).known
        };
        let (_, headers) = known.filter(|(event_type, _)| !wanted.takes(event_type, E::EVENT_TYPES))?;
        Some(headers)
    }

    fn peek_known<E: Event>(&self, codec: &SharedCodec<E>) -> Peeked {
        let peek = self.peek(codec).filter(|_| read_marker(&self.payload).is_none());
        let known = peek.and_then(|Peek { event_type, headers }| {
            let known = E::EVENT_TYPES.iter().copied().find(|known| *known == event_type)?;
            Some((known, headers))
        });
        Peeked { codec: codec.id(), event: TypeId::of::<E>(), known }
    }

    fn peek<E: Event>(&self, codec: &SharedCodec<E>) -> Option<Peek<'_>> {
        codec.peek(&self.channel, &self.payload, E::TYPE_TAG)
    }
}

const STAYS: &str = "what a message was decoded to stays in it";

impl<E: Event> Heard<E> {
    #[inline]
    pub(crate) fn envelope(&self) -> &Envelope<E> {
        let shared = || {
            let decoded = self.message.decoded.get()?.decoded.as_ref().ok()?;
            decoded.downcast_ref()
        };
        let envelope = self.own.as_deref().or_else(shared);
        envelope.unwrap_or_else(|| unreachable!("{STAYS}"))
    }

    /// The event as a value of its own, if nobody else holds it.
    pub(crate) fn into_event(self) -> Result<E, Self> {
        let Self { message, own } = self;
        if let Some(own) = own {
            let own = Arc::try_unwrap(own).map_err(|own| Self { message, own: Some(own) })?;
            return Ok(own.payload);
        }
        let message = Arc::try_unwrap(message).map_err(|message| Self { message, own: None })?;
        let decoded = message.decoded.into_inner().and_then(|shared| shared.decoded.ok());
        let envelope = decoded.and_then(|decoded| decoded.downcast::<Envelope<E>>().ok());
        Ok(envelope.unwrap_or_else(|| unreachable!("{STAYS}")).payload)
    }
}

impl<E> Heard<E> {
    /// What stands in `message`.
    pub(crate) fn of(message: Arc<Message>) -> Self {
        Self { message, own: None }
    }

    pub(crate) fn message(&self) -> &Message {
        &self.message
    }
}

impl<E> Clone for Heard<E> {
    fn clone(&self) -> Self {
        Self { message: Arc::clone(&self.message), own: self.own.clone() }
    }
}

impl NoEvent {
    /// What travels beside it, where that could be read.
    pub(crate) fn headers(&self) -> Option<&Headers> {
        match self {
            Self::Oversized(_) => Some(Headers::none()), // no number was used up for it
            Self::Unknown(_, headers) => Some(headers),
            Self::Undecodable(_, headers) => headers.as_ref(),
        }
    }
}

impl fmt::Debug for Message {
    /// The channel and the size; the payload may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("channel", &self.channel)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ChannelKey;
    use crate::codec::Codec;
    use crate::key_error::KeyError;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[derive(Debug, PartialEq)]
    struct Number(usize);

    impl Event for Number {
        const BUS_NAME: &'static str = "numbers";

        fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> {
            Ok(Vec::new())
        }
    }

    /// Reads a message as its length plus a key, and counts how often it was asked.
    struct Counting {
        key: usize,
        calls: AtomicUsize,
    }

    impl Codec<Number> for Counting {
        fn encode(&self, _: &Channel, _: &Envelope<&Number>) -> Result<Bytes, CodecError> {
            Err(CodecError::new("not needed here"))
        }

        fn decode(&self, _: &Channel, wire: &Bytes) -> Result<Envelope<Number>, CodecError> {
            self.calls.fetch_add(1, SeqCst);
            Ok(Envelope::new(Number(wire.len() + self.key)))
        }
    }

    fn counting(key: usize) -> (Arc<Counting>, SharedCodec<Number>) {
        let codec = Arc::new(Counting { key, calls: AtomicUsize::new(0) });
        (Arc::clone(&codec), SharedCodec::of_its_own(codec))
    }

    fn message() -> Arc<Message> {
        Arc::new(Message::new(Channel::from_full_name("b/k"), "12345"))
    }

    fn heard(message: &Arc<Message>, codec: &SharedCodec<Number>) -> Heard<Number> {
        Arc::clone(message).decode(codec).unwrap_or_else(|_| panic!("not an event"))
    }

    #[test]
    fn readers_with_the_same_codec_share_one_decoded_event() {
        let message = message();
        let (counter, codec) = counting(0);
        let first = heard(&message, &codec);
        let is_same = |other: Heard<Number>| std::ptr::eq(first.envelope(), other.envelope());
        assert!((0..100).all(|_| is_same(heard(&message, &codec.clone()))));
        assert_eq!(counter.calls.load(SeqCst), 1);
    }

    #[test]
    fn another_codec_never_gets_what_the_first_one_decoded() {
        let message = message();
        let ((_, one), (_, other)) = (counting(0), counting(10));
        assert_eq!(heard(&message, &one).envelope().payload, Number(5));
        assert_eq!(heard(&message, &other).envelope().payload, Number(15));
        assert_eq!(heard(&message, &one).envelope().payload, Number(5));
    }

    #[test]
    fn an_event_is_moved_out_for_the_last_who_holds_it_whoever_decoded_it() {
        let message = message();
        let ((_, one), (_, other)) = (counting(0), counting(10));
        let (shared, own) = (heard(&message, &one), heard(&message, &other));
        drop(message);
        let shared = shared.into_event().err().unwrap(); // the other one holds the message
        let second = own.clone();
        let own = own.into_event().err().unwrap();
        drop(second);
        assert_eq!(own.into_event().ok(), Some(Number(15)));
        assert_eq!(shared.into_event().ok(), Some(Number(5)));
    }

    #[test]
    fn debug_shows_no_payload() {
        let message = Message::new(Channel::from_full_name("b/k"), "secret");
        assert!(!format!("{message:?}").contains("secret"));
    }
}
