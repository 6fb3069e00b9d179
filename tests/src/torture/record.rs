//! What is written down during a run: who published what and what came of it, what each listener heard, and what was
//! done to the server. All that the checker knows.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

/// Since the start of the run.
pub(super) type Time = Duration;

/// However short a run is, fewer events than these at one listener prove nothing.
pub(super) const ENOUGH: usize = 100;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

/// One event: the `number`th that `publisher` published on `channel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct EventId {
    pub(super) publisher: u32,
    pub(super) channel: u32,
    pub(super) number: u64,
}

/// What the publisher was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Acked,
    Unknown,
    NotSent,
}

/// The server executed it between `sent` and `done` if it was acknowledged; at some time after `sent`, or never, if
/// the outcome is unknown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    pub(super) id: EventId,
    pub(super) sent: Time,
    pub(super) done: Time,
    pub(super) outcome: Outcome,
}

/// All that was published.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    events: Vec<Published>,
    places: HashMap<EventId, usize>,
}

/// What one listener heard.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    /// The channels it listened to.
    pub(super) lines: Vec<u32>,
    /// When `listen` had returned.
    pub(super) confirmed: Time,
    /// How long it sleeps at most before it reads on.
    pub(super) nap: Duration,
    pub(super) items: Vec<Heard>,
    /// Whether it heard the farewell on all of its channels. Else nothing is known about the end.
    pub(super) is_complete: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) at: Time,
    pub(super) item: Item,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Event(EventId),
    /// An event that is not as it was published.
    Corrupted(EventId),
    Lagged {
        missed: u64,
    },
    Interrupted,
    Resumed {
        down_for: Duration,
    },
    /// By their numbers, so many are missing on the channel before the next event there.
    Gap {
        channel: u32,
        missed: u64,
    },
    /// Anything else, of which nothing should happen here.
    Other(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FaultKind {
    Kill,
    Restart,
    Stop,
    Cut,
    BlackHole,
    /// Bytes crawl, or arrive late.
    Slow,
    /// Much is published at once.
    Flood,
    /// One message vanishes, and that is told.
    Drop,
    /// Messages vanish on their way to the listeners, on connections that look healthy.
    Lose,
}

/// The server was not well from `begin` to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) begin: Time,
    pub(super) end: Time,
    /// Within which time a listener must have noticed it, if it lasts so long.
    pub(super) within: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// In whole microseconds, as events carry it.
    pub(super) fn now(self) -> Time {
        let micros = self.0.elapsed().as_micros();
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl Published {
    /// When the server had executed it at the latest.
    pub(super) fn executed_by(&self) -> Time {
        if self.outcome == Outcome::Acked { self.done } else { Time::MAX }
    }
}

impl Ledger {
    pub(super) fn of(events: Vec<Published>) -> Self {
        let places = events.iter().enumerate().map(|(place, event)| (event.id, place)).collect();
        Self { events, places }
    }

    pub(super) fn get(&self, id: EventId) -> Option<&Published> {
        self.places.get(&id).map(|place| &self.events[*place])
    }

    pub(super) fn all(&self) -> &[Published] {
        &self.events
    }

    pub(super) fn count(&self, outcome: Outcome) -> usize {
        self.events.iter().filter(|event| event.outcome == outcome).count()
    }
}

impl Stream {
    pub(super) fn hears(&self, event: &Published) -> bool {
        self.lines.contains(&event.id.channel)
    }
}

impl Heard {
    pub(super) fn event(&self) -> Option<EventId> {
        if let Item::Event(id) = self.item { Some(id) } else { None }
    }

    pub(super) fn is_notice(&self) -> bool {
        !matches!(self.item, Item::Event(_) | Item::Corrupted(_))
    }
}

impl Fault {
    pub(super) fn lasted(&self) -> Duration {
        self.end.saturating_sub(self.begin)
    }
}

impl FaultKind {
    pub(super) const ALL: [Self; 9] = [
        Self::Kill,
        Self::Restart,
        Self::Stop,
        Self::Cut,
        Self::BlackHole,
        Self::Slow,
        Self::Flood,
        Self::Drop,
        Self::Lose,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Cut => "cut",
            Self::BlackHole => "blackhole",
            Self::Slow => "slow",
            Self::Flood => "flood",
            Self::Drop => "drop",
            Self::Lose => "lose",
        }
    }

    /// Whether a listener may be told of an outage because of it.
    pub(super) fn may_interrupt(self) -> bool {
        !self.holds_back() && self != Self::Lose
    }

    /// Whether events arrive late because of it, and nothing else happens to them.
    pub(super) fn holds_back(self) -> bool {
        matches!(self, Self::Slow | Self::Flood)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} of publisher {} on line {}", self.number, self.publisher, self.channel)
    }
}
