//! Which faults a test has asked for, and for how many messages they still hold. What they do to whom is decided in
//! `state.rs`.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::ErrorKind;

/// As long as for ever, and still a time that can be reckoned with.
const LONGEST_DELAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[derive(Debug, Default)]
pub(super) struct Faults {
    is_interrupted: bool,
    interruptions: u64,
    delay: Duration,
    to_drop: usize,
    to_fail: Option<(usize, ErrorKind)>,
}

impl Faults {
    /// `false` if it was interrupted before.
    pub(super) fn interrupt(&mut self) -> bool {
        let is_new = !std::mem::replace(&mut self.is_interrupted, true);
        self.interruptions += u64::from(is_new);
        is_new
    }

    /// `false` if it was not interrupted.
    pub(super) fn resume(&mut self) -> bool {
        std::mem::take(&mut self.is_interrupted)
    }

    pub(super) fn delay(&mut self, delay: Duration) {
        self.delay = delay.min(LONGEST_DELAY);
    }

    pub(super) fn drop_next(&mut self, messages: usize) {
        self.to_drop = messages;
    }

    pub(super) fn fail_next(&mut self, messages: usize, kind: ErrorKind) {
        self.to_fail = Some((messages, kind));
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    /// How often it was interrupted and resumed.
    pub(super) fn healed(&self) -> u64 {
        self.interruptions - u64::from(self.is_interrupted())
    }

    /// When a message arrives that is published now.
    pub(super) fn arrival(&self) -> Instant {
        Instant::now() + self.delay
    }

    /// Whether the message that is published now is to be lost. Counts it.
    pub(super) fn loses(&mut self) -> bool {
        let is_lost = self.to_drop > 0;
        self.to_drop = self.to_drop.saturating_sub(1);
        is_lost
    }

    /// How the publish is to fail that comes now, if it is. Counts it.
    pub(super) fn failure(&mut self) -> Option<ErrorKind> {
        let (left, kind) = self.to_fail.as_mut().filter(|(left, _)| *left > 0)?;
        *left -= 1;
        Some(*kind)
    }
}
