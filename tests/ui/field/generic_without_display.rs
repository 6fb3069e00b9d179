//! A type parameter in a channel needs the bound; those of an event it gets by itself.

use event_bus_core::{EventBus, MemoryTransport};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "changes", channel(changed = "{id}"))]
struct Changed<T> {
    id: T, //~ ERROR `T` doesn't implement `std::fmt::Display`
}

fn main() {
    drop(ChangedBus::<u64>::new(MemoryTransport::new()));
}
