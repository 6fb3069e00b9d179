//! Events go to one channel, and not to all of them; and what is no text is no value.

use event_bus_core::{Any, EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
struct Order {
    customer_id: String,
    order_id: u64,
}

async fn everything(event: &Order) -> event_bus_core::Result<()> {
    let bus = OrderBus::new(MemoryTransport::new());
    let of_customer = bus.order(OrderChannel { customer_id: "c-7", order_id: Any });
    drop((of_customer.listen().await?, of_customer.pattern()?));
    of_customer.publish(event).await?; //~ ERROR no method named `publish` found
    println!("{:?}", of_customer.key()); //~ ERROR no method named `key` found
    drop(bus.order(OrderChannel { customer_id: Some("c-7"), order_id: 1 })); //~ ERROR Option<&str>` can't stand in a channel
    Ok(())
}

fn main() {
    drop(everything(&Order { customer_id: String::new(), order_id: 1 }));
}
