//! A union can't be read without `unsafe`.

use event_bus_core::EventBus;

#[derive(Clone, Copy, EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
union Order { //~ ERROR an event is a struct or an enum, not a union
    order_id: u64,
}

fn main() {}
