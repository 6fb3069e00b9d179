//! Without a separator, different values make the same key.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(a = "a/{customer_id}{order_id}"), //~ ERROR at byte 15 of the template: nothing separates `{customer_id}` from `{order_id}`, so different values make the same channel: put a `/` between them
    channel(b = "b/{customer_id}-{order_id}"), //~ ERROR nothing separates `{customer_id}` from `{order_id}`
    channel(c = "all/{order_id}:{order_id}") //~ ERROR nothing separates `{order_id}` from `{order_id}`
)]
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
