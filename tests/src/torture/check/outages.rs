//! The interruptions that a listener was told: each has a fault that explains it, and an end.

use std::time::Duration;

use super::{Case, What};
use crate::torture::record::{Fault, FaultKind, Item, Stream, Time};

/// From one `Interrupted` to its `Resumed`.
#[derive(Clone, Copy, Debug)]
pub(in crate::torture) struct Outage {
    /// Where they stand in the stream.
    pub(in crate::torture) interrupted: usize,
    pub(in crate::torture) resumed: Option<usize>,
    /// When they were read.
    pub(in crate::torture) from: Time,
    pub(in crate::torture) until: Time,
    pub(in crate::torture) down_for: Duration,
    /// When the first of the faults began that may be behind it. Without one, when it was told.
    pub(in crate::torture) cause: Time,
}

/// All outages of a stream. A `Resumed` on its own counts as one, lasting as long as it says.
pub(in crate::torture) fn outages(case: &Case<'_>, stream: &Stream) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    let mut is_open = false;
    for (index, heard) in stream.items.iter().enumerate() {
        match heard.item {
            Item::Interrupted => {
                outages.push(Outage {
                    interrupted: index,
                    resumed: None,
                    from: heard.at,
                    until: Time::MAX,
                    down_for: Duration::ZERO,
                    cause: heard.at,
                });
                is_open = true;
            }
            Item::Resumed { down_for } => {
                match outages.last_mut().filter(|_| is_open) {
                    Some(outage) => {
                        (outage.resumed, outage.until, outage.down_for) = (Some(index), heard.at, down_for);
                    }
                    None => outages.push(Outage {
                        interrupted: index,
                        resumed: Some(index),
                        from: heard.at.saturating_sub(down_for),
                        until: heard.at,
                        down_for,
                        cause: heard.at,
                    }),
                }
                is_open = false;
            }
            _ => {}
        }
    }
    for outage in &mut outages {
        let first = causes(case, stream, outage).next();
        outage.cause = first.map_or(outage.from, |fault| fault.begin);
    }
    outages
}

/// The faults that may be behind `outage`, one after the other.
pub(super) fn causes<'a>(
    case: &Case<'a>,
    stream: &Stream,
    outage: &Outage,
) -> impl Iterator<Item = &'a Fault> {
    case.interrupting().filter(|fault| {
        fault.begin <= outage.until
            && case.explains_until(fault, stream) >= outage.from
            && fault.reach.may_tell.contain_any(&stream.lines)
    })
}

/// The faults that cut `stream` off, or should have been taken for that, and were not told. What one that naps was
/// told can't be put down to one fault.
pub(in crate::torture) fn unnoticed<'a>(case: &Case<'a>, stream: &Stream) -> impl Iterator<Item = &'a Fault> {
    let is_prompt = stream.nap.is_zero();
    let case = *case;
    let grave = case.interrupting().filter(move |fault| match fault.kind {
        FaultKind::Drop => false, // of which only those are told who would have got the message
        FaultKind::Stop => is_prompt && fault.lasted() > case.tolerance.unnoticed,
        _ => is_prompt,
    });
    let grave = grave.filter(|fault| fault.reach.must_tell.contain_any(&stream.lines));
    grave.filter(move |fault| {
        let notices =
            || stream.items.iter().filter(|it| matches!(it.item, Item::Interrupted | Item::Resumed { .. }));
        let was_cut_off =
            notices().rev().find(|it| it.at <= fault.begin).is_some_and(|it| it.item == Item::Interrupted);
        let was_live = stream.confirmed < fault.begin && !was_cut_off;
        let span = fault.begin..=case.noticed_by(fault, stream);
        was_live && !notices().any(|it| it.item == Item::Interrupted && span.contains(&it.at))
    })
}

pub(super) fn check(case: &Case<'_>, stream: &Stream, found: &mut impl FnMut(What, String)) {
    let mut spurious = |text| found(What::Spurious, text);
    check_alternation(case, stream, &mut spurious);
    let outages = outages(case, stream);
    check_causes(case, stream, &outages, &mut spurious);
    for outage in &outages {
        check_length(case, stream, outage, &mut spurious);
    }
}

fn check_alternation(case: &Case<'_>, stream: &Stream, spurious: &mut impl FnMut(String)) {
    let is_cut_off_whole = !case.is_line_by_line || stream.lines.len() == 1; // or other channels are heard on
    let mut since: Option<Time> = None;
    let mut has_complained = false;
    for heard in &stream.items {
        let at = heard.at;
        match (&heard.item, since) {
            (Item::Interrupted, Some(since)) => {
                spurious(format!(
                    "`Interrupted` at {at:.3?}, and before at {since:.3?}, without a `Resumed`"
                ));
            }
            (Item::Interrupted, None) => (since, has_complained) = (Some(at), false),
            (Item::Resumed { .. }, None) => {
                spurious(format!("`Resumed` at {at:.3?} without an `Interrupted`"));
            }
            (Item::Resumed { .. }, Some(_)) => since = None,
            (Item::Event(id), Some(since)) if is_cut_off_whole && !has_complained => {
                spurious(format!(
                    "`Interrupted` at {since:.3?}, but {id} came at {at:.3?} without a `Resumed`"
                ));
                has_complained = true;
            }
            (Item::Other(text), _) => spurious(format!("at {at:.3?}: {text}")),
            _ => {}
        }
    }
    if let Some(since) = since {
        spurious(format!("`Interrupted` at {since:.3?} without a `Resumed` up to the end"));
    }
}

/// Each `Interrupted` takes the first fault that may be behind it and has not interrupted as often as it may.
fn check_causes<'a>(case: &Case<'a>, stream: &Stream, outages: &[Outage], spurious: &mut impl FnMut(String)) {
    let reaches = |fault: &&Fault| fault.reach.may_tell.contain_any(&stream.lines);
    let often = |fault: &'a Fault| {
        std::iter::repeat_n(fault, usize::try_from(fault.reach.outages).unwrap_or(usize::MAX))
    };
    let mut faults = case.interrupting().filter(reaches).flat_map(often).peekable();
    for outage in outages {
        while faults.next_if(|fault| case.explains_until(fault, stream) < outage.from).is_some() {}
        if faults.next_if(|fault| fault.begin <= outage.from).is_none() {
            spurious(format!("`Interrupted` at {:.3?} without a fault of its own", outage.from));
        }
    }
}

fn check_length(case: &Case<'_>, stream: &Stream, outage: &Outage, spurious: &mut impl FnMut(String)) {
    let Outage { from, until, down_for, cause, .. } = *outage;
    if outage.resumed.is_none() {
        return; // has been found already
    }
    let mut explained = from;
    let reaches = |fault: &&Fault| fault.reach.may_tell.contain_any(&stream.lines);
    for fault in case.interrupting().filter(reaches).filter(|fault| fault.begin <= until) {
        if fault.begin <= explained {
            explained = explained.max(fault.end + case.tolerance.recovery + stream.nap);
        }
    }
    if until > explained && explained > from {
        spurious(format!(
            "the outage from {from:.3?} lasted until {until:.3?}, faults explain {explained:.3?}"
        ));
    }
    let told = until.saturating_sub(from);
    let slack = case.tolerance.slack;
    if down_for > until.saturating_sub(cause) + slack || down_for + slack + stream.nap < told {
        spurious(format!(
            "`Resumed` at {until:.3?} says {down_for:.3?}, but was told {told:.3?} after `Interrupted`"
        ));
    }
}
