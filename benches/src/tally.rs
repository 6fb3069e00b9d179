//! Counts what many listeners hear together, and wakes whoever waits until they have heard it all.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::bench::{Failure, PATIENCE};

/// What many listeners have heard.
#[derive(Debug, Default)]
pub struct Tally {
    heard: AtomicU64,
    awaited: AtomicU64,
    fault: Mutex<Option<String>>,
    changed: Notify,
}

impl Tally {
    /// One more. Gives which one it is.
    pub fn add(&self) -> u64 {
        let heard = self.heard.fetch_add(1, Ordering::AcqRel) + 1;
        if heard == self.awaited.load(Ordering::Acquire) {
            self.changed.notify_one();
        }
        heard
    }

    /// Somebody heard something else than he should.
    pub fn fail(&self, fault: String) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
        self.changed.notify_one();
    }

    /// To be called before `more` are sent, all of which must be heard.
    pub fn expect(&self, more: u64) {
        self.awaited.fetch_add(more, Ordering::AcqRel);
    }

    /// Until all are heard that were expected.
    ///
    /// # Errors
    /// If one was lost, or somebody heard something else.
    pub async fn all(&self) -> Result<(), Failure> {
        loop {
            if let Some(fault) = self.fault.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return Err(fault.into());
            }
            let (heard, awaited) = (self.heard.load(Ordering::Acquire), self.awaited.load(Ordering::Acquire));
            if heard == awaited {
                return Ok(());
            }
            if timeout(PATIENCE, self.changed.notified()).await.is_err() {
                return Err(format!("{} messages were lost", awaited.abs_diff(heard)).into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::runtime;

    #[test]
    fn all_are_heard_or_somebody_says_what_is_wrong() {
        let all = |tally: &Tally| runtime(false).unwrap().block_on(tally.all());
        let tally = Tally::default();
        tally.expect(2);
        assert_eq!((tally.add(), tally.add()), (1, 2));
        all(&tally).unwrap();
        tally.expect(1);
        tally.fail("1 was missed".to_owned());
        assert_eq!(all(&tally).unwrap_err().to_string(), "1 was missed");
    }
}
