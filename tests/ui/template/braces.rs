//! Braces hold a parameter, or are doubled.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(a = "{order_id"), //~ ERROR at byte 0 of the template: `{` opens a parameter that is never closed
    channel(b = "{order_id/{customer_id}"), //~ ERROR at byte 0 of the template: `{` opens a parameter that is never closed
    channel(c = "order_id}"), //~ ERROR at byte 8 of the template: a single `}` closes nothing
    channel(d = "a/{}") //~ ERROR at byte 2 of the template: `{}` names no parameter
)]
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
