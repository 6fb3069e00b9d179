//! What takes events of unknown types has one payload, and serde leaves it alone.

use event_bus_core::{EventBus, UnknownEvent};
use serde::{Deserialize, Serialize};

#[derive(Debug, EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
enum Order {
    Paid { order_id: u64 },
    #[bus(other)]
    Unknown, //~ ERROR `Unknown` takes events of unknown types: give it one payload, `Unknown(UnknownEvent)`
    #[bus(other)] //~ ERROR `More` is made of what serde can't read: add `#[serde(skip)]`
    More(UnknownEvent), //~ ERROR events of unknown types land in `Unknown` already
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "invoices", channel(invoice = "{id}"))]
enum Invoice {
    Opened { id: u64 },
    #[serde(skip)]
    #[bus(other, to(invoice), field(id = "0"), event_type = "x")] //~ ERROR `Strange` takes events of unknown types: leave out `field`
    //~^ ERROR `Strange` takes events of unknown types: leave out `to`
    //~^^ ERROR `Strange` takes events of unknown types: leave out `event_type`
    Strange(UnknownEvent),
}

fn main() {}
