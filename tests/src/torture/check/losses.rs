//! What a listener did not get: is each of it told, and is nothing told that was not lost?

use std::collections::HashSet;

use super::holes::{Hole, Order, assign};
use super::outages::{Outage, outages};
use super::{Case, What};
use crate::torture::record::{EventId, Heard, Item, Outcome, Published, Stream};

/// Returns how many acknowledged events the listener knows to have missed.
pub(super) fn check(case: &Case<'_>, stream: &Stream, found: &mut impl FnMut(What, String)) -> usize {
    let order = Order::of(case.ledger, stream);
    let heard: HashSet<EventId> = stream.items.iter().filter_map(Heard::event).collect();
    let is_missing = |event: &&Published| {
        event.outcome != Outcome::NotSent && stream.hears(event) && !heard.contains(&event.id)
    };
    let missing: Vec<&Published> = case.ledger.all().iter().filter(is_missing).collect();
    let lags = lags(stream);

    let due =
        missing.iter().filter(|event| event.outcome == Outcome::Acked && event.sent >= stream.confirmed);
    let due: Vec<(&Published, Hole)> = due.map(|event| (*event, order.hole_of(event))).collect();
    let outages = outages(case, stream);
    let not_by_an_outage =
        due.iter().filter(|(event, hole)| !outages.iter().any(|it| tells(case, it, event, hole)));
    let (events, holes): (Vec<&Published>, Vec<Hole>) = not_by_an_outage.cloned().unzip();
    let untold = assign(&holes, &lags).holes;
    for event in untold.iter().map(|place| events[*place]) {
        let Published { id, sent, done, .. } = event;
        found(What::Silent, format!("{id}, sent at {sent:.3?}, acknowledged at {done:.3?}, is missing"));
    }

    let holes: Vec<Hole> = missing.iter().map(|event| order.hole_of(event)).collect();
    let spare = assign(&holes, &lags).spare;
    for ((index, missed), spare) in lags.iter().zip(spare).filter(|(_, spare)| *spare > 0) {
        let at = stream.items[*index].at;
        found(
            What::Spurious,
            format!("`Lagged` at {at:.3?} tells {missed} missing, {spare} more than can be"),
        );
    }
    due.len() - untold.len()
}

/// Whether `outage` stands where `event` is missing, and may have swallowed it.
fn tells(case: &Case<'_>, outage: &Outage, event: &Published, hole: &Hole) -> bool {
    let stands_there =
        hole.contains(&outage.interrupted) || outage.resumed.is_some_and(|at| hole.contains(&at));
    stands_there && event.sent <= outage.until && event.done >= case.on_its_way_since(outage.cause)
}

fn lags(stream: &Stream) -> Vec<(usize, u64)> {
    let lagged = stream.items.iter().enumerate().filter_map(|(index, heard)| match heard.item {
        Item::Lagged { missed } => Some((index, missed)),
        _ => None,
    });
    lagged.collect()
}
