//! The names and habits of the Python bus, blocking: keys are text, a `*` in it means a pattern, and publishing never
//! fails, but logs and counts.

use std::time::Duration;

use super::bus::BlockingEventBus;
use super::subscription::BlockingSubscription;
use crate::delivery::Delivery;
use crate::error::Result;
use crate::event::Event;

impl<E: Event> BlockingEventBus<E> {
    /// Publishes `event` to the channel `channel_key`, and never fails: what can't be published is logged through
    /// `tracing` and [counted](Self::unpublished), also in async code. As [`EventBus::publish_event`](crate::EventBus::publish_event).
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{BlockingRuntime, EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings")]
    /// # struct Ping { n: u64 }
    /// let bus = PingBlockingBus::new(&BlockingRuntime::new()?, MemoryTransport::new());
    /// let mut pings = bus.listen_events("east/*")?;
    /// bus.publish_event(&Ping { n: 1 }, "east/1");
    /// bus.publish_event(&Ping { n: 2 }, "east/*"); // no channel: logged and counted
    /// assert_eq!(bus.unpublished(), 1);
    /// # Ok::<(), event_bus_core::Error>(())
    /// ```
    pub fn publish_event(&self, event: &E, channel_key: impl AsRef<str>) {
        let waited = self.runtime.wait_for(self.bus.publish_event(event, channel_key));
        self.bus.note_unpublished(waited);
    }

    /// Publishes `event` to every channel that its type declares, and never fails: what can't be published is logged
    /// through `tracing` and [counted](Self::unpublished), also in async code. As
    /// [`EventBus::publish_or_log`](crate::EventBus::publish_or_log).
    pub fn publish_or_log(&self, event: &E) {
        let waited = self.runtime.wait_for(self.bus.publish_or_log(event));
        self.bus.note_unpublished(waited);
    }

    /// How many events [`publish_event`](Self::publish_event) and [`publish_or_log`](Self::publish_or_log) could not
    /// publish to all of their channels, or not for sure, since this bus was made.
    #[must_use]
    pub fn unpublished(&self) -> u64 {
        self.bus.unpublished()
    }

    /// Listens to the channel `channel_key`, or to all that match it if it holds a `*`. As
    /// [`EventBus::listen_events`](crate::EventBus::listen_events).
    ///
    /// # Errors
    /// As for [`listen`](Self::listen).
    pub fn listen_events(&self, channel_key: impl AsRef<str>) -> Result<BlockingSubscription<E>> {
        let subscription = self.runtime.run(self.bus.listen_events(channel_key))?;
        Ok(BlockingSubscription::new(self.runtime.clone(), subscription))
    }

    /// The first event on `channel_key`, which is a pattern if it holds a `*`, within `timeout` for everything. As
    /// [`EventBus::wait_for_event`](crate::EventBus::wait_for_event).
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    pub fn wait_for_event(
        &self,
        channel_key: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<Option<Delivery<E>>> {
        self.runtime.run(self.bus.wait_for_event(channel_key, timeout))
    }
}
