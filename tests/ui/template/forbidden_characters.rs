//! A key is no pattern, and is printed in logs.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(a = "orders/*"), //~ ERROR at byte 7 of the template: the template holds '*', a glob character, which is not allowed there
    channel(b = "orders[1]"), //~ ERROR at byte 6 of the template: the template holds '[', a glob character, which is not allowed there
    //~^ ERROR at byte 8 of the template: the template holds ']', a glob character, which is not allowed there
    channel(c = "all\0") //~ ERROR at byte 3 of the template: the template holds '\0', a control character, which is not allowed there
)]
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
