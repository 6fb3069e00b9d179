//! Channels without parameters have no types, so that there is none to clash with.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "shards", channel(shard_1 = "a", shard1 = "b", number = "of/{id}" as Shard1Channel))]
struct Shard {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "news", channel(public = "all"))]
struct PublicChannel;

async fn everything() -> event_bus_core::Result<()> {
    let shards = ShardBus::new(MemoryTransport::new());
    shards.publish(&Shard { id: 1 }).await?;
    drop((shards.shard_1(), shards.shard1(), shards.number(Shard1Channel { id: 1 })));

    let news = PublicChannelBus::new(MemoryTransport::new());
    news.publish(&PublicChannel).await?;
    drop(news.public());
    Ok(())
}

fn main() {
    drop(everything());
}
