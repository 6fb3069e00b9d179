//! `field(…)` names a parameter, and a field that is there.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
enum Order {
    #[bus(field(order = "id"))] //~ ERROR no channel has a parameter `{order}`: known are `order_id`, `customer_id`
    Paid { customer_id: u64, order_id: u64 },
    #[bus(field(order_id = "number"))] //~ ERROR the channel parameter `{order_id}` needs a field `number` in `Sent`: known are `id`, `customer_id`
    Sent { customer_id: u64, id: u64 },
    #[bus(field(order_id = "id", order_id = "order_id"))] //~ ERROR the field of `{order_id}` is given twice
    Lost { customer_id: u64, id: u64 },
    #[bus(field(order_id = "an id"))] //~ ERROR expected the name of a field, or a path of fields such as "run.id" or "0.id", found "an id"
    Found { customer_id: u64, order_id: u64 },
    #[bus(field)] //~ ERROR expected `field(parameter = "field of this variant")`
    Stored { customer_id: u64, order_id: u64 },
}

fn main() {}
