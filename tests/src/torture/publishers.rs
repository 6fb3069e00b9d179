//! Publishers: each has a connection of its own, numbers its events per channel, awaits every publish, and writes
//! down what came of it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_bus_core::{ErrorKind, Result};
use event_bus_redis::{RedisConfig, RedisTransport};
use tokio::time::sleep;

use super::event::{FAREWELL, Stamped, StampedBus};
use super::record::{Clock, EventId, Outcome, Published, Time};

/// One publisher.
pub(super) struct Publisher {
    pub(super) number: u32,
    pub(super) bus: StampedBus,
    pub(super) channels: u32,
    pub(super) clock: Clock,
    pub(super) random: fastrand::Rng,
    /// When nobody publishes.
    pub(super) quiet: Arc<[Range<Time>]>,
    pub(super) is_over: Arc<AtomicBool>,
}

impl Publisher {
    /// Publishes until `is_over`.
    pub(super) async fn publish(mut self) -> Vec<Published> {
        let mut next_numbers: HashMap<u32, u64> = HashMap::new();
        let mut outcomes = Vec::new();
        let mut left_of_burst = 0_u32;
        while !self.is_over.load(Ordering::Relaxed) {
            let channel = self.random.u32(..self.channels);
            let next_number = next_numbers.entry(channel).or_default();
            let id = EventId { publisher: self.number, channel, number: *next_number };
            *next_number += 1;
            outcomes.push(publish_one(&self.bus, id, self.clock).await);
            if left_of_burst > 0 {
                left_of_burst -= 1;
                continue;
            }
            if self.random.u8(..50) == 0 {
                left_of_burst = self.random.u32(20..200);
            }
            sleep(self.pause()).await;
        }
        outcomes
    }

    fn pause(&mut self) -> Duration {
        let pause = Duration::from_millis(self.random.u64(1..6));
        let now = self.clock.now();
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
        Err(_) => Outcome::NotSent,
    };
    Published { id, sent, done: clock.now(), outcome }
}

/// A bus of the publisher's own. Every other one gives up early, so that some events are surely not sent.
pub(super) async fn connect(publisher: u32, url: &str) -> Result<StampedBus> {
    let mut config = RedisConfig::from_url(url)?;
    if publisher % 2 == 1 {
        config =
            config.publish_timeout(Duration::from_millis(150)).response_timeout(Duration::from_millis(800));
    }
    Ok(StampedBus::new(RedisTransport::connect(config).await?))
}

/// Tells the listeners on every channel that nothing more comes, again and again: until this is dropped.
pub(super) async fn say_farewell(bus: &StampedBus, channels: u32, clock: Clock) {
    for number in 0.. {
        for channel in 0..channels {
            let id = EventId { publisher: FAREWELL, channel, number };
            let _ = bus.publish(&Stamped::new(id, clock.now())).await; // there is a next time
        }
        sleep(Duration::from_millis(100)).await;
    }
}
