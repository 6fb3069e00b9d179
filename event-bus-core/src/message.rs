//! A message on its way: channel and bytes, decoded at most once for all listeners that may share the result.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::channel::Channel;
use crate::codec::{CodecError, CodecId, Envelope, SharedCodec};
use crate::limit::{MarkerSizes, read_marker};

/// Bytes on a channel, as a transport takes and hands them out.
pub struct Message {
    channel: Channel,
    payload: Bytes,
    decoded: OnceLock<Shared>,
}

/// What the first reader decoded, and for whom it holds: readers of the same event type *and* codec. A cell
/// known by its type alone would hand one bus's plaintext to another that has the wrong key.
struct Shared {
    codec: CodecId,
    decoded: Box<dyn Any + Send + Sync>,
}

/// What a message turned out to be.
pub(crate) enum Decoded<E> {
    Event(Arc<Envelope<E>>),
    Oversized(MarkerSizes),
    Undecodable(Arc<CodecError>),
}

impl Message {
    /// `payload` for, or from, `channel`.
    #[must_use]
    pub fn new(channel: Channel, payload: impl Into<Bytes>) -> Self {
        Self { channel, payload: payload.into(), decoded: OnceLock::new() }
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

    pub(crate) fn decode<E: Send + Sync + 'static>(&self, codec: &SharedCodec<E>) -> Decoded<E> {
        let shared = self
            .decoded
            .get_or_init(|| Shared { codec: codec.id(), decoded: Box::new(self.decode_afresh(codec)) });
        match shared.decoded.downcast_ref::<Decoded<E>>() {
            Some(decoded) if shared.codec == codec.id() => decoded.clone(),
            _ => self.decode_afresh(codec),
        }
    }

    fn decode_afresh<E: 'static>(&self, codec: &SharedCodec<E>) -> Decoded<E> {
        if let Some(sizes) = read_marker(&self.payload) {
            return Decoded::Oversized(sizes);
        }
        match codec.decode(&self.channel, &self.payload) {
            Ok(envelope) => Decoded::Event(Arc::new(envelope)),
            Err(error) => Decoded::Undecodable(Arc::new(error)),
        }
    }
}

impl<E> Clone for Decoded<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Event(envelope) => Self::Event(Arc::clone(envelope)),
            Self::Oversized(sizes) => Self::Oversized(*sizes),
            Self::Undecodable(error) => Self::Undecodable(Arc::clone(error)),
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
    use crate::codec::Codec;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    /// Reads a message as its length plus a key, and counts how often it was asked.
    struct Counting {
        key: usize,
        calls: AtomicUsize,
    }

    impl Codec<usize> for Counting {
        fn encode(&self, _: &Channel, _: &Envelope<&usize>) -> Result<Bytes, CodecError> {
            Err(CodecError::new("not needed here"))
        }

        fn decode(&self, _: &Channel, wire: &Bytes) -> Result<Envelope<usize>, CodecError> {
            self.calls.fetch_add(1, SeqCst);
            Ok(Envelope::new(wire.len() + self.key))
        }
    }

    fn counting(key: usize) -> (Arc<Counting>, SharedCodec<usize>) {
        let codec = Arc::new(Counting { key, calls: AtomicUsize::new(0) });
        (Arc::clone(&codec), SharedCodec::of_its_own(codec))
    }

    fn event(message: &Message, codec: &SharedCodec<usize>) -> Arc<Envelope<usize>> {
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
        assert_eq!(event(&message, &one).payload, 5);
        assert_eq!(event(&message, &other).payload, 15);
    }

    #[test]
    fn debug_shows_no_payload() {
        let message = Message::new(Channel::from_full_name("b/k"), "secret");
        assert!(!format!("{message:?}").contains("secret"));
    }
}
