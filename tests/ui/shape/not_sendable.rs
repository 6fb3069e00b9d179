//! Events travel between threads.

use event_bus_core::EventBus;
use std::rc::Rc;

#[derive(EventBus)]
#[bus(name = "orders", channel(order = "{order_id}"))]
struct Order { //~ ERROR `Rc<str>` cannot be sent between threads safely
    //~^ ERROR `Rc<str>` cannot be shared between threads safely
    order_id: Rc<str>,
}

fn main() {}
