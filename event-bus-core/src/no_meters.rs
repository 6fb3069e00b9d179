//! What stands in the place of `meters.rs` without the feature `metrics`: nothing is measured, and nothing is kept for it.

#![expect(clippy::unused_self, reason = "as with the feature")]

#[derive(Clone, Debug, Default)]
pub(crate) struct Meters;

#[derive(Default)]
pub(crate) struct Growth;

impl Growth {
    #[inline]
    pub(crate) fn add(&mut self, _: &Meters, _: isize) {}

    #[inline]
    pub(crate) fn settle(&mut self) {}
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Start;

impl Start {
    #[inline]
    pub(crate) fn now() -> Self {
        Self
    }
}

impl Meters {
    pub(crate) const ARE_REAL: bool = false;

    pub(crate) fn none() -> Self {
        Self
    }

    pub(crate) fn new(_: &'static str, _: &str, _: &[&'static str], _: &[&'static str]) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn count_sent(&self, _: u64) {}

    #[inline]
    pub(crate) fn count_failed(&self, _: &'static str, _: usize) {}

    #[inline]
    pub(crate) fn count_consumed(&self) {}

    #[inline]
    pub(crate) fn count_missed(&self, _: &'static str, _: u64) {}

    #[inline]
    pub(crate) fn queue(&self, _: isize) {}

    #[inline]
    pub(crate) fn time_decode(&self, _: Start) {}

    #[inline]
    pub(crate) fn time_publish(&self, _: Start, _: Option<&'static str>) {}

    #[inline]
    pub(crate) fn time_process(&self, _: Start, _: Option<&'static str>) {}
}

/// Counts for metrics that a transport's listening connection was made anew; without the feature `metrics`, as here, it does
/// nothing.
///
/// ```
/// event_bus_core::transport::count_reconnects("redis", 1);
/// ```
pub fn count_reconnects(_: &'static str, _: u64) {}
