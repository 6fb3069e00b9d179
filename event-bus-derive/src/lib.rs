//! `#[derive(EventBus)]`. Use it through `event-bus-core`, which re-exports it with its documentation: the manual
//! stands at the derive below. The files import only from those before them: `ctxt`, `name`, `nearest`, `syntax`,
//! `template`, `overlap`, `serde_attr`, `attr`, `ast`, `valid`, `model`, `expand`, `fallback`.

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
/// # What is generated
/// For an event `OrderChanged` with a channel `order`, all with the visibility of the event:
///
/// | item | what it is |
/// |---|---|
/// | `impl Event for OrderChanged` | the bus name, and the keys of the channels that one event goes to |
/// | `struct OrderChangedBus` | the bus. It dereferences to `EventBus<OrderChanged>`, whose methods publish, listen and wait. `Clone` (the same bus), `Debug`, `From<EventBus<OrderChanged>>` |
/// | `OrderChangedBus::new(transport)` | the bus with the default settings |
/// | `OrderChangedBus::builder(transport)` | an `EventBusBuilder` for a bus with other settings |
/// | `OrderChangedBus::with_codec(transport, codec)` | the same with a codec of your own |
/// | `OrderChangedBus::order(…)` | the channel as a value, a `ChannelHandle<OrderChanged>`: publish to it alone, listen to it, wait for an event on it |
/// | `struct OrderChangedBlockingBus` | with core's feature `blocking`: the same bus for code without `async`, around a `BlockingEventBus<OrderChanged>`. It is made by `new(&runtime, transport)`, `connect(transport to be awaited)`, or `on(&runtime, &bus)` |
/// | `struct OrderChannel { … }` | what `order(…)` takes: the parameters of the channel by name, so that none can be swapped. Each may be anything with `Display`. Channels without parameters have none, and their methods take nothing |
///
/// The parameter types stand beside the event, so two events of one module can't both have a channel `order`
/// with parameters: give one of them a module of its own. The name of the blocking bus is taken whether core has the
/// feature or not, since another crate may turn it on: an event can't be called `…Blocking`.
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
/// | `channel(order = "{customer_id}/{order_id}")` | A channel: the method of the bus that names it, and the template of its key. Several may stand in one `channel(…)`, or in several. Without any, an event is published by `publish_to`, with a key at each call. |
/// | `crate = "my_facade::event_bus_core"` | The path of `event-bus-core`, where it is not `::event_bus_core`: for a crate that re-exports it, or one that was renamed in `Cargo.toml`. |
///
/// An event is published to its channels in the order of their declaration. Where two of them come out alike
/// (a letter to its own sender, under `user/{sender}` and `user/{receiver}`), they are one channel, and it
/// gets the event once.
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
/// # On a variant of an enum
/// Every variant must have every parameter: in fields of its own, or in the fields of its one payload (boxed
/// or not), which must be visible where the event is. Where one is called otherwise,
/// `field(parameter = "field")` says how:
///
/// ```
/// use event_bus_core::{Event, EventBus};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "execution", channel(run = "{graph_id}/{run_id}"))]
/// enum Execution {
///     Started { graph_id: String, run_id: u64 },
///     #[bus(field(run_id = "id"))] // this variant calls the run `id`
///     Changed(Box<Run>),
/// }
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Run {
///     graph_id: String,
///     id: u64,
/// }
///
/// let changed = Execution::Changed(Box::new(Run { graph_id: "g-1".into(), id: 42 }));
/// assert_eq!(changed.channel_keys()?[0].as_str(), "g-1/42");
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
/// # Templates
/// The template of a key is text with parameters in braces. A parameter is the name of a field whose type has
/// `Display`; a raw identifier stands without its `r#`, so `{type}` is the field `r#type`. A brace that
/// stands for itself is doubled, as in `format!`: `"{{{user_id}/{graph_id}}}/all"` gives `{u-1/g-2}/all`.
/// (Braces in a channel are Redis Cluster's hash tag: channels with the same text in the first pair share a
/// slot.)
///
/// ## Why templates have rules
/// **Whoever controls a value must not reach another's channel.** Were `/` allowed in values of
/// `{user_id}/{item_id}`, then item `c` of user `a/b` and item `b/c` of user `a` would share a channel. So
/// different values never make the same key, and a key always splits back into exactly the values in it:
///
/// - A value that is empty, or holds `/`, `*`, a brace or a control character, is refused when the event is
///   published or the handle is used, with an error of the kind `InvalidKey` that names the parameter. Values
///   are never escaped: a key means the same to every program that reads it.
/// - Between two parameters stands at least one of the characters that no value can hold: `/`, `{` or `}`.
///   Otherwise the event does not compile.
/// - The text of a template has no glob character and no control character, and is not empty: a key names one
///   channel.
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
/// What the rules can't see:
///
/// - **A literal that is a value elsewhere.** With the channels `all = "all"` and `user = "{user_id}"`, a
///   user who is called `all` hears everybody. Give such channels literals that keep them apart:
///   `user/{user_id}`.
/// - **A `Display` that is the same for different values**, such as one that rounds. Use types that show all
///   they are.
///
/// # Mistakes
/// All mistakes of an event are reported in one compile. The bus is generated in spite of them, without what
/// may be wrong in it, so that no message is about a bus that does not exist. Inside a template a message
/// tells the byte, since the compiler can't point into a text.
#[proc_macro_derive(EventBus, attributes(bus))]
pub fn derive_event_bus(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    generate(&parse_macro_input!(input as DeriveInput)).into()
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
