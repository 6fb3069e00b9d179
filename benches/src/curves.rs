//! The curves that `growth` draws: what is measured at each point, on a server of its own.

use std::sync::Arc;
use std::time::Instant;

use event_bus_core::{ChannelFilter, ChannelKey, KeyPattern};
use event_bus_redis::RedisTransport;
use event_bus_tests::{Numbered, NumberedBus};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::bench::{Bench, Failure, encode};
use crate::contestant::{Contestant, Count, Sample};
use crate::growth::{Curve, Point};
use crate::measure::{Effort, measure};
use crate::usage::Meter;
use crate::workload::crowd::{Crowd, listen_to_all};

/// A curve that can be measured.
#[derive(Clone, Copy, Debug)]
pub struct Measurable {
    title: &'static str,
    size: &'static str,
    why: &'static str,
    sizes: &'static [u64],
    point: fn(Arc<Bench>, u64) -> BoxFuture<'static, Result<Side, Failure>>,
}

/// What is run for one point, and for how many units of its samples the point is.
#[derive(Debug)]
pub struct Side {
    contestant: Contestant,
    units: u64,
}

const DECADES: &[u64] = &[1, 10, 100, 1_000, 10_000];

/// All of them.
pub const ALL: [Measurable; 6] = [
    Measurable {
        title: "payload: publish awaited and heard, typed",
        size: "wire bytes",
        why: "A fixed cost of the round trip at first; then each byte is encoded, sent twice and decoded.",
        sizes: &[100, 1_000, 10_000, 100_000, 1 << 20],
        point: |bench, bytes| payload(bench, bytes).boxed(),
    },
    Measurable {
        title: "listeners on one channel: a message to all of them",
        size: "listeners",
        why: "The message is received and decoded once; each listener adds a place in its queue and a wake-up.",
        sizes: DECADES,
        point: |bench, listeners| one_channel(bench, listeners).boxed(),
    },
    Measurable {
        title: "listeners on distinct channels: a message to one of them",
        size: "listeners",
        why: "One look into a map: flat, but for caches that no longer hold everything.",
        sizes: DECADES,
        point: |bench, listeners| distinct_channels(bench, listeners).boxed(),
    },
    Measurable {
        title: "listeners on distinct channels: until all are confirmed",
        size: "listeners",
        why: "A fixed cost of the round trip at first; then each costs a name in a command, a confirmation and room in caches.",
        sizes: DECADES,
        point: |bench, listeners| confirmed(bench, listeners).boxed(),
    },
    Measurable {
        title: "patterns of which one matches: a message to one listener",
        size: "patterns",
        why: "Beyond 32 they are folded into one for the server; the client looks into a map.",
        sizes: &[1, 10, 100, 1_000],
        point: |bench, patterns| one_matches(bench, patterns).boxed(),
    },
    Measurable {
        title: "patterns that all match: a message to all of them",
        size: "patterns",
        why: "The server sends the message once for each pattern, and each time a listener hears it.",
        sizes: &[1, 10, 100, 1_000],
        point: |bench, patterns| all_match(bench, patterns).boxed(),
    },
];

impl Measurable {
    /// Measures it, each point on a server of its own, since the server tries all patterns that it has.
    ///
    /// # Errors
    /// If a message was lost or changed, or something does not work.
    pub async fn measure(&self, effort: Effort) -> Result<Curve, Failure> {
        let mut points = Vec::new();
        for size in self.sizes {
            let Side { contestant, units } = (self.point)(Bench::start()?, *size).await?;
            let rounds = measure(&mut [contestant], effort, |_| None).await?;
            let units = crate::usage::count(units);
            let median =
                |value: fn(&Sample) -> Option<f64>| rounds.median(0, value).unwrap_or(f64::NAN) * units;
            points.push(Point {
                size: *size,
                micros: units * 1e6 / rounds.best(0),
                client: median(|sample| Some(sample.client)),
                server: median(|sample| sample.server),
            });
        }
        Ok(Curve { title: self.title, size: self.size, why: self.why, points })
    }
}

async fn payload(bench: Arc<Bench>, bytes: u64) -> Result<Side, Failure> {
    let bus = NumberedBus::new(RedisTransport::connect(bench.url()).await?);
    let event = Arc::new(padded(usize::try_from(bytes)?)?);
    let contestant = Contestant::new("payload", Count::Steps(1), move |count| {
        let (bench, bus, event) = (Arc::clone(&bench), bus.clone(), Arc::clone(&event));
        async move {
            let mut events = bus.listen(&bench.key).await?;
            let meter = Meter::start(&bench.probe)?;
            for _ in 0..count {
                bus.publish_to(bench.key.clone(), &event).await?;
                let heard = events.recv().await.ok_or("it ended")??;
                if *heard != *event {
                    return Err("another event than was sent".into());
                }
            }
            meter.stop(count)
        }
    });
    Ok(Side { contestant, units: 1 })
}

/// A small event with as much text in it as makes its message so long.
fn padded(bytes: usize) -> Result<Numbered, Failure> {
    let with_text = |length: usize| Numbered::new(&"x".repeat(length), 1);
    let rest = encode(&with_text(0))?.len();
    Ok(with_text(bytes.checked_sub(rest).ok_or("the event alone is longer")?))
}

async fn one_channel(bench: Arc<Bench>, listeners: u64) -> Result<Side, Failure> {
    let filters = vec![bench.key.clone().into(); usize::try_from(listeners)?];
    let crowd = Crowd::of_ours(&bench, filters, vec![bench.channel.clone()], listeners).await?;
    Ok(Side { contestant: crowd.contestant("one channel", Count::Steps(10)), units: listeners })
}

async fn distinct_channels(bench: Arc<Bench>, listeners: u64) -> Result<Side, Failure> {
    let keys = keys(listeners)?;
    let channels = keys.iter().map(|key| bench.channel_of(key.as_str())).collect();
    let filters = keys.into_iter().map(Into::into).collect();
    let crowd = Crowd::of_ours(&bench, filters, channels, 1).await?;
    Ok(Side { contestant: crowd.contestant("distinct channels", Count::Steps(100)), units: 1 })
}

async fn confirmed(bench: Arc<Bench>, listeners: u64) -> Result<Side, Failure> {
    let bus = bench.bus().await?;
    let contestant = Contestant::new("confirmed", Count::Fixed(listeners), move |count| {
        let (bench, bus) = (Arc::clone(&bench), bus.clone());
        async move {
            let filters = keys(count)?.into_iter().map(Into::into).collect();
            let meter = Meter::start(&bench.probe)?;
            let started = Instant::now();
            let subscriptions = listen_to_all(&bus, filters).await?;
            let took = started.elapsed();
            let sample = meter.stop_heard(count, 0, std::time::Duration::ZERO)?;
            drop(subscriptions);
            drop(bus.listen("behind").await?); // what was dropped before is unsubscribed by now
            Ok(Sample { value: crate::usage::count(count) / took.as_secs_f64(), ..sample })
        }
    });
    Ok(Side { contestant, units: listeners })
}

async fn one_matches(bench: Arc<Bench>, patterns: u64) -> Result<Side, Failure> {
    let filters = (0..patterns).map(|number| Ok(KeyPattern::new(format!("user-{number}/*"))?.into()));
    let filters: Vec<ChannelFilter> = filters.collect::<Result<_, Failure>>()?;
    let channels = (0..patterns).map(|number| bench.channel_of(&format!("user-{number}/run"))).collect();
    let crowd = Crowd::of_ours(&bench, filters, channels, 1).await?;
    Ok(Side { contestant: crowd.contestant("one matches", Count::Steps(100)), units: 1 })
}

/// Each of the patterns is another text, and takes the same letter.
async fn all_match(bench: Arc<Bench>, patterns: u64) -> Result<Side, Failure> {
    let filters = (0..patterns).map(|number| Ok(KeyPattern::new(format!("all/[x{number}]"))?.into()));
    let filters: Vec<ChannelFilter> = filters.collect::<Result<_, Failure>>()?;
    let crowd = Crowd::of_ours(&bench, filters, vec![bench.channel_of("all/x")], patterns).await?;
    Ok(Side { contestant: crowd.contestant("all match", Count::Steps(10)), units: patterns })
}

fn keys(number: u64) -> Result<Vec<ChannelKey>, Failure> {
    (0..number).map(|number| Ok(ChannelKey::new(format!("user-{number}"))?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_as_long_as_it_says() {
        for bytes in ALL[0].sizes {
            let bytes = usize::try_from(*bytes).unwrap();
            assert_eq!(encode(&padded(bytes).unwrap()).unwrap().len(), bytes);
        }
        assert!(padded(10).is_err());
    }
}
