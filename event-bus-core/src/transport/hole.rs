//! What is missing between two neighbouring messages of a subscription, in constant size: adjacent losses
//! merge here, and neighbouring interruptions add up.

use std::time::Duration;

/// One thing to tell about a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Lagged { missed: u64 },
    Interrupted,
    Resumed { down_for: Duration },
}

/// A word, since there is one for each queued message and hardly ever anything in it.
#[derive(Debug, Default)]
pub(crate) struct Hole(Option<Box<Losses>>);

#[derive(Debug, Default)]
struct Losses {
    lagged: u64,
    outage: Outage,
    /// The last mark that was [set](Hole::mark) here.
    mark: Option<u64>,
}

/// `told`: the reader has already got the `Interrupted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Outage {
    #[default]
    None,
    /// Not over yet; earlier ones in the same hole took `earlier`.
    Lasting {
        told: bool,
        earlier: Duration,
    },
    Over {
        told: bool,
        down_for: Duration,
    },
}

impl Hole {
    /// So many more messages were dropped here.
    pub(crate) fn lag(&mut self, missed: u64) {
        let lagged = &mut self.losses().lagged;
        *lagged = lagged.saturating_add(missed);
    }

    /// The reader is told when it comes here. Later marks are higher.
    pub(crate) fn mark(&mut self, mark: u64) {
        self.losses().mark = Some(mark);
    }

    pub(crate) fn take_mark(&mut self) -> Option<u64> {
        self.0.as_mut()?.mark.take()
    }

    pub(crate) fn interrupt(&mut self) {
        let outage = &mut self.losses().outage;
        *outage = match *outage {
            Outage::None => Outage::Lasting { told: false, earlier: Duration::ZERO },
            Outage::Over { told, down_for } => Outage::Lasting { told, earlier: down_for },
            lasting @ Outage::Lasting { .. } => lasting,
        };
    }

    pub(crate) fn resume(&mut self, down_for: Duration) {
        let outage = &mut self.losses().outage;
        *outage = match *outage {
            // Its `Interrupted` stood in an earlier hole and has been told there.
            Outage::None => Outage::Over { told: true, down_for },
            Outage::Lasting { told, earlier } | Outage::Over { told, down_for: earlier } => {
                Outage::Over { told, down_for: earlier + down_for }
            }
        };
    }

    /// Whether nothing was ever missed here.
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// The message between `earlier` and this hole is gone: both become one.
    pub(crate) fn put_before(&mut self, earlier: Self) {
        let Some(mut merged) = earlier.0 else { return };
        if let Some(later) = self.0.take() {
            merged.lagged = merged.lagged.saturating_add(later.lagged);
            merged.outage = merged.outage.then(later.outage);
            merged.mark = later.mark.or(merged.mark);
        }
        self.0 = Some(merged);
    }

    /// What to tell next, if anything is left to tell.
    #[inline]
    pub(crate) fn take_next(&mut self) -> Option<Signal> {
        self.0.as_mut()?.take_next()
    }

    fn losses(&mut self) -> &mut Losses {
        self.0.get_or_insert_default()
    }
}

impl Losses {
    fn take_next(&mut self) -> Option<Signal> {
        if self.lagged > 0 {
            return Some(Signal::Lagged { missed: std::mem::take(&mut self.lagged) });
        }
        match &mut self.outage {
            Outage::Lasting { told, .. } | Outage::Over { told, .. } if !*told => {
                *told = true;
                Some(Signal::Interrupted)
            }
            Outage::Over { down_for, .. } => {
                let down_for = *down_for;
                self.outage = Outage::None;
                Some(Signal::Resumed { down_for })
            }
            Outage::None | Outage::Lasting { .. } => None,
        }
    }
}

impl Outage {
    fn then(self, later: Self) -> Self {
        match (self, later) {
            (Self::None, outage) | (outage, Self::None) => outage,
            (Self::Lasting { told, earlier: first }, Self::Lasting { earlier, .. })
            | (Self::Over { told, down_for: first }, Self::Lasting { earlier, .. }) => {
                Self::Lasting { told, earlier: first + earlier }
            }
            (Self::Lasting { told, earlier: first }, Self::Over { down_for, .. })
            | (Self::Over { told, down_for: first }, Self::Over { down_for, .. }) => {
                Self::Over { told, down_for: first + down_for }
            }
        }
    }
}
