//! A key that nothing is like.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", retries = 3)] //~ ERROR unknown key `retries` in the `#[bus(…)]` of a type: known are `crate`, `name`, `channel`, `overlap`, `field`, `event_type`
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
