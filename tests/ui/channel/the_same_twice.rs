//! Two channels that are one would get every event twice.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(order = "{customer_id}/{order_id}", all = "all"),
    channel(purchase = "{customer_id}/{order_id}"), //~ ERROR the channels `order` and `purchase` are the same one
    channel(every = "all") //~ ERROR the channels `all` and `every` are the same one
)]
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
