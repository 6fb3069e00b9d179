//! What an event is allowed, is allowed to what is generated for it.

#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "old", channel(old = "{id}"))]
#[deprecated]
enum Old {
    One { id: u64 },
    Two(Payment),
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{id}"))]
#[allow(deprecated)]
enum Order {
    Paid(OldPayment),
    Sent { id: u64 },
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "invoices", channel(invoice = "{id}"))]
enum Invoice {
    Paid(Payment),
    #[deprecated]
    Sent {
        id: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Payment {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[deprecated]
struct OldPayment {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(all = "all", changed = "of/{id}"))]
#[allow(non_camel_case_types)]
struct order_changed {
    id: u64,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(Order = "{id}" as order_of_id))]
#[expect(non_camel_case_types, non_snake_case)]
struct order_sent {
    id: u64,
    Weight: u64,
}

#[allow(deprecated)]
async fn everything() -> event_bus_core::Result<()> {
    let old = OldBus::new(MemoryTransport::new());
    old.publish(&Old::One { id: 1 }).await?;
    old.publish(&Old::Two(Payment { id: 1 })).await?;
    let orders = OrderBus::new(MemoryTransport::new());
    orders.publish(&Order::Paid(OldPayment { id: 1 })).await?;
    orders.publish(&Order::Sent { id: 1 }).await?;
    let invoices = InvoiceBus::new(MemoryTransport::new());
    invoices.publish(&Invoice::Paid(Payment { id: 1 })).await?;
    invoices.publish(&Invoice::Sent { id: 1 }).await?;
    order_changedBus::new(MemoryTransport::new()).publish(&order_changed { id: 1 }).await?;
    order_sentBus::new(MemoryTransport::new()).publish(&order_sent { id: 1, Weight: 2 }).await?;
    Ok(())
}

fn main() {
    drop(everything());
}
