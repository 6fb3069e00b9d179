//! The gaps that a listener was told by the numbers of events: what each may be about, and what no number can tell.

use std::collections::HashMap;
use std::ops::Range;

use super::{Case, What};
use crate::torture::record::{EventId, FaultKind, Heard, Item, Published, Stream};

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
    /// Whether it is about `event`, which vanished.
    pub(super) fn tells(&self, case: &Case<'_>, event: &Published) -> bool {
        track(event.id) == self.track && self.between.contains(&event.id.number) && vanished(case, event)
    }
}

/// All gaps of a stream. Each stands right before an event, says how many numbers are missing there, and nothing else has
/// been told between the last event of its track and that one.
pub(super) fn gaps(case: &Case<'_>, stream: &Stream, found: &mut impl FnMut(What, String)) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut newest: HashMap<Track, (u64, usize)> = HashMap::new();
    let mut last_other_notice = None;
    for (index, heard) in stream.items.iter().enumerate() {
        let (channel, missed) = match heard.item {
            Item::Event(id) => {
                let newest = newest.entry(track(id)).or_insert((id.number, index));
                *newest = (id.number, index).max(*newest);
                continue;
            }
            Item::Gap { channel, missed } => (channel, missed),
            Item::Corrupted(_) => continue,
            _ => {
                last_other_notice = Some(index);
                continue;
            }
        };
        let mut spurious =
            |text| found(What::Spurious, format!("`Gap` on line {channel} at {:.3?} {text}", heard.at));
        let next = stream.items.get(index + 1).and_then(Heard::event);
        let Some(next) = next.filter(|next| next.channel == channel) else {
            spurious("before no event there".to_owned());
            continue;
        };
        let (last, since) = newest.get(&track(next)).copied().unwrap_or((next.number, index));
        let between = last.saturating_add(1)..next.number;
        let missing = numbers_used(case, next, between.clone());
        if missed != missing {
            spurious(format!("tells {missed} missing before {next}, where {missing} are"));
        } else if last_other_notice.is_some_and(|notice| notice > since) {
            spurious(format!("tells what is missing before {next}, which another notice covers"));
        }
        gaps.push(Gap { track: track(next), between, missed });
    }
    gaps
}

/// How many of the events between these, of the track of `next`, have used up a number.
fn numbers_used(case: &Case<'_>, next: EventId, between: Range<u64>) -> u64 {
    let events = between.filter_map(|number| case.ledger.get(EventId { number, ..next }));
    events.filter(|event| !event.outcome.is_nothing()).count() as u64
}

/// Whether `event` vanished where no number can tell: before the first that was heard of its track, or right beside a
/// notice of another loss, which covers it as far as the listener can know.
pub(super) fn is_beyond_numbers(case: &Case<'_>, stream: &Stream, event: &Published) -> bool {
    let of_its_track = |item: &Item| match *item {
        Item::Event(id) if track(id) == track(event.id) => Some(id.number),
        _ => None,
    };
    let numbers = || stream.items.iter().map(|heard| of_its_track(&heard.item));
    let behind = numbers().position(|number| number.is_some_and(|number| number > event.id.number));
    let until = &stream.items[..behind.unwrap_or(stream.items.len())];
    // Whoever adds a channel to what he listens to is told nothing of what was missing by then.
    let is_before = |heard: &Heard| {
        heard.at >= stream.confirmed
            && of_its_track(&heard.item).is_some_and(|number| number < event.id.number)
    };
    let between = until.iter().rposition(is_before).map(|before| &until[before..]);
    let is_told_otherwise = |between: &[Heard]| {
        between.iter().any(|heard| heard.is_notice() && !matches!(heard.item, Item::Gap { .. }))
    };
    vanished(case, event) && between.is_none_or(is_told_otherwise)
}

/// Whether it was on its way to the listeners while messages vanished there, or was acknowledged by somebody who reaches
/// nobody.
fn vanished(case: &Case<'_>, event: &Published) -> bool {
    if case.deposed(event).is_some() {
        return true;
    }
    case.faults.iter().filter(|fault| fault.kind == FaultKind::Lose).any(|fault| {
        event.sent <= fault.end + case.tolerance.slack && event.done >= case.on_its_way_since(fault.begin)
    })
}

fn track(EventId { publisher, channel, .. }: EventId) -> Track {
    (publisher, channel)
}
