//! Many patterns of one bus, folded into one at the server: what it has, what listeners hear, and what they are told.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use event_bus_core::{Any, BusName, ErrorKind, EventBus, KeyPattern, Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Numbered, NumberedBus, NumberedChannel, RedisServer, eventually, within};
use tokio::task::JoinHandle;

fn pattern(text: impl AsRef<str>) -> KeyPattern {
    KeyPattern::new(text).unwrap()
}

fn patterns(server: &RedisServer) -> u64 {
    redis::from_redis_value(server.command(&["PUBSUB", "NUMPAT"])).unwrap()
}

/// How often the server refused to subscribe to a pattern.
fn refusals(server: &RedisServer) -> u64 {
    let info: String = redis::from_redis_value(server.command(&["INFO", "commandstats"])).unwrap();
    let line = info.lines().find(|line| line.starts_with("cmdstat_psubscribe:")).unwrap_or_default();
    let count = line.split("rejected_calls=").nth(1).and_then(|rest| rest.split(',').next());
    count.map_or(0, |count| count.parse().unwrap())
}

fn config(server: &RedisServer) -> RedisConfig {
    RedisConfig::from_url(server.url()).unwrap()
}

async fn connect(config: RedisConfig) -> NumberedBus {
    let redis = RedisTransport::connect(config).await.unwrap();
    NumberedBus::builder(redis).queue_messages(1 << 20).queue_bytes(1 << 30).build().unwrap()
}

async fn item(events: &mut Subscription<Numbered>) -> Result<u64, Notice> {
    let item = within("an item", events.recv()).await.expect("not the end");
    item.map(|delivery| delivery.number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_patterns_are_one_at_the_server_and_hear_their_own() {
    let server = RedisServer::start();
    let bus = connect(config(&server)).await;
    let mut listeners = Vec::new();
    for user in 0..1_000_u64 {
        listeners.push(bus.listen(pattern(format!("user-{user}/*"))).await.unwrap());
    }
    eventually("one pattern", || patterns(&server) == 1).await;
    assert_eq!((bus.health().wanted, bus.health().confirmed), (1_000, 1_000));
    for user in 0..1_000_u64 {
        bus.publish_to(format!("user-{user}/run"), &Numbered::new("s", user)).await.unwrap();
    }
    bus.publish_to("nobody/run", &Numbered::new("s", 1)).await.unwrap();
    for (user, events) in (0..).zip(&mut listeners) {
        bus.publish_to(format!("user-{user}/end"), &Numbered::new("s", 9_999)).await.unwrap();
        assert_eq!(item(events).await.unwrap(), user);
        assert_eq!(item(events).await.unwrap(), 9_999);
    }
    drop(listeners);
    eventually("no pattern", || patterns(&server) == 0).await;
    assert_eq!((bus.health().wanted, bus.health().confirmed), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_patterns_and_those_of_who_turned_it_off_stay_as_they_are() {
    let server = RedisServer::start();
    for (beyond, listened) in [(3, 3), (usize::MAX, 100)] {
        let bus = connect(config(&server).fold_patterns_beyond(beyond)).await;
        let mut listeners = Vec::new();
        for user in 0..listened {
            listeners.push(bus.listen(pattern(format!("user-{user}/*"))).await.unwrap());
        }
        assert_eq!(patterns(&server), listened);
        drop(listeners);
        eventually("no pattern", || patterns(&server) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bus_of_a_transport_folds_by_itself() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(config(&server).fold_patterns_beyond(5)).await.unwrap();
    let bus = |name: &str| {
        EventBus::<Numbered>::builder(redis.clone()).name(BusName::new(name).unwrap()).build().unwrap()
    };
    let buses = [bus("one"), bus("two"), bus("few")];
    let mut listeners = Vec::new();
    for number in 0..20 {
        listeners.push(buses[0].listen(pattern(format!("{number}/*"))).await.unwrap());
        listeners.push(buses[1].listen(pattern(format!("{number}/*"))).await.unwrap());
    }
    let _few = buses[2].listen(pattern("1/*")).await.unwrap();
    eventually("three patterns", || patterns(&server) == 3).await;
    for bus in &buses {
        bus.publish_to("7/x", &Numbered::new(bus.name().as_str(), 7)).await.unwrap();
        bus.publish_to("8/x", &Numbered::new(bus.name().as_str(), 8)).await.unwrap();
    }
    for (at, source) in [(14, "one"), (15, "two")] {
        let event = within("an event", listeners[at].recv()).await.unwrap().unwrap();
        assert_eq!((&*event.source, event.number), (source, 7));
    }
}

fn publish_raw(server: &RedisServer, channel: &[u8], number: u64) {
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let event = format!("{{\"payload\":{{\"source\":\"s\",\"number\":{number}}}}}");
    let _: i64 = redis::cmd("PUBLISH").arg(channel).arg(event).query(&mut connection).unwrap();
}

/// A foreign publisher may use any bytes: what a pattern hears must not depend on how many others there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_is_no_text_is_heard_by_the_same_patterns_folded_or_not() {
    let server = RedisServer::start();
    for beyond in [usize::MAX, 2] {
        let bus = connect(config(&server).fold_patterns_beyond(beyond)).await;
        let mut one_byte = bus.listen(pattern("a/?")).await.unwrap();
        let mut three_bytes = bus.listen(pattern("a/???")).await.unwrap();
        let mut others = Vec::new();
        for number in 0..5 {
            others.push(bus.listen(pattern(format!("{number}/*"))).await.unwrap());
        }
        eventually("settled", || patterns(&server) == if beyond == 2 { 1 } else { 7 }).await;
        publish_raw(&server, b"numbered/a/\xff", 1);
        publish_raw(&server, b"numbered/a/b", 2);
        publish_raw(&server, b"numbered/a/\xff\xff\xff", 3);
        publish_raw(&server, "numbered/a/\u{FFFD}".as_bytes(), 4);
        for number in [1, 2] {
            assert_eq!(item(&mut one_byte).await.unwrap(), number, "beyond {beyond}");
        }
        for number in [3, 4] {
            assert_eq!(item(&mut three_bytes).await.unwrap(), number, "beyond {beyond}");
        }
        drop((bus, one_byte, three_bytes, others));
        eventually("no pattern", || patterns(&server) == 0).await;
    }
}

/// One listener to one pattern, while others make it fold. The channels are shown with U+FFFD, the second as a stand-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_doubled_while_patterns_fold_whatever_the_channel() {
    let server = RedisServer::start();
    for round in 0..20 {
        let bus = connect(config(&server).fold_patterns_beyond(8)).await;
        let mut events = bus.listen(pattern("a/*")).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let publisher = {
            let (url, stop) = (server.url(), Arc::clone(&stop));
            let channel: &[u8] =
                if round % 2 == 0 { "numbered/a/\u{FFFD}".as_bytes() } else { b"numbered/a/\xFF" };
            std::thread::spawn(move || publish_until(&url, channel, &stop))
        };
        let mut others = Vec::new();
        for number in 0..10 {
            others.push(bus.listen(pattern(format!("{number}/*"))).await.unwrap());
        }
        eventually("they are folded", || patterns(&server) == 1).await;
        stop.store(true, Ordering::Relaxed);
        let last = publisher.join().unwrap();
        let mut before = item(&mut events).await.unwrap();
        while before < last {
            let number = item(&mut events).await.unwrap();
            assert_eq!(number, before + 1, "round {round}");
            before = number;
        }
        drop((events, others, bus));
        eventually("no pattern", || patterns(&server) == 0).await;
    }
}

/// Publishes 1, 2, 3, … in small pipelines, and returns the last.
fn publish_until(url: &str, channel: &[u8], stop: &AtomicBool) -> u64 {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut pipe = redis::pipe();
        for _ in 0..5 {
            number += 1;
            let event = format!("{{\"payload\":{{\"source\":\"s\",\"number\":{number}}}}}");
            pipe.cmd("PUBLISH").arg(channel).arg(event).ignore();
        }
        pipe.query::<()>(&mut connection).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    number
}

/// On how many channels the publisher publishes.
const CHANNELS: usize = 30;

/// Publishes 1, 2, 3, …, each number to every channel.
struct Publisher {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Publisher {
    fn start(bus: NumberedBus) -> Self {
        let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let task = {
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    publish_everywhere(&bus, number).await;
                    acknowledged.store(number, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(2)).await; // up to 200 listeners get each of them
                }
            })
        };
        Self { acknowledged, stop, task }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Returns the last number.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.acknowledged.load(Ordering::SeqCst)
    }
}

async fn publish_everywhere(bus: &NumberedBus, number: u64) {
    for channel in 0..CHANNELS {
        bus.publish_to(format!("a{channel}/b"), &Numbered::new("s", number)).await.unwrap();
    }
}

/// The pattern of this number: each channel is matched by several, and no two are alike.
fn matching(number: usize) -> KeyPattern {
    let digit = char::from_digit(u32::try_from(number / CHANNELS).unwrap(), 30).unwrap();
    pattern(format!("a{}/[b{digit}]", number % CHANNELS))
}

/// A listener that must hear every number that was published after `since` had been acknowledged.
struct Witness {
    bus: NumberedBus,
    events: Subscription<Numbered>,
    since: u64,
}

impl Witness {
    async fn listen(bus: &NumberedBus, number: usize, publisher: &Publisher) -> Self {
        let events = bus.listen(matching(number)).await.unwrap();
        Self { bus: bus.clone(), events, since: publisher.acknowledged() }
    }

    /// It heard everything up to `until`, once, in order; whether the publish that was under way when it came, is open.
    async fn check(mut self, until: u64) {
        let mut before = None;
        while before.unwrap_or(self.since) < until {
            let item = item(&mut self.events).await;
            let number = item.unwrap_or_else(|notice| panic!("{notice}; {:?}", self.bus.health()));
            match before {
                None => assert!(number <= self.since + 2, "{number} is the first after {}", self.since),
                Some(before) => assert_eq!(number, before + 1),
            }
            before = Some(number);
        }
    }

    /// It heard everything up to `until`, once, in order, but for what was published while it had been told that it was cut
    /// off. Returns how often that was.
    async fn check_told(mut self, until: u64) -> usize {
        let (mut before, mut is_whole, mut interruptions) = (None, true, 0);
        while before.unwrap_or(self.since) < until {
            match item(&mut self.events).await {
                Ok(number) => {
                    let expected = before.map_or(self.since + 2, |before| before + 1);
                    assert!(
                        number <= expected || !is_whole,
                        "{number} instead of {expected}, and nothing told"
                    );
                    assert!(before.is_none_or(|before| before < number), "{number} after {before:?}");
                    (before, is_whole) = (Some(number), true);
                }
                Err(Notice::Interrupted) => {
                    interruptions += 1;
                    assert!(matches!(item(&mut self.events).await, Err(Notice::Resumed { .. })));
                    is_whole = false;
                }
                Err(notice) => panic!("{notice}"),
            }
        }
        interruptions
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_or_doubled_while_patterns_come_fold_and_go() {
    let server = RedisServer::start();
    let bus = connect(config(&server)).await;
    let publisher = Publisher::start(bus.clone());
    for _ in 0..5 {
        let first = Witness::listen(&bus, 0, &publisher).await;
        assert_eq!(patterns(&server), 1);
        let mut others = Vec::new();
        for number in 1..200 {
            others.push(Witness::listen(&bus, number, &publisher).await);
        }
        eventually("they are folded", || patterns(&server) == 1).await;
        for number in (1..200).rev() {
            if number % 10 == 0 {
                others.swap_remove(number / 2).check(publisher.acknowledged()).await;
            } else {
                others.pop();
            }
        }
        for number in 1..100 {
            others.push(Witness::listen(&bus, number, &publisher).await);
        }
        for other in others {
            other.check(publisher.acknowledged()).await;
        }
        first.check(publisher.acknowledged()).await;
        eventually("nothing is left", || patterns(&server) == 0).await;
    }
    publisher.stop().await;
    assert_eq!(bus.health().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_while_patterns_fold_are_told_and_heal() {
    let server = RedisServer::start();
    for _ in 0..10 {
        let bus = connect(config(&server).fold_patterns_beyond(8)).await;
        let publisher = Arc::new(Publisher::start(bus.clone()));
        let joining = (0..60).map(|number| {
            let (bus, publisher) = (bus.clone(), Arc::clone(&publisher));
            tokio::spawn(async move { Witness::listen(&bus, number, &publisher).await })
        });
        let joining: Vec<_> = joining.collect();
        for _ in 0..3 {
            tokio::task::yield_now().await;
            let _ = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        let mut witnesses = Vec::new();
        for witness in joining {
            witnesses.push(within("listening", witness).await.unwrap());
        }
        // Not folded, if connections were lost again and again while they were.
        eventually("confirmed", || bus.health().confirmed == 60 && [1, 60].contains(&patterns(&server)))
            .await;
        let before = bus.health().reconnects;
        let _ = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        let is_back = || bus.health().reconnects > before && bus.health().confirmed == 60;
        eventually("confirmed again", is_back).await;
        let last = Arc::into_inner(publisher).unwrap().stop().await + 1;
        publish_everywhere(&bus, last).await;
        for witness in witnesses {
            assert!(witness.check_told(last).await > 0);
        }
        drop(bus);
        eventually("no pattern", || patterns(&server) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_the_right_to_the_whole_bus_keeps_his_patterns() {
    let server = RedisServer::start();
    let mut rights: Vec<String> =
        ["ACL", "SETUSER", "ann", "on", ">s3cret", "+@all", "resetchannels"].map(str::to_owned).into();
    rights.extend((0..50).map(|number| format!("&numbered/{number}/*")));
    let rights: Vec<&str> = rights.iter().map(String::as_str).collect();
    let _ = server.command(&rights);
    let url = format!("redis://ann:s3cret@127.0.0.1:{}", server.port());
    let bus = connect(RedisConfig::from_url(url).unwrap().fold_patterns_beyond(10)).await;
    let mut listeners = Vec::new();
    for number in 0..50 {
        listeners.push(bus.listen(pattern(format!("{number}/*"))).await.unwrap());
    }
    assert_eq!((patterns(&server), refusals(&server)), (50, 1), "the wide one was asked for once");
    assert_eq!(bus.listen(pattern("50/*")).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!((bus.health().wanted, bus.health().confirmed), (50, 50));
    for (number, events) in (0..).zip(&mut listeners) {
        bus.publish_to(format!("{number}/x"), &Numbered::new("s", number)).await.unwrap();
        assert_eq!(item(events).await.unwrap(), number);
    }

    let _ = server.command(&["ACL", "SETUSER", "ann", "&numbered/*"]);
    let _ = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    for (number, events) in (0..).zip(&mut listeners) {
        assert!(matches!(item(events).await, Err(Notice::Interrupted)));
        assert!(matches!(item(events).await, Err(Notice::Resumed { .. })));
        bus.publish_to(format!("{number}/x"), &Numbered::new("s", number)).await.unwrap();
        assert_eq!(item(events).await.unwrap(), number);
    }
    assert_eq!(patterns(&server), 1, "the next connection folds");
    let mut fiftieth = bus.listen(pattern("50/*")).await.unwrap();
    bus.publish_to("50/x", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(item(&mut fiftieth).await.unwrap(), 1, "who may hear the bus may hear this");
}

/// A server cuts off whoever does not read what it is sent, and who listens to a whole bus is sent all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_listeners_on_a_busy_bus_are_not_cut_off_for_ever_for_what_they_do_not_want() {
    let server = RedisServer::start_with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let bus = connect(config(&server).fold_patterns_beyond(2)).await;
    let mut listeners = Vec::new();
    for number in 0..5 {
        listeners.push(bus.listen(pattern(format!("quiet-{number}/*"))).await.unwrap());
    }
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut publish_much = || {
        let much = vec![b'x'; 2 << 20];
        let _: i64 =
            redis::cmd("PUBLISH").arg("numbered/busy/run").arg(&much).query(&mut connection).unwrap();
    };
    for times in [1, 2] {
        eventually("they are folded", || patterns(&server) == 1 && bus.health().confirmed == 5).await;
        publish_much();
        eventually("a new connection", || bus.health().reconnects == times).await;
    }
    eventually("unfolded", || patterns(&server) == 5 && bus.health().confirmed == 5).await;
    publish_much();
    for (number, events) in (0..).zip(&mut listeners) {
        bus.publish_to(format!("quiet-{number}/run"), &Numbered::new("s", number)).await.unwrap();
        for _ in [1, 2] {
            assert!(matches!(item(events).await, Err(Notice::Interrupted | Notice::Resumed { .. })));
        }
        let heard = loop {
            match item(events).await {
                Err(Notice::Interrupted | Notice::Resumed { .. }) => {}
                other => break other.unwrap(),
            }
        };
        assert_eq!(heard, number);
    }
    assert_eq!(bus.health().reconnects, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_listener_to_several_folded_patterns_is_told_exactly_what_it_missed() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(config(&server).fold_patterns_beyond(2)).await.unwrap();
    let bus = NumberedBus::builder(redis).queue_messages(10).build().unwrap();
    let mut slow = bus.listen(pattern("a/*")).await.unwrap();
    for text in ["a/b*", "*b", "a/?", "1/*", "2/*"] {
        slow.add(pattern(text)).await.unwrap();
    }
    slow.add("a/b").await.unwrap();
    let mut last = bus.listen("last").await.unwrap();
    eventually("they are folded", || patterns(&server) == 1).await;
    for number in 0..1_000 {
        bus.publish_to("a/b", &Numbered::new("s", number)).await.unwrap();
    }
    bus.publish_to("last", &Numbered::new("s", 0)).await.unwrap();
    item(&mut last).await.unwrap();
    assert!(matches!(item(&mut slow).await, Err(Notice::Lagged { missed: 990 })));
    for number in 990..1_000 {
        assert_eq!(item(&mut slow).await.unwrap(), number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_channels_hear_their_own_when_they_are_folded() {
    let server = RedisServer::start();
    let bus = connect(config(&server).fold_patterns_beyond(5)).await;
    let mut listeners = Vec::new();
    for source in 0..40 {
        let source = source.to_string();
        let channel = bus.numbered(NumberedChannel { source: source.as_str(), number: Any });
        listeners.push(channel.listen().await.unwrap());
    }
    eventually("they are folded", || patterns(&server) == 1).await;
    for (number, events) in (0..).zip(&mut listeners) {
        bus.publish_to(format!("{number}/x/below"), &Numbered::new("s", 999)).await.unwrap();
        bus.publish_to(format!("{number}/x"), &Numbered::new("s", number)).await.unwrap();
        assert_eq!(item(events).await.unwrap(), number);
    }
}
