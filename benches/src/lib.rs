//! What the benchmarks share: paired measurements, and what they say together.

use std::fmt;

/// Rates of ours and of a peer, measured in turn: the machine's moods hit both alike.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    ours: Vec<f64>,
    peer: Vec<f64>,
}

impl Pairs {
    /// Adds one pair of rates, in messages per second.
    pub fn push(&mut self, ours: f64, peer: f64) {
        self.ours.push(ours);
        self.peer.push(peer);
    }

    /// The median of ours.
    #[must_use]
    pub fn ours(&self) -> f64 {
        median(self.ours.clone())
    }

    /// The median of the peer.
    #[must_use]
    pub fn peer(&self) -> f64 {
        median(self.peer.clone())
    }

    /// The median of ours/peer, and the smallest and the largest.
    #[must_use]
    pub fn ratio(&self) -> Ratio {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.peer).map(|(ours, peer)| ours / peer).collect();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        Ratio { median: median(ratios), lowest, highest }
    }
}

/// How ours compares.
#[derive(Clone, Copy, Debug)]
pub struct Ratio {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub lowest: f64,
    /// The largest.
    pub highest: f64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.lowest, self.highest)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.as_slice() {
        [] => f64::NAN,
        values if values.len() % 2 == 1 => values[values.len() / 2],
        values => f64::midpoint(values[values.len() / 2 - 1], values[values.len() / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let mut pairs = Pairs::default();
        pairs.push(10.0, 5.0);
        pairs.push(2.0, 2.0);
        pairs.push(9.0, 3.0);
        let ratio = pairs.ratio();
        assert_eq!(ratio.to_string(), "2.00 (1.00 to 3.00)");
        assert_eq!(median(vec![4.0, 1.0]).to_string(), "2.5");
    }
}
