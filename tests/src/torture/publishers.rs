//! Publishers: each has a connection of its own, numbers its events per channel, awaits every publish, and writes
//! down what came of it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_bus_core::ErrorKind;
use tokio::time::sleep;

use super::event::{FAREWELL, Stamped, StampedBus};
use super::record::{Clock, EventId, Outcome, Published, Time};

/// How often the last event on a channel is tried: the machine is busy, and no fault is left.
const LAST_ATTEMPTS: u32 = 20;

/// Publishes under one number, on one of its channels by chance, and writes down what comes of it.
#[derive(Debug)]
pub(super) struct Voice {
    number: u32,
    bus: StampedBus,
    lines: Vec<u32>,
    clock: Clock,
    random: fastrand::Rng,
    next_numbers: HashMap<u32, u64>,
    published: Vec<Published>,
}

/// One that publishes now and then, and now and then much.
pub(super) struct Publisher {
    pub(super) voice: Voice,
    /// When nobody publishes.
    pub(super) quiet: Arc<[Range<Time>]>,
    pub(super) is_over: Arc<AtomicBool>,
}

impl Voice {
    pub(super) fn new(
        number: u32,
        bus: StampedBus,
        lines: Vec<u32>,
        clock: Clock,
        random: fastrand::Rng,
    ) -> Self {
        let (next_numbers, published) = (HashMap::new(), Vec::new());
        Self { number, bus, lines, clock, random, next_numbers, published }
    }

    pub(super) async fn publish_next(&mut self) {
        let channel = self.lines[self.random.usize(..self.lines.len())];
        self.publish_on(channel).await;
    }

    async fn publish_on(&mut self, channel: u32) -> Outcome {
        let next_number = self.next_numbers.entry(channel).or_default();
        let id = EventId { publisher: self.number, channel, number: *next_number };
        *next_number += 1;
        let published = publish_one(&self.bus, id, self.clock).await;
        self.published.push(published);
        published.outcome
    }

    /// All of it, once a last event has gone out on each channel: what is lost before shows by its number.
    pub(super) async fn published(mut self) -> Vec<Published> {
        for channel in self.lines.clone() {
            let mut attempts = if self.next_numbers.contains_key(&channel) { LAST_ATTEMPTS } else { 0 };
            while attempts > 0 && self.publish_on(channel).await != Outcome::Acked {
                attempts -= 1;
            }
        }
        self.published
    }
}

impl Publisher {
    /// Publishes until `is_over`.
    pub(super) async fn publish(mut self) -> Vec<Published> {
        let mut left_of_burst = 0_u32;
        while !self.is_over.load(Ordering::Relaxed) {
            self.voice.publish_next().await;
            if left_of_burst > 0 {
                left_of_burst -= 1;
                continue;
            }
            if self.voice.random.u8(..50) == 0 {
                left_of_burst = self.voice.random.u32(20..200);
            }
            sleep(self.pause()).await;
        }
        self.voice.published().await
    }

    fn pause(&mut self) -> Duration {
        let pause = Duration::from_millis(self.voice.random.u64(1..6));
        let now = self.voice.clock.now();
        self.quiet
            .iter()
            .find(|quiet| quiet.contains(&now))
            .map_or(pause, |quiet| quiet.end.saturating_sub(now) + pause)
    }
}

/// Now and then nothing happens for longer than a listener trusts in silence. The last one may be cut short by the end.
pub(super) fn quiet_times(until: Time, random: &mut fastrand::Rng) -> Arc<[Range<Time>]> {
    let mut times = Vec::new();
    let mut begin = Duration::from_millis(random.u64(2_000..5_000));
    while begin < until {
        let end = begin + Duration::from_millis(random.u64(1_200..3_200));
        times.push(begin..end);
        begin = end + Duration::from_millis(random.u64(3_000..6_000));
    }
    times.into()
}

async fn publish_one(bus: &StampedBus, id: EventId, clock: Clock) -> Published {
    let sent = clock.now();
    let result = bus.publish(&Stamped::new(id, sent)).await;
    let outcome = match result.map_err(|error| error.kind()) {
        Ok(_) => Outcome::Acked,
        Err(ErrorKind::OutcomeUnknown) => Outcome::Unknown,
        Err(ErrorKind::Denied) => Outcome::Denied,
        Err(_) => Outcome::NotSent,
    };
    Published { id, sent, done: clock.now(), outcome }
}

/// Tells the listeners on every channel that nothing more comes, again and again: until this is dropped.
pub(super) async fn say_farewell(
    bus: &StampedBus,
    channels: u32,
    clock: Clock,
    published: &mut Vec<Published>,
) {
    for number in 0.. {
        for channel in 0..channels {
            let (id, sent) = (EventId { publisher: FAREWELL, channel, number }, clock.now());
            published.push(Published { id, sent, done: sent, outcome: Outcome::Farewell });
            let _ = bus.publish(&Stamped::new(id, sent)).await; // there is a next time
        }
        sleep(Duration::from_millis(100)).await;
    }
}
