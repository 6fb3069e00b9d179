//! What a transport subscribes to at a server: a name, and in which of the server's name spaces it stands.

use std::fmt;
use std::sync::Arc;

use crate::channel::Channel;

/// One thing to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// In which name space.
    pub scope: Scope,
    /// The full channel name, or a pattern over full channel names.
    pub name: Arc<str>,
}

/// A name space of topics: the same name in two scopes is two topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Which connection the subscription lives on.
    pub endpoint: Endpoint,
    /// Which kind of delivery, and so which command subscribes.
    pub kind: TopicKind,
}

/// One of the servers that a transport listens to, by a number of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(pub u32);

/// Redis's kinds of subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopicKind {
    /// One channel of classic pub/sub.
    Channel,
    /// A pattern over the channels of classic pub/sub.
    Pattern,
    /// One channel of sharded pub/sub. There are no sharded patterns.
    ShardChannel,
}

/// What a subscription asks a transport for, by full names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Filter {
    /// One channel.
    Channel(Channel),
    /// All channels whose full name matches this glob.
    Pattern(Arc<str>),
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => channel.fmt(f),
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}
