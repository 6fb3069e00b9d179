//! Each type of events has a handler, and so have the notices, or it is left out on purpose.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(all = "all"))]
enum Order {
    Paid { order_id: u64 },
    Sent { order_id: u64 },
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "invoices", channel(invoices = "all"))]
struct Invoice {
    id: u64,
}

async fn everything() -> event_bus_core::Result<()> {
    let bus = OrderBus::new(MemoryTransport::new());
    let paid = || bus.subscriber().on_paid(async |_| {});
    drop(paid().on_notice(async |_| {}).start([bus.all()]).await?); //~ ERROR the subscriber has no handler `on_sent`
    drop(paid().on_sent(async |_| {}).start([bus.all()]).await?); //~ ERROR the subscriber has no handler `on_notice`
    drop(paid().ignore_rest().start([bus.all()]).await?); //~ ERROR the subscriber has no handler `on_notice`
    drop(paid().ignore_rest().ignore_notices().start([bus.all()]).await?);

    let bus = InvoiceBus::new(MemoryTransport::new());
    let notices = bus.subscriber().on_notice(async |_| {});
    drop(notices.start([bus.invoices()]).await?); //~ ERROR the subscriber has no handler `on_event`
    Ok(())
}

fn main() {
    drop(everything());
}
