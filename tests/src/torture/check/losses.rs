//! What a listener did not get: is each of it told, and is nothing told that was not lost?

use std::collections::HashSet;
use std::time::Duration;

use super::gaps::{Gap, gaps, is_beyond_numbers};
use super::holes::{Hole, Order, assign};
use super::outages::{Outage, causes, outages};
use super::{Case, What};
use crate::torture::record::{Deposed, EventId, Heard, Item, Outcome, Published, Stream, Time};

/// Of the acknowledged events that a listener did not get, those that it knows of, and those that nothing could tell.
pub(super) struct Losses {
    pub(super) told: usize,
    pub(super) beyond_numbers: usize,
    pub(super) deposed: Deposition,
}

/// What servers acknowledged that were deposed or cut off, and no outage tells.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::torture) struct Deposition {
    pub(in crate::torture) events: usize,
    /// So many of them are told by numbers.
    pub(in crate::torture) told: usize,
    /// How long after the successor was known to everybody who asks the last of them was acknowledged, if one was.
    pub(in crate::torture) longest: Duration,
}

pub(super) fn check(case: &Case<'_>, stream: &Stream, found: &mut impl FnMut(What, String)) -> Losses {
    let order = Order::of(case, stream);
    let heard: HashSet<EventId> = stream.items.iter().filter_map(Heard::event).collect();
    let end = stream.items.last().map_or(Time::ZERO, |last| last.at);
    let may_be_missing = |event: &Published| match event.outcome {
        Outcome::NotSent | Outcome::Denied => false,
        Outcome::Farewell => event.sent <= end, // goes on when nobody reads any more
        Outcome::Acked | Outcome::Unknown => true,
    };
    let is_missing =
        |event: &&Published| may_be_missing(event) && stream.hears(event) && !heard.contains(&event.id);
    let missing: Vec<&Published> = case.ledger.all().iter().filter(is_missing).collect();
    let lags = lags(stream);

    let due =
        missing.iter().filter(|event| event.outcome == Outcome::Acked && event.sent >= stream.confirmed);
    let due: Vec<(&Published, Hole)> = due.map(|event| (*event, order.hole_of(case, event))).collect();
    let outages = outages(case, stream);
    let not_by_an_outage: Vec<_> = due
        .iter()
        .filter(|(event, hole)| !outages.iter().any(|it| tells(case, stream, it, event, hole)))
        .cloned()
        .collect();
    let mut deposed = Deposition::default();
    let gaps = gaps(case, stream, found);
    let (by_numbers, left) = by_numbers(not_by_an_outage, case, gaps);
    by_numbers.iter().for_each(|(event, _)| deposed.note(case, event));
    deposed.told = deposed.events;
    // These first, or they would use up what a lag excuses.
    let is_excused = |event: &Published| !case.is_sequenced && case.deposed(event).is_some();
    let (excused, left): (Vec<_>, Vec<_>) = left.into_iter().partition(|(event, _)| is_excused(event));
    if stream.nap.is_zero() {
        excused.iter().for_each(|(event, _)| deposed.note(case, event)); // who naps has lost some by himself
    }
    let (beyond_numbers, left): (Vec<_>, Vec<_>) =
        left.into_iter().partition(|(event, _)| is_beyond_numbers(case, stream, event));
    let (events, holes): (Vec<&Published>, Vec<Hole>) = left.into_iter().unzip();
    let silent: Vec<&Published> =
        assign(&holes, &lags).holes.into_iter().map(|place| events[place]).collect();
    for event in &silent {
        let Published { id, sent, done, .. } = event;
        found(What::Silent, format!("{id}, sent at {sent:.3?}, acknowledged at {done:.3?}, is missing"));
    }

    let holes: Vec<Hole> = missing.iter().map(|event| order.hole_of(case, event)).collect();
    let spare = assign(&holes, &lags).spare;
    for ((index, missed), spare) in lags.iter().zip(spare).filter(|(_, spare)| *spare > 0) {
        let at = stream.items[*index].at;
        found(
            What::Spurious,
            format!("`Lagged` at {at:.3?} tells {missed} missing, {spare} more than can be"),
        );
    }
    let untold = silent.len() + beyond_numbers.len() + excused.len();
    Losses { told: due.len() - untold, beyond_numbers: beyond_numbers.len(), deposed }
}

impl Deposition {
    fn note(&mut self, case: &Case<'_>, event: &Published) {
        if let Some(Deposed { succeeded, .. }) = case.deposed(event).and_then(|fault| fault.deposed) {
            self.events += 1;
            self.longest = self.longest.max(event.done.saturating_sub(succeeded));
        }
    }
}

/// An event that was not heard, and where it would stand.
type Missing<'a> = (&'a Published, Hole);

/// What of `due` gaps tell, and the rest.
fn by_numbers<'a>(
    due: Vec<Missing<'a>>,
    case: &Case<'_>,
    mut gaps: Vec<Gap>,
) -> (Vec<Missing<'a>>, Vec<Missing<'a>>) {
    due.into_iter().partition(|(event, _)| {
        let gap = gaps.iter_mut().find(|gap| gap.missed > 0 && gap.tells(case, event));
        gap.map(|gap| gap.missed -= 1).is_some()
    })
}

/// Whether `outage` stands where `event` is missing, and may have swallowed it.
fn tells(case: &Case<'_>, stream: &Stream, outage: &Outage, event: &Published, hole: &Hole) -> bool {
    let is_at_its_ends =
        hole.contains(&outage.interrupted) || outage.resumed.is_some_and(|at| hole.contains(&at));
    // Where channels have connections of their own, one may be cut off after the first, and heard again before the last.
    let is_within = hole.start > outage.interrupted && outage.resumed.is_none_or(|at| hole.end <= at);
    let stands_there = is_at_its_ends || (is_within && case.is_line_by_line && stream.lines.len() > 1);
    let in_time = event.sent <= outage.until && event.done >= case.on_its_way_since(outage.cause);
    stands_there && in_time && is_of(case, stream, outage, event.id.channel)
}

/// Whether `outage` may be one of this channel: it has no cause, or one of its causes concerns it.
fn is_of(case: &Case<'_>, stream: &Stream, outage: &Outage, channel: u32) -> bool {
    let mut causes = causes(case, stream, outage).peekable();
    causes.peek().is_none() || causes.any(|fault| fault.reach.may_tell.contain(channel))
}

fn lags(stream: &Stream) -> Vec<(usize, u64)> {
    let lagged = stream.items.iter().enumerate().filter_map(|(index, heard)| match heard.item {
        Item::Lagged { missed } => Some((index, missed)),
        _ => None,
    });
    lagged.collect()
}
