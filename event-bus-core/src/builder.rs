//! A bus with settings of one's own; all of them are checked when it is built.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::bus::EventBus;
use crate::channel::BusName;
use crate::codec::{Codec, SharedCodec};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::json::Json;
use crate::limit::{MessageLimit, Oversize};
use crate::settings::Settings;
use crate::transport::{DynTransport, Overflow, Transport};

/// Builds an [`EventBus<E>`], or the generated bus `B` around one.
///
/// ```
/// # use event_bus_core::{Event, EventBus, MemoryTransport, MessageLimit, transport::Overflow};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, EventBus)]
/// # #[bus(name = "creds_changed", channel(all = "all"))]
/// # struct CredentialsChanged { user_id: String }
/// let bus = CredentialsChangedBus::builder(MemoryTransport::new())
///     .message_limit(MessageLimit::new(64 * 1024)?)
///     .queue_messages(64)
///     .overflow(Overflow::DropNewest)
///     .build()?;
/// # Ok::<(), event_bus_core::Error>(())
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct EventBusBuilder<E, B = EventBus<E>> {
    name: Option<BusName>,
    transport: Arc<dyn DynTransport>,
    codec: SharedCodec<E>,
    settings: Settings,
    bus: PhantomData<fn() -> B>,
}

impl<E: Event> EventBus<E> {
    /// A bus with settings of your own.
    pub fn builder(transport: impl Transport) -> EventBusBuilder<E>
    where
        Json: Codec<E>,
    {
        EventBusBuilder::new(transport)
    }
}

impl<E: Event, B: From<EventBus<E>>> EventBusBuilder<E, B> {
    /// A builder with the default settings and the codec [`Json`].
    pub fn new(transport: impl Transport) -> Self
    where
        Json: Codec<E>,
    {
        Self::start(transport, SharedCodec::stateless(Arc::new(Json)))
    }

    /// A builder with the default settings and a codec of your own. What this very instance decoded is shared
    /// among the listeners of this bus, and with no other bus.
    pub fn with_codec(transport: impl Transport, codec: impl Codec<E>) -> Self {
        Self::start(transport, SharedCodec::of_its_own(Arc::new(codec)))
    }

    fn start(transport: impl Transport, codec: SharedCodec<E>) -> Self {
        let transport = Arc::new(transport);
        Self { name: None, transport, codec, settings: Settings::default(), bus: PhantomData }
    }

    /// The bus name; [`Event::BUS_NAME`] by default.
    pub fn name(mut self, name: BusName) -> Self {
        self.name = Some(name);
        self
    }

    /// The largest message that is published; 16 MiB by default, as on the Python bus.
    pub fn message_limit(mut self, limit: MessageLimit) -> Self {
        self.settings.size_rule.limit = limit;
        self
    }

    /// What becomes of larger ones; [`Oversize::Marker`] by default, so that listeners are told.
    pub fn oversize(mut self, oversize: Oversize) -> Self {
        self.settings.size_rule.oversize = oversize;
        self
    }

    /// How many messages each subscription may queue; 1024 by default: enough for a burst, and a listener that
    /// is further behind than that is better told so.
    pub fn queue_messages(mut self, messages: usize) -> Self {
        self.settings.inbox.messages = messages;
        self
    }

    /// How many bytes each subscription may queue; 16 MiB by default, so that one message of the default limit
    /// fits. A single larger message is queued alone. Several subscriptions share the bytes of a message, and
    /// each counts them; what a faster listener has decoded of them is not counted.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.settings.inbox.bytes = bytes;
        self
    }

    /// What happens when a subscription's queue is full; [`Overflow::DropOldest`] by default.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.inbox.overflow = overflow;
        self
    }

    /// The bus.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if a queue has no capacity; [`ErrorKind::InvalidKey`] if [`Event::BUS_NAME`]
    /// breaks the rules and no other name was given.
    pub fn build(self) -> Result<B> {
        for (capacity, unit) in
            [(self.settings.inbox.messages, "messages"), (self.settings.inbox.bytes, "bytes")]
        {
            if capacity == 0 {
                return Err(Error::new(
                    ErrorKind::InvalidConfig,
                    format!("a queue of 0 {unit} can't deliver anything: set `queue_{unit}` to at least 1"),
                ));
            }
        }
        let name = self.name.map_or_else(|| BusName::new(E::BUS_NAME), Ok)?;
        Ok(EventBus::build(name, self.transport, self.codec, self.settings).into())
    }
}

impl<E, B> fmt::Debug for EventBusBuilder<E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBusBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
