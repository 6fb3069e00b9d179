//! A crate is named by a path.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", crate = "event bus")] //~ ERROR expected the path of the crate
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
