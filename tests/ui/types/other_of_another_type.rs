//! What takes events of unknown types holds an `UnknownEvent`.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
enum Order {
    Paid { order_id: u64 },
    #[serde(skip)]
    #[bus(other)]
    Unknown(String), //~ ERROR mismatched types
    //~^ ERROR mismatched types
}

fn main() {}
