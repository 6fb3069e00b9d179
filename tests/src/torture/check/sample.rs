//! A made-up run on a library without faults: a simulated server executes what is published, and each listener
//! loses what it must and is told.

use std::collections::HashMap;
use std::time::Duration;

use super::{Case, Tolerance};
use crate::torture::record::{
    Deposed, EventId, Fault, FaultKind, Heard, Item, Ledger, Outcome, Published, Reach, Stream, Time,
};

pub(in crate::torture) struct Sample {
    pub(in crate::torture) ledger: Ledger,
    pub(in crate::torture) faults: Vec<Fault>,
    pub(in crate::torture) streams: Vec<Stream>,
    /// How many acknowledged events each listener lost and was told of.
    pub(super) lost: Vec<usize>,
    /// How many acknowledged events it lost to somebody who was deposed.
    pub(super) lost_to_deposed: Vec<usize>,
}

/// Events executed from `from` to `to` do not arrive.
struct Deaf {
    from: u64,
    to: u64,
    why: Why,
}

enum Why {
    /// Told at these times.
    Outage {
        interrupted: u64,
        resumed: u64,
    },
    Lag,
    /// They vanish, and their numbers tell.
    Gap,
    /// Somebody acknowledges them whom nobody hears.
    Deposed,
}

const END: u64 = 33_000_000;
const LINES: u32 = 3;
/// All in microseconds: a stop of 1.5 s is not noticed, one of 3.6 s is.
const FAULTS: [(FaultKind, u64, u64); 6] = [
    (FaultKind::Kill, 4_000_000, 4_003_000),
    (FaultKind::Restart, 8_000_000, 9_000_000),
    (FaultKind::Stop, 13_000_000, 14_500_000),
    (FaultKind::Stop, 18_000_000, 21_600_000),
    (FaultKind::Lose, 24_000_000, 24_200_000),
    (FaultKind::Isolate, 27_000_000, 27_500_000),
];
/// The channels of the one that is cut off.
const CUT_OFF: [u32; 2] = [1, 2];

impl Sample {
    pub(in crate::torture) fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut events = Vec::new();
        let mut executions = Vec::new();
        for publisher in 0..3 {
            publish(publisher, &mut random, &mut events, &mut executions);
        }
        executions.sort_unstable();
        let ledger = Ledger::of(events);
        let faults = FAULTS.map(|(kind, begin, end)| match kind {
            FaultKind::Isolate => isolation(micros(begin), micros(end)),
            _ => fault(kind, micros(begin), micros(end)),
        });
        let (mut streams, mut lost, mut lost_to_deposed) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..3 {
            let (stream, told, deposed) = listen(number, &ledger, &executions);
            streams.push(stream);
            lost.push(told);
            lost_to_deposed.push(deposed);
        }
        Self { ledger, faults: faults.to_vec(), streams, lost, lost_to_deposed }
    }

    pub(in crate::torture) fn case(&self) -> Case<'_> {
        Case {
            ledger: &self.ledger,
            faults: &self.faults,
            tolerance: Tolerance::default(),
            is_several: false,
            is_line_by_line: false,
            is_sequenced: false,
        }
    }
}

/// One publisher, which gives up after 800 ms without an answer, and after 150 ms without a server.
fn publish(
    publisher: u32,
    random: &mut fastrand::Rng,
    events: &mut Vec<Published>,
    executions: &mut Vec<(u64, EventId)>,
) {
    let mut numbers: HashMap<u32, u64> = HashMap::new();
    let mut now = random.u64(..5_000);
    while now < END {
        let channel = random.u32(..LINES);
        let number = numbers.entry(channel).or_default();
        let id = EventId { publisher, channel, number: *number };
        *number += 1;
        let is_felt = |(kind, begin, end): &(FaultKind, u64, u64)| {
            !matches!(kind, FaultKind::Lose | FaultKind::Isolate) && (*begin..*end).contains(&now)
        };
        let fault = FAULTS.into_iter().find(is_felt);
        let execution = now.max(fault.map_or(0, |(_, _, end)| end)) + random.u64(100..1_500);
        let (outcome, done, executed) = match fault {
            Some((FaultKind::Restart, ..)) if random.bool() => (Outcome::NotSent, now + 150_000, None),
            Some((FaultKind::Restart, ..)) => (Outcome::Unknown, now + 1_000, None),
            Some((_, _, end)) if end - now > 800_000 => {
                (Outcome::Unknown, now + 800_000, random.bool().then_some(execution))
            }
            _ => (Outcome::Acked, execution + random.u64(50..1_000), Some(execution)),
        };
        events.push(Published { id, sent: micros(now), done: micros(done), outcome });
        executions.extend(executed.map(|at| (at, id)));
        now = done + random.u64(1_000..16_000);
    }
}

/// The last listener joins late and lags; the first hears one line only.
fn listen(number: u32, ledger: &Ledger, executions: &[(u64, EventId)]) -> (Stream, usize, usize) {
    let lines = if number == 0 { vec![1] } else { (0..LINES).collect() };
    let confirmed = if number == 2 { 1_000_000 } else { 0 };
    let outage =
        |from, to, interrupted, resumed| Deaf { from, to, why: Why::Outage { interrupted, resumed } };
    let mut deaf = vec![
        outage(3_999_200, 4_060_000, 4_004_000, 4_060_100),
        outage(7_999_500, 9_300_000, 8_001_500, 9_300_100),
        outage(18_000_000, 21_650_000, 21_001_000, 21_650_100),
    ];
    deaf.push(Deaf { from: 27_100_000, to: 28_000_000, why: Why::Deposed });
    if number > 0 {
        deaf.push(Deaf { from: 24_050_000, to: 24_120_000, why: Why::Gap });
    }
    if number == 2 {
        deaf.push(Deaf { from: 11_000_000, to: 11_200_000, why: Why::Lag });
        deaf.push(Deaf { from: 3_900_000, to: 3_999_200, why: Why::Lag });
    }
    let is_lost = |at: u64, id: EventId| {
        deaf.iter().any(|deaf| {
            let concerns = !matches!(deaf.why, Why::Deposed) || CUT_OFF.contains(&id.channel);
            concerns && (deaf.from..deaf.to).contains(&at)
        })
    };
    let ours = executions
        .iter()
        .filter(|(at, id)| *at >= confirmed - confirmed / 2_000 && lines.contains(&id.channel));
    let (lost, arrived): (Vec<_>, Vec<_>) = ours.copied().partition(|(at, id)| is_lost(*at, *id));
    let mut items: Vec<Heard> = Vec::new();
    items.extend(arrived.iter().map(|(at, id)| Heard { at: micros(at + 300), item: Item::Event(*id) }));
    for Deaf { from, to, why } in &deaf {
        let lost: Vec<_> = lost.iter().filter(|(at, _)| (*from..*to).contains(at)).collect();
        let missed = lost.len() as u64;
        match *why {
            Why::Deposed => {}
            Why::Gap => items.extend(gaps(lost.iter().map(|(_, id)| *id), &items)),
            Why::Lag => items.push(Heard { at: micros(to + 200), item: Item::Lagged { missed } }),
            Why::Outage { interrupted, resumed } => {
                items.push(Heard { at: micros(interrupted), item: Item::Interrupted });
                let down_for = micros(resumed - interrupted);
                items.push(Heard { at: micros(resumed), item: Item::Resumed { down_for } });
            }
        }
    }
    items.sort_by_key(|heard| heard.at);
    let is_due = |id: EventId| {
        ledger.get(id).is_some_and(|event| event.outcome == Outcome::Acked && event.sent >= micros(confirmed))
    };
    let is_to_deposed = |at: u64| (27_100_000..28_000_000).contains(&at);
    let due = lost.iter().filter(|(_, id)| is_due(*id));
    let (deposed, told): (Vec<_>, Vec<_>) = due.copied().partition(|(at, _)| is_to_deposed(*at));
    let (name, confirmed) = (number.to_string(), micros(confirmed));
    (
        Stream { name, lines, confirmed, nap: Duration::ZERO, items, is_complete: true },
        told.len(),
        deposed.len(),
    )
}

/// Each stands right before the first that was heard behind what is lost.
fn gaps(lost: impl Iterator<Item = EventId>, heard: &[Heard]) -> Vec<Heard> {
    let mut gaps: HashMap<EventId, Heard> = HashMap::new();
    for id in lost {
        let of_its_track = heard.iter().filter_map(|it| it.event().map(|heard| (heard, it.at)));
        let behind = of_its_track.filter(|(heard, _)| {
            heard.publisher == id.publisher && heard.channel == id.channel && heard.number > id.number
        });
        let Some((next, at)) = behind.min_by_key(|(heard, _)| heard.number) else { continue };
        let gap = gaps.entry(next).or_insert(Heard {
            at: at.saturating_sub(micros(1)),
            item: Item::Gap { channel: id.channel, missed: 0 },
        });
        if let Item::Gap { missed, .. } = &mut gap.item {
            *missed += 1;
        }
    }
    gaps.into_values().collect()
}

fn micros(micros: u64) -> Time {
    Duration::from_micros(micros)
}

/// Nobody is told of it; the successor is known at its end.
pub(super) fn isolation(begin: Time, end: Time) -> Fault {
    let reach = Reach { tells_until: Time::MAX, ..Reach::of_nobody() };
    let deposed = Deposed { lines: CUT_OFF.into_iter().collect(), from: begin, succeeded: end };
    let elected = Some(end);
    Fault { reach, elected, deposed: Some(deposed), ..fault(FaultKind::Isolate, begin, end) }
}

/// As the only server can have it.
pub(super) fn fault(kind: FaultKind, begin: Time, end: Time) -> Fault {
    let within = micros(6_500_000);
    let reach = Reach::of_all(begin + within);
    Fault { kind, begin, end, within, reach, elected: None, deposed: None }
}
