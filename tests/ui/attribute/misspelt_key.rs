//! A typo in a key: what was meant is generated, so the uses of the bus give no further message.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(
    nam = "orders", //~ ERROR unknown key `nam` in the `#[bus(…)]` of a type: did you mean `name`?
    chanel(order = "{order_id}"), //~ ERROR unknown key `chanel` in the `#[bus(…)]` of a type: did you mean `channel`?
)]
struct Order {
    order_id: u64,
}

async fn pay(bus: &OrderBus) -> event_bus_core::Result<()> {
    let order = bus.order(OrderChannel { order_id: 7 });
    order.publish(&Order { order_id: 7 }).await?;
    bus.clone().close().await;
    Ok(())
}

fn main() {
    let bus = OrderBus::new(MemoryTransport::new());
    let built = OrderBus::builder(MemoryTransport::new()).build();
    println!("{bus:?} {built:?}");
    drop(pay(&bus));
}
