//! The second handler of a type would silently replace the first.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(all = "all"))]
enum Order {
    Paid { order_id: u64 },
    Sent { order_id: u64 },
}

fn main() {
    let bus = OrderBus::new(MemoryTransport::new());
    let _ = bus.subscriber().on_paid(async |_| {}).on_paid(async |_| {}); //~ ERROR no method named `on_paid` found
    let _ = bus.subscriber().ignore_rest().on_sent(async |_| {}); //~ ERROR no method named `on_sent` found
    let _ = bus.subscriber().ignore_notices().on_notice(async |_| {}); //~ ERROR no method named `on_notice` found
}
