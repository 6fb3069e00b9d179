//! Codecs of one's own, to be copied: one that packs events more tightly, and one that seals them.
//! What the platform's Python services read is the default codec of `event-bus-core`; these are for Rust alone.

mod message_pack;
mod sealed;

pub use message_pack::MessagePack;
pub use sealed::{KeyRing, Sealed};
