//! Where serde's attributes hide the name of one variant, that must be told.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventBus)]
#[serde(tag = "kind")]
#[bus(name = "orders")]
enum Order {
    #[serde(alias = "payed")] //~ ERROR `#[serde(alias = …)]` hides what `Paid` is called on the wire: say it with `#[bus(event_type = "…")]`
    Paid { order_id: u64 },
    #[serde(rename(serialize = "sent", deserialize = "SENT"))] //~ ERROR `#[serde(rename(…))]` hides what `Sent` is called on the wire
    Sent { order_id: u64 },
    #[serde(alias = "gone")]
    #[bus(event_type = "lost")]
    Lost { order_id: u64 },
    #[serde(other)] //~ ERROR `#[serde(other)]` hides what `Strange` is called on the wire
    Strange,
}

#[derive(Serialize, Deserialize, EventBus)]
#[bus(name = "invoices")]
enum Invoice {
    Opened { id: u64 },
    #[serde(untagged)] //~ ERROR `#[serde(untagged)]` hides what `Closed` is called on the wire
    Closed { closed_id: u64 },
}

fn main() {}
