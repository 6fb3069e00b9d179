//! An enum has a type for each variant, a struct has one; and each has a name.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventBus)]
#[bus(name = "orders", event_type = "order")] //~ ERROR an enum has a type of events for each variant: say it there
enum Order {
    #[bus(event_type = "")] //~ ERROR the event type is empty
    Paid { order_id: u64 },
}

#[derive(Serialize, Deserialize, EventBus)]
#[bus(name = "invoices", event_type = "")] //~ ERROR the event type is empty
struct Invoice {
    id: u64,
}

fn main() {}
