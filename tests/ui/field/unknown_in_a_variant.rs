//! Every variant has the fields that the channels need.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
enum Order {
    Paid { order_id: u64 },
    Sent { order: u64 }, //~ ERROR the channel parameter `{order_id}` needs a field `order_id` in `Sent`: only `order` is known here
    Lost { ordre_id: u64, at: u64 }, //~ ERROR the channel parameter `{order_id}` needs a field `order_id` in `Lost`: did you mean `ordre_id`?
}

fn main() {}
