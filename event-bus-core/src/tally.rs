//! What the subscriptions of a bus have handed out so far, for health.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::delivery::Notice;
use crate::transport::{Health, Missed};

#[derive(Debug, Default)]
pub(crate) struct Tally {
    delivered: AtomicU64,
    lagged: AtomicU64,
    interruptions: AtomicU64,
    gaps: AtomicU64,
    oversized: AtomicU64,
    undecodable: AtomicU64,
    unknown_types: AtomicU64,
}

impl Tally {
    pub(crate) fn count_event(&self) {
        self.delivered.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_notice(&self, notice: &Notice) {
        let (counter, many) = match notice {
            Notice::Lagged { missed } => (&self.lagged, *missed),
            Notice::Gap { missed, .. } => (&self.gaps, *missed),
            Notice::Interrupted => (&self.interruptions, 1),
            Notice::Oversized { .. } => (&self.oversized, 1),
            Notice::Undecodable { .. } => (&self.undecodable, 1),
            Notice::UnknownType { .. } => (&self.unknown_types, 1),
            Notice::Resumed { .. } | Notice::Denied { .. } | Notice::Overflowed | Notice::Stopped { .. } => {
                return;
            }
        };
        counter.fetch_add(many, Relaxed);
    }

    pub(crate) fn report(&self, health: &mut Health) {
        health.delivered = self.delivered.load(Relaxed);
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
