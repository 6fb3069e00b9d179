//! Subscribers by type: a handler for each variant of an event, and the compiler's word that none is missing.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{Error, EventBus, MemoryTransport, Notice};
use event_bus_redis::RedisTransport;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[serde(tag = "type", rename_all = "snake_case")]
#[bus(name = "example_shop", channel(order = "{order_id}"))]
enum ShopEvent {
    Opened { order_id: u64 },
    Paid { order_id: u64, cents: u64 },
    Closed { order_id: u64 },
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    match env::var("REDIS_URL") {
        Ok(url) => run(RedisTransport::connect(url).await?).await,
        Err(_) => run(MemoryTransport::new()).await,
    }
}

async fn run(transport: impl Transport) -> Result<(), Error> {
    let order_id = fastrand::u64(..); // ours alone
    let bus = ShopEventBus::new(transport);
    let (closed, mut is_closed) = mpsc::channel(1);

    let running = bus
        .subscriber()
        .on_opened(async |event| println!("opened: {:?}", *event))
        .on_paid(async |event| println!("paid: {:?}", *event))
        .on_closed(move |_| {
            let closed = closed.clone();
            async move { closed.send(()).await.unwrap_or_default() }
        })
        .on_notice(async |notice: Notice| println!("missed: {notice}")) // nothing is lost unseen
        .start([bus.order(OrderChannel { order_id })])
        .await?; // without one of the handlers this does not compile

    for event in [
        ShopEvent::Opened { order_id },
        ShopEvent::Paid { order_id, cents: 950 },
        ShopEvent::Closed { order_id },
    ] {
        bus.publish(&event).await?;
    }
    let _ = tokio::time::timeout(Duration::from_secs(10), is_closed.recv()).await;
    println!("handlers: {} handled", running.shutdown(Duration::from_secs(10)).await.handled);
    Ok(())
}
