//! From classic to sharded pub/sub and back while everything runs, one process after the other, as `docs/deployment.md` says:
//! under a steady stream of numbered events no listener loses or doubles one.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_bus_redis::{Listening, Publishing, RedisConfig, RedisTransport};
use event_bus_tests::{ClusterOptions, Numbered, NumberedBus, RedisCluster, RedisServer, eventually, within};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;

/// How many events of each source pass before the next step.
const BETWEEN_STEPS: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_or_doubled_while_a_server_s_clients_migrate() {
    let server = RedisServer::start();
    migrate(&RedisConfig::new("127.0.0.1", server.port()), &["a", "b", "c"].map(String::from)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_or_doubled_while_a_cluster_s_clients_migrate() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let sources = [0, 1, 2].map(|node| source_of(&cluster, node));
    migrate(&config(&cluster), &sources).await;
}

#[tokio::test]
async fn a_listener_that_migrates_before_the_publishers_is_deaf_to_them() {
    let server = RedisServer::start();
    let config = RedisConfig::new("127.0.0.1", server.port());
    let early = bus(config.clone().listening(Listening::Sharded));
    let mut events = early.listen("a").await.unwrap();
    for (number, publishing) in [(1, Publishing::Classic), (2, Publishing::Both)] {
        let bus = bus(config.clone().publishing(publishing));
        bus.publish_to("a", &Numbered::new("a", number)).await.unwrap();
    }
    assert_eq!(within("an event", events.recv()).await.unwrap().unwrap().number, 2, "and not 1");
}

/// There and back.
async fn migrate(config: &RedisConfig, sources: &[String]) {
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(Listener::start(config, sources).await);
    }
    let publishers: Vec<_> =
        sources.iter().map(|source| Publisher::start(source, bus(config.clone()))).collect();
    let there = (Publishing::Both, Listening::Sharded, Publishing::Sharded);
    let back = (Publishing::Both, Listening::Classic, Publishing::Classic);
    for (first, second, third) in [there, back] {
        for publisher in &publishers {
            publisher.restart(bus(config.clone().publishing(first))).await;
        }
        for listener in &mut listeners {
            listener.restart(&config.clone().listening(second), &publishers).await;
        }
        for publisher in &publishers {
            publisher.restart(bus(config.clone().publishing(third))).await;
        }
    }
    let mut published = BTreeMap::new();
    for publisher in publishers {
        published.insert(publisher.source.clone(), publisher.stop().await);
    }
    println!("{published:?}");
    for listener in listeners {
        assert_eq!(listener.stop(&published).await, published, "each once, up to the last");
    }
}

/// What one service publishes without a pause, numbered from 1.
struct Publisher {
    source: String,
    /// The process that publishes; none when it is to stop.
    bus: watch::Sender<Option<NumberedBus>>,
    published: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl Publisher {
    fn start(source: &str, bus: NumberedBus) -> Self {
        let (bus, buses) = watch::channel(Some(bus));
        let (counter, published) = watch::channel(0);
        #[expect(clippy::disallowed_methods, reason = "it ends when it is stopped")]
        let task = tokio::spawn(publish(source.to_owned(), buses, counter));
        Self { source: source.to_owned(), bus, published, task }
    }

    /// A new process publishes in the place of the old one, and has done so for a while on return.
    async fn restart(&self, bus: NumberedBus) {
        self.bus.send_replace(Some(bus));
        self.flows().await;
    }

    async fn flows(&self) {
        let mut published = self.published.clone();
        let enough = *published.borrow() + BETWEEN_STEPS;
        within("events flow", published.wait_for(|published| *published >= enough)).await.unwrap();
    }

    async fn stop(self) -> u64 {
        self.bus.send_replace(None);
        self.task.await.unwrap();
        *self.published.borrow()
    }
}

async fn publish(source: String, buses: watch::Receiver<Option<NumberedBus>>, counter: watch::Sender<u64>) {
    let mut pace = interval(Duration::from_millis(1));
    for number in 1.. {
        pace.tick().await;
        let Some(bus) = buses.borrow().clone() else { return };
        bus.publish_to(&*source, &Numbered::new(&source, number)).await.unwrap();
        counter.send_replace(number);
    }
}

/// A service that hears all sources, in one process after the other.
struct Listener {
    sources: Vec<String>,
    process: Process,
    /// The last number of each source that a former process has dealt with.
    done: BTreeMap<String, u64>,
}

/// What one process has heard of each source: the first number and the last; all in between, each once.
type Heard = BTreeMap<String, (u64, u64)>;

struct Process {
    bus: NumberedBus,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl Listener {
    async fn start(config: &RedisConfig, sources: &[String]) -> Self {
        let process = Process::start(config, sources).await;
        Self { sources: sources.to_vec(), process, done: BTreeMap::new() }
    }

    /// A new process listens beside the old one until both have heard the same event of each source.
    async fn restart(&mut self, config: &RedisConfig, publishers: &[Publisher]) {
        let new = Process::start(config, &self.sources).await;
        let old = &self.process;
        eventually("both have heard the same", || {
            let (old, new) = (old.heard(), new.heard());
            self.sources
                .iter()
                .all(|source| new.get(source).is_some_and(|(first, _)| *first <= old[source].1))
        })
        .await;
        let old = std::mem::replace(&mut self.process, new);
        hand_over(&mut self.done, &old.stop().await);
        for publisher in publishers {
            publisher.flows().await;
        }
    }

    /// Waits until it has heard up to what was `published`. Returns up to where it has heard everything.
    async fn stop(self, published: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let Self { process, mut done, .. } = self;
        eventually("all is heard", || {
            let heard = process.heard();
            published.iter().all(|(source, last)| heard.get(source).is_some_and(|heard| heard.1 >= *last))
        })
        .await;
        hand_over(&mut done, &process.stop().await);
        done
    }
}

/// What a process has heard continues what was done before.
fn hand_over(done: &mut BTreeMap<String, u64>, heard: &Heard) {
    for (source, (first, last)) in heard {
        let done = done.entry(source.clone()).or_default();
        assert!(*first <= *done + 1, "{source}: {done} and then {first}");
        *done = *last;
    }
}

impl Process {
    async fn start(config: &RedisConfig, sources: &[String]) -> Self {
        let bus = bus(config.clone());
        let mut events = bus.listen(&*sources[0]).await.unwrap();
        for source in &sources[1..] {
            events.add(&**source).await.unwrap();
        }
        let heard = Arc::<Mutex<Heard>>::default();
        let note = Arc::clone(&heard);
        #[expect(clippy::disallowed_methods, reason = "it ends when the bus is closed")]
        let task = tokio::spawn(async move {
            while let Some(item) = events.recv().await {
                let event = item.expect("an event, and no notice of a loss");
                let mut heard = note.lock().unwrap();
                let (_, last) = heard.entry(event.source.clone()).or_insert((event.number, event.number - 1));
                assert_eq!(event.number, *last + 1, "{}: none is lost, and none comes twice", event.source);
                *last = event.number;
            }
        });
        Self { bus, heard, task }
    }

    fn heard(&self) -> Heard {
        assert!(!self.task.is_finished(), "it listens");
        self.heard.lock().unwrap().clone()
    }

    async fn stop(self) -> Heard {
        self.bus.close().await;
        self.task.await.unwrap();
        let heard = self.heard.lock().unwrap();
        heard.clone()
    }
}

fn bus(config: RedisConfig) -> NumberedBus {
    NumberedBus::new(RedisTransport::lazy(config).unwrap())
}

fn config(cluster: &RedisCluster) -> RedisConfig {
    RedisConfig::cluster(cluster.seeds())
}

/// One whose channel is `node`'s.
fn source_of(cluster: &RedisCluster, node: usize) -> String {
    let mut sources = (0..).map(|number| format!("source-{number}"));
    sources.find(|source| cluster.owner_of(&format!("numbered/{source}")) == Some(node)).unwrap()
}
