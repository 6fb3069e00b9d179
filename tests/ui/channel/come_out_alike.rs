//! Whoever controls a value must not reach another's channel: a user called `all` would hear everybody.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(all = "all"),
    channel(customer = "{customer_id}"), //~ ERROR the channels `all` and `customer` can come out alike, as `all`: whoever chooses a value of one reaches the other. Put a literal before each that keeps them apart, such as `all/` and `customer/`, or say that it is meant: `overlap(all, customer)`
    channel(order = "order-{order_id}"), //~ ERROR the channels `customer` and `order` can come out alike, as `order-<customer_id>`
    channel(apart = "{customer_id}/{order_id}", item = "{order_id}/{item}-x") //~ ERROR the channels `apart` and `item` can come out alike, as `<customer_id>/<order_id>-x`
)]
struct Order {
    customer_id: String,
    order_id: u64,
    item: u64,
}

fn main() {}
