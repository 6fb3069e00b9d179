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
    decoded: Erased,
}

/// A [`Decoded`], whose event type is not known here.
enum Erased {
    /// An envelope.
    Event(Arc<dyn Any + Send + Sync>),
    /// All else, whole.
    Other(Box<dyn Any + Send + Sync>),
}

/// What the first reader who wanted some types only found out without decoding.
struct Peeked {
    codec: CodecId,
    event: TypeId,
    /// Which of the known types it is, and what travels beside it.
    known: Option<(&'static str, Headers)>,
}

/// What a message turned out to be.
pub(crate) enum Decoded<E> {
    Event(Arc<Envelope<E>>),
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

    pub(crate) fn decode<E: Event>(&self, codec: &SharedCodec<E>) -> Decoded<E> {
        let shared = self
            .decoded
            .get_or_init(|| Shared { codec: codec.id(), decoded: self.decode_afresh(codec).erase() });
        let known = if shared.codec == codec.id() { shared.decoded.recall() } else { None };
        known.unwrap_or_else(|| self.decode_afresh(codec))
    }

    fn decode_afresh<E: Event>(&self, codec: &SharedCodec<E>) -> Decoded<E> {
        if let Some(sizes) = read_marker(&self.payload) {
            return Decoded::Oversized(sizes);
        }
        let error = match codec.decode(&self.channel, &self.payload) {
            Ok(envelope) => return Decoded::Event(Arc::new(envelope)),
            Err(error) => error,
        };
        let Some(Peek { event_type, headers }) = self.peek(codec) else {
            return Decoded::Undecodable(Arc::new(error), None);
        };
        if E::EVENT_TYPES.contains(&&*event_type) {
            return Decoded::Undecodable(Arc::new(error), Some(headers));
        }
        match E::from_unknown(UnknownEvent::new(&*event_type, self.payload.clone())) {
            Some(payload) => Decoded::Event(Arc::new(Envelope { payload, headers })),
            None => Decoded::Unknown(event_type.into(), headers),
        }
    }

    /// The headers of this, if it is an event of a known type that is none of those `wanted`, as far as can be told
    /// without decoding it.
    pub(crate) fn unwanted<E: Event>(&self, wanted: &Wanted, codec: &SharedCodec<E>) -> Option<Headers> {
        let decoded = self.decoded.get().filter(|shared| shared.codec == codec.id());
        if decoded.is_some_and(|shared| shared.decoded.is_event::<E>()) {
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

impl Erased {
    /// `None` if it is of another event type.
    fn recall<E: Event>(&self) -> Option<Decoded<E>> {
        match self {
            Self::Event(envelope) => Arc::clone(envelope).downcast().ok().map(Decoded::Event),
            Self::Other(decoded) => decoded.downcast_ref().cloned(),
        }
    }

    fn is_event<E: Event>(&self) -> bool {
        matches!(self, Self::Event(envelope) if envelope.is::<Envelope<E>>())
    }
}

impl<E: Event> Decoded<E> {
    fn erase(self) -> Erased {
        match self {
            Self::Event(envelope) => Erased::Event(envelope),
            other => Erased::Other(Box::new(other)),
        }
    }
}

impl<E> Decoded<E> {
    /// What travels beside it, where that could be read.
    pub(crate) fn headers(&self) -> Option<&Headers> {
        match self {
            Self::Event(envelope) => Some(&envelope.headers),
            Self::Oversized(_) => Some(Headers::none()), // no number was used up for it
            Self::Unknown(_, headers) => Some(headers),
            Self::Undecodable(_, headers) => headers.as_ref(),
        }
    }
}

impl<E> Clone for Decoded<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Event(envelope) => Self::Event(Arc::clone(envelope)),
            Self::Oversized(sizes) => Self::Oversized(*sizes),
            Self::Unknown(event_type, headers) => Self::Unknown(Arc::clone(event_type), headers.clone()),
            Self::Undecodable(error, headers) => Self::Undecodable(Arc::clone(error), headers.clone()),
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

    fn event(message: &Message, codec: &SharedCodec<Number>) -> Arc<Envelope<Number>> {
        match message.decode(codec) {
            Decoded::Event(envelope) => envelope,
            _ => panic!("not an event"),
        }
    }

    #[test]
    fn readers_with_the_same_codec_share_one_decoded_event() {
        let message = Message::new(Channel::from_full_name("b/k"), "12345");
        let (counter, codec) = counting(0);
        let first = event(&message, &codec);
        assert!((0..100).all(|_| Arc::ptr_eq(&first, &event(&message, &codec.clone()))));
        assert_eq!(counter.calls.load(SeqCst), 1);
    }

    #[test]
    fn another_codec_never_gets_what_the_first_one_decoded() {
        let message = Message::new(Channel::from_full_name("b/k"), "12345");
        let ((_, one), (_, other)) = (counting(0), counting(10));
        assert_eq!(event(&message, &one).payload, Number(5));
        assert_eq!(event(&message, &other).payload, Number(15));
    }

    #[test]
    fn debug_shows_no_payload() {
        let message = Message::new(Channel::from_full_name("b/k"), "secret");
        assert!(!format!("{message:?}").contains("secret"));
    }
}
