//! Where serde's attributes hide the names on the wire, they must be told.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Wire;

#[derive(Serialize, Deserialize, EventBus)]
#[serde(untagged)] //~ ERROR `#[serde(untagged)]` hides what the types of events are called on the wire: say it with `#[bus(event_type = "…")]` at each variant (`Paid`, `Sent`)
#[bus(name = "untagged")]
enum Untagged {
    Paid { order_id: u64 },
    Sent { parcel_id: u64 },
    #[bus(event_type = "lost")]
    Lost { lost_id: u64 },
}

#[derive(Clone, Serialize, Deserialize, EventBus)]
#[serde(into = "Wire", try_from = "Wire")] //~ ERROR `#[serde(try_from = …)]` hides what `Told` is called on the wire: say it with `#[bus(event_type = "…")]`
#[bus(name = "told")]
struct Told;

impl From<Told> for Wire {
    fn from(_: Told) -> Self {
        Self
    }
}

impl From<Wire> for Told {
    fn from(_: Wire) -> Self {
        Self
    }
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(rename_all(serialize = "lowercase", deserialize = "UPPERCASE"))] //~ ERROR `#[serde(rename_all(…))]` hides what `Split` is called on the wire
#[bus(name = "split")]
enum Either {
    Split { order_id: u64 },
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(remote = "Wire")] //~ ERROR `#[serde(remote = …)]` hides what `Remote` is called on the wire
#[bus(name = "remote")]
struct Remote;

fn main() {}
