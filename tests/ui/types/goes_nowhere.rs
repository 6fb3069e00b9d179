//! A variant goes to channels that there are.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}", all = "a/l/l"))]
enum Order {
    #[bus(to(oder))] //~ ERROR there is no channel `oder`: did you mean `order`? known are `order`, `all`
    Paid { order_id: u64 },
    #[bus(to(all, order, all))] //~ ERROR the channel `all` is given twice
    Sent { order_id: u64 },
    #[bus(to(all), to(order))] //~ ERROR `to` is given twice
    Lost { order_id: u64 },
}

fn main() {}
