//! `#[derive(EventBus)]`: an event type becomes a typed bus. Use it through `event-bus-core`, which re-exports it; nothing
//! else is to be added to `Cargo.toml`.
//!
//! ```
//! use event_bus_core::{Any, EventBus, MemoryTransport};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, EventBus)]
//! #[serde(tag = "type", rename_all = "snake_case")]
//! #[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
//! enum OrderEvent {
//!     Opened { customer_id: String, order_id: u64 },
//!     Paid { customer_id: String, order_id: u64, cents: u64 },
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
//! let bus = OrderEventBus::new(MemoryTransport::new());
//!
//! // The channel as a value, its parameters by name; one of them is left open.
//! let orders = bus.order(OrderChannel { customer_id: "c-7", order_id: Any });
//! let mut payments = orders.listen().await?.only(OrderEvent::PAID); // one type of events
//!
//! bus.publish(&OrderEvent::Paid { customer_id: "c-7".into(), order_id: 42, cents: 950 }).await?;
//! if let Some(Ok(paid)) = payments.recv().await {
//!     assert_eq!(paid.channel().as_str(), "orders/c-7/42");
//! }
//! # Ok(()) }
//! ```
//!
//! A mistake is a compile error at its place: an unknown attribute, a parameter that no field has, two channels that could
//! come out alike, a handler that is missing. [The derive's page](macro@EventBus) is the manual of it all.
//!
//! It has no features. The files import only from those before them: `ctxt`, `name`, `nearest`, `syntax`, `template`,
//! `overlap`, `serde_attr`, `attr`, `ast`, `valid`, `model`, `expand`, `fallback`.

mod ast;
mod attr;
mod ctxt;
mod expand;
mod fallback;
mod model;
mod name;
mod nearest;
mod overlap;
mod serde_attr;
mod syntax;
mod template;
mod valid;

use ast::Input;
use ctxt::Ctxt;
use model::{Cases, Model, Outline};
use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Turns an event type into a typed bus.
///
/// The event is a struct or an enum. `#[bus(…)]` says on which bus it travels, and which channels of that bus
/// each event goes to:
///
/// ```
/// use event_bus_core::{EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "orders", channel(order = "{customer_id}/{order_id}", customer = "{customer_id}"))]
/// struct OrderChanged {
///     customer_id: String,
///     order_id: u64,
///     status: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = OrderChangedBus::new(MemoryTransport::new()); // RedisTransport of event-bus-redis in production
///
/// let order = bus.order(OrderChannel { customer_id: "c-7", order_id: 42 });
/// let mut changes = order.listen().await?;
///
/// // To `orders/c-7/42` and to `orders/c-7`.
/// bus.publish(&OrderChanged { customer_id: "c-7".into(), order_id: 42, status: "paid".into() }).await?;
///
/// if let Some(Ok(change)) = changes.recv().await {
///     assert_eq!(change.status, "paid");
/// }
/// # Ok(()) }
/// ```
///
/// Contents: [what is generated](#what-is-generated) ·
/// [on the event type](#on-the-event-type) · [channels](#channels) · [open parameters](#open-parameters) ·
/// [templates and their rules](#templates-and-their-rules) · [fields](#fields) · [on a variant](#on-a-variant-of-an-enum) ·
/// [types of events](#types-of-events) · [subscribers](#subscribers) · [mistakes](#mistakes)
///
/// # What is generated
/// For an event `OrderChanged` with a channel `order`, all with the visibility of the event:
///
/// | item | what it is |
/// |---|---|
/// | `impl Event for OrderChanged` | the bus name, the keys of the channels that one event goes to, and what the types of its events are called |
/// | `struct OrderChangedBus` | the bus. It dereferences to `EventBus<OrderChanged>`, whose methods publish, listen and wait. `Clone` (the same bus), `Debug`, `From<EventBus<OrderChanged>>` |
/// | `OrderChangedBus::new(transport)` | the bus with the default settings |
/// | `OrderChangedBus::builder(transport)` | an `EventBusBuilder` for a bus with other settings |
/// | `OrderChangedBus::with_codec(transport, codec)` | the same with a codec of your own |
/// | `OrderChangedBus::order(…)` | the channel as a value, a `ChannelHandle<OrderChanged>`: publish to it alone, listen to it, wait for an event on it |
/// | `OrderChangedBus::subscriber()` | an `OrderChangedSubscriber`: handlers, one for each type of events |
/// | `struct OrderChannel { … }` | what `order(…)` takes: the parameters of the channel by name, so that none can be swapped. Each may be anything with `Display`, or `Any`. Channels without parameters have none, and their methods take nothing |
/// | `OrderChannel::parse(key)` | the parameters in a key of that channel |
/// | `OrderEvent::PAID` | for each variant of an enum a constant, by which a listener chooses its events |
/// | `struct OrderChangedBlockingBus` | with core's feature `blocking`: the same bus for code without `async`, around a `BlockingEventBus<OrderChanged>`. It is made by `new(&runtime, transport)`, `connect(transport to be awaited)`, or `on(&runtime, &bus)` |
///
/// The name of the blocking bus is taken whether core has the feature or not, since another crate may turn it on: an
/// event can't be called `…Blocking`. Nor can it be called `Event` or `BlockingEvent`, whose buses would have the names
/// of core's.
///
/// The event itself must be `Send + Sync + 'static`; type parameters get these bounds by themselves. `new`
/// and `builder` use the codec `Json`, for which the event needs serde's `Serialize` and `Deserialize`. With
/// another codec it needs what that codec asks for: `OrderChangedBus::with_codec(transport, codec).build()`
/// makes the bus.
///
/// # On the event type
/// `#[bus(…)]` may be given in one piece or in several.
///
/// | key | value |
/// |---|---|
/// | `name = "orders"` | The bus name, the part of every channel before the first `/`. Required. At most 128 bytes, without `/`, braces, control characters and the glob characters `*`, `?`, `[`, `]`, `\`. |
/// | `channel(order = "{customer_id}/{order_id}")` | A [channel](#channels): the method of the bus that names it, and the template of its key. Several may stand in one `channel(…)`, or in several. |
/// | `overlap(sender, receiver)` | These channels [may come out alike](#templates-and-their-rules). |
/// | `field(customer_id = "customer.id")` | Where a parameter [comes from](#fields), if not from the field of its name. |
/// | `event_type = "order_changed"` | What a struct's [type](#types-of-events) is called, where serde's attributes hide it. |
/// | `decode_by_tag` | Events are decoded as [the payload that their tag names](#decoding-by-the-tag), which is faster. |
/// | `crate = "my_facade::event_bus_core"` | The path of `event-bus-core`, where it is not `::event_bus_core`: for a crate that re-exports it, or one that was renamed in `Cargo.toml`. |
///
/// ```
/// mod my_facade {
///     pub use event_bus_core;
/// }
///
/// use my_facade::event_bus_core::{EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "orders", crate = "my_facade::event_bus_core")]
/// #[bus(channel(order = "{order_id}"))]
/// struct OrderChanged {
///     order_id: u64,
/// }
///
/// let bus = OrderChangedBus::new(MemoryTransport::new());
/// # drop(bus.order(OrderChannel { order_id: 42 }));
/// ```
///
/// # Channels
/// An event is published to its channels in the order of their declaration, in one round trip where the transport
/// can. Without any channel it is published by `publish_to`, with a key at each call:
///
/// ```
/// use event_bus_core::{EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "ticks", channel(all = "all"))] // one channel without parameters
/// struct Tick;
///
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "notes")] // none: keys are given
/// struct Note(String);
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let ticks = TickBus::new(MemoryTransport::new());
/// let mut hears = ticks.all().listen().await?;
/// ticks.publish(&Tick).await?;
///
/// let notes = NoteBus::new(MemoryTransport::new());
/// let mut on_desk = notes.listen("desk/7").await?;
/// notes.publish_to("desk/7", &Note("call back".into())).await?;
/// # drop((hears.recv().await, on_desk.recv().await));
/// # Ok(()) }
/// ```
///
/// The type of a channel's parameters stands beside the event. Two events of one module that both have a channel
/// `order` with parameters would both have an `OrderChannel`: call one otherwise.
///
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "orders", channel(order = "{order_id}"))]
/// struct OrderChanged {
///     order_id: u64,
/// }
///
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "invoices", channel(order = "{order_id}" as InvoicesOfOrder))]
/// struct InvoiceSent {
///     order_id: u64,
/// }
///
/// let invoices = InvoiceSentBus::new(MemoryTransport::new());
/// let of_order = invoices.order(InvoicesOfOrder { order_id: 42 });
/// # drop((of_order, OrderChannel { order_id: 42 }));
/// ```
///
/// ```compile_fail
/// # use event_bus_core::EventBus;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "orders", channel(order = "{order_id}"))]
/// struct OrderChanged {
///     order_id: u64,
/// }
///
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "invoices", channel(order = "{order_id}"))] // a second `OrderChannel`
/// struct InvoiceSent {
///     order_id: u64,
/// }
/// ```
///
/// A channel can't be called like a method that every bus has:
///
/// ```compile_fail
/// # use event_bus_core::EventBus;
/// #[derive(EventBus)]
/// #[bus(name = "orders", channel(publish = "{order_id}"))] // a bus has a method `publish` already
/// struct OrderChanged {
///     order_id: u64,
/// }
/// ```
///
/// # Open parameters
/// `Any` in the place of a value listens to the channel with every value, on a transport that has patterns. What is
/// heard is what the template makes, with one value in each open place, and nothing else:
///
/// ```
/// # use event_bus_core::{Any, EventBus, MemoryTransport};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(order = "{customer_id}/{order_id}", customer = "{customer_id}"))]
/// # struct OrderChanged { customer_id: String, order_id: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// # let bus = OrderChangedBus::new(MemoryTransport::new());
/// let of_customer = bus.order(OrderChannel { customer_id: "c-7", order_id: Any });
/// assert_eq!(of_customer.pattern()?.as_str(), "c-7/*");
///
/// let mut changes = of_customer.listen().await?;
/// bus.publish(&OrderChanged { customer_id: "c-7".into(), order_id: 42 }).await?;
/// if let Some(Ok(change)) = changes.recv().await {
///     let channel = OrderChannel::parse(change.channel().key());
///     assert_eq!(channel.map(|channel| channel.order_id), Some("42"));
/// }
/// # Ok(()) }
/// ```
///
/// A channel with an open parameter is a `ChannelHandle<OrderChanged, KeyPattern>`. Nobody can publish to it:
///
/// ```compile_fail,E0599
/// # use event_bus_core::{Any, EventBus, MemoryTransport};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(order = "{order_id}"))]
/// # struct OrderChanged { order_id: u64 }
/// # async fn publish() {
/// # let bus = OrderChangedBus::new(MemoryTransport::new());
/// let every_order = bus.order(OrderChannel { order_id: Any });
/// every_order.publish(&OrderChanged { order_id: 42 }).await; // to which?
/// # }
/// ```
///
/// # Templates and their rules
/// The template of a key is text with parameters in braces. A parameter is the name of a field whose type has
/// `Display`; a raw identifier stands without its `r#`, so `{type}` is the field `r#type`. A brace that
/// stands for itself is doubled, as in `format!`: `"{{{user_id}/{graph_id}}}/all"` gives `{u-1/g-2}/all`.
/// (Braces in a channel are Redis Cluster's hash tag: channels with the same text in the first pair share a
/// slot.)
///
/// **Whoever controls a value must not reach another's channel.** Were `/` allowed in values of
/// `{user_id}/{item_id}`, then item `c` of user `a/b` and item `b/c` of user `a` would share a channel. So
/// different values never make the same key, and a key always splits back into exactly the values in it:
///
/// - A value that is empty, or holds `/`, `*`, a brace or a control character, is refused when the event is
///   published or the handle is used, with an error of the kind `InvalidKey` that names the parameter. Values
///   are never escaped in a key: it means the same to every program that reads it.
/// - Between two parameters stands at least one of the characters that no value can hold: `/`, `{` or `}`.
///   Otherwise the event does not compile.
/// - The text of a template has no glob character and no control character, and is not empty: a key names one
///   channel.
/// - No two channels of an event can come out alike. Otherwise the event does not compile, unless it says that this is
///   meant.
///
/// ```compile_fail
/// # use event_bus_core::EventBus;
/// #[derive(EventBus)]
/// #[bus(name = "shares", channel(share = "{user_id}-{file_id}"))] // nothing separates `{user_id}` from `{file_id}`:
/// struct Shared {
///     user_id: String, // "a"   or "a-b"
///     file_id: String, // "b-c" or "c", and both are `a-b-c`
/// }
/// ```
///
/// ```compile_fail
/// # use event_bus_core::EventBus;
/// #[derive(EventBus)]
/// #[bus(name = "news", channel(all = "all", user = "{user_id}"))] // a user called `all` would hear everybody:
/// struct News {
///     user_id: String, // `user = "user/{user_id}"` keeps them apart
/// }
/// ```
///
/// ```
/// use event_bus_core::{ErrorKind, EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "shares", channel(share = "{user_id}/{file_id}"))]
/// struct Shared {
///     user_id: String,
///     file_id: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = SharedBus::new(MemoryTransport::new());
/// let evil = Shared { user_id: "mallory/..".into(), file_id: "1".into() };
/// assert_eq!(bus.publish(&evil).await.map_err(|error| error.kind()), Err(ErrorKind::InvalidKey));
/// # Ok(()) }
/// ```
///
/// Where channels that come out alike are one channel and meant to be, say so. An event whose channels do gets
/// there once:
///
/// ```
/// use event_bus_core::{EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(
///     name = "letters",
///     channel(sender = "user/{sender}", receiver = "user/{receiver}"),
///     overlap(sender, receiver), // to whom it is from, and to whom it is for
/// )]
/// struct Letter {
///     sender: u64,
///     receiver: u64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = LetterBus::new(MemoryTransport::new());
/// assert_eq!(bus.publish(&Letter { sender: 1, receiver: 2 }).await?.len(), 2);
/// assert_eq!(bus.publish(&Letter { sender: 1, receiver: 1 }).await?.len(), 1);
/// # Ok(()) }
/// ```
///
/// What the rules can't see:
///
/// - **Another event type on a bus of the same name.** Each derive sees one event.
/// - **A `Display` that is the same for different values**, such as one that rounds. Use types that show all
///   they are.
///
/// # Fields
/// A parameter is taken from the field of its name: of a struct or variant from its own, of a newtype from its
/// payload's, boxed or not, which must be visible where the event is. `field(parameter = "path")` takes it from elsewhere:
/// another field, a field of a field, one without a name by its number. On the event type it holds for all its variants,
/// on a variant for that.
///
/// ```
/// use event_bus_core::{Event, EventBus};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "execution", channel(run = "{user_id}/{run_id}"), field(user_id = "meta.user_id"))]
/// enum Execution {
///     Started { meta: Meta, run_id: u64 },
///     #[bus(field(run_id = "id"))] // its payload calls the run `id`
///     Changed(Box<Run>),
///     #[bus(field(user_id = "0.user_id", run_id = "1"))]
///     Ended(Meta, u64),
/// }
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Meta {
///     user_id: String,
/// }
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Run {
///     meta: Meta,
///     id: u64,
/// }
///
/// let meta = || Meta { user_id: "u-1".into() };
/// for event in [
///     Execution::Started { meta: meta(), run_id: 42 },
///     Execution::Changed(Box::new(Run { meta: meta(), id: 42 })),
///     Execution::Ended(meta(), 42),
/// ] {
///     assert_eq!(event.channel_keys()?[0].as_str(), "u-1/42");
/// }
/// # Ok::<(), event_bus_core::KeyError>(())
/// ```
///
/// A variant that lacks a parameter does not compile, since nobody could say where its events go:
///
/// ```compile_fail
/// # use event_bus_core::EventBus;
/// #[derive(EventBus)]
/// #[bus(name = "execution", channel(run = "{run_id}"))]
/// enum Execution {
///     Started { run_id: u64 },
///     Cleared, // the channels need `run_id` of every variant
/// }
/// ```
///
/// # On a variant of an enum
///
/// | key | value |
/// |---|---|
/// | `field(run_id = "id")` | Where a parameter [comes from](#fields) in this variant. |
/// | `to(all)` | The channels that its events go to; all of the bus if not given. |
/// | `event_type = "run_changed"` | What its [type](#types-of-events) is called on the wire, where serde's attributes hide it. |
/// | `other` | Events of [unknown types](#types-of-events) land in this variant, which holds an `UnknownEvent`. |
///
/// ```
/// use event_bus_core::{Event, EventBus};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "execution", channel(run = "run/{run_id}", all = "all"))]
/// enum Execution {
///     Started { run_id: u64 },
///     #[bus(to(all))] // it is about no run
///     Paused,
/// }
///
/// assert_eq!(Execution::Started { run_id: 42 }.channel_keys()?.len(), 2);
/// assert_eq!(Execution::Paused.channel_keys()?[0].as_str(), "all");
/// # Ok::<(), event_bus_core::KeyError>(())
/// ```
///
/// ```compile_fail
/// # use event_bus_core::EventBus;
/// #[derive(EventBus)]
/// #[bus(name = "execution", channel(all = "all"))]
/// enum Execution {
///     #[bus(to(everybody))] // there is no channel `everybody`
///     Paused,
/// }
/// ```
///
/// # Types of events
/// Each variant of an enum is a type of events, called what serde calls it: by its name, `rename` and `rename_all`. A
/// struct is one type. `event_type()` and `EVENT_TYPES` of the trait `Event` tell it. A listener chooses some by the
/// constants of the event (`NODE_DONE` for a variant `NodeDone`; `V1_EVENT` for `V1`, whose own name that is); of a
/// newtype variant it sees the payload, without its `Box`. A variant that serde does not read (`skip`,
/// `skip_deserializing`) is no type that is known, and has no handler, unless `event_type` tells its name for a codec that
/// reads it:
///
/// ```
/// use event_bus_core::{Event, EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// #[bus(name = "orders", channel(order = "{order_id}"))]
/// enum OrderEvent {
///     Opened { order_id: u64 },
///     PaymentReceived(Box<Payment>),
/// }
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Payment {
///     order_id: u64,
///     cents: u64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// assert_eq!(OrderEvent::EVENT_TYPES, ["opened", "payment_received"]);
///
/// let bus = OrderEventBus::new(MemoryTransport::new());
/// let order = bus.order(OrderChannel { order_id: 7 });
/// let mut payments = order.listen().await?.only(OrderEvent::PAYMENT_RECEIVED);
/// bus.publish(&OrderEvent::Opened { order_id: 7 }).await?; // passed over, and not even decoded
/// bus.publish(&OrderEvent::PaymentReceived(Box::new(Payment { order_id: 7, cents: 950 }))).await?;
/// if let Some(Ok(payment)) = payments.recv().await {
///     assert_eq!((payment.cents, payment.event().event_type()), (950, "payment_received"));
/// }
/// # Ok(()) }
/// ```
///
/// A message of a type that this program does not know, since its publisher is of a newer release, is
/// `Notice::UnknownType`, with the message as received. With a variant marked `other` it is an event:
///
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport, UnknownEvent};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// #[bus(name = "orders", channel(order = "{order_id}"))]
/// enum OrderEvent {
///     Opened { order_id: u64 },
///     #[serde(skip)] // serde can't read it: it is made of what serde could not read
///     #[bus(other)]
///     Unknown(UnknownEvent),
/// }
/// # mod newer {
/// # use event_bus_core::EventBus;
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[serde(tag = "type", rename_all = "snake_case")]
/// # #[bus(name = "orders", channel(order = "{order_id}"))]
/// # pub enum NewerOrderEvent { Shipped { order_id: u64 } }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// # let transport = MemoryTransport::new();
/// # let newer = newer::NewerOrderEventBus::new(transport.clone());
/// let bus = OrderEventBus::new(transport);
/// let mut events = bus.order(OrderChannel { order_id: 7 }).listen().await?;
/// # newer.publish(&newer::NewerOrderEvent::Shipped { order_id: 7 }).await?;
/// if let Some(Ok(event)) = events.recv().await
///     && let OrderEvent::Unknown(unknown) = &*event
/// {
///     assert_eq!(unknown.event_type(), "shipped");
/// }
/// # Ok(()) }
/// ```
///
/// Where serde's attributes hide the name on the wire (`untagged`, `from`, `into`, `try_from`, `remote`, `alias`, `other`,
/// `rename` of a struct or a variant, or `rename_all` of an enum, that differs for writing and reading), `event_type` must
/// tell it. Messages are then decoded whole before they are passed over, and those of unknown types are
/// `Notice::Undecodable`.
///
/// ```
/// # use event_bus_core::{Event, EventBus};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[serde(untagged)]
/// #[bus(name = "orders")]
/// enum OrderEvent {
///     #[bus(event_type = "opened")]
///     Opened { opened_at: f64 },
///     #[bus(event_type = "closed")]
///     Closed { closed_at: f64 },
/// }
///
/// #[derive(Clone, Serialize, Deserialize, EventBus)]
/// #[serde(from = "u64", into = "u64")]
/// #[bus(name = "ticks", event_type = "tick")]
/// struct Tick(u64);
/// # impl From<u64> for Tick { fn from(n: u64) -> Self { Self(n) } }
/// # impl From<Tick> for u64 { fn from(tick: Tick) -> Self { tick.0 } }
///
/// assert_eq!(OrderEvent::Closed { closed_at: 0.5 }.event_type(), "closed");
/// assert_eq!(Tick(1).event_type(), "tick");
/// # let _ = OrderEvent::Opened { opened_at: 0.5 };
/// ```
///
/// ```compile_fail
/// # use event_bus_core::EventBus;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, EventBus)]
/// #[bus(name = "orders")]
/// enum OrderEvent {
///     #[serde(alias = "Begun")] // hides what `Opened` is called: `#[bus(event_type = "Opened")]` tells it
///     Opened { order_id: u64 },
/// }
/// ```
///
/// What the derive can't see is an `impl Serialize` that is written by hand. Give each variant its `event_type` there.
///
/// # Decoding by the tag
/// Serde reads an enum with a `tag` slowly: it keeps the whole event until it has come upon the tag. With `decode_by_tag` the
/// codec `Json` decodes the payload of the variant that the tag names by itself, straight from the text, and leaves to serde
/// what can't be decoded so: variants with named fields, or none, payloads that are an `Option` or an enum without a tag, and
/// whatever has serde attributes of its own.
///
/// The enum's `Deserialize` must be serde's derive: one that is written by hand would be passed by. A payload is read as
/// `serde_json` reads it by itself. That is the same but where serde's detour changes or refuses something: an `f32`
/// is the nearest one, and keys that are numbers are read (where a tag in an object before the event's own does not keep it
/// from being decoded so: don't rely on it).
///
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize)]
/// # struct Payment { order_id: u64, cents: u64 }
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// #[bus(name = "orders", channel(order = "{order_id}"), decode_by_tag)]
/// enum OrderEvent {
///     PaymentReceived(Payment),
///     Closed { order_id: u64 }, // decoded by serde
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// # let bus = OrderEventBus::new(MemoryTransport::new());
/// # let mut events = bus.order(OrderChannel { order_id: 7 }).listen().await?;
/// # bus.publish(&OrderEvent::PaymentReceived(Payment { order_id: 7, cents: 950 })).await?;
/// # assert!(matches!(events.recv().await, Some(Ok(event)) if matches!(*event, OrderEvent::PaymentReceived(_))));
/// # Ok(()) }
/// ```
///
/// # Subscribers
/// `bus.subscriber()` takes a handler for each type of events, `on_` and the variant's name, and one for notices. A
/// struct's events have one, `on_event`. The handler of a variant that holds one payload, as `Paid(Payment)`, gets that; any other gets
/// the event, and matches: `if let OrderEvent::Opened { order_id } = &*event { … }`. How they run is told at `Subscriber` of core: in order per channel, so many at
/// once, notices in their place, panics contained.
///
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport, Notice};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// # #[derive(Debug, Serialize, Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(order = "{order_id}"))]
/// # enum OrderEvent { Opened { order_id: u64 }, Paid(Payment), Closed { order_id: u64 } }
/// # #[derive(Debug, Serialize, Deserialize)]
/// # struct Payment { order_id: u64, cents: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// # let bus = OrderEventBus::new(MemoryTransport::new());
/// let running = bus
///     .subscriber()
///     .on_paid(async |payment| println!("{} cents", payment.cents))
///     .on_notice(async |notice: Notice| println!("missed something: {notice}"))
///     .ignore_rest() // no handler for `Opened` and `Closed`
///     .start([bus.order(OrderChannel { order_id: 7 })])
///     .await?;
///
/// bus.publish(&OrderEvent::Paid(Payment { order_id: 7, cents: 950 })).await?;
/// let report = running.shutdown(Duration::from_secs(10)).await;
/// println!("{} events handled", report.handled);
/// # Ok(()) }
/// ```
///
/// A handler that is forgotten is a compile error, until `ignore_rest()` or `ignore_notices()` says that it is left out:
///
/// ```compile_fail,E0277
/// # use event_bus_core::{EventBus, MemoryTransport};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(order = "{order_id}"))]
/// # enum OrderEvent { Opened { order_id: u64 }, Closed { order_id: u64 } }
/// # async fn start() {
/// # let bus = OrderEventBus::new(MemoryTransport::new());
/// bus.subscriber()
///     .on_opened(async |_| {})
///     .on_notice(async |_| {})
///     .start(["7"]) // the subscriber has no handler `on_closed`
///     .await;
/// # }
/// ```
///
/// The handlers of variants called `Notice` and `Panic` are `on_notice_event` and `on_panic_event`, since every
/// subscriber has an `on_notice` and an `on_panic`.
///
/// # Mistakes
/// All mistakes of an event are reported in one compile. The bus is generated in spite of them, without what
/// may be wrong in it, so that no message is about a bus that does not exist. Inside a template a message
/// tells the byte, since the compiler can't point into a text.
#[proc_macro_derive(EventBus, attributes(bus))]
pub fn derive_event_bus(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    generate(&ast::without_self(parse_macro_input!(input as DeriveInput))).into()
}

fn generate(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::new();
    let input = Input::parse(&cx, input);
    valid::check(&cx, &input);
    let outline = Outline::of(&input);
    let cases = Cases::lower(&cx, &input);
    match cx.check() {
        Ok(()) => expand::expand(&Model { outline, cases }),
        Err(error) => fallback::expand(&outline, &error),
    }
}
