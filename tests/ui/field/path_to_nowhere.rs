//! What fields there are further on, the compiler knows alone; it points at the path.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"), field(order_id = "meta.id"))]
enum Order {
    Paid { meta: Meta },
    #[bus(field(order_id = "meta.order_id"))] //~ ERROR no field `order_id` on type
    Sent { meta: Meta },
    #[bus(field(order_id = "0.id.x"))] //~ ERROR `u64` is a primitive type and therefore doesn't have fields
    Lost(Meta, u64),
    #[bus(field(order_id = "0"))] //~ ERROR `Meta` doesn't implement `std::fmt::Display`
    Found(Meta, u64),
}

fn main() {
    drop(OrderBus::new(MemoryTransport::new()).order(OrderChannel { order_id: 7 }));
}
