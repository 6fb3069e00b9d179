//! The event that is tortured: it says where it stands, and its padding can be recomputed, so that nothing that
//! happens to its bytes goes unseen.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};

use super::record::{EventId, Time};

/// The publisher of what tells listeners that nothing more comes.
pub(super) const FAREWELL: u32 = u32::MAX;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EventBus)]
#[bus(name = "torture", channel(line = "line/{channel}"))]
pub(super) struct Stamped {
    pub(super) publisher: u32,
    pub(super) channel: u32,
    pub(super) number: u64,
    /// When publishing it began, in microseconds since the start of the run.
    pub(super) sent_micros: u64,
    padding: String,
}

impl Stamped {
    pub(super) fn new(id: EventId, sent: Time) -> Self {
        let EventId { publisher, channel, number } = id;
        let sent_micros = u64::try_from(sent.as_micros()).unwrap_or(u64::MAX);
        Self { publisher, channel, number, sent_micros, padding: padding(id) }
    }

    pub(super) fn id(&self) -> EventId {
        EventId { publisher: self.publisher, channel: self.channel, number: self.number }
    }

    /// Whether it came on its own channel and as it was made.
    pub(super) fn is_whole(&self, key: &str) -> bool {
        key == format!("line/{}", self.channel) && self.padding == padding(self.id())
    }
}

/// Mostly short, now and then some pages long; the same for the same event.
fn padding(id: EventId) -> String {
    let seed = (u64::from(id.publisher) << 48) ^ (u64::from(id.channel) << 32) ^ id.number;
    let mut random = fastrand::Rng::with_seed(seed);
    let length = if random.u8(..16) == 0 { random.usize(..16_384) } else { random.usize(..256) };
    let letter = random.alphabetic();
    std::iter::repeat_n(letter, length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_event_that_was_changed_on_its_way_is_not_whole() {
        let id = EventId { publisher: 1, channel: 2, number: 3 };
        let event = Stamped::new(id, Duration::from_millis(5));
        assert_eq!((event.id(), event.sent_micros), (id, 5_000));
        assert!(event.is_whole("line/2"));
        assert!(!event.is_whole("line/3"));
        assert!(!Stamped { padding: event.padding.clone() + "x", ..event.clone() }.is_whole("line/2"));
        assert!(!Stamped { number: 4, padding: "not its own".to_owned(), ..event }.is_whole("line/2"));
    }
}
