//! The events that a listener got: each was published for it, as it is, once, in order.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::What;
use crate::torture::event::FAREWELL;
use crate::torture::record::{EventId, Heard, Item, Ledger, Outcome, Published, Stream};

/// What was rightly delivered.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// How many different events.
    pub(super) delivered: usize,
    /// Of unknown outcome, and behind later ones: how many, and how long after they were given up at most.
    pub(super) late: usize,
    pub(super) latest: Duration,
}

pub(super) fn check(ledger: &Ledger, stream: &Stream, found: &mut impl FnMut(What, String)) -> Events {
    let mut events = Events::default();
    let mut seen = HashSet::new();
    let mut newest: HashMap<(u32, u32), u64> = HashMap::new();
    for heard in &stream.items {
        let id = match heard.item {
            Item::Event(id) => id,
            Item::Corrupted(id) => {
                found(What::Phantom, format!("{id} at {:.3?} is not as it was published", heard.at));
                continue;
            }
            _ => continue,
        };
        let event = match origin(ledger, stream, heard, id) {
            Ok(event) => event,
            Err(why) => {
                found(What::Phantom, format!("{id} at {:.3?} {why}", heard.at));
                continue;
            }
        };
        if !seen.insert(id) {
            found(What::Duplicated, format!("{id} again at {:.3?}", heard.at));
            continue;
        }
        let newest = newest.entry((id.publisher, id.channel)).or_insert(id.number);
        if id.number < *newest && event.outcome == Outcome::Acked {
            found(What::Reordered, format!("{id} at {:.3?} behind number {newest}", heard.at));
        } else if id.number < *newest {
            events.late += 1;
            events.latest = events.latest.max(heard.at.saturating_sub(event.done));
        }
        if event.outcome == Outcome::Acked {
            *newest = id.number.max(*newest);
        }
    }
    events.delivered = seen.iter().filter(|id| id.publisher != FAREWELL).count();
    events
}

fn origin<'a>(
    ledger: &'a Ledger,
    stream: &Stream,
    heard: &Heard,
    id: EventId,
) -> Result<&'a Published, &'static str> {
    let Some(event) = ledger.get(id) else { return Err("was never published") };
    if event.outcome.is_nothing() {
        return Err("was surely not sent, said the publisher");
    }
    if !stream.hears(event) {
        return Err("is not for this listener");
    }
    if heard.at < event.sent {
        return Err("came before it was sent");
    }
    Ok(event)
}
