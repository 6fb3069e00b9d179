//! Channels alone make no bus.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(channel(order = "{order_id}"))]
struct Order { //~ ERROR `Order` needs the name of its bus: `#[bus(name = "…")]`
    order_id: u64,
}

fn main() {}
