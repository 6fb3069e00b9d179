//! A channel has a method and a template.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel = "all", //~ ERROR expected `channel(method = "key template")`
    channel, //~ ERROR expected `channel(method = "key template")`
    channel(), //~ ERROR expected `channel(method = "key template")`
    channel(order), //~ ERROR expected `channel(method = "key template")`
    channel("{order_id}"), //~ ERROR expected `channel(method = "key template")`
    channel(all = 1) //~ ERROR expected a text in quotes
)]
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
