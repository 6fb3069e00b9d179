//! A bus with settings of one's own; all of them are checked when it is built.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::bus::EventBus;
use crate::channel::BusName;
use crate::codec::{Codec, SharedCodec};
use crate::environment::{self, Environment};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::json::Json;
use crate::limit::{MessageLimit, Oversize};
use crate::settings::Settings;
use crate::trace_context::TracePropagator;
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
    prefix: String,
    transport: Arc<dyn DynTransport>,
    codec: SharedCodec<E>,
    settings: Settings,
    propagator: Option<Arc<dyn TracePropagator>>,
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

    /// A bus with a codec of your own, and settings if you like. As [`EventBusBuilder::with_codec`].
    pub fn with_codec(transport: impl Transport, codec: impl Codec<E>) -> EventBusBuilder<E> {
        EventBusBuilder::with_codec(transport, codec)
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
        let (name, prefix, settings) = (None, String::new(), Settings::default());
        Self { name, prefix, transport, codec, settings, propagator: None, bus: PhantomData }
    }

    /// The bus name; [`Event::BUS_NAME`] by default.
    pub fn name(mut self, name: BusName) -> Self {
        self.name = Some(name);
        self
    }

    /// Put before the bus name as it is, whatever the name: `staging-` makes `staging-orders` of `orders`, so that
    /// several environments can share a server. Nothing by default, as on the Python bus.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Takes what `lookup` finds under the names that the Python bus has for it:
    ///
    /// | variable | is | if unset |
    /// |---|---|---|
    /// | the [bus name](Event::BUS_NAME) in capitals, then `_BUS_NAME` | the [name](Self::name) | the name stays |
    /// | `MAX_MESSAGE_SIZE_LIMIT` | the [message limit](Self::message_limit) in bytes | the limit stays |
    ///
    /// `execution_event` is renamed by `EXECUTION_EVENT_BUS_NAME`, and `orders-v2` by `ORDERS_V2_BUS_NAME`: what is no
    /// ASCII letter or digit becomes `_`. A variable that is set to nothing counts as unset. Of this and the setters,
    /// what is called later wins.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a value that can't be right; the error names the variable.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{Event, EventBus, MemoryTransport};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Serialize, Deserialize, EventBus)]
    /// # #[bus(name = "execution_event", channel(all = "all"))]
    /// # struct ExecutionEvent { id: String }
    /// let variables = |name: &str| (name == "EXECUTION_EVENT_BUS_NAME").then(|| "execution_v2".to_owned());
    /// let bus = ExecutionEventBus::builder(MemoryTransport::new())
    ///     .settings_from(variables)?
    ///     .prefix("staging-")
    ///     .build()?;
    /// assert_eq!(bus.name().as_str(), "staging-execution_v2");
    /// # Ok::<(), event_bus_core::Error>(())
    /// ```
    pub fn settings_from(self, lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        self.take_from(&Environment(&|variable| Ok(lookup(variable))))
    }

    /// Takes what stands in the environment of the process, as for [`settings_from`](Self::settings_from).
    ///
    /// # Errors
    /// As for [`settings_from`](Self::settings_from); [`ErrorKind::InvalidConfig`] also for a value that is no Unicode.
    pub fn settings_from_env(self) -> Result<Self> {
        self.take_from(&Environment(&environment::of_the_process))
    }

    fn take_from(mut self, environment: &Environment<'_>) -> Result<Self> {
        if let Some(name) = environment.bus_name(E::BUS_NAME)? {
            self.name = Some(name);
        }
        if let Some(limit) = environment.message_limit()? {
            self.settings.size_rule.limit = limit;
        }
        Ok(self)
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

    /// Numbers what this bus publishes, per channel; not by default. Listeners then tell of events that are missing
    /// although every connection looked healthy, with [`Notice::Gap`](crate::Notice::Gap), and drop those that come
    /// twice. They need no setting for it, and other readers ignore the numbers, which travel as headers beside the event.
    ///
    /// It costs some 60 bytes a message, an encoding for each channel of an event, and that publishes to one channel wait for
    /// each other: the next one starts when the outcome of the one before is known, and fails with `NotSent` if it
    /// had to wait for longer than five seconds. A number whose outcome is unknown
    /// stays taken, so a listener may be told of a gap where nothing was published after all.
    pub fn sequenced(mut self, is_sequenced: bool) -> Self {
        self.settings.is_sequenced = is_sequenced;
        self
    }

    /// Passes trace context on; not by default. `propagator` says for each event that is published which trace it belongs to: that
    /// travels as the headers `traceparent` and `tracestate` beside the event, which other readers ignore. Listeners find it
    /// in [`Delivery::trace_context`](crate::Delivery::trace_context), and the spans in which this bus processes events are tied to it,
    /// where those spans are enabled.
    ///
    /// It costs 84 bytes a message, which count for the [limit](Self::message_limit), and as much more as `tracestate` is
    /// long. Nothing is written for an event that is published in no trace.
    ///
    /// # Examples
    /// ```
    /// use event_bus_core::{EventBus, MemoryTransport, TraceContext, TracePropagator};
    ///
    /// /// Passes one context on. A real one asks OpenTelemetry for that of the span.
    /// struct Fixed;
    ///
    /// impl TracePropagator for Fixed {
    ///     fn inject(&self, _: &tracing::Span) -> Option<TraceContext> {
    ///         TraceContext::new("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    ///     }
    ///
    ///     fn extract(&self, _: &tracing::Span, _: &TraceContext) {}
    /// }
    ///
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::builder(MemoryTransport::new()).trace_context(Fixed).build()?;
    /// let mut pings = bus.all().listen().await?;
    /// bus.publish(&Ping { n: 1 }).await?;
    /// if let Some(Ok(ping)) = pings.recv().await {
    ///     let context = ping.trace_context().expect("it was published in a trace");
    ///     assert!(context.traceparent().starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    /// }
    /// # Ok(()) }
    /// ```
    pub fn trace_context(mut self, propagator: impl TracePropagator) -> Self {
        self.propagator = Some(Arc::new(propagator));
        self
    }

    /// How many messages each subscription may queue; 1024 by default: enough for a burst, and a listener that
    /// is further behind than that is better told so.
    pub fn queue_messages(mut self, messages: usize) -> Self {
        self.settings.inbox.messages = messages;
        self
    }

    /// How many bytes each subscription may queue; 16 MiB by default, a message of the default limit. A single message
    /// that is larger with its channel, and 160 bytes that each counts besides, is queued alone. Several subscriptions share the bytes of a message, and
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
    /// breaks the rules and no other name was given, or if the name does with its [prefix](Self::prefix).
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
        let name = prefixed(&self.prefix, name)?;
        Ok(EventBus::build(name, self.transport, self.codec, self.settings, self.propagator).into())
    }
}

fn prefixed(prefix: &str, name: BusName) -> Result<BusName> {
    if prefix.is_empty() {
        return Ok(name);
    }
    BusName::new(format!("{prefix}{name}")).map_err(|fault| {
        Error::new(ErrorKind::InvalidKey, format!("the prefix {prefix:?} can't stand before {name}: {fault}"))
    })
}

impl<E, B> fmt::Debug for EventBusBuilder<E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBusBuilder")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("settings", &self.settings)
            .field("carries_trace_context", &self.propagator.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ChannelKey;
    use crate::key_error::KeyError;
    use crate::memory::MemoryTransport;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Order;

    impl Event for Order {
        const BUS_NAME: &'static str = "orders-v2";

        fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> {
            Ok(Vec::new())
        }
    }

    fn builder() -> EventBusBuilder<Order> {
        EventBus::builder(MemoryTransport::new())
    }

    /// Each variable is set to nothing, but for one.
    fn only<'a>(variable: &'a str, value: &'a str) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| Some(if name == variable { value } else { "" }.to_owned())
    }

    #[test]
    fn variables_rename_and_limit_a_bus() {
        let builder = builder().settings_from(only("ORDERS_V2_BUS_NAME", "orders-v3")).unwrap();
        let builder = builder.settings_from(only("MAX_MESSAGE_SIZE_LIMIT", " 4096 ")).unwrap();
        assert_eq!(builder.settings.size_rule.limit.max_bytes(), 4096);
        assert_eq!(builder.build().unwrap().name().as_str(), "orders-v3");
    }

    #[test]
    fn what_is_not_set_stays() {
        let limit = MessageLimit::new(4096).unwrap();
        let builder = builder().name(BusName::new("mine").unwrap()).message_limit(limit);
        let builder = builder.settings_from(|_| None).unwrap().settings_from(only("", "")).unwrap();
        assert_eq!(builder.settings.size_rule.limit, limit);
        assert_eq!(builder.build().unwrap().name().as_str(), "mine");
    }

    #[test]
    fn what_is_called_later_wins() {
        let (mine, theirs) = (|| BusName::new("mine").unwrap(), || only("ORDERS_V2_BUS_NAME", "theirs"));
        let first = builder().name(mine()).settings_from(theirs()).unwrap();
        assert_eq!(first.build().unwrap().name().as_str(), "theirs");
        let last = builder().settings_from(theirs()).unwrap().name(mine());
        assert_eq!(last.build().unwrap().name().as_str(), "mine");
    }

    #[test]
    fn values_that_cannot_be_right_are_told_by_name() {
        for (variable, value) in [
            ("ORDERS_V2_BUS_NAME", "a/b"),
            ("ORDERS_V2_BUS_NAME", "a*"),
            ("MAX_MESSAGE_SIZE_LIMIT", "16 MiB"),
            ("MAX_MESSAGE_SIZE_LIMIT", "-1"),
            ("MAX_MESSAGE_SIZE_LIMIT", "0"),
        ] {
            let error = builder().settings_from(only(variable, value)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{value}");
            assert!(error.to_string().starts_with(variable), "{error}");
        }
    }

    #[test]
    fn a_prefix_stands_before_every_name() {
        let name = |builder: EventBusBuilder<Order>| builder.build().map(|bus| bus.name().to_string());
        assert_eq!(name(builder().prefix("staging-")).unwrap(), "staging-orders-v2");
        assert_eq!(name(builder().prefix("")).unwrap(), "orders-v2");
        let renamed = builder().prefix("eu.").settings_from(only("ORDERS_V2_BUS_NAME", "o")).unwrap();
        assert_eq!(name(renamed).unwrap(), "eu.o");
        for prefix in ["staging/", "{tag}", "*", "line\n", &"x".repeat(120)] {
            let error = name(builder().prefix(prefix)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidKey);
            assert!(error.to_string().contains(&format!("{prefix:?}")), "{error}");
        }
    }
}
