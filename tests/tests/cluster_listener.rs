//! Listening to a real cluster whose nodes are killed, stopped, promoted and cut off, and whose slots move.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event_bus_core::transport::{LinkState, Transport};
use event_bus_core::{ErrorKind, KeyPattern, Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{ClusterOptions, Numbered, NumberedBus, RedisCluster, eventually, within};

fn config(cluster: &RedisCluster) -> RedisConfig {
    RedisConfig::cluster(cluster.seeds())
        .ping_interval(Duration::from_millis(200))
        .response_timeout(Duration::from_millis(500))
        .listen_timeout(Duration::from_secs(20))
}

fn bus(config: RedisConfig) -> NumberedBus {
    NumberedBus::new(RedisTransport::lazy(config).unwrap())
}

/// As a plain client does, with `command`, at the node that owns the slot.
fn publish(cluster: &RedisCluster, command: &str, key: &str, number: u64) {
    let channel = format!("numbered/{key}");
    let wire = format!("{{\"payload\":{{\"source\":\"s\",\"number\":{number}}}}}");
    let owner = cluster.owner_of(&channel).expect("somebody owns it");
    let _ = cluster.command(owner, &[command, &channel, &wire]);
}

fn key_of(cluster: &RedisCluster, node: usize) -> String {
    (0..10_000)
        .map(|n| format!("k{n}"))
        .find(|key| cluster.owner_of(&format!("numbered/{key}")) == Some(node))
        .unwrap()
}

fn slot_of(cluster: &RedisCluster, key: &str) -> u16 {
    cluster.slot(&format!("numbered/{key}"))
}

async fn item(events: &mut Subscription<Numbered>) -> Result<u64, Notice> {
    let item = within("an item", events.recv()).await.expect("not the end");
    item.map(|delivery| delivery.number)
}

/// What the stream says until it is whole again, after `Interrupted`.
async fn resumed(events: &mut Subscription<Numbered>) -> Duration {
    match item(events).await {
        Err(Notice::Resumed { down_for }) => down_for,
        other => panic!("{other:?} instead of Resumed"),
    }
}

async fn interrupted(events: &mut Subscription<Numbered>) {
    let item = item(events).await;
    assert!(matches!(item, Err(Notice::Interrupted)), "{item:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_of_every_shard_are_heard_over_one_connection_each() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster).sharded());
    let mut all = Vec::new();
    for n in 0..60 {
        all.push(bus.listen(&*format!("k{n}")).await.unwrap());
    }
    for (n, events) in (0..).zip(&mut all) {
        publish(&cluster, "SPUBLISH", &format!("k{n}"), n);
        assert_eq!(item(events).await.unwrap(), n);
    }
    let health = bus.health();
    assert_eq!((health.wanted, health.confirmed, health.reconnects), (60, 60, 0));
    assert_eq!(health.listener.state, LinkState::Connected);
    for node in 0..3 {
        let clients = format!("{:?}", cluster.command(node, &["CLIENT", "LIST", "TYPE", "pubsub"]));
        assert_eq!(clients.matches("ssub=").count() - clients.matches("ssub=0").count(), 1, "{clients}");
    }
    let error = bus.listen(KeyPattern::any()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    drop(all);
    eventually("nothing is left", || bus.health().wanted == 0).await;
    bus.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_master_is_told_to_its_channels_alone_and_the_new_one_is_listened_to() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster).sharded());
    let (hit, spared) = (key_of(&cluster, 0), key_of(&cluster, 1));
    let mut hit_events = bus.listen(&*hit).await.unwrap();
    let mut spared_events = bus.listen(&*spared).await.unwrap();
    cluster.kill(0);
    let killed = Instant::now();
    interrupted(&mut hit_events).await;
    eventually("the state says so", || bus.state().listener == LinkState::Interrupted).await;
    let election = cluster.elected(slot_of(&cluster, &hit), 0).await;
    let elected = killed.elapsed();
    resumed(&mut hit_events).await;
    println!("elected after {elected:?} by {election:?}, listening again after {:?}", killed.elapsed());
    publish(&cluster, "SPUBLISH", &hit, 1);
    publish(&cluster, "SPUBLISH", &spared, 2);
    assert_eq!(item(&mut hit_events).await.unwrap(), 1);
    assert_eq!(item(&mut spared_events).await.unwrap(), 2, "nothing was told that did not happen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_steps_down_is_left_for_the_new_one() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster).sharded());
    let key = key_of(&cluster, 0);
    let mut events = bus.listen(&*key).await.unwrap();
    cluster.failover_to(3).await;
    interrupted(&mut events).await;
    println!("down for {:?}", resumed(&mut events).await);
    publish(&cluster, "SPUBLISH", &key, 1);
    assert_eq!(item(&mut events).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_takes_its_listeners_along() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let bus = bus(config(&cluster).sharded());
    let key = key_of(&cluster, 0);
    let mut events = bus.listen(&*key).await.unwrap();
    for (round, to) in (0..).zip([1, 2, 0, 1]) {
        cluster.migrate_slot(slot_of(&cluster, &key), to);
        interrupted(&mut events).await;
        println!("down for {:?}", resumed(&mut events).await);
        publish(&cluster, "SPUBLISH", &key, round);
        assert_eq!(item(&mut events).await.unwrap(), round);
    }
    drop(events);
    eventually("nothing is left", || bus.health().wanted == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_cut_off_and_still_answers_is_told_and_left() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster).sharded());
    let key = key_of(&cluster, 0);
    let mut events = bus.listen(&*key).await.unwrap();
    let slot = slot_of(&cluster, &key);
    cluster.isolate(0);
    let isolated = Instant::now();
    interrupted(&mut events).await;
    println!("told after {:?}", isolated.elapsed());
    cluster.elected(slot, 0).await;
    println!("elected after {:?}", isolated.elapsed());
    resumed(&mut events).await;
    println!("listening again after {:?}", isolated.elapsed());
    publish(&cluster, "SPUBLISH", &key, 1);
    assert_eq!(item(&mut events).await.unwrap(), 1);
    cluster.heal(0);
    cluster.settled().await;
    publish(&cluster, "SPUBLISH", &key, 2);
    assert_eq!(item(&mut events).await.unwrap(), 2);
}

/// Returns when nobody has asked the nodes who serves what for longer than one who listens lets pass.
async fn is_asked_no_more(cluster: &RedisCluster) {
    let questions = || {
        let stats: String = redis::from_redis_value(cluster.command(1, &["INFO", "commandstats"])).unwrap();
        stats.lines().find(|line| line.starts_with("cmdstat_cluster|nodes:")).map(str::to_owned)
    };
    let mut before = questions();
    loop {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        let now = questions();
        if std::mem::replace(&mut before, now.clone()) == now {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listens_after_a_time_when_nobody_did_is_told_as_soon() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster).sharded());
    let key = key_of(&cluster, 0);
    drop(bus.listen(&*key).await.unwrap());
    is_asked_no_more(&cluster).await;
    let mut events = bus.listen(&*key).await.unwrap();
    cluster.isolate(0);
    interrupted(&mut events).await;
    cluster.elected(slot_of(&cluster, &key), 0).await;
    resumed(&mut events).await;
    publish(&cluster, "SPUBLISH", &key, 1);
    assert_eq!(item(&mut events).await.unwrap(), 1);

    drop(events);
    is_asked_no_more(&cluster).await;
    let mut events = bus.listen(&*key).await.unwrap();
    publish(&cluster, "SPUBLISH", &key, 2);
    assert_eq!(item(&mut events).await.unwrap(), 2, "where it is served now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn classic_listening_leaves_a_node_that_dies_or_is_cut_off() {
    let cluster = RedisCluster::start();
    let bus = bus(config(&cluster));
    let mut exact = bus.listen("k").await.unwrap();
    let mut pattern = bus.listen(KeyPattern::any()).await.unwrap();
    publish(&cluster, "PUBLISH", "k", 1);
    assert_eq!((item(&mut exact).await.unwrap(), item(&mut pattern).await.unwrap()), (1, 1));
    for (round, cut) in [(2, true), (3, false)] {
        let listened = (0..6)
            .find(|node| {
                let clients = format!("{:?}", cluster.command(*node, &["PUBSUB", "CHANNELS"]));
                clients.contains("numbered/k")
            })
            .expect("one node is listened to");
        if cut {
            cluster.isolate(listened);
        } else {
            cluster.kill(listened);
        }
        for events in [&mut exact, &mut pattern] {
            interrupted(events).await;
            println!("down for {:?}", resumed(events).await);
        }
        cluster.heal(listened);
        cluster.restart(listened);
        cluster.settled().await;
        publish(&cluster, "PUBLISH", "k", round);
        assert_eq!((item(&mut exact).await.unwrap(), item(&mut pattern).await.unwrap()), (round, round));
    }
}

/// With classic pub/sub. Others have a link to it again up to 100 ms later than it to them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_restarted_is_not_listened_to_before_it_hears_what_others_pass_on() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().masters(1));
    for number in 0..12 {
        cluster.kill(1);
        cluster.restart(1);
        let mut events = bus(config(&cluster)).listen("k").await.unwrap();
        publish(&cluster, "PUBLISH", "k", number);
        match item(&mut events).await {
            Err(Notice::Interrupted) => {} // it is told
            heard => assert_eq!(heard.unwrap(), number),
        }
    }
}

/// With classic pub/sub. It and the others reach each other as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_one_master_does_not_reach_any_more_is_left() {
    let cluster = RedisCluster::start();
    let mut events = bus(config(&cluster)).listen("k").await.unwrap();
    let listened = (0..6)
        .find(|node| {
            let channels = format!("{:?}", cluster.command(*node, &["PUBSUB", "CHANNELS"]));
            channels.contains("numbered/k")
        })
        .expect("one node is listened to");
    let master = (0..3).find(|node| *node != listened).expect("one of several");
    cluster.estrange(master, listened);
    interrupted(&mut events).await;
    println!("down for {:?}", resumed(&mut events).await);
    let wire = r#"{"payload":{"source":"s","number":1}}"#;
    let _ = cluster.command(master, &["PUBLISH", "numbered/k", wire]);
    assert_eq!(item(&mut events).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_named_otherwise_than_it_announces_itself_is_listened_to_in_peace() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let named_otherwise = cluster.seeds().into_iter().map(|(_, port)| ("localhost", port));
    let bus = bus(RedisConfig::cluster(named_otherwise).sharded());
    let mut all = Vec::new();
    for n in 0..6 {
        all.push(bus.listen(&*format!("k{n}")).await.unwrap());
    }
    tokio::time::sleep(Duration::from_secs(3)).await; // asked about three times
    for (n, events) in (0..).zip(&mut all) {
        publish(&cluster, "SPUBLISH", &format!("k{n}"), n);
        assert_eq!(item(events).await.unwrap(), n, "and nothing else was told");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_end_with_nothing_while_others_begin_to_listen() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let bus = bus(config(&cluster).sharded().response_timeout(Duration::from_secs(2)));
    let mut quiet = bus.listen("quiet").await.unwrap();
    let others = async {
        for n in 0.. {
            drop(bus.listen(&*format!("x{n}")).await.unwrap());
        }
    };
    let waits = async {
        for _ in 0..10 {
            let waited = quiet.wait(Duration::from_secs(1)).await;
            assert!(waited.expect("nothing can have been missed").is_none());
        }
    };
    tokio::select! {
        () = others => {}
        () = waits => {}
    }
}

#[test]
fn a_runtime_that_nobody_drives_keeps_nobody_else_from_finding_the_nodes() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let bus = bus(config(&cluster).sharded());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let idle = runtime();
    let cut_short = async {
        let event = Numbered::new("s", 0);
        let publishing = bus.publish_to("k", &event);
        let _ = tokio::time::timeout(Duration::from_micros(300), publishing).await;
    };
    idle.block_on(cut_short); // leaves the question under way
    runtime().block_on(async {
        let _events = bus.listen("k").await.unwrap();
        bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    });
    drop(idle);
}

/// Takes connections in the place of a node that is dead, hangs up, and counts them.
struct StandIn {
    connects: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl StandIn {
    async fn at(address: &(String, u16)) -> Self {
        let socket = tokio::net::TcpListener::bind(address).await.unwrap();
        let connects = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&connects);
        let task = tokio::spawn(async move {
            while socket.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { connects, task }
    }

    /// How many there were meanwhile.
    async fn within(&self, time: Duration) -> u64 {
        let before = self.connects.load(Ordering::Relaxed);
        tokio::time::sleep(time).await;
        self.connects.load(Ordering::Relaxed) - before
    }

    async fn leave(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_node_without_a_replica_is_tried_ever_more_seldom_and_left_or_found_again_in_time() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0));
    let bus = bus(config(&cluster).sharded());
    let keys: Vec<String> = (0..1_000)
        .map(|n| format!("k{n}"))
        .filter(|key| cluster.owner_of(&format!("numbered/{key}")) == Some(0))
        .take(2)
        .collect();
    let (stays, goes) = (&*keys[0], &*keys[1]);
    let mut staying = bus.listen(stays).await.unwrap();
    let mut going = bus.listen(goes).await.unwrap();
    cluster.kill(0);
    let stand_in = StandIn::at(&cluster.seeds()[0]).await;
    interrupted(&mut staying).await;
    interrupted(&mut going).await;
    let first = stand_in.within(Duration::from_secs(4)).await;
    let then = stand_in.within(Duration::from_secs(6)).await;
    println!("tried {first} times in 4 s, then {then} times in 6 s");
    assert!((2..=20).contains(&then), "{then} times in 6 s");

    let moved = Instant::now();
    cluster.seize(slot_of(&cluster, goes), 1);
    resumed(&mut going).await;
    println!("at another node after {:?}", moved.elapsed());
    assert!(moved.elapsed() < Duration::from_secs(4), "{:?}", moved.elapsed());
    publish(&cluster, "SPUBLISH", goes, 1);
    assert_eq!(item(&mut going).await.unwrap(), 1);

    stand_in.leave().await;
    cluster.restart(0);
    let back = Instant::now();
    resumed(&mut staying).await;
    println!("at the old node after {:?}", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(6), "{:?}", back.elapsed());
    cluster.settled().await;
    publish(&cluster, "SPUBLISH", stays, 2);
    assert_eq!(item(&mut staying).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transport_that_is_closed_leaves_no_connection_at_any_node() {
    let cluster = RedisCluster::start();
    let ours = || {
        let clients = (0..cluster.nodes()).map(|node| {
            let list: String = redis::from_redis_value(cluster.command(node, &["CLIENT", "LIST"])).unwrap();
            list.lines().filter(|client| client.contains("user=default")).count() // the others are the guard's
        });
        clients.sum::<usize>()
    };
    for config in [config(&cluster), config(&cluster).sharded()] {
        let redis = RedisTransport::connect(config).await.unwrap();
        let bus = NumberedBus::new(redis.clone());
        let mut all = Vec::new();
        for n in 0..12 {
            all.push(bus.listen(&*format!("k{n}")).await.unwrap());
            bus.publish_to(&*format!("k{n}"), &Numbered::new("s", n)).await.unwrap();
        }
        assert!(ours() > 6 + 3, "all nodes are asked, masters published to, one listened to: {}", ours());
        redis.close().await;
        eventually("all connections are gone", || ours() == 0).await;
        let error = bus.listen("k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        tokio::time::sleep(Duration::from_millis(1500)).await; // what asks every second would have asked
        assert_eq!(ours(), 0);
        drop(redis);
    }
}
