//! The gaps that a listener was told by the numbers of events: what each may be about, and what no number can tell.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{Case, What};
use crate::torture::record::{EventId, FaultKind, Heard, Item, Outcome, Published, Stream};

/// What one publisher published on one channel: that has numbers of its own.
type Track = (u32, u32);

/// One `Gap`, told before the next event of its track.
#[derive(Debug)]
pub(super) struct Gap {
    track: Track,
    /// The events between the last one that was heard before it and the one behind it.
    between: Range<u64>,
    pub(super) missed: u64,
}

impl Gap {
    pub(super) fn may_tell(&self, event: &Published) -> bool {
        track(event.id) == self.track && self.between.contains(&event.id.number)
    }
}

/// All gaps of a stream. Each stands right before an event, and says no more than can be missing there.
pub(super) fn gaps(case: &Case<'_>, stream: &Stream, found: &mut impl FnMut(What, String)) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut seen = HashSet::new();
    let mut newest: HashMap<Track, u64> = HashMap::new();
    for (index, heard) in stream.items.iter().enumerate() {
        if let Some(id) = heard.event() {
            seen.insert(id);
            let newest = newest.entry(track(id)).or_insert(id.number);
            *newest = id.number.max(*newest);
        }
        let Item::Gap { channel, missed } = heard.item else { continue };
        let next = stream.items.get(index + 1).and_then(Heard::event);
        let Some(next) = next.filter(|next| next.channel == channel) else {
            found(
                What::Spurious,
                format!("`Gap` on line {channel} at {:.3?} before no event there", heard.at),
            );
            continue;
        };
        let first = newest.get(&track(next)).map_or(next.number, |newest| newest + 1);
        let between = first..next.number;
        let may_be_missing = between.clone().filter(|number| {
            let id = EventId { number: *number, ..next };
            let event = case.ledger.get(id);
            event.is_some_and(|event| event.outcome != Outcome::NotSent) && !seen.contains(&id)
        });
        let most = may_be_missing.count() as u64;
        if missed > most {
            found(
                What::Spurious,
                format!("`Gap` at {:.3?} tells {missed} missing before {next}, {most} can be", heard.at),
            );
        }
        gaps.push(Gap { track: track(next), between, missed });
    }
    gaps
}

/// Whether `event` vanished where no number can tell: before the first that was heard of its track, or right beside a
/// notice of another loss, which covers it as far as the listener can know.
pub(super) fn is_beyond_numbers(case: &Case<'_>, stream: &Stream, event: &Published) -> bool {
    let vanished = case.faults.iter().filter(|fault| fault.kind == FaultKind::Lose).any(|fault| {
        event.sent <= fault.end + case.tolerance.slack && event.done >= case.on_its_way_since(fault.begin)
    });
    let of_its_track = |item: &Item| match *item {
        Item::Event(id) if track(id) == track(event.id) => Some(id.number),
        _ => None,
    };
    let numbers = || stream.items.iter().map(|heard| of_its_track(&heard.item));
    let before = numbers().rposition(|number| number.is_some_and(|number| number < event.id.number));
    let behind = numbers().position(|number| number.is_some_and(|number| number > event.id.number));
    let is_told_otherwise = |begin: usize| {
        let between = stream.items.get(begin..behind.unwrap_or(stream.items.len())).unwrap_or_default();
        between.iter().any(|heard| heard.is_notice() && !matches!(heard.item, Item::Gap { .. }))
    };
    vanished && before.is_none_or(is_told_otherwise)
}

fn track(EventId { publisher, channel, .. }: EventId) -> Track {
    (publisher, channel)
}
