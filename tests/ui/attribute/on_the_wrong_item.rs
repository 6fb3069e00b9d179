//! What stands on a variant does not stand on the type, and the other way round.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", to(order), other)] //~ ERROR unknown key `to` in the `#[bus(…)]` of a type: it stands on a variant of an enum
//~^ ERROR unknown key `other` in the `#[bus(…)]` of a type: it stands on a variant of an enum
#[bus(channel(order = "{order_id}"))]
enum Order {
    #[bus(channel(paid = "paid/{order_id}"))] //~ ERROR unknown key `channel` in the `#[bus(…)]` of a variant: it stands on the event type
    Paid { order_id: u64 },
    #[bus(overlap(order, paid))] //~ ERROR unknown key `overlap` in the `#[bus(…)]` of a variant: it stands on the event type
    Sent { order_id: u64 },
}

fn main() {}
