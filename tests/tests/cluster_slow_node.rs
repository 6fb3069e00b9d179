//! A cluster of which one node is slow for a while, and not dead: what its channels are told, and that nobody else notices.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use event_bus_core::Notice;
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{ClusterOptions, Numbered, NumberedBus, RedisCluster, eventually, within};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

/// How a node is slow.
#[derive(Clone, Copy, Debug)]
enum Slow {
    /// Busy with something else, as with a script that takes long.
    Busy,
    /// For clients alone: the other nodes find it well.
    Paused,
    /// Its whole process.
    Stopped,
}

const ALL: [Slow; 3] = [Slow::Busy, Slow::Paused, Slow::Stopped];

impl Slow {
    /// Slows node 0 down, and returns when that is over.
    async fn down(self, cluster: &Arc<RedisCluster>, time: Duration) {
        match self {
            Self::Busy => {
                let (cluster, seconds) = (Arc::clone(cluster), time.as_secs_f64().to_string());
                spawn_blocking(move || drop(cluster.command(0, &["DEBUG", "SLEEP", &seconds])))
                    .await
                    .unwrap();
            }
            Self::Paused => {
                let _ = cluster.command(0, &["CLIENT", "PAUSE", &time.as_millis().to_string(), "ALL"]);
                sleep(time).await;
            }
            Self::Stopped => {
                cluster.pause(0);
                sleep(time).await;
                cluster.resume(0);
            }
        }
    }
}

/// Numbered events on one channel, one after the other, and what one who listens makes of them.
struct Stream {
    key: String,
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
    publishing: JoinHandle<()>,
    listening: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    acked: Vec<u64>,
    failures: Vec<String>,
    /// The longest that a publish took.
    longest: Duration,
    heard: Vec<Result<u64, Notice>>,
}

impl Stream {
    /// On a channel of `node`'s.
    async fn start(cluster: &RedisCluster, bus: &NumberedBus, node: usize) -> Self {
        let mut keys = (0..).map(|number| format!("k{number}"));
        let key = keys.find(|key| cluster.owner_of(&format!("numbered/{key}")) == Some(node)).unwrap();
        let (seen, is_over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let mut events = bus.listen(&*key).await.unwrap();
        let hears = Arc::clone(&seen);
        let listening = tokio::spawn(async move {
            while let Some(item) = events.recv().await {
                hears.lock().unwrap().heard.push(item.map(|delivery| delivery.number));
            }
        });
        let publishing =
            tokio::spawn(publish(bus.clone(), key.clone(), Arc::clone(&seen), Arc::clone(&is_over)));
        Self { key, seen, is_over, publishing, listening }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Waits until events are heard that are published from now on.
    async fn flows(&self) {
        let published = self.seen().acked.last().copied();
        let newer =
            |seen: &Seen| seen.heard.iter().flatten().filter(|number| Some(**number) > published).count();
        eventually(&format!("{} is heard", self.key), || newer(&self.seen()) >= 10).await;
    }

    /// What was seen, once all that was acknowledged last has been heard.
    async fn end(self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        within("the last publish", self.publishing).await.unwrap();
        let last = *self.seen.lock().unwrap().acked.last().unwrap();
        eventually("the last one", || self.seen.lock().unwrap().heard.iter().flatten().any(|n| *n == last))
            .await;
        self.listening.abort();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn publish(bus: NumberedBus, key: String, seen: Arc<Mutex<Seen>>, is_over: Arc<AtomicBool>) {
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let begin = Instant::now();
        let outcome = bus.publish_to(&*key, &Numbered::new("s", number)).await;
        {
            let mut seen = seen.lock().unwrap();
            seen.longest = seen.longest.max(begin.elapsed());
            match outcome {
                Ok(_) => seen.acked.push(number),
                Err(error) => seen.failures.push(error.to_string()),
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}

impl Seen {
    /// Everything was published, and heard, as if nothing had been.
    fn is_undisturbed(&self) {
        assert!(self.failures.is_empty(), "{:?}", self.failures);
        let heard: Vec<u64> =
            self.heard.iter().map(|item| *item.as_ref().expect("nothing to tell")).collect();
        assert_eq!(heard, self.acked);
    }

    /// What was acknowledged was heard once and in order, or is missing where an interruption was told, which is over. (An
    /// event of which nobody knew whether it was published may come late.)
    fn is_told_truly(&self) {
        let acked: BTreeSet<u64> = self.acked.iter().copied().collect();
        let mut next = acked.iter().copied().peekable();
        let (mut is_whole, mut was_interrupted) = (true, false);
        for item in &self.heard {
            match item {
                Ok(number) if acked.contains(number) => {
                    let missed = std::iter::from_fn(|| next.next_if(|due| due < number)).count();
                    assert!(
                        missed == 0 || was_interrupted,
                        "{missed} before {number} are missing in silence"
                    );
                    assert_eq!(next.next(), Some(*number), "once, and in order");
                    assert!(is_whole, "{number} came while it was cut off");
                    was_interrupted = false;
                }
                Ok(_) => {}
                Err(Notice::Interrupted) => (is_whole, was_interrupted) = (false, true),
                Err(Notice::Resumed { .. }) => is_whole = true,
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(next.next(), None, "all was heard to the end");
    }

    fn interruptions(&self) -> usize {
        self.heard.iter().filter(|item| matches!(item, Err(Notice::Interrupted))).count()
    }
}

async fn slowed_down(slow: Slow, time: Duration, adapt: fn(RedisConfig) -> RedisConfig) -> Vec<Seen> {
    // Long enough for the other nodes not to give it up: that is another story.
    let options = ClusterOptions::default().replicas(0).node_timeout(Duration::from_secs(10));
    let cluster = Arc::new(RedisCluster::start_with(options.line("enable-debug-command yes")));
    let config = RedisConfig::cluster(cluster.seeds()).ping_interval(Duration::from_millis(200));
    let bus = NumberedBus::new(RedisTransport::lazy(adapt(config.sharded())).unwrap());
    let mut streams = Vec::new();
    for node in 0..3 {
        streams.push(Stream::start(&cluster, &bus, node).await);
    }
    for stream in &streams {
        stream.flows().await;
    }
    slow.down(&cluster, time).await;
    for stream in &streams {
        stream.flows().await;
    }
    let mut seen = Vec::new();
    for stream in streams {
        seen.push(stream.end().await);
    }
    let longest: Vec<Duration> = seen.iter().map(|seen| seen.longest).collect();
    println!(
        "{slow:?} for {time:?}: longest publishes {longest:.0?}, {} interruptions, {} failures",
        seen[0].interruptions(),
        seen[0].failures.len()
    );
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_slow_for_longer_than_the_timeouts_is_told_and_comes_back_and_others_go_on() {
    for slow in ALL {
        let time = Duration::from_millis(2500);
        let seen =
            slowed_down(slow, time, |config| config.response_timeout(Duration::from_millis(500))).await;
        seen[0].is_told_truly();
        assert!(seen[0].interruptions() > 0, "{slow:?}");
        for other in &seen[1..] {
            other.is_undisturbed();
            assert!(other.longest < time * 3 / 4, "{slow:?}: {:?}", other.longest);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_slow_for_less_than_the_timeouts_is_waited_for() {
    for slow in ALL {
        let time = Duration::from_millis(2500);
        let seen = slowed_down(slow, time, |config| config.response_timeout(Duration::from_secs(8))).await;
        seen.iter().for_each(Seen::is_undisturbed);
        assert!(seen[0].longest >= time * 3 / 4, "{slow:?}: it was slow: {:?}", seen[0].longest);
        for other in &seen[1..] {
            assert!(other.longest < time * 3 / 4, "{slow:?}: {:?}", other.longest);
        }
    }
}
