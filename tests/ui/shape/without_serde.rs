//! The default codec needs the derives of serde, and says so where a bus with it is made.

use event_bus_core::{EventBus, MemoryTransport};

#[derive(Debug, EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
struct Order {
    order_id: u64,
}

async fn pay(bus: &OrderBus) -> event_bus_core::Result<()> {
    let order = bus.order(OrderChannel { order_id: 7 });
    bus.publish(&Order { order_id: 7 }).await?;
    order.listen().await.map(drop)
}

fn main() {
    let bus = OrderBus::new(MemoryTransport::new()); //~ ERROR the codec `Json` can't encode and decode `Order`
    drop(pay(&bus));
}
