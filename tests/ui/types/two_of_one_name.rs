//! Nobody could tell them apart.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventBus)]
#[serde(rename_all = "lowercase")]
#[bus(name = "orders")]
enum Order {
    Paid { order_id: u64 },
    #[serde(alias = "x")]
    #[bus(event_type = "paid")] //~ ERROR `Paid` and `Sent` are both called "paid" on the wire
    Sent { order_id: u64 },
}

fn main() {}
