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
    /// The server refused us, so it was not sent either.
    Denied,
    /// A farewell: nobody has to hear this very one, but whoever drops some to make room may count it.
    Farewell,
}

/// The server executed it between `sent` and `done` if it was acknowledged; at some time after `sent`, or never, if
/// the outcome is unknown or nobody asked.
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
    /// The password of the bus's user changes.
    Rotate,
    /// A master is killed until another has taken over, or has to make room for another.
    Failover,
    /// A slot with channels moves to another master.
    Migrate,
    /// A node is cut off from the other servers, while clients reach all of them.
    Isolate,
}

/// The server was not well from `begin` to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) begin: Time,
    pub(super) end: Time,
    /// Within which time a listener must have noticed it, if it lasts so long.
    pub(super) within: Duration,
    pub(super) reach: Reach,
    /// Of several servers, when another had taken over.
    pub(super) elected: Option<Time>,
    pub(super) deposed: Option<Deposed>,
}

/// Whom a fault of one of several servers concerns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Whoever listens to one of these may be told.
    pub(super) may_tell: Lines,
    /// Whoever listens to one of these must be told.
    pub(super) must_tell: Lines,
    /// How many outages it may cause.
    pub(super) outages: u32,
    /// Until when it may still begin one, besides what every fault is granted.
    pub(super) tells_until: Time,
    /// Channels of which two nodes pass on events, each in its own time, until everybody publishes to the new owner.
    pub(super) in_disorder: Lines,
}

/// Servers acknowledge what reaches no listener: they have a successor and don't know, or are cut off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deposed {
    pub(super) lines: Lines,
    pub(super) from: Time,
    /// From when on everybody who asks is told of the successor, or all is well again.
    pub(super) succeeded: Time,
}

/// A set of channels, of which there are no more than these bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines(u64);

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

impl Outcome {
    /// Whether nobody can have heard it.
    pub(super) fn is_nothing(self) -> bool {
        matches!(self, Self::NotSent | Self::Denied)
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

impl Lines {
    pub(super) const MOST: u32 = u64::BITS;
    pub(super) const NONE: Self = Self(0);
    /// Those beyond the bits, too.
    pub(super) const ALL: Self = Self(u64::MAX);

    pub(super) fn contain(self, line: u32) -> bool {
        self == Self::ALL || 1_u64.checked_shl(line).is_some_and(|bit| self.0 & bit != 0)
    }

    pub(super) fn contain_any(self, lines: &[u32]) -> bool {
        lines.iter().any(|line| self.contain(*line))
    }
}

impl FromIterator<u32> for Lines {
    fn from_iter<I: IntoIterator<Item = u32>>(lines: I) -> Self {
        Self(lines.into_iter().filter_map(|line| 1_u64.checked_shl(line)).fold(0, |all, bit| all | bit))
    }
}

impl Reach {
    /// A fault that nobody may feel.
    pub(super) fn of_nobody() -> Self {
        Self { may_tell: Lines::NONE, must_tell: Lines::NONE, outages: 0, ..Self::of_all(Time::ZERO) }
    }

    /// All who listen to the one server, or to any.
    pub(super) fn of_all(tells_until: Time) -> Self {
        let in_disorder = Lines::NONE;
        Self { may_tell: Lines::ALL, must_tell: Lines::ALL, outages: 1, tells_until, in_disorder }
    }
}

impl Fault {
    /// From when on a listener might hear again: from the end; of several servers, from the begin, as it is for them to
    /// end it.
    pub(super) fn counts_from(&self) -> Time {
        if self.is_upheaval() { self.begin } else { self.end }
    }

    /// Whether others may take over.
    pub(super) fn is_upheaval(&self) -> bool {
        self.elected.is_some()
            || matches!(self.kind, FaultKind::Failover | FaultKind::Migrate | FaultKind::Isolate)
    }

    pub(super) fn lasted(&self) -> Duration {
        self.end.saturating_sub(self.begin)
    }
}

impl FaultKind {
    pub(super) const ALL: [Self; 13] = [
        Self::Kill,
        Self::Restart,
        Self::Stop,
        Self::Cut,
        Self::BlackHole,
        Self::Slow,
        Self::Flood,
        Self::Drop,
        Self::Lose,
        Self::Rotate,
        Self::Failover,
        Self::Migrate,
        Self::Isolate,
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
            Self::Rotate => "rotate",
            Self::Failover => "failover",
            Self::Migrate => "migrate",
            Self::Isolate => "isolate",
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
