//! What a transport must do when a subscription no longer needs a channel, run exactly once.

use std::fmt;

/// Given out by [`Transport::subscribe`](super::Transport::subscribe); its hook runs when it is dropped: by the end of the
/// subscription, or because the future that was to hand it out was dropped.
///
/// The hook may run in a plain thread, or while a runtime shuts down: it must not block, spawn or await.
#[must_use = "dropping the lease ends the subscription"]
pub struct Lease(Option<Box<dyn FnOnce() + Send>>);

impl Lease {
    /// A lease whose end runs `on_end`.
    pub fn new(on_end: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(on_end)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(on_end) = self.0.take() {
            on_end();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}
