//! A channel has a key.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = ""))] //~ ERROR the template is empty: a channel needs a key, for example "all"
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
