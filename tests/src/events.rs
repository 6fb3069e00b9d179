//! The event of most tests: who sent it, and its number there.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

/// An event that can be told from every other, and missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EventBus)]
#[bus(name = "numbered", channel(source = "{source}", numbered = "{source}/{number}"))]
pub struct Numbered {
    /// Where it comes from.
    pub source: String,
    /// Its number there.
    pub number: u64,
}

impl Numbered {
    /// The event `number` of `source`.
    #[must_use]
    pub fn new(source: &str, number: u64) -> Self {
        Self { source: source.to_owned(), number }
    }
}
