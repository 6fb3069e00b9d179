//! No `#[bus(…)]` at all.

use event_bus_core::EventBus;

#[derive(EventBus)]
struct Order { //~ ERROR `Order` needs the name of its bus: `#[bus(name = "…")]`
    customer_id: String,
}

fn main() {}
