//! A bus that is called like one of core's clashes with it wherever both are in use.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "events")]
struct Event; //~ ERROR the bus of `Event` would be called `EventBus`, like the one of `event_bus_core`: call the event otherwise

#[derive(EventBus)]
#[bus(name = "blocking_events", channel(all = "all"))]
struct BlockingEvent; //~ ERROR the bus of `BlockingEvent` would be called `BlockingEventBus`, like the one of `event_bus_core`: call the event otherwise

fn main() {}
