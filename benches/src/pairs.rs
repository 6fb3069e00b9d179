//! Paired measurements and what they say together: the median of the ratios, how far they spread, and a confidence
//! interval. Where the numbers come from is not known here.

use std::f64::consts::LN_2;
use std::fmt;

use serde::Serialize;

/// The share of cases in which the true median lies below the interval, and in which it lies above it.
const BEYOND: f64 = 0.025;

/// An interval wider than this, to either side of the median and as a share of it, says little.
const NOISY: f64 = 0.2;

/// Values of ours and of a peer, measured in turn: the machine's moods hit both alike.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    ours: Vec<f64>,
    peer: Vec<f64>,
}

impl Pairs {
    /// Adds one pair.
    pub fn push(&mut self, ours: f64, peer: f64) {
        self.ours.push(ours);
        self.peer.push(peer);
    }

    /// The median of ours.
    #[must_use]
    pub fn ours(&self) -> f64 {
        median(&self.ours)
    }

    /// The median of the peer.
    #[must_use]
    pub fn peer(&self) -> f64 {
        median(&self.peer)
    }

    /// What the ratios ours/peer say, pair by pair.
    #[must_use]
    pub fn ratio(&self) -> Ratio {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.peer).map(|(ours, peer)| ours / peer).collect();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        let (low, high) = interval(&ratios);
        Ratio { pairs: ratios.len(), median: median(&ratios), low, high, lowest, highest }
    }
}

/// How ours compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// How many pairs stand behind it.
    pub pairs: usize,
    /// The middle one.
    pub median: f64,
    /// Where the 95 % confidence interval of the median begins.
    pub low: f64,
    /// And where it ends.
    pub high: f64,
    /// The smallest.
    pub lowest: f64,
    /// The largest.
    pub highest: f64,
}

impl Ratio {
    /// Whether the interval is too wide to conclude anything about small differences.
    #[must_use]
    pub fn is_noisy(&self) -> bool {
        let width = (self.high - self.median).max(self.median - self.low);
        !width.is_finite() || width > self.median * NOISY
    }
}

impl fmt::Display for Ratio {
    /// The median and the interval; then the spread.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high, lowest, highest, .. } = self;
        let digits = if *median < 10.0 { 2 } else { 1 };
        write!(
            f,
            "{median:.digits$} [{low:.digits$}, {high:.digits$}] ({lowest:.digits$} to {highest:.digits$})"
        )
    }
}

/// The middle value; of an even number, what lies between the two middle ones.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    middle(&mut values.to_vec())
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// The 95 % interval of the median, by the order of the values alone, however they are distributed. Without bounds if there
/// are fewer than six: of five, all lie on one side of the true median once in sixteen times.
fn interval(values: &[f64]) -> (f64, f64) {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match outside(values.len()) {
        0 => (0.0, f64::INFINITY),
        outside => (values[outside - 1], values[values.len() - outside]),
    }
}

/// How many of the smallest values there are of which the largest is still a lower bound: that so few of `count` lie below the
/// true median, where each does or does not like a coin, is rare enough.
fn outside(count: usize) -> usize {
    let number = |count: usize| crate::usage::count(count as u64);
    let mut ln_chance = -number(count) * LN_2;
    let mut so_few = 0.0;
    for below in 0..count {
        so_few += ln_chance.exp();
        if so_few > BEYOND {
            return below;
        }
        ln_chance += (number(count - below) / number(below + 1)).ln();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(ratios: &[f64]) -> Pairs {
        let mut pairs = Pairs::default();
        ratios.iter().for_each(|ratio| pairs.push(100.0 * ratio, 100.0));
        pairs
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let mut pairs = Pairs::default();
        pairs.push(10.0, 5.0);
        pairs.push(2.0, 2.0);
        pairs.push(9.0, 3.0);
        let ratio = pairs.ratio();
        assert_eq!((ratio.median, ratio.lowest, ratio.highest, ratio.pairs), (2.0, 1.0, 3.0, 3));
        assert_eq!((pairs.ours(), pairs.peer()), (9.0, 3.0));
        assert!((median(&[4.0, 1.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_drift_of_the_machine_cancels_out() {
        let mut drifting = Pairs::default();
        (1..20).for_each(|speed| drifting.push(1.5 * f64::from(speed), f64::from(speed)));
        let ratio = drifting.ratio();
        assert_eq!(ratio.to_string(), "1.50 [1.50, 1.50] (1.50 to 1.50)");
    }

    #[test]
    fn the_interval_holds_the_median_and_stays_within_the_spread() {
        let ratio = pairs(&[0.90, 0.95, 0.97, 0.98, 1.0, 1.01, 1.02, 1.04, 1.40]).ratio();
        assert!(ratio.lowest <= ratio.low && ratio.low <= ratio.median, "{ratio}");
        assert!(ratio.median <= ratio.high && ratio.high <= ratio.highest, "{ratio}");
        assert!(ratio.low < ratio.high && ratio.high < 1.40, "{ratio}");
    }

    #[test]
    fn the_same_pairs_say_the_same() {
        let ratios = [0.7, 1.2, 0.9, 1.1, 1.3, 0.8, 1.0, 1.05, 0.95];
        assert_eq!(pairs(&ratios).ratio(), pairs(&ratios).ratio());
    }

    #[test]
    fn the_interval_is_that_of_the_tables() {
        let ranks = [0, 5, 6, 8, 9, 15, 20, 30, 100].map(outside);
        assert_eq!(ranks, [0, 0, 1, 1, 2, 4, 6, 10, 40]);
        assert_eq!(outside(10_000), 4_902, "by the normal distribution: 5,000 less 98");
        assert!(pairs(&[1.0; 5]).ratio().high.is_infinite());
    }

    #[test]
    fn more_pairs_narrow_the_interval() {
        let ratios = [0.8, 0.9, 0.95, 1.0, 1.0, 1.05, 1.1, 1.2, 1.25];
        let width = |ratio: Ratio| ratio.high - ratio.low;
        assert!(width(pairs(&ratios.repeat(9)).ratio()) < width(pairs(&ratios).ratio()));
    }

    #[test]
    fn noise_is_a_wide_interval() {
        assert!(!pairs(&[0.97, 0.98, 0.99, 1.0, 1.0, 1.01, 1.02, 1.03, 1.04]).ratio().is_noisy());
        assert!(pairs(&[0.3, 0.5, 0.6, 0.9, 1.0, 1.4, 1.8, 2.0, 2.5]).ratio().is_noisy());
        assert!(Pairs::default().ratio().is_noisy(), "nothing was measured");
    }
}
