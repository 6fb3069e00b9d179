//! What `docs/deployment.md` says of servers: how many connections a process has, and what each setting does to a bus.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::time::{Duration, Instant};

use event_bus_core::{Error, ErrorKind, Notice, Subscription};
use event_bus_redis::{Listening, Publishing, RedisConfig, RedisTransport};
use event_bus_tests::{
    ClusterOptions, Numbered, NumberedBus, RedisCluster, RedisSentinels, RedisServer, SentinelOptions,
    eventually, within,
};
use redis::{ErrorKind as RedisErrorKind, RedisResult, ServerErrorKind, Value};

/// So many channels that every shard has some.
const CHANNELS: u64 = 30;

/// Connections of the process under test at one or more servers, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Connections {
    listening: usize,
    publishing: usize,
    asking: usize,
}

impl Connections {
    /// From `CLIENT LIST`, but for who asks for it, and for servers among each other, which are users of their own.
    fn among(clients: &str) -> Self {
        let mut counted = Self::default();
        let ours = |client: &&str| client.contains("user=default") && !client.contains("cmd=client|list");
        for client in clients.lines().filter(ours) {
            let is_for = |command: &str| client.contains(&format!("cmd={command}"));
            if is_for("sentinel") || is_for("cluster") {
                counted.asking += 1;
            } else if is_for("publish") || is_for("spublish") {
                counted.publishing += 1;
            } else {
                let listens =
                    ["sub", "psub", "ssub"].iter().any(|kind| !client.contains(&format!(" {kind}=0 ")));
                assert!(listens, "what is this for: {client}");
                counted.listening += 1;
            }
        }
        counted
    }

    fn and(self, other: Self) -> Self {
        Self {
            listening: self.listening + other.listening,
            publishing: self.publishing + other.publishing,
            asking: self.asking + other.asking,
        }
    }
}

fn connections(listening: usize, publishing: usize, asking: usize) -> Connections {
    Connections { listening, publishing, asking }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_has_two_connections_to_one_server() {
    let server = RedisServer::start();
    let (bus, _events) = busy(RedisConfig::new("127.0.0.1", server.port())).await;
    let count = || Connections::among(&text(server.command(&["CLIENT", "LIST"])));
    settle(&bus, count, connections(1, 1, 0)).await;
    assert_eq!(server.command(&["DBSIZE"]), Value::Int(0), "a bus leaves nothing at the server");
    let (bus, _events) = busy(RedisConfig::new("127.0.0.1", server.port()).lanes(3)).await;
    settle(&bus, count, connections(2, 4, 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_has_two_connections_to_the_master_of_sentinels_and_one_to_each_of_these() {
    let sentinels = RedisSentinels::start();
    let (bus, _events) = busy(sentinel_config(&sentinels)).await;
    let of_nodes =
        || total((0..sentinels.nodes()).map(|node| text(sentinels.command(node, &["CLIENT", "LIST"]))));
    settle(&bus, of_nodes, connections(1, 1, 0)).await;
    let of_sentinels =
        || total(sentinels.sentinel_urls().iter().map(|url| text(answer(url, &["CLIENT", "LIST"]).unwrap())));
    settle(&bus, of_sentinels, connections(0, 0, 3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_listens_to_one_node_of_a_cluster_publishes_to_each_master_and_asks_all() {
    let cluster = RedisCluster::start();
    let (bus, _events) = busy(cluster_config(&cluster)).await;
    settle(&bus, || of_cluster(&cluster), connections(1, 3, 6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_shards_a_process_listens_and_publishes_to_each_master() {
    let cluster = RedisCluster::start();
    let (bus, _events) = busy(cluster_config(&cluster).sharded()).await;
    settle(&bus, || of_cluster(&cluster), connections(3, 3, 6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_classic_publish_goes_to_all_nodes_of_a_cluster_and_a_sharded_one_to_its_shard() {
    let cluster = RedisCluster::start();
    let channel = cluster.channel_of(0);
    for (command, counter, copies) in
        [("PUBLISH", "messages_publish_sent", 5), ("SPUBLISH", "messages_publishshard_sent", 1)]
    {
        for _ in 0..10 {
            let _ = cluster.command(0, &[command, &channel, "event"]);
        }
        let told = text(cluster.command(0, &["CLUSTER", "INFO"]));
        let sent = told.lines().find_map(|line| line.split_once(counter)).unwrap().1;
        assert_eq!(sent, format!(":{}", 10 * copies), "{command}");
    }
}

/// Redis counts only commands that write keys.
#[tokio::test]
async fn min_replicas_to_write_stops_no_publish() {
    let server = RedisServer::start_with(&["--min-replicas-to-write", "1"]);
    let refused = answer(&server.url(), &["SET", "key", "value"]).unwrap_err();
    assert_eq!(refused.code(), Some("NOREPLICAS"));
    for config in
        [RedisConfig::new("127.0.0.1", server.port()), RedisConfig::new("127.0.0.1", server.port()).sharded()]
    {
        let bus = bus(config);
        let mut events = bus.listen("k").await.unwrap();
        bus.publish_to("k", &Numbered::new("k", 1)).await.unwrap();
        assert_eq!(number(&mut events).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_up_on_idle_clients_costs_no_event() {
    let server = RedisServer::start_with(&["--timeout", "1"]);
    let (bus, mut events) = busy(RedisConfig::new("127.0.0.1", server.port())).await;
    eventually("the server has hung up on the publishing connection", || {
        !text(server.command(&["CLIENT", "LIST"])).contains("cmd=publish")
    })
    .await;
    bus.publish_to("k0", &Numbered::new("k0", 1)).await.unwrap();
    assert_eq!(number(&mut events[0]).await, 1, "and nothing was told");
    assert_eq!(bus.health().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_without_its_cluster_takes_sharded_publishes_unless_it_is_told_not_to() {
    for (setting, takes_them) in [("yes", true), ("no", false)] {
        let line = format!("cluster-allow-pubsubshard-when-down {setting}");
        let cluster = RedisCluster::start_with(ClusterOptions::default().line(line));
        let channel = cluster.channel_of(0);
        cluster.isolate(0);
        let cut = Instant::now();
        eventually("it knows that it is alone", || {
            text(cluster.command(0, &["CLUSTER", "INFO"])).contains("cluster_state:fail")
        })
        .await;
        println!("{setting}: it knows after {:?}", cut.elapsed());
        let url = cluster.url(0);
        assert!(is_cluster_down(&answer(&url, &["SET", &channel, "value"])));
        assert_eq!(is_cluster_down(&answer(&url, &["SPUBLISH", &channel, "event"])), !takes_them);
        assert_eq!(answer(&url, &["PUBLISH", &channel, "event"]).unwrap(), Value::Int(0), "always taken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_coverage_stops_sharded_pub_sub_only_together_with_the_other_setting() {
    for (setting, goes_on) in [("yes", true), ("no", false)] {
        let options = ClusterOptions::default().replicas(0).full_coverage(true);
        let cluster =
            RedisCluster::start_with(options.line(format!("cluster-allow-pubsubshard-when-down {setting}")));
        let (url, channel) = (cluster.url(0), cluster.channel_of(0));
        cluster.kill(2);
        eventually("a third of the slots has no owner", || {
            text(cluster.command(0, &["CLUSTER", "INFO"])).contains("cluster_state:fail")
        })
        .await;
        assert!(is_cluster_down(&answer(&url, &["SET", &channel, "value"])));
        assert_eq!(is_cluster_down(&answer(&url, &["SPUBLISH", &channel, "event"])), !goes_on);
        assert_eq!(is_cluster_down(&answer(&url, &["SSUBSCRIBE", &channel])), !goes_on);
        assert_eq!(answer(&url, &["PUBLISH", &channel, "event"]).unwrap(), Value::Int(0), "always taken");
    }
}

/// Without the commands of sharded pub/sub, as all were before Redis 7.
const BEFORE_REDIS_7: [&str; 6] = ["--rename-command", "SSUBSCRIBE", "", "--rename-command", "SPUBLISH", ""];

fn is_of_no_sharded_pub_sub(error: &Error, command: &str) {
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    let text = error.to_string();
    assert!(text.contains(command) && text.contains("redis 7") && text.contains("Classic"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_no_sharded_pub_sub_is_told_at_once() {
    let server = RedisServer::start_with(&BEFORE_REDIS_7);
    let config = RedisConfig::new("127.0.0.1", server.port());
    let begin = Instant::now();
    for (config, command) in [
        (config.clone().sharded(), "SPUBLISH"),
        (config.clone().publishing(Publishing::Both), "SPUBLISH"),
        (config.clone().listening(Listening::Sharded), "SSUBSCRIBE"),
    ] {
        is_of_no_sharded_pub_sub(&RedisTransport::connect(config).await.unwrap_err(), command);
    }
    let sharded = bus(config.clone().sharded());
    is_of_no_sharded_pub_sub(&sharded.listen("k").await.unwrap_err(), "SSUBSCRIBE");
    let event = Numbered::new("k", 1);
    is_of_no_sharded_pub_sub(&sharded.publish_to("k", &event).await.unwrap_err(), "SPUBLISH");
    assert!(begin.elapsed() < Duration::from_secs(4), "nothing was waited for: {:?}", begin.elapsed());
    let both = bus(config.clone().publishing(Publishing::Both));
    let error = both.publish_to("k", &event).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Partial, "one half of it went out: {error:?}");
    let classic = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    classic.publish_to("k", &event).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_no_sharded_pub_sub_is_told_at_once() {
    let lines = BEFORE_REDIS_7.chunks(3).map(|line| format!("{} {} \"\"", &line[0][2..], line[1]));
    let options = ClusterOptions::default().replicas(0);
    let cluster = RedisCluster::start_with(lines.fold(options, ClusterOptions::line));
    let config = cluster_config(&cluster).sharded();
    let begin = Instant::now();
    is_of_no_sharded_pub_sub(&RedisTransport::connect(config.clone()).await.unwrap_err(), "SPUBLISH");
    let bus = bus(config);
    is_of_no_sharded_pub_sub(&bus.listen("k").await.unwrap_err(), "SSUBSCRIBE");
    is_of_no_sharded_pub_sub(&bus.publish_to("k", &Numbered::new("k", 1)).await.unwrap_err(), "SPUBLISH");
    assert!(begin.elapsed() < Duration::from_secs(4), "nothing was waited for: {:?}", begin.elapsed());
    eventually("nothing is left", || bus.health().wanted == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_without_sharded_pub_sub_ends_those_who_listen() {
    let mut server = RedisServer::start();
    let bus = bus(RedisConfig::new("127.0.0.1", server.port()).sharded());
    let mut events = bus.listen("k").await.unwrap();
    server.replace(&BEFORE_REDIS_7);
    assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
    match within("told", events.recv()).await {
        Some(Err(Notice::Stopped { reason })) => assert!(reason.contains("SSUBSCRIBE"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(within("the end", events.recv()).await.is_none());
    is_of_no_sharded_pub_sub(&bus.listen("k").await.unwrap_err(), "SSUBSCRIBE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two minutes: prints how long a bus is cut off when a master dies, by the servers' settings"]
async fn how_long_an_outage_lasts() {
    for seconds in [1, 2, 5, 15] {
        let options = ClusterOptions::default().node_timeout(Duration::from_secs(seconds));
        let cluster = RedisCluster::start_with(options);
        let key = key_of(&cluster, 0);
        let outage = outage(cluster_config(&cluster).sharded(), &key, || cluster.kill(0)).await;
        println!("shards, node timeout {seconds} s: {outage}");
    }
    let cluster = RedisCluster::start();
    let kill = || {
        let listens = |node: &usize| {
            let clients = text(cluster.command(*node, &["CLIENT", "LIST"]));
            Connections::among(&clients).listening == 1
        };
        cluster.kill((0..cluster.nodes()).find(listens).unwrap());
    };
    let outage_of_one = outage(cluster_config(&cluster), "k", kill).await;
    println!("classic, the node that is listened to: {outage_of_one}");
    for seconds in [1, 5, 30] {
        let options = SentinelOptions::default().down_after(Duration::from_secs(seconds));
        let sentinels = RedisSentinels::start_with(options);
        let kill = || sentinels.kill(sentinels.master().unwrap());
        println!(
            "sentinels, down after {seconds} s: {}",
            outage(sentinel_config(&sentinels), "k", kill).await
        );
    }
    for seconds in ["0", "5"] {
        let master = RedisServer::start_with(&["--repl-diskless-sync-delay", seconds]);
        let begin = Instant::now();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
        eventually("the replica follows", || {
            text(replica.command(&["INFO", "replication"])).contains("master_link_status:up")
        })
        .await;
        println!("diskless sync delay {seconds} s: a new replica follows after {:.1?}", begin.elapsed());
    }
}

/// How long after a `fault` a listener is told that it hears again, and a publish succeeds.
async fn outage(config: RedisConfig, key: &str, fault: impl FnOnce()) -> String {
    let bus = bus(config.publish_timeout(Duration::from_secs(1)).listen_timeout(Duration::from_secs(60)));
    let mut events = bus.listen(key).await.unwrap();
    bus.publish_to(key, &Numbered::new("before", 0)).await.unwrap();
    assert_eq!(number(&mut events).await, 0);
    fault();
    let begin = Instant::now();
    let heard = async {
        while !matches!(events.recv().await.unwrap(), Err(Notice::Resumed { .. })) {}
        begin.elapsed()
    };
    let published = async {
        while bus.publish_to(key, &Numbered::new("after", 1)).await.is_err() {}
        begin.elapsed()
    };
    let (heard, published) = tokio::join!(heard, published);
    format!("heard again after {heard:.1?}, published after {published:.1?}")
}

/// A bus that has published to many channels and listens to them.
async fn busy(config: RedisConfig) -> (NumberedBus, Vec<Subscription<Numbered>>) {
    let bus = bus(config);
    let mut all = Vec::new();
    for n in 0..CHANNELS {
        all.push(bus.listen(&*format!("k{n}")).await.unwrap());
        bus.publish_to(&*format!("k{n}"), &Numbered::new("k", n)).await.unwrap();
        assert_eq!(number(all.last_mut().unwrap()).await, n);
    }
    (bus, all)
}

/// Connections that were only needed for a moment are gone after another.
async fn settle(bus: &NumberedBus, count: impl Fn() -> Connections, expected: Connections) {
    let mut last = Connections::default();
    for _ in 0..200 {
        last = count();
        if last == expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{last:?}");
    assert_eq!(last, expected, "{bus:?}");
}

fn bus(config: RedisConfig) -> NumberedBus {
    NumberedBus::new(RedisTransport::lazy(config).unwrap())
}

async fn number(events: &mut Subscription<Numbered>) -> u64 {
    within("an event", events.recv()).await.unwrap().unwrap().number
}

fn total(clients: impl Iterator<Item = String>) -> Connections {
    clients.map(|clients| Connections::among(&clients)).fold(Connections::default(), Connections::and)
}

fn of_cluster(cluster: &RedisCluster) -> Connections {
    total((0..cluster.nodes()).map(|node| text(cluster.command(node, &["CLIENT", "LIST"]))))
}

fn text(value: Value) -> String {
    redis::from_redis_value(value).unwrap()
}

fn answer(url: &str, words: &[&str]) -> RedisResult<Value> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
}

fn is_cluster_down(answer: &RedisResult<Value>) -> bool {
    match answer {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind(), RedisErrorKind::Server(ServerErrorKind::ClusterDown), "{error}");
            true
        }
    }
}

fn key_of(cluster: &RedisCluster, node: usize) -> String {
    let mut keys = (0..).map(|n| format!("k{n}"));
    keys.find(|key| cluster.owner_of(&format!("numbered/{key}")) == Some(node)).unwrap()
}

fn cluster_config(cluster: &RedisCluster) -> RedisConfig {
    RedisConfig::cluster(cluster.seeds())
}

fn sentinel_config(sentinels: &RedisSentinels) -> RedisConfig {
    RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds())
}
