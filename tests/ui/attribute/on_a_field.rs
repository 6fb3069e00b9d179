//! Fields are found by their names.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
struct Order {
    #[bus(parameter)] //~ ERROR `#[bus(…)]` stands on the event type or on a variant, not on a field
    order_id: u64,
}

fn main() {}
