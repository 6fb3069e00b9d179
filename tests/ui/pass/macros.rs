//! Events written by a macro.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

macro_rules! event {
    ($vis:vis $event:ident($payload:ident) on $name:literal, $method:ident = $template:literal, $($field:ident: $kind:ty),*) => {
        #[derive(Debug, Serialize, Deserialize, EventBus)]
        #[bus(name = $name, channel($method = $template, of_number = "number/{number}/n", all = "all"))]
        $vis struct $event {
            number: u64,
            $($field: $kind,)*
        }

        #[derive(Debug, Serialize, Deserialize, EventBus)]
        #[bus(name = $name, channel(number = "{number}"))]
        enum $payload {
            #[allow(dead_code)]
            Whole($event),
            Number { number: u64 },
        }
    };
}

event!(pub(crate) Order(Change) on "orders", order = "{customer_id}/{order_id}", customer_id: String, order_id: u64);

async fn everything() -> event_bus_core::Result<()> {
    let bus = OrderBus::new(MemoryTransport::new());
    bus.publish(&Order { number: 1, customer_id: "c".into(), order_id: 7 }).await?;
    drop(bus.order(OrderChannel { customer_id: "c", order_id: 7 }));
    ChangeBus::new(MemoryTransport::new()).publish(&Change::Number { number: 1 }).await.map(drop)
}

fn main() {
    drop(everything());
}
