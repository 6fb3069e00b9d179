//! `#[bus]` says nothing.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus] //~ ERROR expected `#[bus(…)]` with parentheses
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
