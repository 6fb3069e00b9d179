//! Only the broken item is lost.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders" channel(order = "{order_id}"))] //~ ERROR expected `,`
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
