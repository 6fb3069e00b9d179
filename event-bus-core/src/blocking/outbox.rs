//! The outbox of a bus for code that blocks.

use std::fmt;

use super::runtime::BlockingRuntime;
use crate::channel::ChannelKey;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::outbox::{Outbox, OutboxReport};

/// An [`Outbox<E>`] for code without `async`, from [`BlockingEventBus::outbox`](crate::BlockingEventBus::outbox). Clones are the same
/// outbox, and any thread may send, in async code too: sending does not wait.
///
/// ```
/// # use event_bus_core::{BlockingRuntime, EventBus, MemoryTransport, OutboxConfig};
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "pings", channel(all = "all"))]
/// # struct Ping { n: u64 }
/// let bus = PingBlockingBus::new(&BlockingRuntime::new()?, MemoryTransport::new());
/// let outbox = bus.outbox(OutboxConfig::default())?;
/// for n in 0..100 {
///     outbox.send(&Ping { n })?;
/// }
/// assert_eq!(outbox.close()?.sent, 100);
/// # Ok::<(), event_bus_core::Error>(())
/// ```
pub struct BlockingOutbox<E> {
    /// Before the runtime: fields are dropped in their order.
    outbox: Outbox<E>,
    runtime: BlockingRuntime,
}

impl<E: Event> BlockingOutbox<E> {
    pub(super) fn new(runtime: BlockingRuntime, outbox: Outbox<E>) -> Self {
        Self { outbox, runtime }
    }

    /// Queues `event` for every channel that its type declares, and does not wait. As [`Outbox::send`].
    ///
    /// # Errors
    /// As for [`Outbox::send`].
    pub fn send(&self, event: &E) -> Result<()> {
        self.outbox.send(event)
    }

    /// Queues `event` for the channel `key` alone, and does not wait. As [`Outbox::send_to`].
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_to<K>(&self, key: K, event: &E) -> Result<()>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
    {
        self.outbox.send_to(key, event)
    }

    /// As [`send`](Self::send), but waits while there is no room. As [`Outbox::send_when_room`].
    ///
    /// # Errors
    /// As for [`Outbox::send_when_room`]; [`CannotBlock`](crate::ErrorKind::CannotBlock), and nothing is queued then.
    pub fn send_when_room(&self, event: &E) -> Result<()> {
        self.runtime.run(self.outbox.send_when_room(event))
    }

    /// As [`send_to`](Self::send_to), but waits while there is no room. As [`Outbox::send_to_when_room`].
    ///
    /// # Errors
    /// As for [`send_when_room`](Self::send_when_room).
    pub fn send_to_when_room<K>(&self, key: K, event: &E) -> Result<()>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
    {
        self.runtime.run(self.outbox.send_to_when_room(key, event))
    }

    /// Waits until everything that was sent before has an outcome. As [`Outbox::flush`].
    ///
    /// # Errors
    /// [`CannotBlock`](crate::ErrorKind::CannotBlock); what is queued is published all the same.
    pub fn flush(&self) -> Result<OutboxReport> {
        self.runtime.wait_for(self.outbox.flush())
    }

    /// Refuses everything from now on, publishes what is queued, and returns what has been done. As [`Outbox::close`].
    ///
    /// # Errors
    /// [`CannotBlock`](crate::ErrorKind::CannotBlock); it is closed all the same, and publishes what is queued in the background.
    pub fn close(&self) -> Result<OutboxReport> {
        self.outbox.begin_to_close();
        self.runtime.wait_for(self.outbox.close())
    }

    /// What has been done so far.
    #[must_use]
    pub fn report(&self) -> OutboxReport {
        self.outbox.report()
    }
}

impl<E> Clone for BlockingOutbox<E> {
    fn clone(&self) -> Self {
        Self { outbox: self.outbox.clone(), runtime: self.runtime.clone() }
    }
}

impl<E> fmt::Debug for BlockingOutbox<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingOutbox").field(&self.outbox).finish()
    }
}
