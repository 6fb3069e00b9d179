//! `ChatBlockingBus` is the blocking bus of `Chat`, whether there is a `Chat` or not, and whoever turns it on.

use event_bus_core::EventBus;

#[derive(EventBus)]
#[bus(name = "chat")]
struct ChatBlocking; //~ ERROR would have the name of the blocking bus of `Chat`

fn main() {}
