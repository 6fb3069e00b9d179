//! Many listeners, each in a task of its own, who together hear what a flood brings.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_bus_core::{ChannelFilter, Subscription};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::JoinSet;

use crate::bench::{Bench, Failure, decode};
use crate::contestant::{Contestant, Count, Sample};
use crate::tally::Tally;
use crate::usage::Meter;

/// How many subscriptions are on their way at once.
const AT_ONCE: usize = 1_000;

/// Listeners who stay until this is dropped.
#[derive(Debug)]
pub struct Crowd {
    bench: Arc<Bench>,
    channels: Arc<[String]>,
    /// How many of the listeners hear one message.
    each: u64,
    /// How many messages there were: the next flood goes on with the channel after the last one's.
    sent: AtomicU64,
    tally: Arc<Tally>,
    _tasks: JoinSet<()>,
}

impl Crowd {
    /// Listeners of ours, one for each filter, on one connection. A message to any of `channels` is heard by `each` of them.
    ///
    /// # Errors
    /// If they can't listen.
    pub async fn of_ours(
        bench: &Arc<Bench>,
        filters: Vec<ChannelFilter>,
        channels: Vec<String>,
        each: u64,
    ) -> Result<Self, Failure> {
        let bus = bench.bus().await?;
        let subscriptions = listen_to_all(&bus, filters).await?;
        let (tally, mut tasks) = (Arc::<Tally>::default(), JoinSet::new());
        for subscription in subscriptions {
            tasks.spawn(hear_ours(Arc::clone(bench), subscription, Arc::clone(&tally)));
        }
        Ok(Self {
            bench: Arc::clone(bench),
            channels: channels.into(),
            each,
            sent: AtomicU64::new(0),
            tally,
            _tasks: tasks,
        })
    }

    /// So many listeners of redis-rs on one channel, with a connection each.
    ///
    /// # Errors
    /// If they can't listen.
    pub async fn of_redis_rs(bench: &Arc<Bench>, channel: &str, listeners: u64) -> Result<Self, Failure> {
        let (tally, mut tasks) = (Arc::<Tally>::default(), JoinSet::new());
        for _ in 0..listeners {
            let mut listener = bench.client()?.get_async_pubsub().await?;
            listener.subscribe(channel).await?;
            tasks.spawn(hear_redis_rs(Arc::clone(bench), listener, Arc::clone(&tally)));
        }
        let channels = Arc::from([channel.to_owned()]);
        Ok(Self {
            bench: Arc::clone(bench),
            channels,
            each: listeners,
            sent: AtomicU64::new(0),
            tally,
            _tasks: tasks,
        })
    }

    /// Floods the channels with so many messages, and waits until all that are to hear them have. The value and the
    /// costs are of one delivery.
    ///
    /// # Errors
    /// If a message was lost or changed.
    pub async fn hear(&self, messages: u64) -> Result<Sample, Failure> {
        let deliveries = messages * self.each;
        self.tally.expect(deliveries);
        let sent = self.sent.fetch_add(messages, Ordering::Relaxed);
        let flood = self.bench.flood(Arc::clone(&self.channels), sent, messages)?;
        let meter = Meter::start(&self.bench.probe)?;
        let flood = flood.begin();
        self.tally.all().await?;
        meter.stop_heard(deliveries, messages, flood.join()?)
    }

    /// As [`hear`](Self::hear), but each message is published when all have heard the one before.
    ///
    /// # Errors
    /// If a message was lost or changed.
    pub async fn hear_each(&self, messages: u64) -> Result<Sample, Failure> {
        let mut connection = self.bench.multiplexed().await?;
        let meter = Meter::start(&self.bench.probe)?;
        for _ in 0..messages {
            self.tally.expect(self.each);
            redis::cmd("PUBLISH")
                .arg(&self.channels[0])
                .arg(&self.bench.wire)
                .exec_async(&mut connection)
                .await?;
            self.tally.all().await?;
        }
        meter.stop_heard(messages * self.each, messages, Duration::ZERO)
    }

    /// As a side of a workload, flooded.
    #[must_use]
    pub fn contestant(self, name: &'static str, count: Count) -> Contestant {
        let crowd = Arc::new(self);
        Contestant::new(name, count, move |messages| {
            let crowd = Arc::clone(&crowd);
            async move { crowd.hear(messages).await }
        })
    }
}

/// A subscription for each filter, in any order.
pub(crate) async fn listen_to_all(
    bus: &ExecutionEventBus,
    filters: Vec<ChannelFilter>,
) -> Result<Vec<Subscription<ExecutionEvent>>, Failure> {
    let listening = filters.into_iter().map(|filter| bus.listen(filter));
    Ok(stream::iter(listening).buffer_unordered(AT_ONCE).try_collect().await?)
}

async fn hear_ours(bench: Arc<Bench>, mut events: Subscription<ExecutionEvent>, tally: Arc<Tally>) {
    while let Some(item) = events.recv().await {
        let heard = tally.add();
        let checked = match item {
            Ok(event) => bench.check(heard, &event),
            Err(notice) => Err(notice.into()),
        };
        if let Err(error) = checked {
            return tally.fail(error.to_string());
        }
    }
    tally.fail("a subscription ended".to_owned());
}

async fn hear_redis_rs(bench: Arc<Bench>, listener: redis::aio::PubSub, tally: Arc<Tally>) {
    let mut messages = listener.into_on_message();
    while let Some(message) = messages.next().await {
        let event = decode(message.get_payload_bytes());
        let heard = tally.add();
        if let Err(error) = event.and_then(|event| bench.check(heard, &event)) {
            return tally.fail(error.to_string());
        }
    }
    tally.fail("a connection ended".to_owned());
}
