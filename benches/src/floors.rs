//! What ours must reach beside which peer, and whether it does. What is not in the table is told and judged by nobody.

use std::fmt;

use serde::Serialize;

use crate::measure::Rounds;
use crate::pairs::Ratio;
use crate::peer::{deadpool, python, redis_rs};
use crate::workload::{FEW, HAS_MEMORY};

/// What a workload must reach beside a peer, on one thread.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// The workload's name.
    pub workload: &'static str,
    /// The peer's.
    pub peer: &'static str,
    /// What the ratio ours/peer must be.
    pub needs: Needs,
}

/// What a ratio must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Needs {
    /// At least 0.95, and not surely less than 1.
    NotSlower,
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
}

/// What counts as no slower.
const NEARLY: f64 = 0.95;

/// Most bytes of the client's memory for each of ten thousand listeners.
const MOST_BYTES_PER_LISTENER: f64 = 2048.0;

/// The floors.
pub const FLOORS: [Floor; 11] = [
    Floor { workload: "publish-1", peer: redis_rs::NAME, needs: Needs::NotSlower },
    Floor { workload: "publish-64", peer: redis_rs::NAME, needs: Needs::NotSlower },
    Floor { workload: "publish-64", peer: deadpool::NAME, needs: Needs::AtLeast(4.0) },
    Floor { workload: "publish-64", peer: python::NAME, needs: Needs::AtLeast(20.0) },
    Floor { workload: "batch-100", peer: redis_rs::NAME, needs: Needs::NotSlower },
    Floor { workload: "outbox", peer: redis_rs::NAME, needs: Needs::AtLeast(1.3) },
    Floor { workload: "listen", peer: redis_rs::NAME, needs: Needs::AtLeast(1.1) },
    Floor { workload: "fan-out", peer: redis_rs::NAME, needs: Needs::AtLeast(50.0) },
    Floor { workload: "channels", peer: redis_rs::NAME, needs: Needs::AtLeast(10.0) },
    Floor { workload: "cost", peer: FEW, needs: Needs::AtMost(2.0) },
    Floor { workload: "latency", peer: redis_rs::NAME, needs: Needs::AtMost(1.25) },
];

/// What the memory of a listener must be, in bytes, if the workload measures it.
#[must_use]
pub fn memory_floor(workload: &str) -> Option<Needs> {
    (workload == HAS_MEMORY).then_some(Needs::AtMost(MOST_BYTES_PER_LISTENER))
}

/// How a floor is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// What the ratio must be.
    pub needs: Needs,
    /// Whether it only fails if the client's CPU for each message says the same, which other programs hardly touch.
    pub has_witness: bool,
}

impl Rule {
    /// The rule for a workload beside a peer, if there is a floor. A quick run tells only what is surely too slow.
    #[must_use]
    pub fn of(workload: &str, peer: &str, is_quick: bool) -> Option<Self> {
        let floor = FLOORS.iter().find(|floor| floor.workload == workload && floor.peer == peer)?;
        let is_rate = !matches!(floor.needs, Needs::AtMost(_)); // costs and delays are no rates
        let has_witness = is_quick && is_rate && peer != python::NAME;
        let needs = if is_quick { floor.needs.in_short() } else { floor.needs };
        Some(Self { needs, has_witness })
    }

    /// Judges ours beside the peer at `side`.
    #[must_use]
    pub fn judge(self, rounds: &Rounds, side: usize) -> Verdict {
        match self.needs.judge(&rounds.pairs(side).ratio()) {
            Verdict::Fails if self.has_witness => match self.needs.judge(&rounds.thrift(side).ratio()) {
                Verdict::Fails => Verdict::Fails,
                _ => Verdict::Undecided,
            },
            verdict => verdict,
        }
    }
}

/// Whether a floor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds, and the whole interval is on this side of the floor.
    Holds,
    /// It does not: the whole interval is beyond the floor.
    Fails,
    /// More pairs would be needed.
    Undecided,
}

impl Needs {
    /// Judges a ratio by its interval.
    #[must_use]
    pub fn judge(self, ratio: &Ratio) -> Verdict {
        let (holds, fails) = match self {
            Self::NotSlower => (ratio.low >= NEARLY && ratio.high >= 1.0, ratio.high < NEARLY),
            Self::AtLeast(least) => (ratio.low >= least, ratio.high < least),
            Self::AtMost(most) => (ratio.high <= most, ratio.low > most),
        };
        match (holds, fails) {
            (true, _) => Verdict::Holds,
            (_, true) => Verdict::Fails,
            _ => Verdict::Undecided,
        }
    }

    /// Without what only many pairs can tell.
    fn in_short(self) -> Self {
        if self == Self::NotSlower { Self::AtLeast(NEARLY) } else { self }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSlower => write!(f, "at least {NEARLY}, not surely below 1"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::Fails => "FAILS",
            Self::Undecided => "undecided",
        })
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;
    use crate::contestant::Sample;
    use crate::pairs::Pairs;

    const QUICK: Rule = Rule { needs: Needs::AtLeast(NEARLY), has_witness: false };
    const FULL: Rule = Rule { needs: Needs::NotSlower, has_witness: false };

    fn ratio(ratios: &[f64]) -> Ratio {
        let mut pairs = Pairs::default();
        ratios.iter().for_each(|ratio| pairs.push(1_000.0 * ratio, 1_000.0));
        pairs.ratio()
    }

    /// A round in which ours is `rate` times as fast and takes `cpu` times as much CPU.
    fn round(rate: f64, cpu: f64) -> Vec<Option<Sample>> {
        let peer = Sample { value: 100.0, client: 1.0, server: None, memory: None };
        vec![Some(Sample { value: 100.0 * rate, client: cpu, ..peer }), Some(peer)]
    }

    /// Roughly normal, with a standard deviation of 15 %.
    fn noise(random: &mut Rng) -> f64 {
        1.0 + 0.15 * ((0..12).map(|_| random.f64()).sum::<f64>() - 6.0)
    }

    /// How many of 1,000 runs end with which verdict if ours is `truly` so fast: each looks after every 15 pairs, up to five
    /// times, and stops when it is decided.
    fn verdicts(rule: Rule, truly: f64) -> [usize; 3] {
        let mut random = Rng::with_seed(7);
        let mut ends = [0; 3];
        for _ in 0..1_000 {
            let mut rounds = Rounds::default();
            let mut verdict = Verdict::Undecided;
            for _ in 0..5 {
                (0..15).for_each(|_| rounds.push(round(truly * noise(&mut random), 1.0)));
                verdict = rule.judge(&rounds, 1);
                if verdict != Verdict::Undecided {
                    break;
                }
            }
            ends[verdict as usize] += 1;
        }
        ends
    }

    #[test]
    fn noise_neither_fails_what_is_as_fast_nor_lets_pass_what_is_slower() {
        for rule in [QUICK, FULL] {
            let [_, as_fast_fails, _] = verdicts(rule, 1.0);
            assert!(as_fast_fails <= 10, "{as_fast_fails} of 1,000");
            let [slow_holds, ..] = verdicts(rule, 0.85);
            assert_eq!(slow_holds, 0);
            let [a_little_slow_holds, ..] = verdicts(rule, 0.90);
            assert!(a_little_slow_holds <= 10, "{a_little_slow_holds} of 1,000");
        }
    }

    #[test]
    fn what_is_much_faster_or_slower_is_decided() {
        let [_, _, undecided] = verdicts(QUICK, 1.2);
        assert!(undecided <= 10, "{undecided} of 1,000");
        let [_, _, undecided] = verdicts(QUICK, 0.7);
        assert!(undecided <= 10, "{undecided} of 1,000");
    }

    #[test]
    fn as_fast_is_not_slower_and_clearly_slower_fails() {
        assert_eq!(Needs::NotSlower.judge(&ratio(&[0.97, 0.99, 1.0, 1.01, 1.02, 1.0])), Verdict::Holds);
        assert_eq!(Needs::NotSlower.judge(&ratio(&[1.3; 9])), Verdict::Holds);
        let slower = [0.90, 0.91, 0.92, 0.91, 0.90, 0.93];
        assert_eq!(Needs::NotSlower.judge(&ratio(&slower)), Verdict::Fails);
    }

    #[test]
    fn a_little_slower_for_sure_neither_holds_nor_fails_and_a_quick_run_lets_it_pass() {
        let surely = ratio(&[0.96; 15]);
        assert_eq!(Needs::NotSlower.judge(&surely), Verdict::Undecided);
        assert_eq!(Needs::NotSlower.in_short().judge(&surely), Verdict::Holds);
    }

    #[test]
    fn a_least_and_a_most_are_judged_by_the_whole_interval() {
        let ratio = ratio(&[1.10, 1.12, 1.14, 1.10, 1.12, 1.14]);
        assert_eq!(Needs::AtLeast(1.1).judge(&ratio), Verdict::Holds);
        assert_eq!(Needs::AtLeast(1.12).judge(&ratio), Verdict::Undecided, "whichever way it leans");
        assert_eq!(Needs::AtLeast(1.2).judge(&ratio), Verdict::Fails);
        assert_eq!(Needs::AtMost(1.25).judge(&ratio), Verdict::Holds);
        assert_eq!(Needs::AtMost(1.12).judge(&ratio), Verdict::Undecided, "whichever way it leans");
        assert_eq!(Needs::AtMost(1.0).judge(&ratio), Verdict::Fails);
    }

    #[test]
    fn a_few_pairs_decide_nothing() {
        assert_eq!(Needs::AtLeast(1.1).judge(&ratio(&[9.0; 5])), Verdict::Undecided);
        assert_eq!(Needs::AtLeast(1.1).judge(&Pairs::default().ratio()), Verdict::Undecided);
    }

    #[test]
    fn a_quick_run_fails_only_if_the_cpu_says_so_as_well() {
        let rounds = |rate, cpu| {
            let mut rounds = Rounds::default();
            (0..9).for_each(|_| rounds.push(round(rate, cpu)));
            rounds
        };
        let quick = Rule::of("publish-1", redis_rs::NAME, true).unwrap();
        assert_eq!(quick.judge(&rounds(0.8, 1.0), 1), Verdict::Undecided);
        assert_eq!(quick.judge(&rounds(0.8, 1.2), 1), Verdict::Fails);
        assert_eq!(quick.judge(&rounds(1.0, 1.2), 1), Verdict::Holds, "it is no floor of its own");
        let full = Rule::of("publish-1", redis_rs::NAME, false).unwrap();
        assert_eq!(full.judge(&rounds(0.8, 1.0), 1), Verdict::Fails);
        assert!(!Rule::of("publish-64", python::NAME, true).unwrap().has_witness);
        assert!(!Rule::of("latency", redis_rs::NAME, true).unwrap().has_witness);
    }

    #[test]
    fn each_floor_is_of_a_workload_that_there_is() {
        for floor in FLOORS {
            assert!(crate::workload::WORKLOADS.iter().any(|workload| workload.name == floor.workload));
        }
    }
}
