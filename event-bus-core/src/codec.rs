//! How an event becomes bytes and back: the codec trait, and the envelope that codecs see whole.
//! The default codec stands in `json/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::event_type::TypeTag;
use crate::meters::Meters;

/// Small texts that travel beside the payload: trace context, event id. Readers skip names they don't know.
///
/// Nothing is written to the wire while there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    pub(crate) fn none() -> &'static Self {
        static NONE: Headers = Headers(BTreeMap::new());
        &NONE
    }

    /// The value of the header `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets the header `name`.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All headers, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What travels on a channel: an event and its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<E> {
    /// The event.
    pub payload: E,
    /// What travels beside it.
    pub headers: Headers,
}

impl<E> Envelope<E> {
    /// An envelope without headers.
    pub fn new(payload: E) -> Self {
        Self { payload, headers: Headers::default() }
    }
}

/// Turns envelopes into bytes and back.
///
/// It is given the channel, so that a codec that seals its messages can bind them to it. What was decoded is
/// shared by all listeners of the bus that was made with it and of its clones, and by no others; what [`Json`](crate::Json) decoded, by
/// all whose buses use that.
///
/// # Examples
/// JSON without the envelope, as services publish it that know no bus. It has no place for headers, so not for the numbers of
/// a [sequenced](crate::EventBusBuilder::sequenced) bus either.
///
/// ```
/// use event_bus_core::{Bytes, Channel, Codec, CodecError, Envelope, EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize, de::DeserializeOwned};
///
/// struct BareJson;
///
/// impl<E: Serialize + DeserializeOwned> Codec<E> for BareJson {
///     fn encode(&self, _: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError> {
///         let wire = serde_json::to_vec(envelope.payload).map_err(|_| CodecError::new("the event is no json"))?;
///         Ok(wire.into())
///     }
///
///     fn decode(&self, _: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError> {
///         let payload = serde_json::from_slice(wire).map_err(|_| CodecError::new("the message is of another type"))?;
///         Ok(Envelope::new(payload))
///     }
///
///     fn ignores_channel(&self) -> bool {
///         true
///     }
/// }
///
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "readings", channel(all = "all"))]
/// struct Reading {
///     celsius: f64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = ReadingBus::with_codec(MemoryTransport::new(), BareJson).build()?;
/// let mut readings = bus.all().listen().await?;
/// bus.publish(&Reading { celsius: 21.5 }).await?;
/// assert!(matches!(readings.recv().await, Some(Ok(reading)) if reading.raw() == r#"{"celsius":21.5}"#));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "the codec `{Self}` can't encode and decode `{E}`",
    note = "for the default codec `Json`, derive `serde::Serialize` and `serde::Deserialize` on the event"
)]
pub trait Codec<E>: Send + Sync + 'static {
    /// The bytes to publish on `channel`.
    ///
    /// # Errors
    /// A [`CodecError`] without any of the event's values in its text.
    fn encode(&self, channel: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError>;

    /// The envelope in `wire`, which was received on `channel`. It may come from anybody.
    ///
    /// # Errors
    /// A [`CodecError`] without any of the message's values in its text.
    fn decode(&self, channel: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError>;

    /// What can be told of the message in `wire` without decoding its event: listeners that want some types of events
    /// skip the others by it, and one of an unknown type is told from one that is broken. `tag` says where the
    /// [event](crate::Event::TYPE_TAG) has its type.
    ///
    /// `None` if that can't be told, which is right for every message, and the default.
    fn peek<'a>(&self, channel: &Channel, wire: &'a Bytes, tag: TypeTag) -> Option<Peek<'a>> {
        let _ = (channel, wire, tag);
        None
    }

    /// Whether [`encode`](Self::encode) gives the same bytes for every channel, so that an event for
    /// several channels is encoded once. `false` unless overridden.
    fn ignores_channel(&self) -> bool {
        false
    }
}

/// What can be told of a message without decoding its event, from [`Codec::peek`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek<'a> {
    /// What its type is called.
    pub event_type: Cow<'a, str>,
    /// What travels beside the event.
    pub headers: Headers,
}

/// A codec that is chosen at run time, or shared.
#[diagnostic::do_not_recommend]
impl<E, C: Codec<E> + ?Sized> Codec<E> for Arc<C> {
    fn encode(&self, channel: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError> {
        (**self).encode(channel, envelope)
    }

    fn decode(&self, channel: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError> {
        (**self).decode(channel, wire)
    }

    fn peek<'a>(&self, channel: &Channel, wire: &'a Bytes, tag: TypeTag) -> Option<Peek<'a>> {
        (**self).peek(channel, wire, tag)
    }

    fn ignores_channel(&self) -> bool {
        (**self).ignores_channel()
    }
}

/// Why a codec could not encode or decode.
#[derive(Debug)]
pub struct CodecError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CodecError {
    /// An error that says `message`: lower case, no full stop, and nothing of the payload.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// The error below this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A codec and the identity under which its results may be shared.
pub(crate) struct SharedCodec<E> {
    codec: Arc<dyn Codec<E>>,
    id: CodecId,
    meters: Meters,
}

/// Never reused, unlike an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodecId(u64);

impl<E> SharedCodec<E> {
    /// A codec that shares with nobody but clones of this handle.
    pub(crate) fn of_its_own(codec: Arc<dyn Codec<E>>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { codec, id: CodecId(NEXT.fetch_add(1, Ordering::Relaxed)), meters: Meters::none() }
    }

    /// A codec without state or settings: all instances are the same one.
    pub(crate) fn stateless(codec: Arc<dyn Codec<E>>) -> Self {
        Self { codec, id: CodecId(0), meters: Meters::none() }
    }

    /// The same, whose decoding is timed.
    pub(crate) fn metered(self, meters: Meters) -> Self {
        Self { meters, ..self }
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    pub(crate) fn id(&self) -> CodecId {
        self.id
    }
}

impl<E> Clone for SharedCodec<E> {
    fn clone(&self) -> Self {
        Self { codec: Arc::clone(&self.codec), id: self.id, meters: self.meters.clone() }
    }
}

impl<E> std::ops::Deref for SharedCodec<E> {
    type Target = dyn Codec<E>;

    fn deref(&self) -> &Self::Target {
        &*self.codec
    }
}
