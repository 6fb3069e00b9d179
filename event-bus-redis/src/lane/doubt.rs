//! Whether a connection still answers, where all who publish give up before it is surely dead: then nobody finds out.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

pub(super) struct Doubt {
    began: Instant,
    /// When the first publish was sent of those that were given up without an answer since the last one came: in milliseconds since
    /// then, and one more. 0 if there is none.
    since: AtomicU64,
}

/// A publish that was sent. Dropped without an answer, it raises a doubt.
pub(crate) struct Unanswered<'a> {
    doubt: &'a Doubt,
    sent: Instant,
    is_over: bool,
}

impl Doubt {
    pub(super) fn none() -> Self {
        Self { began: Instant::now(), since: AtomicU64::new(0) }
    }

    pub(super) fn sent_at(&self, sent: Instant) -> Unanswered<'_> {
        Unanswered { doubt: self, sent, is_over: false }
    }

    /// Whether something was sent longer ago than `patience`, and nothing has been answered since.
    pub(super) fn is_older_than(&self, patience: Duration) -> bool {
        let since = self.since.load(Relaxed);
        since > 0 && self.began.elapsed() > patience + Duration::from_millis(since)
    }

    pub(super) fn end(&self) {
        // Looked at first: who only reads does not take it away from another thread's cache.
        if self.since.load(Relaxed) > 0 {
            self.since.store(0, Relaxed);
        }
    }
}

impl Unanswered<'_> {
    /// An answer has come, or the connection has failed: whoever waited has seen it.
    pub(crate) fn over(mut self) {
        self.is_over = true;
        self.doubt.end();
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let since = self.sent.saturating_duration_since(self.doubt.began).as_millis();
            let since = u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1);
            let _stays_if_there_is_one = self.doubt.since.compare_exchange(0, since, Relaxed, Relaxed);
        }
    }
}
