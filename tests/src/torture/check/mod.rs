//! The checker: compares what was published with what one listener heard. Knows no IO and no clock.
//!
//! # What it relies on
//! A publish is executed between its `sent` and its `done` (unknown outcomes: at any time after `sent`, or never).
//! One server executes one publish after the other and hands them to a listener in that order. So if A was `done` before B
//! was `sent`, A stands before B in every stream that has both, whoever published them. That puts each event
//! that a listener did **not** get into a *hole* of its stream: behind the last event that was surely executed
//! earlier, before the first that was surely executed later.
//!
//! Farewells tell listeners that nothing more comes, again and again. Nobody has to hear one of them, so none is ever missing; but
//! a `Lagged` may count those that were dropped before the listener had read its last.
//!
//! # What it calls a fault of the library
//! - **silent**: an acknowledged event, sent after `listen` had returned, is missing, and it is told neither
//!   - by an outage: an `Interrupted` or `Resumed` stands in its hole, **and** by time it may have been executed
//!     in that outage: `sent` before the `Resumed`, `done` at most [`slack`](Tolerance::slack) before the fault that
//!     began it. (What the server acknowledges just before it is killed may still be in its output buffer; what it acknowledged
//!     while a slow network or a flood held things back may be, if that was over for at most `slack`.) The hole alone would
//!     excuse too much where little is published, the time alone whatever is lost near a fault;
//!   - nor by a `Gap`, before the next event of its publisher on its channel, which excuses as many of those between as it says;
//!   - nor by a `Lagged` in its hole, which excuses as many events as it says and no more.
//!
//!   The missing and the `Lagged` are matched as favourably as possible, so an alarm is never false.
//! - **duplicated**: heard once more.
//! - **reordered**: an acknowledged event behind a later one of the same publisher and channel. Unknown outcomes
//!   may come late: a stopped server executes what was given up long ago when it goes on.
//! - **phantom**: never published, surely not sent, not for this listener, or not as it was published.
//! - **spurious**: told though it did not happen:
//!   - an `Interrupted` for which there is no fault of its own, lasting or over for at most [`notice`](Tolerance::notice),
//!     and [`slack`](Tolerance::slack) more where things were held back just before. A slow network and a flood explain none;
//!   - an outage that lasts longer than the faults and [`recovery`](Tolerance::recovery) after each explain, or whose
//!     `down_for` does not fit the times at which it was told;
//!   - `Interrupted` and `Resumed` that do not alternate, an event between them, no `Resumed` at the end;
//!   - a `Lagged` or a `Gap` that says more than can be missing there; and any other notice.
//!
//! On a sequenced bus, where messages vanish on connections that look healthy, there is what no number can tell: what vanishes
//! before the first that a listener hears of a publisher, and what vanishes between another loss and the next event
//! of its publisher, since that notice stands there already. It is counted apart.
//!
//! Besides, a fault may not pass **unnoticed** by a listener that was connected when it began: a kill, a restart, a
//! cut, a black hole, a stop for longer than [`unnoticed`](Tolerance::unnoticed). (One
//! lost message is told only to those who would have got it.) A black hole ends in a cut, so it counts as noticed only if that was
//! by itself: within the time that the library [promises](Fault::within) for it. And each listener must have [`heard_again`].
//!
//! Where the password changes in good order, nobody is told anything. Where the old one ends too early, everybody is cut off, and
//! publishers are refused until [`slack`](Tolerance::slack) after the new one was told; but at no other time, and between the two
//! nothing else becomes of what they publish.
//!
//! # Of several servers
//! Each channel is served by one of them at a time, so events have an order only on each channel, and holes are looked for
//! there. Where nodes pass on to each other what they execute, a channel that changes its owner has no order for a moment: events of
//! that time, of different publishers, may stand in each other's place. A fault may hit one server: then it explains outages of those
//! alone who listen to what it [reaches](Reach), as many as it says; who listens to channels of others, too, goes on hearing those between
//! `Interrupted` and `Resumed`. What a master
//! acknowledged which was deposed or cut off, on its channels, until [`deposed`](Tolerance::deposed) after its successor was
//! elected, is missing and not **silent** unless the bus is sequenced, where a `Gap` must tell it. What was told as unknown and came
//! behind later events is counted as late.
//!
//! On one server, sharded channels are listened to one by one, too: after an outage some are heard before others. Who listens to
//! several channels, each of which is cut off and heard again by itself, is told with the first and the last of them: what is
//! missing on another one in between is told by that outage as well.
//!
//! A listener that naps reads notices late: its nap is added to what it may take.

mod events;
mod gaps;
mod holes;
mod logins;
mod losses;
mod outages;
#[cfg(test)]
mod sample;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

#[cfg(doc)]
use super::record::Reach;
use super::record::{Fault, Ledger, Published, Stream, Time};
pub(super) use logins::strange_logins;
pub(super) use losses::Deposition;
pub(super) use outages::{Outage, outages, unnoticed};

/// All that a stream is judged by. `faults` do not overlap and stand in their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) faults: &'a [Fault],
    pub(super) tolerance: Tolerance,
    pub(super) is_several: bool,
    /// Whether channels have servers of their own, or are listened to one by one, so that only events of one channel have an
    /// order.
    pub(super) is_line_by_line: bool,
    pub(super) is_sequenced: bool,
}

impl<'a> Case<'a> {
    /// The faults of which a listener may be told.
    fn interrupting(&self) -> impl Iterator<Item = &'a Fault> + use<'a> {
        self.faults.iter().filter(|fault| fault.kind.may_interrupt())
    }

    /// When `stream` has been told of `fault` at the latest.
    fn noticed_by(&self, fault: &Fault, stream: &Stream) -> Time {
        let Tolerance { notice, slack, .. } = self.tolerance;
        let is_behind = |held: &Fault| {
            held.kind.holds_back() && held.begin <= fault.begin && held.end + slack >= fault.begin
        };
        let late = if self.faults.iter().any(is_behind) { slack } else { Duration::ZERO };
        (fault.end + notice).min(fault.begin + fault.within) + stream.nap + late
    }

    /// Until when `stream` may be told of an outage that begins because of `fault`.
    fn explains_until(&self, fault: &Fault, stream: &Stream) -> Time {
        let by = Fault { within: fault.reach.tells_until.saturating_sub(fault.begin), ..*fault };
        self.noticed_by(&by, stream)
    }

    /// When a listener may have been sent `event`: when it was executed, or, where two nodes pass on what is published on its
    /// channel, before or behind others of that time.
    fn executed(&self, event: &Published) -> Executed {
        let Tolerance { slack, deposed, .. } = self.tolerance;
        let executed = Executed { from: event.sent, by: event.executed_by() };
        let disorders = self.faults.iter().filter(|fault| fault.reach.in_disorder.contain(event.id.channel));
        disorders.fold(executed, |Executed { from, by }, fault| {
            let begin = fault.begin.saturating_sub(slack);
            let end = fault.deposed.map_or(fault.end, |deposed| deposed.succeeded) + deposed;
            let is_of_that_time = event.sent <= end && event.done >= begin;
            if is_of_that_time {
                Executed { from: from.min(begin), by: by.max(end) }
            } else {
                Executed { from, by }
            }
        })
    }

    /// The fault because of which `event` may have been acknowledged and reached nobody.
    pub(super) fn deposed(&self, event: &Published) -> Option<&'a Fault> {
        self.faults.iter().find(|fault| {
            fault.deposed.is_some_and(|deposed| {
                deposed.lines.contain(event.id.channel)
                    && event.done >= deposed.from
                    && event.sent <= deposed.succeeded + self.tolerance.deposed
            })
        })
    }

    /// Since when what was acknowledged may have been on its way at `time`.
    fn on_its_way_since(&self, time: Time) -> Time {
        let slack = self.tolerance.slack;
        let before = self.faults.iter().rev().filter(|fault| fault.begin <= time && fault.kind.holds_back());
        before.fold(time.saturating_sub(slack), |since, fault| {
            if fault.end >= since { since.min(fault.begin.saturating_sub(slack)) } else { since }
        })
    }
}

/// Between which times.
#[derive(Clone, Copy, Debug)]
struct Executed {
    from: Time,
    by: Time,
}

/// What is allowed for the machine, which is busy, and for the library's own time-outs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// How long before a fault an acknowledged event may have been on its way; by how much `down_for` may differ from the
    /// times of the notices; and how long after it publishers may still be refused, or not be refused yet.
    pub(super) slack: Duration,
    /// How long after a fault an `Interrupted` may come: a broken connection is seen at once, a stopped server
    /// while it is stopped.
    pub(super) notice: Duration,
    /// How long a server may be stopped without being missed: the ping after 1 s of silence and 2 s for its answer,
    /// and a busy machine.
    pub(super) unnoticed: Duration,
    /// How long after a fault an outage may last: the backoff is capped at 2 s.
    pub(super) recovery: Duration,
    /// How long after the last fault a listener may hear nothing.
    pub(super) hear_again: Duration,
    /// How long after somebody else had taken over events may still be published to the one before: the servers are asked
    /// every second, and waited for half a second; and a busy machine.
    pub(super) deposed: Duration,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            slack: Duration::from_secs(1),
            notice: Duration::from_secs(1),
            unnoticed: Duration::from_millis(3500),
            recovery: Duration::from_secs(4),
            hear_again: Duration::from_secs(15),
            deposed: Duration::from_secs(2),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Silent,
    Duplicated,
    Reordered,
    Phantom,
    Spurious,
}

/// One fault of the library.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) what: What,
    pub(super) listener: String,
    pub(super) text: String,
}

/// The judgement over one stream.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Different events.
    pub(super) delivered: usize,
    /// Acknowledged events that it did not get, and knows of.
    pub(super) told_missing: usize,
    /// Of the acknowledged events that it did not get, those that vanished where no number can tell.
    pub(super) beyond_numbers: usize,
    /// Those that a master acknowledged which was deposed or cut off, and that no outage tells.
    pub(super) deposed: Deposition,
    /// Events of unknown outcome that came behind later ones, and how long after they were given up the last of them did.
    pub(super) late: usize,
    pub(super) latest: Duration,
    pub(super) findings: Vec<Finding>,
}

/// Judges one stream.
pub(super) fn check(case: &Case<'_>, stream: &Stream) -> Verdict {
    let mut verdict = Verdict::default();
    let mut found = |what, text| {
        verdict.findings.push(Finding { what, listener: stream.name.clone(), text });
    };
    let events = events::check(case.ledger, stream, &mut found);
    outages::check(case, stream, &mut found);
    let losses = losses::check(case, stream, &mut found);
    (verdict.delivered, verdict.late, verdict.latest) = (events.delivered, events.late, events.latest);
    (verdict.told_missing, verdict.beyond_numbers) = (losses.told, losses.beyond_numbers);
    verdict.deposed = losses.deposed;
    verdict
}

/// How long after `calm`, the end of the last fault, a listener heard something that was published after it.
pub(super) fn heard_again(ledger: &Ledger, stream: &Stream, calm: Time) -> Option<Duration> {
    let is_new = |id| ledger.get(id).is_some_and(|event| event.sent >= calm);
    let first = stream.items.iter().find(|heard| heard.event().is_some_and(is_new))?;
    Some(first.at.saturating_sub(calm))
}

impl What {
    /// In the order of the last line.
    pub(super) const ALL: [Self; 5] =
        [Self::Silent, Self::Duplicated, Self::Reordered, Self::Phantom, Self::Spurious];
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Silent => "silent",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Phantom => "phantom",
            Self::Spurious => "spurious",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: listener {}: {}", self.what, self.listener, self.text)
    }
}
