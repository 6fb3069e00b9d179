//! A channel must not hide what the bus has, and its name is that of a method.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(
    name = "orders",
    channel(publish = "a/{oder_id}"), //~ ERROR a bus has a method `publish` already: name the channel otherwise
    //~^ ERROR the channel parameter `{oder_id}` is no field of `Order`: did you mean `order_id`?
    channel(new = "b/{order_id}"), //~ ERROR a bus has a method `new` already: name the channel otherwise
    channel(on = "e/{order_id}"), //~ ERROR a bus has a method `on` already: name the channel otherwise
    channel(from = "f/{order_id}"), //~ ERROR a bus has a method `from` already: name the channel otherwise
    channel(deref = "g/{order_id}"), //~ ERROR a bus has a method `deref` already: name the channel otherwise
    channel(fmt = "h/{order_id}"), //~ ERROR a bus has a method `fmt` already: name the channel otherwise
    channel(self = "c/{order_id}"), //~ ERROR a method can't be called `self`: name the channel otherwise
    channel(_ = "d/{order_id}") //~ ERROR a method can't be called `_`: name the channel otherwise
)]
struct Order {
    customer_id: String,
    order_id: u64,
}

fn main() {}
