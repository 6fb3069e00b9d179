//! A typed event bus for Rust services.
//!
//! Annotate an event type, and it becomes a bus:
//!
//! ```
//! use std::time::Duration;
//! use event_bus_core::{Event, EventBus, MemoryTransport, Notice};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, EventBus)]
//! #[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
//! struct OrderChanged {
//!     customer_id: String,
//!     order_id: u64,
//!     status: String,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
//! let bus = OrderChangedBus::new(MemoryTransport::new()); // RedisTransport of event-bus-redis in production
//!
//! let order = bus.order(OrderChannel { customer_id: "c-7", order_id: 42 });
//! let mut changes = order.listen().await?; // confirmed: whatever is published from now on is heard
//!
//! bus.publish(&OrderChanged { customer_id: "c-7".into(), order_id: 42, status: "paid".into() }).await?;
//!
//! # bus.close().await;
//! while let Some(item) = changes.recv().await {
//!     match item {
//!         Ok(change) => println!("order {} is {}", change.order_id, change.status),
//!         Err(Notice::Resumed { down_for }) => println!("refetch: the connection was gone for {down_for:?}"),
//!         Err(notice) => println!("{notice}"), // told in the stream, never only in a log
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! # Where to look
//! | to | there is |
//! |---|---|
//! | make a bus of an event type | [`#[derive(EventBus)]`](derive@EventBus), whose page is the manual of its attributes |
//! | publish, and know what became of it | [`publish`](EventBus::publish); [`ErrorKind`] |
//! | publish many at once | [`publish_batch`](EventBus::publish_batch), with a result for each |
//! | publish without waiting for the server | [`outbox`](EventBus::outbox), in order and bounded |
//! | publish what nobody would do anything about | [`publish_or_log`](EventBus::publish_or_log) |
//! | listen, and be told what is missed | [`listen`](EventBus::listen), [`Subscription`], [`Notice`] |
//! | listen to channels with any value of a parameter | [`Any`] |
//! | hear some types of events only | [`Subscription::only`] |
//! | have a handler for each type | [`Subscriber`], and the generated `bus.subscriber()` |
//! | wait for one event | [`wait`](EventBus::wait), [`Subscription::wait`] |
//! | follow a state and its changes | [`Subscription::resync`] |
//! | see how the connections are doing | [`health`](EventBus::health), [`watch_state`](EventBus::watch_state) |
//! | limit sizes, queues, name and prefix | [`EventBusBuilder`] |
//! | test without a server | [`MemoryTransport`], which records and has faults |
//! | write other bytes | [`Codec`] |
//! | carry messages by something else than Redis | [`Transport`](transport::Transport) |
//!
//! # Two things to get right
//! What `publish` could not do falls into three: it surely did not happen, nobody knows, or it will never work. And a
//! listener whose state matters fetches it anew after a loss.
//!
//! ```
//! use event_bus_core::{Error, Event, EventBus, Notice, Subscription};
//!
//! async fn publish<E: Event>(bus: &EventBus<E>, event: &E) -> Result<(), Error> {
//!     match bus.publish(event).await {
//!         Ok(_receipts) => {}
//!         Err(error) if error.is_retryable() => println!("not published, later perhaps: {error}"),
//!         Err(error) if error.outcome_unknown() => println!("once more may be twice: {error}"),
//!         Err(error) => return Err(error),
//!     }
//!     Ok(())
//! }
//!
//! async fn follow<E: Event>(mut events: Subscription<E>, fetch: impl AsyncFn()) {
//!     fetch().await;
//!     while let Some(item) = events.recv().await {
//!         match item {
//!             Ok(event) => println!("a change on {}", event.channel()),
//!             Err(Notice::Interrupted) => println!("what is shown may be out of date"),
//!             Err(notice) if notice.asks_for_refetch() => fetch().await, // or let `resync` do all of this
//!             Err(notice) => println!("the end: {notice}"),
//!         }
//!     }
//! }
//! ```
//!
//! # What is promised
//! - [`listen`](EventBus::listen) returns when the server has confirmed the subscription.
//! - What a listener does not get is told **in its stream**, where it happened: see [`Notice`].
//! - A slow listener costs bounded memory and slows nobody else.
//! - [`publish`](EventBus::publish) tells what happened on each channel: see [`ErrorKind`].
//!
//! Pub/sub is at most once: an event that is published while a listener is cut off is lost to it, and it is told.
//!
//! `docs/guide.md` of the repository goes from the first event to production, and `docs/recipes.md` has programs to copy.
//!
//! # Coming from Python
//! The bytes and channels are those of the AutoGPT platform's bus, and so are these names:
//!
//! | Python | here |
//! |---|---|
//! | `AsyncRedisEventBus`, `RedisEventBus` | [`EventBus`](struct@EventBus), `BlockingEventBus` |
//! | `publish_event` | [`publish_event`](EventBus::publish_event), which never fails; [`publish`](EventBus::publish), which tells |
//! | `listen_events` | [`listen_events`](EventBus::listen_events); [`listen`](EventBus::listen), where a `*` is no pattern |
//! | `wait_for_event` | [`wait_for_event`](EventBus::wait_for_event), [`wait`](EventBus::wait) |
//! | `close` | [`close`](EventBus::close) |
//! | the marker of a message over the limit | [`Notice::Oversized`], [`Error::too_large`] |
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `derive` | yes | `#[derive(EventBus)]` |
//! | `blocking` | no | `BlockingEventBus`, and a generated blocking bus for each event: the same for code without `async` |
//! | `metrics` | no | counts and times through the `metrics` facade; `docs/observability.md` has the list |
//! | `testing` | no | a suite of tests for transports: see the module `testing` |

mod acl;
mod awaited;
mod backoff;
mod batch;
#[cfg(feature = "blocking")]
mod blocking;
mod builder;
mod bus;
mod channel;
mod codec;
mod deadline;
mod delivery;
mod environment;
mod error;
mod event;
mod event_type;
mod glob;
mod handle;
mod integers;
mod json;
mod key_error;
mod limit;
mod memory;
mod message;
#[cfg_attr(not(feature = "metrics"), path = "no_meters.rs")]
mod meters;
mod outbox;
mod outgoing;
mod parameter;
mod passed_over;
mod port;
#[doc(hidden)]
pub mod private;
mod python;
mod receipt;
mod resync;
mod sequence;
mod settings;
mod shape;
mod subscriber;
mod subscription;
mod tally;
mod telemetry;
mod template;
#[cfg(feature = "testing")]
pub mod testing;
mod trace_context;
pub mod transport;

// The public interface.

// Events and the bus
pub use batch::{PublishAll, PublishBatch};
pub use builder::EventBusBuilder;
pub use bus::EventBus;
pub use event::Event;
#[cfg(feature = "derive")]
pub use event_bus_derive::EventBus;
pub use event_type::{EventType, EventTypes, TypeTag, UnknownEvent};
pub use handle::ChannelHandle;
pub use outbox::{Outbox, OutboxConfig, OutboxFailure, OutboxOverflow, OutboxReport};
pub use resync::{Resync, ResyncError, Update};
pub use subscriber::{HandlerPanic, RunningSubscriber, Starting, Subscriber, SubscriberReport};
pub use subscription::Subscription;

// The same for code without `async`
#[cfg(feature = "blocking")]
pub use blocking::{
    BlockingChannelHandle, BlockingEventBus, BlockingOutbox, BlockingPublishBatch, BlockingRuntime,
    BlockingStateWatch, BlockingSubscription, TimedItems,
};

// What travels
pub use bytes::Bytes;
pub use delivery::{Delivery, Notice};
pub use message::Message;
pub use receipt::Receipt;
pub use trace_context::{TraceContext, TracePropagator};

// Rights at a server
pub use acl::{Acl, AclRules};

// Names
pub use channel::{BusName, Channel, ChannelFilter, ChannelKey, KeyPattern};
pub use key_error::KeyError;
pub use parameter::{Any, Parameter};

// Rules
pub use codec::{Codec, CodecError, Envelope, Headers, Peek};
pub use json::Json;
pub use limit::{MessageLimit, Oversize};

// Errors
pub use error::{Error, ErrorKind, Result, TooLarge};

// Without a server
pub use memory::{MemoryTransport, Recording};
