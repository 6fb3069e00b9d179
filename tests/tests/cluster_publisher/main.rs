//! Publishing to a real cluster whose nodes are killed, stopped and promoted, and whose slots move; and to the master of real
//! sentinels.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

mod cluster;
mod ears;
mod map;
mod sentinels;
mod traffic;

use event_bus_tests::{Numbered, RedisCluster};

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

/// A key of which the channel is in a slot of `node`'s.
fn key_of(cluster: &RedisCluster, node: usize) -> String {
    let channel = |key: &String| cluster.owner_of(&format!("numbered/{key}"));
    (0..10_000).map(|n| format!("k{n}")).find(|key| channel(key) == Some(node)).unwrap()
}

fn slot_of(cluster: &RedisCluster, key: &str) -> u16 {
    cluster.slot(&format!("numbered/{key}"))
}
