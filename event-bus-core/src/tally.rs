//! What the subscriptions of a bus have handed out so far, for health.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::delivery::Notice;
use crate::meters::Meters;
use crate::transport::{Health, Missed};

/// Why something is missed, as metrics call it.
pub(crate) const CAUSES: [&str; 6] =
    ["lagged", "gap", "interrupted", "oversized", "undecodable", "unknown_type"];

#[derive(Debug, Default)]
pub(crate) struct Tally {
    meters: Meters,
    /// Messages that were no event to whoever read them.
    no_events: AtomicU64,
    lagged: AtomicU64,
    interruptions: AtomicU64,
    gaps: AtomicU64,
    oversized: AtomicU64,
    undecodable: AtomicU64,
    unknown_types: AtomicU64,
    ended: AtomicU64,
}

impl Tally {
    /// One that counts for metrics, too.
    pub(crate) fn metered(meters: Meters) -> Self {
        Self { meters, ..Self::default() }
    }

    /// For metrics alone: health has the number of all messages that were read, and subtracts what was no event.
    #[inline]
    pub(crate) fn count_event(&self) {
        self.meters.count_consumed();
    }

    pub(crate) fn count_no_event(&self) {
        self.no_events.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_notice(&self, notice: &Notice) {
        let [lagged, gap, interrupted, oversized, undecodable, unknown_type] = CAUSES;
        let (counter, cause, many) = match notice {
            Notice::Lagged { missed } => (&self.lagged, lagged, *missed),
            Notice::Gap { missed, .. } => (&self.gaps, gap, *missed),
            Notice::Interrupted => (&self.interruptions, interrupted, 1),
            Notice::Oversized { .. } => (&self.oversized, oversized, 1),
            Notice::Undecodable { .. } => (&self.undecodable, undecodable, 1),
            Notice::UnknownType { .. } => (&self.unknown_types, unknown_type, 1),
            Notice::Denied { .. } | Notice::Overflowed | Notice::Stopped { .. } => {
                self.ended.fetch_add(1, Relaxed);
                return;
            }
            Notice::Resumed { .. } => return,
        };
        counter.fetch_add(many, Relaxed);
        self.meters.count_missed(cause, many);
    }

    /// Of so many messages that were read.
    pub(crate) fn report(&self, read: u64, health: &mut Health) {
        health.delivered = read.saturating_sub(self.no_events.load(Relaxed));
        health.ended = self.ended.load(Relaxed);
        health.missed = Missed {
            lagged: self.lagged.load(Relaxed),
            interruptions: self.interruptions.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
            oversized: self.oversized.load(Relaxed),
            undecodable: self.undecodable.load(Relaxed),
            unknown_types: self.unknown_types.load(Relaxed),
        };
    }
}
