//! The names and habits of the Python bus: keys are text, a `*` in it means a pattern, and publishing never fails, but
//! logs and counts. What they do is in `bus.rs`.

use std::time::Duration;

use crate::bus::EventBus;
use crate::channel::{ChannelFilter, ChannelKey, KeyPattern};
use crate::delivery::Delivery;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::key_error::KeyError;
use crate::subscription::Subscription;

impl<E: Event> EventBus<E> {
    /// Publishes `event` to the channel `channel_key`, and never fails: what can't be published is logged through
    /// `tracing` and [counted](Self::unpublished). It takes no longer than [`publish_to`](Self::publish_to).
    ///
    /// # Cancel safety
    /// As for [`publish`](Self::publish); a dropped future is neither logged nor counted.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings")]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus = PingBus::new(MemoryTransport::new());
    /// let mut pings = bus.listen_events("east/*").await?;
    /// bus.publish_event(&Ping { n: 1 }, "east/1").await;
    /// bus.publish_event(&Ping { n: 2 }, "east/*").await; // no channel: logged and counted
    /// assert_eq!(bus.unpublished(), 1);
    /// # Ok(()) }
    /// ```
    pub async fn publish_event(&self, event: &E, channel_key: impl AsRef<str>) {
        let published = match ChannelKey::new(channel_key) {
            Ok(key) => self.publish_to(key, event).await.map(drop),
            Err(error) => Err(self.unsent(error.into())),
        };
        self.note_unpublished(published);
    }

    /// Publishes `event` to every channel that its type declares, and never fails: what can't be published is logged
    /// through `tracing` and [counted](Self::unpublished). It takes no longer than [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// As for [`publish`](Self::publish); a dropped future is neither logged nor counted.
    pub async fn publish_or_log(&self, event: &E) {
        let published = self.publish(event).await.map(drop);
        self.note_unpublished(published);
    }

    /// How many events [`publish_event`](Self::publish_event) and [`publish_or_log`](Self::publish_or_log) could not
    /// publish to all of their channels, or not for sure, since this bus was made.
    #[must_use]
    pub fn unpublished(&self) -> u64 {
        self.port().unpublished()
    }

    /// Listens to the channel `channel_key`, or to all that match it if it holds a `*`; then `?`, `[…]` and `\` mean
    /// what they mean in a Redis pattern too. [`listen`](Self::listen) takes text for an exact key only.
    ///
    /// # Errors
    /// As for [`listen`](Self::listen).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn listen_events(&self, channel_key: impl AsRef<str>) -> Result<Subscription<E>> {
        self.listen(key_or_pattern(channel_key.as_ref())?).await
    }

    /// The first event on `channel_key`, which is a pattern if it holds a `*`, within `timeout` for everything.
    /// As [`wait`](Self::wait) besides.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub async fn wait_for_event(
        &self,
        channel_key: impl AsRef<str>,
        timeout: Duration,
    ) -> Result<Option<Delivery<E>>> {
        self.wait(key_or_pattern(channel_key.as_ref())?, timeout).await
    }

    /// Logs and counts what could not be published.
    pub(crate) fn note_unpublished(&self, published: Result<()>) {
        if let Err(error) = published {
            self.port().count_unpublished();
            log_unpublished(self.name().as_str(), &error);
        }
    }
}

fn key_or_pattern(text: &str) -> Result<ChannelFilter, KeyError> {
    if text.contains('*') {
        KeyPattern::new(text).map(ChannelFilter::Pattern)
    } else {
        ChannelKey::new(text).map(ChannelFilter::Key)
    }
}

fn log_unpublished(bus: &str, error: &Error) {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(bus, kind = ?error.kind(), error = %error, source, "an event was not published");
}
