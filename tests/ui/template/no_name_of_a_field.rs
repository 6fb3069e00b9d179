//! A parameter is the name of a field.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(a = "{order id}"), //~ ERROR at byte 0 of the template: `{order id}` is no parameter: expected the name of a field
    channel(b = "a/{0}"), //~ ERROR `{0}` is no parameter: expected the name of a field, and fields without names have none
    channel(c = "{order_id:?}"), //~ ERROR `{order_id:?}` is no parameter: expected the name of a field alone, without a format
    channel(d = "{self}"), //~ ERROR `{self}` is no parameter
    channel(e = "{self.order_id}"), //~ ERROR `{self.order_id}` is no parameter
    channel(f = "{'a}/{\"}/{_}") //~ ERROR at byte 0 of the template: `{'a}` is no parameter
)] //~^ ERROR at byte 5 of the template: `{"}` is no parameter
//~^^ ERROR at byte 9 of the template: `{_}` is no parameter
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
