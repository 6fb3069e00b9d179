//! The events that a listener got: each was published for it, as it is, once, in order.

use std::collections::{HashMap, HashSet};

use super::What;
use crate::torture::record::{EventId, Heard, Item, Ledger, Outcome, Stream};

/// Returns how many different events were rightly delivered.
pub(super) fn check(ledger: &Ledger, stream: &Stream, found: &mut impl FnMut(What, String)) -> usize {
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
        let outcome = match origin(ledger, stream, heard, id) {
            Ok(outcome) => outcome,
            Err(why) => {
                found(What::Phantom, format!("{id} at {:.3?} {why}", heard.at));
                continue;
            }
        };
        if !seen.insert(id) {
            found(What::Duplicated, format!("{id} again at {:.3?}", heard.at));
        } else if outcome == Outcome::Acked {
            let newest = newest.entry((id.publisher, id.channel)).or_insert(id.number);
            if id.number < *newest {
                found(What::Reordered, format!("{id} at {:.3?} behind number {newest}", heard.at));
            }
            *newest = id.number.max(*newest);
        }
    }
    seen.len()
}

fn origin(ledger: &Ledger, stream: &Stream, heard: &Heard, id: EventId) -> Result<Outcome, &'static str> {
    let Some(event) = ledger.get(id) else { return Err("was never published") };
    if event.outcome == Outcome::NotSent {
        return Err("was surely not sent, said the publisher");
    }
    if !stream.hears(event) {
        return Err("is not for this listener");
    }
    if heard.at < event.sent {
        return Err("came before it was sent");
    }
    Ok(event.outcome)
}
