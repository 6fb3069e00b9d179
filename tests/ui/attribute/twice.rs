//! A name and a crate are given once.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", name = "invoices")] //~ ERROR `name` is given twice
#[bus(crate = "::event_bus_core")]
#[bus(crate = "::event_bus_core")] //~ ERROR `crate` is given twice
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
