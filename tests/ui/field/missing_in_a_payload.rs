//! What fields a payload has, the compiler knows alone; it points at the variant.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Paid {
    order_id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    parcel: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
enum Order {
    Paid(Paid),
    Sent(Box<Sent>), //~ ERROR no field `order_id` on type
    #[bus(field(order_id = "parcel_id"))] //~ ERROR no field `parcel_id` on type
    Lost(Sent),
}

fn main() {
    let bus = OrderBus::new(MemoryTransport::new());
    drop(bus.order(OrderChannel { order_id: 7 }));
}
