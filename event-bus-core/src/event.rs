//! The trait behind `#[derive(EventBus)]`: which bus an event belongs to, and which channels it goes to.

use crate::channel::ChannelKey;
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

    /// The keys of all channels that this event is published to by
    /// [`EventBus::publish`](crate::EventBus::publish), in the order of their declaration. None if its keys
    /// are given at each call.
    ///
    /// # Errors
    /// A [`KeyError`] if a value of this event can't stand in a channel.
    fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError>;
}
