//! What was published, kept for a test to look at. Who hears it is decided elsewhere.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::message::Message;
use crate::transport::Lease;

/// Everything that has been published since [`MemoryTransport::record`](crate::MemoryTransport::record), in the
/// order in which the transport took it, on all channels of all buses, heard or not.
///
/// It holds messages: [`EventBus::read`](crate::EventBus::read) makes events of them. Dropping it ends it. Until
/// then, or until they are [taken](Self::take), it keeps all messages: nothing but the test bounds its memory.
#[must_use = "a recording that is dropped records nothing"]
pub struct Recording {
    tape: Arc<Tape>,
    _lease: Lease,
}

/// Where the transport writes what it takes.
#[derive(Default)]
pub(super) struct Tape(Mutex<Vec<Arc<Message>>>);

impl Recording {
    /// `lease` takes the tape back from where it is written.
    pub(super) fn new(tape: Arc<Tape>, lease: Lease) -> Self {
        Self { tape, _lease: lease }
    }

    /// What has been recorded and not taken.
    #[must_use]
    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.tape.lock().clone()
    }

    /// Takes what has been recorded so far.
    #[expect(clippy::must_use_candidate, reason = "taking and dropping is how to start afresh")]
    pub fn take(&self) -> Vec<Arc<Message>> {
        std::mem::take(&mut *self.tape.lock())
    }

    /// How many messages have been recorded and not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tape.lock().len()
    }

    /// Whether nothing has been recorded that has not been taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Tape {
    pub(super) fn write(&self, message: Arc<Message>) {
        self.lock().push(message);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("messages", &self.len()).finish_non_exhaustive()
    }
}
