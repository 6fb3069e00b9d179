//! A name is written where it is used.

use event_bus_core::EventBus;

const NAME: &str = "orders";

#[derive(EventBus)]
#[bus(name = NAME)] //~ ERROR expected a text in quotes
struct Order {
    order_id: u64,
}

#[derive(EventBus)]
#[bus(name = 7)] //~ ERROR expected a text in quotes
struct Invoice;

#[derive(EventBus)]
#[bus(name)] //~ ERROR expected `name = "…"`
struct Reminder;

fn main() {
    println!("{NAME}");
}
