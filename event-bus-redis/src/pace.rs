//! How often, and until when, what surely was not sent is tried again.

use std::time::Duration;

use event_bus_core::transport::Backoff;
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct Pace {
    backoff: Backoff,
    attempts: u32,
    most_attempts: Option<u32>,
    within: Duration,
    deadline: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Again(Instant),
    /// After so many attempts; and within the time for them, if that is over.
    GiveUp(u32, Option<Duration>),
}

impl Pace {
    /// Until `deadline`, which was so far away at first.
    pub(crate) fn new(deadline: Instant, within: Duration, most_attempts: Option<u32>) -> Self {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        Self { backoff, attempts: 0, most_attempts, within, deadline }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// After an attempt that failed at `now`. The first time that a server said no, another one serves the channel, most
    /// likely: there is nothing to wait for.
    pub(crate) fn next(&mut self, now: Instant, is_answer: bool) -> Next {
        self.attempts += 1;
        let pause = if is_answer && self.attempts == 1 { Duration::ZERO } else { self.backoff.delay() };
        let left = self.deadline.saturating_duration_since(now);
        let is_late = left < FIRST_PAUSE;
        if is_late || self.most_attempts.is_some_and(|most| self.attempts >= most) {
            return self.give_up(is_late);
        }
        // Half of what is left at most: who is back shortly before the end is found.
        Next::Again(now + pause.min(left / 2))
    }

    /// After an attempt of which the failure is final.
    pub(crate) fn last(&mut self) -> Next {
        self.attempts += 1;
        self.give_up(false)
    }

    fn give_up(&self, is_late: bool) -> Next {
        Next::GiveUp(self.attempts, is_late.then_some(self.within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_no_of_a_server_is_followed_at_once_and_then_there_are_pauses() {
        let now = Instant::now();
        let mut pace = Pace::new(now + 3600 * SECOND, 3600 * SECOND, None);
        assert_eq!(pace.next(now, true), Next::Again(now));
        let pauses: Vec<_> = (0..50).map(|_| pace.next(now, true)).collect();
        assert!(pauses.iter().any(|next| matches!(next, Next::Again(at) if *at > now + SECOND / 10)));
        let mut pace = Pace::new(now + 3600 * SECOND, 3600 * SECOND, None);
        let firsts = (0..5).map(|_| pace.next(now, false));
        assert!(firsts.into_iter().any(|next| next != Next::Again(now)));
    }

    #[test]
    fn it_ends_with_the_time_or_with_the_attempts() {
        let now = Instant::now();
        let mut pace = Pace::new(now + SECOND, SECOND, None);
        assert!(matches!(pace.next(now, false), Next::Again(_)));
        let Next::Again(again) = pace.next(now + SECOND * 9 / 10, false) else {
            panic!("there is time left")
        };
        assert!(again <= now + SECOND * 95 / 100, "the pauses grow shorter towards the end");
        assert_eq!(pace.next(now + SECOND, false), Next::GiveUp(3, Some(SECOND)));
        let mut pace = Pace::new(now + SECOND, SECOND, Some(2));
        assert!(matches!(pace.next(now, true), Next::Again(_)));
        assert_eq!(pace.next(now, true), Next::GiveUp(2, None));
        let mut pace = Pace::new(now + SECOND, SECOND, Some(1));
        assert_eq!(pace.next(now, true), Next::GiveUp(1, None), "not even an answer is followed");
        assert_eq!(Pace::new(now + SECOND, SECOND, None).last(), Next::GiveUp(1, None));
    }
}
