//! What must not happen under a lock: wakers and the destructors of events are foreign code, and may come back.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use smallvec::SmallVec;

use crate::message::Message;
use crate::meters::{Growth, Meters};

/// Collected under a lock, and done when it is dropped, which must be after unlocking: readers are woken, what is queued is
/// measured, and messages that nobody holds any more are destroyed.
#[derive(Default)]
#[must_use = "drop it once the lock is released"]
pub struct Aftermath {
    wakers: SmallVec<[Waker; 2]>,
    messages: SmallVec<[Arc<Message>; 2]>,
    /// By how much the queues of each bus have grown.
    queued: Growth,
}

impl Aftermath {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.wakers.push(waker);
        }
    }

    pub(super) fn discard(&mut self, message: Option<Arc<Message>>) {
        if let Some(message) = message {
            self.messages.push(message);
        }
    }

    /// The queues of a bus have grown by so many messages.
    pub(super) fn queue(&mut self, meters: &Meters, change: isize) {
        self.queued.add(meters, change);
    }
}

impl Drop for Aftermath {
    fn drop(&mut self) {
        self.queued.settle();
        if !self.wakers.is_empty() {
            self.wakers.drain(..).for_each(Waker::wake);
        }
    }
}

impl fmt::Debug for Aftermath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aftermath")
            .field("wakers", &self.wakers.len())
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}
