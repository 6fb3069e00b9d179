//! A received event outlives the message.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
struct Order<'a> { //~ ERROR an event owns what it holds: `Order` can't borrow for `'a`
    order_id: &'a str,
}

fn main() {
    let bus = OrderBus::new(MemoryTransport::new());
    drop(bus.order(OrderChannel { order_id: 7 }));
}
