//! Each key has one form.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
#[bus(overlap)] //~ ERROR expected `overlap(channel, channel)`
#[bus(overlap())] //~ ERROR expected `overlap(channel, channel)`
#[bus(overlap("order"))] //~ ERROR expected `overlap(channel, channel)`
#[bus(field = "order_id")] //~ ERROR expected `field(parameter = "field")`
enum Order {
    #[bus(to = "order")] //~ ERROR expected `to(channel, …)`
    Paid { order_id: u64 },
    #[bus(to())] //~ ERROR expected `to(channel, …)`
    Sent { order_id: u64 },
    #[bus(to(order = 1))] //~ ERROR expected `to(channel, …)`
    Lost { order_id: u64 },
    #[bus(event_type(lost))] //~ ERROR expected `event_type = "…"`
    Found { order_id: u64 },
    #[bus(event_type = 1)] //~ ERROR expected a text in quotes
    Stored { order_id: u64 },
    #[bus(other = true)] //~ ERROR expected `other` alone
    Burnt { order_id: u64 },
    #[bus(event_type = "a", event_type = "b")] //~ ERROR `event_type` is given twice
    Moved { order_id: u64 },
}

fn main() {}
