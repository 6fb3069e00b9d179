//! Each variant has a handler and a constant.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, EventBus)]
#[bus(name = "orders")]
enum Order {
    HttpGet { order_id: u64 },
    HTTPGet { order_id: u64 }, //~ ERROR `HttpGet` and `HTTPGet` would both have the handler `on_http_get` and the constant `HTTP_GET`: name one otherwise (serde's `rename` keeps its name on the wire)
}

fn main() {}
