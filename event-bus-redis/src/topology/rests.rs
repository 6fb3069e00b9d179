//! Servers that can't be asked: each is left alone, mostly for longer from one failure to the next. The others tell what
//! became of it.

use std::collections::HashMap;
use std::time::Duration;

use event_bus_core::transport::Backoff;
use tokio::time::Instant;

use crate::config::Address;

/// One that was waited for in vain is left alone for this long at least: all others wait along with whoever waits for it.
const LEFT_ALONE: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(8);

#[derive(Default)]
pub(super) struct Rests(HashMap<Address, Rest>);

/// How a server could not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It was waited for in vain.
    Silent,
    /// It could not be reached at all.
    Unreachable,
}

struct Rest {
    until: Instant,
    backoff: Backoff,
}

impl Rests {
    pub(super) fn is_resting(&self, server: &Address, now: Instant) -> bool {
        self.0.get(server).is_some_and(|rest| now < rest.until)
    }

    pub(super) fn failed(&mut self, server: &Address, how: Failed, now: Instant) {
        let new = || Rest { until: now, backoff: Backoff::new(LEFT_ALONE, LONGEST) };
        let rest = self.0.entry(server.clone()).or_insert_with(new);
        let least = if how == Failed::Silent { LEFT_ALONE } else { Duration::ZERO };
        rest.until = now + least + rest.backoff.delay();
    }

    pub(super) fn answered(&mut self, server: &Address) {
        self.0.remove(server);
    }

    /// Forgets those for whom this does not hold.
    pub(super) fn retain(&mut self, is_known: impl Fn(&Address) -> bool) {
        self.0.retain(|server, _| is_known(server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_again_and_again_rests_longer_and_whoever_answers_does_not_rest() {
        let (mut rests, server) = (Rests::default(), Address::Tcp("127.0.0.1".into(), 1));
        let mut now = Instant::now();
        let mut last = |rests: &mut Rests, how| {
            rests.failed(&server, how, now);
            let begin = now;
            while rests.is_resting(&server, now) {
                now += Duration::from_millis(10);
            }
            now - begin
        };
        let silent = last(&mut rests, Failed::Silent);
        assert!(silent >= LEFT_ALONE && silent <= 2 * LEFT_ALONE + LEFT_ALONE / 100, "{silent:?}");
        let refused: Vec<Duration> = (0..200).map(|_| last(&mut rests, Failed::Unreachable)).collect();
        assert!(refused.iter().any(|rest| *rest > LONGEST * 3 / 4), "{refused:?}");
        assert!(refused.iter().all(|rest| *rest <= LONGEST + LEFT_ALONE / 100), "{refused:?}");
        rests.answered(&server);
        assert!(!rests.is_resting(&server, Instant::now()));
    }
}
