//! Listeners: each listens to one channel or a pattern, over one connection with all others, and writes down what
//! it hears, until it has heard the farewell.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_bus_core::{Delivery, ErrorKind, EventBus, KeyPattern, Notice, Result, Subscription};
use tokio::time::sleep;

use super::event::{FAREWELL, LineChannel, Stamped, StampedBus};
use super::options::PubSub;
use super::record::{Clock, ENOUGH, Heard, Item, Stream};
use super::site::Carrier;

/// How many messages the one that naps may queue: fewer than come while it sleeps.
const SMALL_QUEUE: usize = 64;
/// How many items it reads between two naps: more than it may queue, so a notice waits for one nap at most.
const BETWEEN_NAPS: u32 = 100;
const NAP: Duration = Duration::from_millis(400);

/// What a listener does.
#[derive(Clone, Debug)]
pub(super) struct Role {
    number: u32,
    filter: Filter,
    way: Way,
    lines: Vec<u32>,
    /// Listens some time after the start.
    joins_after: Duration,
    naps: bool,
}

/// Which channels somebody listens to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Filter {
    Line(u32),
    All,
    FirstTwo,
    /// Those whose number ends in this digit.
    EndingIn(u32),
}

/// How channels are listened to, and how many are published to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) delivery: PubSub,
    pub(super) channels: u32,
}

/// What the listeners of a run have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) clock: Clock,
    /// When the faults were over, in microseconds since the start; in the far future until then.
    pub(super) calm_micros: AtomicU64,
}

/// One who hears everything and naps, the others by turns on one channel, on all, on some; some join late.
pub(super) fn roles(listeners: u32, way: Way, random: &mut fastrand::Rng) -> Vec<Role> {
    let channels = way.channels;
    let role = |number: u32| {
        let naps = listeners > 2 && number == listeners - 1;
        let (filter, lines) = match number % 4 {
            _ if naps => (Filter::All, (0..channels).collect()),
            1 => (Filter::All, (0..channels).collect()),
            3 => (Filter::FirstTwo, (0..channels.min(2)).collect()),
            _ => (Filter::Line(number / 2 % channels), vec![number / 2 % channels]),
        };
        let is_late = number >= 2 && random.bool();
        let joins_after = if is_late { Duration::from_millis(random.u64(..4000)) } else { Duration::ZERO };
        Role { number, filter, way, lines, joins_after, naps }
    };
    (0..listeners).map(role).collect()
}

/// Listens until the farewell has come on every channel, or the transport is closed.
pub(super) async fn listen(
    role: Role,
    carrier: Carrier,
    common: Arc<Common>,
    mut random: fastrand::Rng,
    on_heard_enough: impl FnOnce(),
) -> Stream {
    let mut on_heard_enough = Some(on_heard_enough);
    let mut heard = 0;
    sleep(role.joins_after).await;
    let Some(mut events) = role.subscribe(&carrier).await else { return role.stream_that_never_began() };
    let confirmed = common.clock.now();
    let mut items = Vec::new();
    let mut missing_farewells: HashSet<u32> = role.lines.iter().copied().collect();
    let mut until_nap = BETWEEN_NAPS;
    while !missing_farewells.is_empty() {
        let Some(item) = events.recv().await else { break };
        let at = common.clock.now();
        if let Ok(event) = &item
            && event.publisher == FAREWELL
        {
            missing_farewells.remove(&event.channel);
        } else if let Ok(event) = &item {
            heard += 1;
            if heard >= ENOUGH
                && event.sent_micros >= common.calm_micros.load(Ordering::Relaxed)
                && let Some(tell) = on_heard_enough.take()
            {
                tell();
            }
        }
        items.push(Heard { at, item: record(item) });
        until_nap = until_nap.saturating_sub(1);
        let is_calm = common.calm_micros.load(Ordering::Relaxed) < u64::MAX; // nobody may miss a farewell
        if role.naps && !is_calm && until_nap == 0 && random.u8(..20) == 0 {
            until_nap = BETWEEN_NAPS;
            sleep(NAP.mul_f64(random.f64())).await;
        }
    }
    let is_complete = missing_farewells.is_empty();
    Stream { confirmed, items, is_complete, ..role.stream_that_never_began() }
}

fn record(item: Result<Delivery<Stamped>, Notice>) -> Item {
    match item {
        Ok(event) if event.is_whole(event.channel().key()) => Item::Event(event.id()),
        Ok(event) => Item::Corrupted(event.id()),
        Err(Notice::Lagged { missed }) => Item::Lagged { missed },
        Err(Notice::Gap { channel, missed }) => match line_of(channel.key()) {
            Some(channel) => Item::Gap { channel, missed },
            None => Item::Other(format!("a gap on {channel}")),
        },
        Err(Notice::Interrupted) => Item::Interrupted,
        Err(Notice::Resumed { down_for }) => Item::Resumed { down_for },
        Err(other) => Item::Other(other.to_string()),
    }
}

fn line_of(key: &str) -> Option<u32> {
    key.strip_prefix("line/")?.parse().ok()
}

impl Role {
    /// Again and again, since the server may be away just now; `None` once the transport is closed.
    async fn subscribe(&self, carrier: &Carrier) -> Option<Subscription<Stamped>> {
        let builder = carrier.builder();
        let builder = if self.naps { builder.queue_messages(SMALL_QUEUE) } else { builder };
        let bus: StampedBus = builder.build().expect("a queue of more than nothing");
        loop {
            match self.filter.listen(&bus, self.way).await {
                Ok(events) => return Some(events),
                Err(error) if error.kind() == ErrorKind::Closed => return None,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn stream_that_never_began(self) -> Stream {
        let filter = match self.filter {
            Filter::Line(line) => format!("on line {line}"),
            Filter::All => "on all lines".to_owned(),
            Filter::FirstTwo => "on lines 0 and 1".to_owned(),
            Filter::EndingIn(digit) => format!("on lines that end in {digit}"),
        };
        Stream {
            name: format!("{} ({filter}{})", self.number, if self.naps { ", napping" } else { "" }),
            lines: self.lines,
            confirmed: Duration::MAX,
            nap: if self.naps { NAP } else { Duration::ZERO },
            items: Vec::new(),
            is_complete: false,
        }
    }
}

impl Filter {
    pub(super) async fn listen(self, bus: &StampedBus, way: Way) -> Result<Subscription<Stamped>> {
        let events: &EventBus<Stamped> = bus;
        match (self, way.delivery) {
            (Self::Line(channel), _) => bus.line(LineChannel { channel }).listen().await,
            (_, PubSub::Sharded) => listen_to_all(events, &self.lines(way.channels)).await,
            (Self::All, _) => events.listen(KeyPattern::new("line/*")?).await,
            (Self::FirstTwo, _) => events.listen(KeyPattern::new("line/[01]")?).await,
            (Self::EndingIn(digit), _) => events.listen(KeyPattern::new(format!("line/*{digit}"))?).await,
        }
    }

    /// The channels that it stands for, and one at least.
    fn lines(self, channels: u32) -> Vec<u32> {
        match self {
            Self::Line(line) => vec![line],
            Self::All => (0..channels).collect(),
            Self::FirstTwo => (0..channels.min(2)).collect(),
            Self::EndingIn(digit) => (digit..channels.max(digit + 1)).step_by(10).collect(),
        }
    }
}

/// One after the other, where there are no patterns.
async fn listen_to_all(bus: &EventBus<Stamped>, lines: &[u32]) -> Result<Subscription<Stamped>> {
    let key = |line: &u32| format!("line/{line}");
    let (first, others) = lines.split_first().expect("one channel at least");
    let mut events = bus.listen(key(first).as_str()).await?;
    for line in others {
        events.add(key(line).as_str()).await?;
    }
    Ok(events)
}
