//! The one hard deadline of a wait, and the moment before it at which the connection is put to the test.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    timeout: Duration,
    at: Instant,
}

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
        let now = Instant::now();
        Self { timeout, at: now.checked_add(timeout).unwrap_or(now + FAR_FUTURE) }
    }

    /// As it was asked for.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// Late, so that the answer holds for nearly all of the time; early enough for a healthy server to answer.
    pub(crate) fn test_at(&self) -> Instant {
        let answer_time = (self.timeout / 4).clamp(Duration::from_millis(50), Duration::from_millis(500));
        self.at.checked_sub(answer_time).unwrap_or(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_leaves_the_server_a_quarter_of_the_time_within_bounds() {
        for (timeout, answer_time) in [(0, 50), (40, 50), (800, 200), (60_000, 500)] {
            let deadline = Deadline::after(Duration::from_millis(timeout));
            assert_eq!(deadline.at() - deadline.test_at(), Duration::from_millis(answer_time));
        }
        assert!(Deadline::after(Duration::MAX).at() > Instant::now());
    }
}
