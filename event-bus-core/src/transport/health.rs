//! How a transport is doing, as a value: for health routes, and for people.

mod answer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Whether one direction of a transport works right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkState {
    /// There is no connection, and none is needed: nothing was done so far, or its connection ended while nobody
    /// used it. The next use makes one.
    #[default]
    Idle,
    /// Its first connection is being made.
    Connecting,
    /// It works.
    Connected,
    /// It failed: its connection was lost in use, or could not be made. It is being made anew, or will be by the
    /// next use.
    Interrupted,
    /// Closed on purpose.
    Closed,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Interrupted => "interrupted",
            Self::Closed => "closed",
        })
    }
}

/// The states of both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportState {
    /// Publishing.
    pub publisher: LinkState,
    /// Listening.
    pub listener: LinkState,
    /// Why publishing is interrupted, without secrets. `None` in every other state.
    pub publisher_error: Option<Arc<str>>,
    /// Why listening is interrupted, without secrets. `None` in every other state.
    pub listener_error: Option<Arc<str>>,
}

impl TransportState {
    /// Whether both directions were closed on purpose. That stays.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.publisher == LinkState::Closed && self.listener == LinkState::Closed
    }
}

/// How a transport is doing.
///
/// # Examples
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport, transport::LinkState};
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "pings", channel(all = "all"))]
/// # struct Ping { n: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let memory = MemoryTransport::new();
/// let bus = PingBus::new(memory.clone());
/// let _pings = bus.all().listen().await?;
/// assert_eq!((bus.health().wanted, bus.health().confirmed), (1, 1));
///
/// memory.interrupt();
/// let health = bus.health();
/// assert_eq!(health.listener.state, LinkState::Interrupted);
/// println!("for {:?}: {:?}", health.listener.in_state_for, health.listener.last_error);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Health {
    /// Publishing.
    pub publisher: LinkHealth,
    /// Listening.
    pub listener: LinkHealth,
    /// How many channels and patterns somebody listens to.
    pub wanted: usize,
    /// How many of them the server has confirmed. A pattern that is served by a wider one is confirmed when that is.
    pub confirmed: usize,
    /// How often the listening connection had to be made anew.
    pub reconnects: u64,
    /// How many events the subscriptions of the bus that was asked have handed out. A transport itself knows nothing of
    /// that, and says 0.
    pub delivered: u64,
    /// What they have told to be missed.
    pub missed: Missed,
    /// How many messages wait in their queues to be read.
    pub queued: u64,
    /// How many of them ended by themselves, as their last notice told: denied, overflowed, or stopped. They are not wanted any
    /// more, so a bus is ready without them. Of the bus that was asked, as these.
    pub ended: u64,
}

/// What the subscriptions of a bus have told to be missed, by cause. What is told and not read yet is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missed {
    /// Events that full queues dropped.
    pub lagged: u64,
    /// How often the connection was lost, for each subscription: how many events that cost nobody knows.
    pub interruptions: u64,
    /// Events that were missing by their numbers, on [sequenced](crate::EventBusBuilder::sequenced) buses.
    pub gaps: u64,
    /// Events that were too large to be published.
    pub oversized: u64,
    /// Messages that did not decode.
    pub undecodable: u64,
    /// Events of unknown types.
    pub unknown_types: u64,
}

/// How one direction of a transport is doing.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LinkHealth {
    /// Whether it works.
    pub state: LinkState,
    /// For how long it has been in that state.
    pub in_state_for: Duration,
    /// Why it last failed, without secrets. Kept after it works again.
    pub last_error: Option<Arc<str>>,
    /// How long ago the server was last heard, if ever. Of listening alone: of publishing the last publish tells.
    pub last_heard: Option<Duration>,
}

impl Health {
    /// The states alone, and why they are interrupted if they are.
    #[must_use]
    pub fn state(&self) -> TransportState {
        TransportState {
            publisher: self.publisher.state,
            listener: self.listener.state,
            publisher_error: self.publisher.interruption().cloned(),
            listener_error: self.listener.interruption().cloned(),
        }
    }
}

impl LinkHealth {
    fn interruption(&self) -> Option<&Arc<str>> {
        self.last_error.as_ref().filter(|_| self.state == LinkState::Interrupted)
    }
}
