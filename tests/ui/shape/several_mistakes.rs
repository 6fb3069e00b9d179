//! All mistakes of all kinds are told in one compile.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(
    name = "the/orders", //~ ERROR the bus name holds '/'
    colour = "red", //~ ERROR unknown key `colour`
    channel(order = "{customer}/{order_id}{number}"), //~ ERROR nothing separates `{order_id}` from `{number}`
    channel(all = "*"), //~ ERROR the template holds '*', a glob character
    channel(listen = "x"), //~ ERROR a bus has a method `listen` already
    channel(broken = "{") //~ ERROR at byte 0 of the template: `{` opens a parameter that is never closed
)]
enum Order {
    Paid { customer: u64, order_id: u64, number: u64 },
    Sent { customer: u64, order_id: u64 }, //~ ERROR the channel parameter `{number}` needs a field `number` in `Sent`
    Cleared, //~ ERROR the channels need `customer`, `order_id`, `number` of every variant
}

async fn pay(bus: &OrderBus) -> event_bus_core::Result<()> {
    let order = bus.order(OrderChannel { customer: 1, order_id: 7, number: 2 });
    bus.publish(&Order::Paid { customer: 1, order_id: 7, number: 2 }).await?;
    drop((bus.all(), bus.broken()));
    order.listen().await.map(drop)
}

fn main() {
    drop(pay(&OrderBus::new(MemoryTransport::new())));
}
