//! The Redis transport of [`event_bus_core`]: the same channels and bytes as the AutoGPT platform's Python bus.
//!
//! ```no_run
//! use event_bus_core::{Event, EventBus};
//! use event_bus_redis::RedisTransport;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct CredentialsChanged {
//!     user_id: String,
//! }
//! # impl Event for CredentialsChanged {
//! #     const BUS_NAME: &'static str = "creds_changed";
//! #     fn channel_keys(&self) -> Result<Vec<event_bus_core::ChannelKey>, event_bus_core::KeyError> {
//! #         Ok(vec![event_bus_core::ChannelKey::new("all")?])
//! #     }
//! # }
//!
//! # async fn run() -> Result<(), event_bus_core::Error> {
//! let redis = RedisTransport::connect("redis://127.0.0.1").await?;
//! let bus: EventBus<CredentialsChanged> = EventBus::new(redis.clone());
//!
//! let mut changes = bus.listen("all").await?;
//! bus.publish(&CredentialsChanged { user_id: "user-1".into() }).await?;
//! println!("{:?}", changes.recv().await);
//! # Ok(()) }
//! ```
//!
//! One server, a cluster, or the master of sentinels; Redis 6 or newer (or Valkey), over TCP, with TLS or without, or a unix
//! socket.
//!
//! | feature | brings |
//! |---|---|
//! | `metrics` | counts and times through the `metrics` facade, as the feature of `event-bus-core` does. Off by default |
//! | `serde` | [`RedisConfig`] implements `Deserialize`: settings out of a file, each called like its setter. Off by default |
//! | `tls` | TLS with rustls: `rediss://`, and [`RedisConfig`]'s settings for certificates. Off by default, as in other clients: its cryptography needs a C compiler |

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
