//! Each channel is a method of the bus.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(order = "{order_id}"),
    channel(order = "orders/{order_id}"), //~ ERROR a channel `order` is declared already
    channel(all = "all/of/them", all = "every/one/of/them"), //~ ERROR a channel `all` is declared already
    channel(by_id = "by/{order_id}", by__id = "by_/{order_id}") //~ ERROR the channels `by_id` and `by__id` would both have the type `ByIdChannel`
)]
struct Order {
    order_id: u64,
}

#[derive(EventBus)]
#[bus(name = "opened", channel(opened = "{id}"))] //~ ERROR the channel `opened` has a type `OpenedChannel`, which is the event's name
struct OpenedChannel {
    id: u64,
}

fn main() {}
