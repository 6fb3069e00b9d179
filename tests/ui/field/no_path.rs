//! A path leads from field to field.

use event_bus_core::EventBus;

struct Meta {
    order_id: u64,
}

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
enum Order {
    #[bus(field(order_id = "meta..id"))] //~ ERROR expected the name of a field, or a path of fields such as "run.id" or "0.id", found "meta..id"
    Paid { order_id: u64 },
    #[bus(field(order_id = ""))] //~ ERROR expected the name of a field, or a path of fields such as "run.id" or "0.id", found ""
    Sent { order_id: u64 },
    #[bus(field(order_id = "01"))] //~ ERROR expected the name of a field, or a path of fields such as "run.id" or "0.id", found "01"
    Lost { order_id: u64 },
    #[bus(field(order_id = "meta.id()"))] //~ ERROR expected the name of a field, or a path of fields such as "run.id" or "0.id", found "meta.id()"
    Found { order_id: u64 },
    #[bus(field(order_id = "mate.order_id"))] //~ ERROR the channel parameter `{order_id}` needs a field `mate` in `Stored`: known are `meta`, `at`
    Stored { meta: Meta, at: u64 },
    #[bus(field(order_id = "2"))] //~ ERROR the channel parameter `{order_id}` needs a field `2` in `Burnt`: it has fields 0 to 1
    Burnt(u64, u64),
    #[bus(field(order_id = "0"))] //~ ERROR the channel parameter `{order_id}` needs a field `0` in `Moved`: only `order_id` is known here
    Moved { order_id: u64 },
}

fn main() {}
