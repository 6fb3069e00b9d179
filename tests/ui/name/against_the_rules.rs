//! A bus name keeps to the rules of `BusName`.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "")] //~ ERROR the bus name is empty
struct Empty;

#[derive(EventBus)]
#[bus(name = "orders/paid")] //~ ERROR the bus name holds '/', which is not allowed there
struct Slash;

#[derive(EventBus)]
#[bus(name = "orders\n")] //~ ERROR the bus name holds '\n', which is not allowed there
struct Control;

#[derive(EventBus)]
#[bus(name = "orders*")] //~ ERROR the bus name holds '*', which is not allowed there
struct Glob;

#[derive(EventBus)]
#[bus(name = "{orders}")] //~ ERROR the bus name holds '{', which is not allowed there
struct HashTag;

#[derive(EventBus)]
#[rustfmt::skip]
//~v ERROR the bus name has 129 bytes, at most 128 are allowed
#[bus(name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
struct Long;

fn main() {}
