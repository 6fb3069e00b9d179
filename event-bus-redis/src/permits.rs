//! How many publishes may wait for an answer at once. Further ones wait their turn, until their deadline.

use event_bus_core::{Error, ErrorKind, Result};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::error::closed;

pub(crate) struct Permits {
    most: usize,
    left: Semaphore,
}

impl Permits {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, left: Semaphore::new(most.min(Semaphore::MAX_PERMITS)) }
    }

    /// For one message, if nobody has to wait for it.
    pub(crate) fn at_once(&self) -> Option<SemaphorePermit<'_>> {
        self.left.try_acquire().ok()
    }

    /// For so many messages; if they are more than may wait at all, for all that there are.
    pub(crate) async fn take(&self, messages: usize, deadline: Instant) -> Result<SemaphorePermit<'_>> {
        let wanted = u32::try_from(messages.min(self.most)).unwrap_or(u32::MAX);
        if let Ok(permits) = self.left.try_acquire_many(wanted) {
            return Ok(permits);
        }
        match Box::pin(timeout_at(deadline, self.left.acquire_many(wanted))).await {
            Ok(Ok(permits)) => Ok(permits),
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                let text = format!("{} publishes are waiting for redis already", self.most);
                Err(Error::new(ErrorKind::NotSent, text))
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.left.is_closed()
    }

    /// Nobody gets one any more.
    pub(crate) fn close(&self) {
        self.left.close();
    }
}
