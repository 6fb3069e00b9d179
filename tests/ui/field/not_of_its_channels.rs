//! A variant renames what its own channels need.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}", vendor = "vendor/{vendor_id}"))]
enum Order {
    #[bus(to(order), field(vendor_id = "id"))] //~ ERROR no channel has a parameter `{vendor_id}`: only `order_id` is known here
    Paid { order_id: u64, id: u64 },
    #[bus(to(vendor))]
    Sent { order_id: u64 }, //~ ERROR the channel parameter `{vendor_id}` needs a field `vendor_id` in `Sent`: only `order_id` is known here
    #[bus(to(order))]
    Cleared, //~ ERROR the channels need `order_id` of every variant: give `Cleared` one payload or named fields that have them, or say with `#[bus(to(…))]` which channels it goes to
}

fn main() {}
