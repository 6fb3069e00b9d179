//! A channel's type can be named otherwise, if it has one.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(order = "{order_id}" as OrderId), // no mistake
    channel(vendor = "vendor/{order_id}" as OrderId), //~ ERROR the channels `order` and `vendor` would both have the type `OrderId`
    channel(all = "all/orders" as All), //~ ERROR the channel `all` has no parameters, and so no type: leave out `as All`
    channel(item = "item/{order_id}" as &str), //~ ERROR expected the name that the type of the parameters is to have
    channel(itself = "itself/{order_id}" as Order), //~ ERROR the channel `itself` has a type `Order`, which is the event's name
)]
struct Order {
    order_id: u64,
}

fn main() {}
