//! What a type says once, a variant does not say again.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
enum Order {
    #[bus(name = "paid")] //~ ERROR unknown key `name` in the `#[bus(…)]` of a variant: it stands on the event type
    Paid { order_id: u64 },
    #[bus(feild(order_id = "id"))] //~ ERROR unknown key `feild` in the `#[bus(…)]` of a variant: did you mean `field`?
    Sent { id: u64 },
}

fn main() {}
