//! A value in a channel is written as text.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
struct Order {
    customer_id: Option<String>, //~ ERROR doesn't implement `std::fmt::Display`
    order_id: u64,
}

fn main() {
    let bus = OrderBus::new(MemoryTransport::new());
    drop(bus.order(OrderChannel { customer_id: "c", order_id: 7 }));
    drop(bus.order(OrderChannel { customer_id: None::<String>, order_id: 7 })); //~ ERROR Option<String>` can't stand in a channel
}
