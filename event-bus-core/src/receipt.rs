//! What a publish that reached the server returns.

use crate::channel::Channel;

/// One event was accepted for one channel.
///
/// At most once: a receipt says that the server took the event, not that anybody heard it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Where the event was published.
    pub channel: Channel,
    /// How often the server handed it to somebody, where the transport can tell: on one Redis server once for each connection
    /// that listens to the channel, and once for each pattern of a connection that matches it. That is not the number of listeners
    /// behind them.
    pub receivers: Option<u64>,
}

impl Receipt {
    /// A receipt for `channel`. For transports.
    #[must_use]
    pub fn new(channel: Channel, receivers: Option<u64>) -> Self {
        Self { channel, receivers }
    }
}
