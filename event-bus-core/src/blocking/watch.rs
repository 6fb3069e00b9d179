//! The state of a transport, watched by code that blocks.

use std::time::Duration;

use super::runtime::BlockingRuntime;
use crate::error::Result;
use crate::transport::{StateWatch, TransportState};

/// Tells how the state of a transport changes, from [`BlockingEventBus::watch_state`](crate::BlockingEventBus::watch_state). As
/// [`StateWatch`].
#[derive(Clone, Debug)]
pub struct BlockingStateWatch {
    watch: StateWatch,
    runtime: BlockingRuntime,
}

impl BlockingStateWatch {
    pub(super) fn new(runtime: BlockingRuntime, watch: StateWatch) -> Self {
        Self { watch, runtime }
    }

    /// The state as it was last shown.
    #[must_use]
    pub fn current(&self) -> TransportState {
        self.watch.current()
    }

    /// Waits for the next change; `None` once none can come any more. As [`StateWatch::changed`].
    ///
    /// # Errors
    /// [`CannotBlock`](crate::ErrorKind::CannotBlock); no change is lost by it.
    pub fn changed(&mut self) -> Result<Option<TransportState>> {
        self.runtime.wait_for(self.watch.changed())
    }

    /// Waits for the next change, for `timeout` at most.
    ///
    /// # Errors
    /// [`TimedOut`](crate::ErrorKind::TimedOut) if there was none in time; [`CannotBlock`](crate::ErrorKind::CannotBlock). No change is lost
    /// by either.
    pub fn changed_timeout(&mut self, timeout: Duration) -> Result<Option<TransportState>> {
        self.runtime.wait_at_most(timeout, self.watch.changed())
    }
}
