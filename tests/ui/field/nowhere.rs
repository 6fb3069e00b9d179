//! Two fields without names are no payload, and a unit variant has none.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{customer_id}/{order_id}"))]
enum Order {
    Paid(u64, u64), //~ ERROR the channels need `customer_id`, `order_id` of every variant: give `Paid` one payload or named fields that have them, or take them by number: `#[bus(field(customer_id = "0"))]`, or say with `#[bus(to(…))]` which channels it goes to
    Cleared, //~ ERROR the channels need `customer_id`, `order_id` of every variant: give `Cleared` one payload or named fields that have them
}

#[derive(EventBus)]
#[bus(name = "invoices", channel(invoice = "{id}"))]
struct Invoice(u64, u64); //~ ERROR the channels need `id`: give `Invoice` named fields that have them, or take them by number: `#[bus(field(id = "0"))]`

#[derive(EventBus)]
#[bus(name = "reminders", channel(reminder = "{id}"))]
struct Reminder; //~ ERROR the channels need `id`: give `Reminder` named fields that have them

fn main() {}
