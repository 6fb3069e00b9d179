//! The trait behind `#[derive(EventBus)]`: which bus an event belongs to, which channels it goes to, and of which type
//! it is.

use serde::Deserializer;

use crate::channel::ChannelKey;
use crate::event_type::{TypeTag, UnknownEvent};
use crate::key_error::KeyError;

/// An event type and the bus that carries it. Derive it with `#[derive(EventBus)]`, or write it:
///
/// ```
/// use event_bus_core::{ChannelKey, Event, KeyError};
///
/// struct CredentialsChanged {
///     user_id: String,
/// }
///
/// impl Event for CredentialsChanged {
///     const BUS_NAME: &'static str = "creds_changed";
///
///     fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> {
///         Ok(vec![ChannelKey::new("all")?])
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the event of a bus",
    note = "annotate it with `#[derive(EventBus)]` and `#[bus(name = \"…\")]`"
)]
pub trait Event: Send + Sync + 'static {
    /// The name of the bus, checked when a bus is built.
    const BUS_NAME: &'static str;

    /// What the types of its events are called on the wire: one for each variant of an enum that it knows, and one
    /// for a struct. By default the one that is called like the bus.
    const EVENT_TYPES: &'static [&'static str] = &[Self::BUS_NAME];

    /// Where a message tells the type. By default nowhere, so that every message is decoded whole.
    ///
    /// It must be right: a listener that wants some types only skips messages that tell another known one.
    const TYPE_TAG: TypeTag = TypeTag::Absent;

    /// Whether [`from_payload`](Self::from_payload) makes events. Written by the derive.
    #[doc(hidden)]
    const DECODES_BY_TAG: bool = false;

    /// The keys of all channels that this event is published to by
    /// [`EventBus::publish`](crate::EventBus::publish), in the order of their declaration. None if its keys
    /// are given at each call.
    ///
    /// # Errors
    /// A [`KeyError`] if a value of this event can't stand in a channel.
    fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError>;

    /// What the type of this event is called on the wire: one of [`EVENT_TYPES`](Self::EVENT_TYPES), or of a variant
    /// that stands for unknown ones, what theirs was called.
    fn event_type(&self) -> &str {
        Self::EVENT_TYPES.first().copied().unwrap_or(Self::BUS_NAME)
    }

    /// The event that stands for one of an unknown type, if this type has a place for it. Else listeners get
    /// [`Notice::UnknownType`](crate::Notice::UnknownType).
    #[must_use]
    fn from_unknown(unknown: UnknownEvent) -> Option<Self>
    where
        Self: Sized,
    {
        drop(unknown);
        None
    }

    /// The event of the type `event_type` whose payload has `fields`, without the tag; `None` if payloads of that type
    /// can't be decoded by themselves. Written by the derive.
    #[doc(hidden)]
    #[must_use]
    fn from_payload<'de, D: Deserializer<'de>>(event_type: &str, fields: D) -> Option<Result<Self, D::Error>>
    where
        Self: Sized,
    {
        let _ = (event_type, fields);
        None
    }
}
