//! The report that a person reads, and the judgement: what was done, what came of it, what is wrong.

use std::fmt::Write as _;
use std::time::Duration;

use super::check::{Case, Finding, Verdict, What, heard_again, outages, strange_logins, unnoticed};
use super::churn::Churned;
use super::record::{ENOUGH, Fault, FaultKind, Item, Outcome, Stream, Time};
use super::remains::Memory;
use super::run::Recording;

/// More faults than these are only counted.
const SHOWN: usize = 20;

const ENOUGH_PER_SECOND: usize = 20;

/// So often something vanished that it can't all have been beside other losses.
const ENOUGH_LOSSES: usize = 3;

/// The report, and whether all is well.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) text: String,
    pub(super) is_good: bool,
}

/// Puts together what was found in `recording`.
pub(super) fn report(recording: &Recording, verdicts: &[Verdict]) -> Report {
    let case = recording.case();
    let mut text = String::new();
    faults(&mut text, &case, &recording.streams);
    figures(&mut text, &case, recording, verdicts);
    let findings: Vec<&Finding> = verdicts.iter().flat_map(|verdict| &verdict.findings).collect();
    for finding in findings.iter().take(SHOWN) {
        let _ = writeln!(text, "{finding}");
    }
    if findings.len() > SHOWN {
        let _ = writeln!(text, "... and {} more", findings.len() - SHOWN);
    }
    let wrong = shortcomings(recording, verdicts);
    for line in &wrong {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "{}", last_line(verdicts));
    Report { text, is_good: findings.is_empty() && wrong.is_empty() }
}

fn faults(text: &mut String, case: &Case<'_>, streams: &[Stream]) {
    let several = if case.is_several { " | elected   median       max" } else { "" };
    let _ = writeln!(
        text,
        "fault     count | noticed   median       max | heard again   median       max{several}"
    );
    let prompt = streams.iter().filter(|stream| stream.nap.is_zero());
    let outages: Vec<_> = prompt
        .flat_map(|stream| outages(case, stream).into_iter().map(move |outage| (stream, outage)))
        .collect();
    for kind in FaultKind::ALL {
        let count = case.faults.iter().filter(|fault| fault.kind == kind).count();
        if count == 0 {
            continue;
        }
        // An outage is noticed by the fault before its beginning, and lasts for the one before its end.
        let last_before = |stream: &Stream, time: Time| {
            let mut before = case.faults.iter().rev().filter(|it| {
                it.kind.may_interrupt() && it.begin <= time && it.reach.may_tell.contain_any(&stream.lines)
            });
            before.next().filter(|fault| fault.kind == kind)
        };
        let noticed = outages
            .iter()
            .filter_map(|(stream, it)| Some(it.from.saturating_sub(last_before(stream, it.from)?.begin)))
            .collect();
        let heard = outages.iter().filter(|(_, it)| it.resumed.is_some());
        let heard = heard
            .filter_map(|(stream, it)| {
                Some(it.until.saturating_sub(last_before(stream, it.until)?.counts_from()))
            })
            .collect::<Vec<_>>();
        let (noticed, heard) = (Spread::of(noticed), Spread::of(heard));
        let _ = write!(text, "{:<9} {count:>5} | {noticed} |      {heard}", kind.name());
        if case.is_several {
            let of_it = case.faults.iter().filter(|fault| fault.kind == kind);
            let elected = of_it.filter_map(|fault| Some(fault.elected?.saturating_sub(fault.begin)));
            let _ = write!(text, " | {}", Spread::of(elected.collect()));
        }
        text.push('\n');
    }
    let heard = if case.is_several { "its end, or its begin where others may take over" } else { "its end" };
    let _ =
        writeln!(text, "  noticed: from the fault's begin; heard again: from {heard}; over all listeners");
}

fn figures(text: &mut String, case: &Case<'_>, recording: &Recording, verdicts: &[Verdict]) {
    let Recording { ledger, streams, .. } = recording;
    let counts = [Outcome::Acked, Outcome::Unknown, Outcome::NotSent, Outcome::Denied];
    let [acked, unknown, not_sent, denied] = counts.map(|outcome| ledger.count(outcome));
    let _ = writeln!(
        text,
        "published {}: {acked} acknowledged, {unknown} unknown, {not_sent} not sent, {denied} denied",
        acked + unknown + not_sent + denied
    );
    for (stream, verdict) in streams.iter().zip(verdicts) {
        let told: Vec<_> = outages(case, stream).into_iter().filter(|it| it.resumed.is_some()).collect();
        let interrupted: Duration = told.iter().map(|it| it.until.saturating_sub(it.from)).sum();
        let lags = stream.items.iter().filter(|heard| matches!(heard.item, Item::Lagged { .. }));
        let _ = writeln!(
            text,
            "listener {}: {} delivered, {} told missing, {} outages of {interrupted:.1?}, {} lags, {} gaps",
            stream.name,
            verdict.delivered,
            verdict.told_missing,
            told.len(),
            lags.count(),
            gaps(stream)
        );
    }
    let broken: Duration = case.faults.iter().map(Fault::lasted).sum();
    let beyond: usize = verdicts.iter().map(|verdict| verdict.beyond_numbers).sum();
    if beyond > 0 {
        let _ = writeln!(
            text,
            "beyond numbers: {beyond} vanished beside another loss that was told, or before the first of a publisher"
        );
    }
    deposed_and_late(text, case, verdicts);
    let _ = writeln!(text, "the faults lasted {broken:.1?} of {:.1?}", recording.lasted);
    remains(text, recording);
    let prompt = streams.iter().filter(|stream| stream.nap.is_zero());
    let latencies = prompt.flat_map(|stream| &stream.items).filter_map(|heard| {
        let event = ledger.get(heard.event()?).filter(|event| event.outcome == Outcome::Acked)?;
        Some(heard.at.saturating_sub(event.sent))
    });
    let _ =
        writeln!(text, "from publish to listener: {}", Spread::of(latencies.collect()).to_string().trim());
}

/// What is neither right nor wrong.
fn deposed_and_late(text: &mut String, case: &Case<'_>, verdicts: &[Verdict]) {
    let deposed = || verdicts.iter().map(|verdict| verdict.deposed);
    let events: usize = deposed().map(|it| it.events).sum();
    let told: usize = deposed().map(|it| it.told).sum();
    let longest = deposed().map(|it| it.longest).max().unwrap_or_default();
    if case.is_several {
        let _ = writeln!(
            text,
            "deposed: {events} acknowledged where nobody hears, {told} of them told; the last {longest:.1?} after the election, {:?} are allowed",
            case.tolerance.deposed
        );
    }
    let late: usize = verdicts.iter().map(|verdict| verdict.late).sum();
    let latest = verdicts.iter().map(|verdict| verdict.latest).max().unwrap_or_default();
    if case.is_several || late > 0 {
        let _ = writeln!(
            text,
            "late: {late} of unknown outcome came behind later ones, at most {latest:.1?} after they were given up"
        );
    }
}

fn remains(text: &mut String, recording: &Recording) {
    let Recording { churned, memory, left_subscribed, .. } = recording;
    if let Some(Churned { listened, cancelled, refused }) = churned {
        let _ = writeln!(
            text,
            "churn: {listened} listened and left, {cancelled} gave up half-way, {refused} were refused"
        );
    }
    let _ = writeln!(text, "channels and patterns left subscribed: {left_subscribed}");
    let Memory { half_way, at_end } = memory;
    let most = Memory::may_grow(records(recording));
    let _ =
        writeln!(text, "memory: {half_way} KiB half-way, {at_end} KiB at the end, may grow by {most} KiB");
}

fn records(recording: &Recording) -> usize {
    let heard: usize = recording.streams.iter().map(|stream| stream.items.len()).sum();
    heard + recording.ledger.all().len()
}

/// What is wrong besides the findings.
fn shortcomings(recording: &Recording, verdicts: &[Verdict]) -> Vec<String> {
    let Recording { ledger, streams, faults, .. } = recording;
    let case = recording.case();
    let tolerance = case.tolerance;
    let calm = faults.last().map_or(Time::ZERO, |fault| fault.end);
    let mut wrong = leaks(recording);
    wrong.extend(strange_logins(&case).take(SHOWN));
    for (stream, verdict) in streams.iter().zip(verdicts) {
        let name = &stream.name;
        let limit = tolerance.hear_again;
        match heard_again(ledger, stream, calm) {
            None => wrong.push(format!("deaf: listener {name} heard nothing after the last fault")),
            Some(took) if took > limit => {
                wrong.push(format!(
                    "deaf: listener {name} heard again after {took:.1?}, {limit:?} are allowed"
                ));
            }
            Some(_) if !stream.is_complete => {
                wrong.push(format!("deaf: listener {name} did not hear the farewell on every channel"));
            }
            Some(_) => {}
        }
        wrong.extend(unnoticed(&case, stream).map(|Fault { kind, begin, end, .. }| {
            let kind = kind.name();
            format!("unnoticed: listener {name} was not told of the {kind} from {begin:.3?} to {end:.3?}")
        }));
        let enough = enough(recording, stream);
        if verdict.delivered < enough {
            wrong.push(format!(
                "too little: listener {name} got {} events, {enough} needed",
                verdict.delivered
            ));
        }
    }
    let prompt = streams.iter().zip(verdicts).filter(|(stream, _)| stream.nap.is_zero());
    let (delivered, told) = totals(prompt.map(|(_, verdict)| verdict));
    let losses = faults.iter().filter(|fault| fault.kind == FaultKind::Lose).count();
    if losses >= ENOUGH_LOSSES && streams.iter().map(gaps).sum::<usize>() == 0 {
        wrong.push("too little: nobody was told anything by numbers".to_owned());
    }
    if recording.churned.is_some_and(|churned| churned.listened == 0) {
        wrong.push("too little: nobody came and went".to_owned());
    }
    if delivered <= told {
        wrong.push(format!("too little: prompt listeners got {delivered}, and missed {told}"));
    }
    wrong
}

fn gaps(stream: &Stream) -> usize {
    stream.items.iter().filter(|heard| matches!(heard.item, Item::Gap { .. })).count()
}

fn leaks(recording: &Recording) -> Vec<String> {
    let Recording { memory, left_subscribed, .. } = recording;
    let mut leaks = Vec::new();
    if *left_subscribed > 0 {
        leaks.push(format!(
            "leak: {left_subscribed} channels and patterns are subscribed, and nobody listens"
        ));
    }
    let (grown, most) = (memory.grown(), Memory::may_grow(records(recording)));
    if grown > most {
        leaks.push(format!("leak: memory grew by {grown} KiB from half-way on, {most} KiB are allowed"));
    }
    leaks
}

/// Fewer events than these at one who listened for so long prove nothing. Of several servers, each has some of the channels.
fn enough(recording: &Recording, stream: &Stream) -> usize {
    let seconds = recording.lasted.saturating_sub(stream.confirmed).as_secs();
    let per_second = if recording.is_several { ENOUGH_PER_SECOND / 4 } else { ENOUGH_PER_SECOND };
    per_second.saturating_mul(usize::try_from(seconds).unwrap_or(usize::MAX)).max(ENOUGH)
}

fn totals<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> (usize, usize) {
    verdicts.into_iter().fold((0, 0), |(delivered, told), verdict| {
        (delivered + verdict.delivered, told + verdict.told_missing)
    })
}

fn last_line(verdicts: &[Verdict]) -> String {
    let (delivered, told) = totals(verdicts);
    let mut line = format!("torture: {delivered} delivered, {told} told missing");
    for what in What::ALL {
        let findings = verdicts.iter().flat_map(|verdict| &verdict.findings);
        let _ = write!(line, ", {} {what}", findings.filter(|finding| finding.what == what).count());
    }
    line
}

/// How many samples, their median and maximum.
struct Spread {
    samples: Vec<Duration>,
}

impl Spread {
    fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        Self { samples }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |sample: Option<&Duration>| {
            sample.map_or_else(|| "-".to_owned(), |sample| format!("{:.1}ms", sample.as_secs_f64() * 1e3))
        };
        let (median, max) = (self.samples.get(self.samples.len() / 2), self.samples.last());
        write!(f, "{:>7} {:>8} {:>9}", self.samples.len(), millis(median), millis(max))
    }
}
