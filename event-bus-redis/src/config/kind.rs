//! Redis's two kinds of pub/sub, which know nothing of each other: what is published with one is not heard with the other.

use event_bus_core::transport::TopicKind;

use super::RedisConfig;

/// With which commands events are published.
///
/// # Examples
/// ```
/// use event_bus_redis::{Listening, Publishing, RedisConfig};
///
/// // All publishers of a fleet first, to both; then its listeners; then the publishers once more.
/// let first = RedisConfig::new("redis", 6379).publishing(Publishing::Both);
/// let then = RedisConfig::new("redis", 6379).publishing(Publishing::Both).listening(Listening::Sharded);
/// let last = RedisConfig::new("redis", 6379).sharded();
/// # let _ = (first, then, last);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Publishing {
    /// With `PUBLISH`, the default. On a cluster every node is sent every event.
    #[default]
    Classic,
    /// With `SPUBLISH`, since Redis 7; with an older one it is [`Unsupported`](event_bus_core::ErrorKind::Unsupported). On a
    /// cluster an event stays within the shard that owns its channel's slot.
    Sharded,
    /// With both, while the listeners of a service move from one kind to the other one by one. Each event costs two commands,
    /// and a receipt counts the receivers of both.
    Both,
}

/// With which commands channels are listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Listening {
    /// With `SUBSCRIBE` and `PSUBSCRIBE`, the default.
    #[default]
    Classic,
    /// With `SSUBSCRIBE`, since Redis 7; with an older one it is [`Unsupported`](event_bus_core::ErrorKind::Unsupported), and
    /// so is listening to a pattern, since there are none. If an older one comes to stand in the place of a newer one, whoever
    /// listened is told [`Stopped`](event_bus_core::Notice::Stopped).
    Sharded,
}

impl RedisConfig {
    /// With which commands events are published; with `PUBLISH` by default.
    #[must_use]
    pub fn publishing(mut self, publishing: Publishing) -> Self {
        self.publishing = publishing;
        self
    }

    /// With which commands channels are listened to; with `SUBSCRIBE` and `PSUBSCRIBE` by default. A listener hears only
    /// what is published with the same kind.
    #[must_use]
    pub fn listening(mut self, listening: Listening) -> Self {
        self.listening = listening;
        self
    }

    /// Publishes and listens with sharded pub/sub, `SPUBLISH` and `SSUBSCRIBE`, as the AutoGPT platform does today.
    #[must_use]
    pub fn sharded(self) -> Self {
        self.publishing(Publishing::Sharded).listening(Listening::Sharded)
    }

    /// The commands of sharded pub/sub that will be needed, of which older servers have none.
    pub(crate) fn sharded_commands(&self) -> impl Iterator<Item = &'static str> {
        let publishes = (self.publishing != Publishing::Classic).then_some("SPUBLISH");
        let listens = (self.listening == Listening::Sharded).then_some("SSUBSCRIBE");
        publishes.into_iter().chain(listens)
    }
}

impl Listening {
    pub(crate) fn channel_kind(self) -> TopicKind {
        match self {
            Self::Classic => TopicKind::Channel,
            Self::Sharded => TopicKind::ShardChannel,
        }
    }

    /// How many names one command may carry. The server and the connection stay responsive in between; and sharded ones
    /// must go alone, since they may be of different slots, and redis-rs takes the first confirmation for the answer.
    pub(crate) fn most_names_of_a_command(self) -> usize {
        match self {
            Self::Classic => 512,
            Self::Sharded => 1,
        }
    }
}
