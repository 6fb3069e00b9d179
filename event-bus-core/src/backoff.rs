//! How long to wait before the next attempt: exponential, capped, with full jitter, for ever.
//! Delays only; who waits, and when to start over, is the caller's business.

use std::time::Duration;

/// An endless iterator of delays: each is drawn evenly between zero and a ceiling that doubles up to a cap.
///
/// Full jitter spreads clients that lost the same server at the same moment.
///
/// ```
/// # use event_bus_core::transport::Backoff;
/// # use std::time::Duration;
/// let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// assert!(backoff.delay() <= Duration::from_millis(50));
/// assert!(backoff.delay() <= Duration::from_millis(100));
/// backoff.reset();
/// assert!(backoff.delay() <= Duration::from_millis(50));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// Delays below `first`, then below twice that, and so on up to `cap`.
    #[must_use]
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { first: first.min(cap), cap, ceiling: first.min(cap) }
    }

    /// The next delay. There always is one.
    pub fn delay(&mut self) -> Duration {
        let delay = self.ceiling.mul_f64(fastrand::f64());
        self.ceiling = self.ceiling.saturating_mul(2).min(self.cap);
        delay
    }

    /// Starts over at the first ceiling.
    pub fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.delay())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_differ() {
        let (first, cap) = (Duration::from_millis(10), Duration::from_millis(200));
        let delays: Vec<_> = Backoff::new(first, cap).take(1_000).collect();
        for (attempt, delay) in delays.iter().enumerate() {
            let ceiling = first.saturating_mul(1 << attempt.min(10)).min(cap);
            assert!(*delay <= ceiling, "attempt {attempt}: {delay:?}");
        }
        let late = &delays[10..];
        let mean = late.iter().sum::<Duration>() / u32::try_from(late.len()).unwrap();
        assert!(mean > cap / 3 && mean < cap * 2 / 3, "{mean:?} is not the middle of the jitter");
    }

    #[test]
    fn a_first_delay_above_the_cap_is_capped() {
        let cap = Duration::from_millis(5);
        assert!(Backoff::new(Duration::from_secs(1), cap).take(100).all(|delay| delay <= cap));
    }
}
