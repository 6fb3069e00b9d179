//! `resync`: what it hands out and when, and that whoever follows it always ends up with the state itself.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

mod contract;
mod live;
mod model;
mod race;
