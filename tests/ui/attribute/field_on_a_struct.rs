//! A struct can name its fields as the channels do.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", field(order = "order_id"))] //~ ERROR unknown key `field` in the `#[bus(…)]` of a type: it stands on a variant of an enum
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
