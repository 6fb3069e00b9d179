//! What was measured, for people and as JSON, and the exit code that follows from it.

use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use crate::floors::{Needs, Rule, Verdict, memory_floor};
use crate::measure::Rounds;
use crate::pairs::Ratio;
use crate::workload::Workload;

/// What a sample's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// So many a second.
    PerSecond,
    /// So many microseconds.
    Micros,
    /// So many microseconds of CPU of the client.
    CpuMicros,
}

/// A workload on a runtime.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    workload: &'static str,
    title: &'static str,
    runtime: &'static str,
    unit: Unit,
    entries: Vec<Entry>,
}

/// One side of it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    name: String,
    value: f64,
    client_cpu_micros: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_cpu_micros: Option<f64>,
    messages_per_sample: u64,
    /// The value of each round in which it took part.
    rounds: Vec<Option<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_listener: Option<f64>,
    /// Of ours to this peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Ratio>,
    is_noisy: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    floors: Vec<Judged>,
}

/// A floor and whether it holds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Judged {
    needs: String,
    verdict: Verdict,
}

impl Line {
    /// What the rounds of the sides, by name, say; `rule` gives the floor beside a peer.
    #[must_use]
    pub fn new(
        workload: &Workload,
        is_multi_thread: bool,
        names: &[&str],
        rounds: &Rounds,
        rule: impl Fn(&str) -> Option<Rule>,
    ) -> Self {
        let runtime = if is_multi_thread { "multi-thread" } else { "current-thread" };
        let entry = |(side, name): (usize, &&str)| {
            let mut entry = Entry::new(name, side, rounds);
            if side == 0 {
                entry.judge_memory(workload, rounds);
            } else if let Some(rule) = rule(name) {
                entry.judge(rule.needs, rule.judge(rounds, side));
            }
            entry
        };
        let entries = names.iter().enumerate().map(entry).collect();
        Self { workload: workload.name, title: workload.title, runtime, unit: workload.unit, entries }
    }

    fn floors(&self) -> impl Iterator<Item = &Judged> {
        self.entries.iter().flat_map(|entry| &entry.floors)
    }
}

impl Entry {
    fn new(name: &str, side: usize, rounds: &Rounds) -> Self {
        let ratio = (side > 0).then(|| rounds.pairs(side).ratio());
        Self {
            name: name.to_owned(),
            value: rounds.median(side, |sample| Some(sample.value)).unwrap_or(f64::NAN),
            client_cpu_micros: rounds.median(side, |sample| Some(sample.client)).unwrap_or(f64::NAN),
            server_cpu_micros: rounds.median(side, |sample| sample.server),
            messages_per_sample: rounds.messages(side),
            rounds: rounds.values(side),
            bytes_per_listener: rounds.median(side, |sample| sample.memory),
            ratio,
            is_noisy: ratio.is_some_and(|ratio| ratio.is_noisy()),
            floors: Vec::new(),
        }
    }

    fn judge(&mut self, needs: Needs, verdict: Verdict) {
        self.is_noisy &= verdict == Verdict::Undecided; // what decides a floor is not too noisy for it
        self.floors.push(Judged { needs: needs.to_string(), verdict });
    }

    fn judge_memory(&mut self, workload: &Workload, rounds: &Rounds) {
        if let Some(needs) = memory_floor(workload.name) {
            let verdict = needs.judge(&rounds.memory(0).ratio());
            self.floors.push(Judged { needs: format!("{needs} bytes"), verdict });
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::PerSecond => "per second",
            Unit::Micros => "µs",
            Unit::CpuMicros => "µs of CPU",
        };
        writeln!(f, "\n{} ({}, {})", self.title, self.workload, self.runtime)?;
        writeln!(f, "  {:<20}{unit:>12}  client µs  server µs  ours/peer [95 %] (spread)", "")?;
        self.entries.iter().try_for_each(|entry| entry.fmt(f))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = usize::from(self.value < 1_000.0);
        write!(f, "  {:<20}{:>12.digits$}", self.name, self.value)?;
        let server = self.server_cpu_micros.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.2}"));
        write!(f, "{:>11.2}{server:>11}  ", self.client_cpu_micros)?;
        if let Some(ratio) = &self.ratio {
            write!(f, "{ratio}")?;
        }
        if let Some(bytes) = self.bytes_per_listener {
            write!(f, "  {bytes:.0} bytes a listener")?;
        }
        for Judged { needs, verdict } in &self.floors {
            write!(f, "  {needs}: {verdict}")?;
        }
        writeln!(f, "{}", if self.is_noisy { "  (too noisy to conclude)" } else { "" })
    }
}

/// A whole run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Cores of the machine.
    pub cores: usize,
    /// The server's version.
    pub redis: String,
    /// The size of a message.
    pub message_bytes: usize,
    /// Whether it was over soon.
    pub is_quick: bool,
    /// What was measured.
    pub lines: Vec<Line>,
    /// What was not, and why.
    pub left_out: Vec<String>,
    /// Messages that were lost or changed, and whatever did not work.
    pub faults: Vec<String>,
}

/// What a run ends with in which a message was lost or changed, or something did not work.
pub const FAULT: u8 = 4;

impl Report {
    /// 0 if all floors that were measured hold, 1 if one surely fails, 3 if one is undecided, 4 if something went wrong.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        if !self.faults.is_empty() {
            FAULT
        } else if self.number_of(Verdict::Fails) > 0 {
            1
        } else if self.number_of(Verdict::Undecided) > 0 {
            3
        } else {
            0
        }
    }

    fn number_of(&self, verdict: Verdict) -> usize {
        self.lines.iter().flat_map(Line::floors).filter(|judged| judged.verdict == verdict).count()
    }
}

impl fmt::Display for Report {
    /// What it comes to; the lines were told one by one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        self.left_out.iter().try_for_each(|text| writeln!(f, "left out: {text}"))?;
        self.faults.iter().try_for_each(|text| writeln!(f, "fault: {text}"))?;
        let noisy = self.lines.iter().flat_map(|line| &line.entries).filter(|entry| entry.is_noisy).count();
        if noisy > 0 {
            writeln!(f, "{noisy} ratios were too noisy to conclude")?;
        }
        let [hold, fail, undecided] =
            [Verdict::Holds, Verdict::Fails, Verdict::Undecided].map(|verdict| self.number_of(verdict));
        writeln!(f, "floors: {hold} hold, {fail} fail, {undecided} undecided")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Sample;
    use crate::workload::WORKLOADS;

    /// A line of `workload` on one thread, with one peer, from planted ratios.
    fn line(workload: &str, peer: &str, memory: f64, ratios: &[f64]) -> Line {
        let workload = WORKLOADS.iter().find(|known| known.name == workload).unwrap();
        let mut rounds = Rounds::default();
        for ratio in ratios {
            let ours = Sample { value: 100.0 * ratio, client: 2.0, server: Some(1.0), memory: Some(memory) };
            rounds.push(vec![Some(ours), Some(Sample { value: 100.0, ..ours })]);
        }
        let rule = |peer: &str| Rule::of(workload.name, peer, false);
        Line::new(workload, false, &["ours", peer], &rounds, rule)
    }

    fn report(lines: Vec<Line>) -> Report {
        Report { lines, ..Report::default() }
    }

    #[test]
    fn floors_that_hold_end_with_0() {
        let report = report(vec![
            line("publish-1", "redis-rs", 0.0, &[0.98, 1.0, 1.01, 1.02, 0.99, 1.0, 1.0, 1.01, 1.0]),
            line("channels", "redis-rs", 1_500.0, &[12.0; 9]),
            line("publish-1", "fred", 0.0, &[0.5; 9]), // nobody asks for that
        ]);
        assert_eq!(report.code(), 0);
        assert!(report.to_string().contains("floors: 3 hold, 0 fail, 0 undecided"), "{report}");
    }

    #[test]
    fn a_floor_that_fails_ends_with_1() {
        let slow = report(vec![line("publish-1", "redis-rs", 0.0, &[0.8; 9])]);
        assert_eq!(slow.code(), 1);
        let late = report(vec![line("latency", "redis-rs", 0.0, &[1.5; 9])]);
        assert_eq!(late.code(), 1);
        assert!(late.lines[0].to_string().contains("at most 1.25: FAILS"), "{}", late.lines[0]);
    }

    #[test]
    fn too_much_memory_ends_with_1() {
        assert_eq!(report(vec![line("channels", "redis-rs", 2_500.0, &[12.0; 9])]).code(), 1);
    }

    #[test]
    fn what_stays_undecided_ends_with_3_unless_something_fails() {
        let noisy = line("listen", "redis-rs", 0.0, &[0.2, 0.4, 0.5, 0.9, 1.0, 1.3, 1.9, 2.0, 0.3]);
        let told = noisy.to_string();
        assert!(told.contains("at least 1.1: undecided") && told.contains("too noisy to conclude"), "{told}");
        assert_eq!(report(vec![noisy.clone()]).code(), 3);
        assert_eq!(report(vec![noisy, line("publish-1", "redis-rs", 0.0, &[0.8; 9])]).code(), 1);
    }

    #[test]
    fn a_lost_message_ends_with_4() {
        let report = Report { faults: vec!["ours: 1 message was lost".to_owned()], ..Report::default() };
        assert_eq!(report.code(), 4);
    }

    #[test]
    fn json_holds_what_was_measured() {
        let line = serde_json::to_value(line("publish-1", "redis-rs", 0.0, &[1.0; 9])).unwrap();
        assert_eq!(line["workload"], "publish-1");
        assert_eq!(line["entries"][1]["ratio"]["pairs"], 9);
        assert_eq!(line["entries"][1]["rounds"][8], 100.0);
        assert_eq!(line["entries"][1]["floors"][0]["verdict"], "holds");
    }
}
