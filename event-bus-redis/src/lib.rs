//! The Redis transport of [`event_bus_core`]: the same channels and bytes as the AutoGPT platform's Python bus.
//!
//! ```no_run
//! use event_bus_core::{EventBus, Notice};
//! use event_bus_redis::RedisTransport;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, EventBus)]
//! #[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
//! struct OrderChanged {
//!     customer_id: String,
//!     order_id: u64,
//! }
//!
//! # async fn run() -> Result<(), event_bus_core::Error> {
//! let redis = RedisTransport::connect("redis://127.0.0.1").await?; // one for all buses: clone it
//! let bus = OrderChangedBus::new(redis.clone());
//!
//! let mut changes = bus.order(OrderChannel { customer_id: "c-7", order_id: 42 }).listen().await?;
//! bus.publish(&OrderChanged { customer_id: "c-7".into(), order_id: 42 }).await?;
//! while let Some(item) = changes.recv().await {
//!     match item {
//!         Ok(change) => println!("order {} has changed", change.order_id),
//!         Err(Notice::Resumed { down_for }) => println!("fetch anew: nothing was heard for {down_for:?}"),
//!         Err(notice) => println!("{notice}"),
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Events, buses and subscriptions are [`event_bus_core`]'s; this crate carries them.
//!
//! # Which servers
//! Redis 6 or newer, or Valkey. Sharded pub/sub takes Redis 7.
//!
//! | | say |
//! |---|---|
//! | one server | [`RedisTransport::connect`]`("redis://host")`, or [`RedisConfig::new`], [`RedisConfig::unix_socket`] |
//! | a cluster | [`RedisConfig::cluster`], with [`sharded`](RedisConfig::sharded) for `SPUBLISH` and `SSUBSCRIBE` |
//! | the master of sentinels | [`RedisConfig::sentinel`] |
//! | TLS | `rediss://…`, [feature](#features) `tls` |
//! | what the environment says | [`RedisConfig::from_env`], by the names of the Python services |
//! | a login that changes | [`RedisConfig::credentials`] |
//! | start while Redis is down | [`RedisTransport::lazy`] |
//!
//! ```
//! use std::time::Duration;
//! use event_bus_redis::{RedisConfig, RedisTransport};
//!
//! let config = RedisConfig::cluster([("redis-0", 6379), ("redis-1", 6379)])
//!     .sharded()
//!     .username("worker")
//!     .password("s3cret")
//!     .publish_timeout(Duration::from_secs(20)); // longer than a failover takes
//! let redis = RedisTransport::lazy(config)?; // connects when it is first used
//! # Ok::<(), event_bus_core::Error>(())
//! ```
//!
//! # What it does by itself
//! - **One connection listens**, and one publishes, to each server that is needed, however many buses and subscriptions there
//!   are.
//! - **A lost connection is made anew for ever**, with capped and jittered backoff; every listener is told `Interrupted` and
//!   `Resumed`, in its stream.
//! - **Silence is noticed**, within three seconds by default: a server that stands still, a network that swallows what comes.
//! - **What surely was not published is tried again**, until [`publish_timeout`](RedisConfig::publish_timeout); what may have
//!   been, never.
//! - **A channel is followed** to the node that serves it, a master to its successor.
//! - **Many patterns become one** at the server, which compares each publish with all of them.
//!
//! `docs/deployment.md` of the repository says which servers for what load and how to set them, `docs/reliability.md` what a
//! listener sees of each fault, `docs/security.md` how to log in and with which rights.
//!
//! # Features
//! | feature | default | what it adds |
//! |---|---|---|
//! | `metrics` | no | counts and times through the `metrics` facade, as the feature of `event-bus-core` does |
//! | `serde` | no | [`RedisConfig`] implements `Deserialize`: settings out of a file, each called like its setter |
//! | `tls` | no | TLS with rustls: `rediss://`, and [`RedisConfig`]'s settings for certificates. Off, as in other clients: its cryptography needs a C compiler |

mod any_publisher;
mod batch;
mod both_kinds;
mod config;
mod credentials;
mod error;
mod keeper;
mod lane;
mod listener;
mod pace;
mod permits;
mod probe;
mod publisher;
mod rights;
mod role;
mod routes;
mod status;
mod topology;
mod transport;

// The public interface.
pub use config::{Listening, Publishing, RedisConfig};
pub use credentials::{Credentials, CredentialsError, CredentialsProvider};
pub use transport::RedisTransport;
