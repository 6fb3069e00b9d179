//! Each parameter is a field, and a near one is suggested.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(order = "{customer_di}/{order_id}"), //~ ERROR the channel parameter `{customer_di}` is no field of `Order`: did you mean `customer_id`? known are `customer_id`, `order_id`
    channel(vendor = "all/a/{vendor}"), //~ ERROR at byte 6 of the template: the channel parameter `{vendor}` is no field of `Order`: known are `order_id`, `customer_id`
    channel(again = "{{again}}/{vendor}")
)]
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
