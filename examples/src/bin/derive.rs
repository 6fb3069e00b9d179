//! The derive: a type becomes an event with a bus of its own, which publishes and listens.
//!
//! In memory by default; on Redis with `REDIS_URL=redis://127.0.0.1`.

use std::env;
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{Error, EventBus, MemoryTransport};
use event_bus_redis::RedisTransport;
use serde::{Deserialize, Serialize};

/// The derive makes `OrderPaidBus` of it, and `OrderChannel`, which names a channel by its parameters.
#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "example_orders_paid", channel(order = "{order_id}"))]
struct OrderPaid {
    order_id: u64,
    cents: u64,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    match env::var("REDIS_URL") {
        Ok(url) => run(RedisTransport::connect(url).await?).await,
        Err(_) => run(MemoryTransport::new()).await,
    }
}

async fn run(transport: impl Transport) -> Result<(), Error> {
    let order_id = fastrand::u64(..); // ours alone, so that two of this program don't hear each other
    let bus = OrderPaidBus::new(transport);

    let mut paid = bus.order(OrderChannel { order_id }).listen().await?; // the server has confirmed it
    let receipts = bus.publish(&OrderPaid { order_id, cents: 950 }).await?; // the channel comes from the event
    println!("published on {}", receipts[0].channel);

    let heard = paid.wait(Duration::from_secs(10)).await?;
    println!("derive: {:?} cents heard", heard.map(|paid| paid.cents));
    Ok(())
}
