//! What ours must reach beside which peer, and whether it does. What is not in the table is told and judged by nobody.

use std::fmt;

use serde::Serialize;

use crate::pairs::Ratio;
use crate::peer::{deadpool, python, redis_rs};
use crate::workload::FEW;

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
    /// At least 0.95, with an interval that reaches 1.
    NotSlower,
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
}

/// Most bytes of the client's memory for each of ten thousand listeners.
pub const MOST_BYTES_PER_LISTENER: f64 = 2048.0;

/// The floors.
pub const FLOORS: [Floor; 10] = [
    Floor { workload: "publish-1", peer: redis_rs::NAME, needs: Needs::NotSlower },
    Floor { workload: "publish-64", peer: redis_rs::NAME, needs: Needs::NotSlower },
    Floor { workload: "publish-64", peer: deadpool::NAME, needs: Needs::AtLeast(4.0) },
    Floor { workload: "publish-64", peer: python::NAME, needs: Needs::AtLeast(20.0) },
    Floor { workload: "batch-100", peer: redis_rs::NAME, needs: Needs::NotSlower },
    Floor { workload: "listen", peer: redis_rs::NAME, needs: Needs::AtLeast(1.1) },
    Floor { workload: "fan-out", peer: redis_rs::NAME, needs: Needs::AtLeast(50.0) },
    Floor { workload: "channels", peer: redis_rs::NAME, needs: Needs::AtLeast(10.0) },
    Floor { workload: "cost", peer: FEW, needs: Needs::AtMost(2.0) },
    Floor { workload: "latency", peer: redis_rs::NAME, needs: Needs::AtMost(1.25) },
];

/// The floor of a workload beside a peer, if there is one.
#[must_use]
pub fn floor(workload: &str, peer: &str) -> Option<Needs> {
    let floor = FLOORS.iter().find(|floor| floor.workload == workload && floor.peer == peer);
    floor.map(|floor| floor.needs)
}

/// Whether a floor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not, and more pairs would hardly change that.
    Fails,
    /// It does not, but the interval is too wide to conclude, or reaches the floor.
    Unsure,
}

impl Needs {
    /// Judges a ratio.
    #[must_use]
    pub fn judge(self, ratio: &Ratio) -> Verdict {
        let (holds, may_hold) = match self {
            Self::NotSlower => (ratio.median >= 0.95 && ratio.high >= 1.0, ratio.high >= 0.95),
            Self::AtLeast(least) => (ratio.median >= least, ratio.high >= least),
            Self::AtMost(most) => (ratio.median <= most, ratio.low <= most),
        };
        match (holds, may_hold || ratio.is_noisy()) {
            (true, _) => Verdict::Holds,
            (false, true) => Verdict::Unsure,
            (false, false) => Verdict::Fails,
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSlower => write!(f, "at least 0.95 and up to 1"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::Pairs;

    fn ratio(ratios: &[f64]) -> Ratio {
        let mut pairs = Pairs::default();
        ratios.iter().for_each(|ratio| pairs.push(1_000.0 * ratio, 1_000.0));
        pairs.ratio()
    }

    #[test]
    fn as_fast_is_not_slower_and_clearly_slower_fails() {
        assert_eq!(Needs::NotSlower.judge(&ratio(&[0.97, 0.99, 1.0, 1.01, 1.02])), Verdict::Holds);
        assert_eq!(Needs::NotSlower.judge(&ratio(&[1.3; 9])), Verdict::Holds);
        assert_eq!(Needs::NotSlower.judge(&ratio(&[0.90, 0.91, 0.92, 0.91, 0.90])), Verdict::Fails);
    }

    #[test]
    fn a_little_slower_for_sure_is_slower() {
        let surely = ratio(&[0.96; 15]);
        assert_eq!(Needs::NotSlower.judge(&surely), Verdict::Unsure, "the interval does not reach 1");
    }

    #[test]
    fn a_least_and_a_most_are_judged_by_the_median() {
        assert_eq!(Needs::AtLeast(1.1).judge(&ratio(&[1.10, 1.12, 1.14])), Verdict::Holds);
        assert_eq!(Needs::AtLeast(1.2).judge(&ratio(&[1.10, 1.12, 1.14])), Verdict::Fails);
        assert_eq!(Needs::AtMost(1.25).judge(&ratio(&[1.10, 1.12, 1.14])), Verdict::Holds);
        assert_eq!(Needs::AtMost(1.0).judge(&ratio(&[1.10, 1.12, 1.14])), Verdict::Fails);
    }

    #[test]
    fn what_is_too_noisy_or_close_is_unsure() {
        let noisy = ratio(&[0.2, 0.3, 0.5, 0.8, 0.9, 1.0, 1.3]);
        assert_eq!(Needs::AtLeast(4.0).judge(&noisy), Verdict::Unsure);
        let close = ratio(&[1.04, 1.05, 1.06, 1.08, 1.09, 1.11, 1.12, 1.13, 1.07]);
        assert_eq!(Needs::AtLeast(1.1).judge(&close), Verdict::Unsure);
    }

    #[test]
    fn each_floor_is_of_a_workload_that_there_is() {
        for floor in FLOORS {
            assert!(crate::workload::WORKLOADS.iter().any(|workload| workload.name == floor.workload));
        }
    }
}
