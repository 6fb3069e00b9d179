//! What the subscriptions of a bus have told to be missed so far, for health; events they count themselves.

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

    /// For metrics: health counts events where they are read.
    #[inline]
    pub(crate) fn meter_event(&self) {
        self.meters.count_consumed();
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

    pub(crate) fn report(&self, health: &mut Health) {
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
