//! What the workspace's tests stand on: real servers of their own, the Python bus beside ours, events, and waiting for
//! conditions.

#![expect(clippy::missing_panics_doc, reason = "a test helper that can't go on panics")]

pub mod certificates;
pub mod cluster;
mod events;
pub mod heap;
mod lent;
mod logged;
pub mod memory;
pub mod process;
pub mod proxy;
pub mod python;
pub mod sentinel;
pub mod server;
pub mod torture;
mod until;

pub use certificates::{Certificates, ClientCertificates, Identity};
pub use cluster::{ClusterOptions, Election, RedisCluster};
pub use events::{Numbered, NumberedBlockingBus, NumberedBus, NumberedChannel, SourceChannel};
pub use lent::{Lender, Loan};
pub use logged::{Logged, ask_every_thread};
pub use process::ServerProcess;
pub use proxy::Proxy;
pub use python::PythonPeer;
pub use sentinel::{RedisSentinels, SentinelOptions};
pub use server::RedisServer;
pub use until::{PATIENCE, eventually, eventually_blocking, within};

/// Examples in documents must compile, and those that need no server are run.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../docs/guide.md")]
    mod guide {}
    #[doc = include_str!("../../docs/recipes.md")]
    mod recipes {}
    #[doc = include_str!("../../README.md")]
    mod readme {}
}
