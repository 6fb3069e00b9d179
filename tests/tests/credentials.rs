//! Credentials that are asked for at each connect and change while connections live; and what a user is told who lacks a right.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{ErrorKind, Notice, Subscription};
use event_bus_redis::{Credentials, CredentialsError, CredentialsProvider, RedisConfig, RedisTransport};
use event_bus_tests::{
    ClusterOptions, Logged, Numbered, NumberedBus, RedisCluster, RedisSentinels, RedisServer,
    SentinelOptions, eventually, within,
};
use redis::Connection;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

/// Passwords as an operator rotates them.
#[derive(Clone)]
struct Rotating(Arc<Inner>);

struct Inner {
    credentials: Mutex<Credentials>,
    changed: Notify,
    asked: AtomicUsize,
}

impl Rotating {
    fn new(password: &str) -> Self {
        let credentials = Mutex::new(Credentials::new("ann", password));
        Self(Arc::new(Inner { credentials, changed: Notify::new(), asked: AtomicUsize::new(0) }))
    }

    fn rotate(&self, password: &str) {
        self.rotate_to("ann", password);
    }

    fn rotate_to(&self, user: &str, password: &str) {
        self.change_unseen(user, password);
        self.0.changed.notify_one();
    }

    /// Who connects from now on is told; who is connected is not.
    fn change_unseen(&self, user: &str, password: &str) {
        *self.0.credentials.lock().unwrap() = Credentials::new(user, password);
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl CredentialsProvider for Rotating {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.0.credentials.lock().unwrap().clone())
    }

    async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

fn server() -> RedisServer {
    RedisServer::start_with(&["--user", "ann", "on", ">first", "~*", "&*", "+@all"])
}

/// For nodes of which the guards have a user of their own.
const FIRST: &str = "user ann on >first ~* &* +@all";

/// How many connections each have given the password that is good now: the server counts failures and tells who is who.
fn logins(server: &RedisServer) -> usize {
    let list: String = redis::from_redis_value(server.command(&["CLIENT", "LIST"])).unwrap();
    list.lines().filter(|line| line.contains("user=ann")).count()
}

fn auths(server: &RedisServer) -> u64 {
    let info: String = redis::from_redis_value(server.command(&["INFO", "commandstats"])).unwrap();
    let line = info.lines().find(|line| line.starts_with("cmdstat_auth:")).unwrap_or_default();
    let calls = line.split("calls=").nth(1).and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

fn failed_auths(server: &RedisServer) -> u64 {
    let info: String = redis::from_redis_value(server.command(&["INFO", "commandstats"])).unwrap();
    let line = info.lines().find(|line| line.starts_with("cmdstat_auth:")).unwrap_or_default();
    let failed = line.split("failed_calls=").nth(1).map(str::trim);
    failed.map_or(0, |failed| failed.parse().unwrap())
}

async fn passes(bus: &NumberedBus, number: u64) {
    let mut events = bus.listen("k").await.unwrap();
    bus.publish_to("k", &Numbered::new("s", number)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_asked_for_at_each_connect_of_both_halves() {
    let mut server = server();
    let provider = Rotating::new("first");
    let config = RedisConfig::new("127.0.0.1", server.port()).credentials(provider.clone());
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    assert_eq!((provider.asked(), logins(&server)), (2, 2));
    server.kill();
    assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
    server.restart();
    assert!(matches!(within("back", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
    passes(&bus, 1).await;
    assert_eq!(logins(&server), 2);
    assert!(provider.asked() >= 4, "{}", provider.asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connect_after_a_change_uses_what_is_good_then() {
    let mut server = server();
    let provider = Rotating::new("first");
    let config = RedisConfig::new("127.0.0.1", server.port()).credentials(provider.clone());
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    passes(&bus, 1).await;
    server.restart();
    let _ = server.command(&["ACL", "SETUSER", "ann", "resetpass", ">second"]);
    provider.change_unseen("ann", "second");
    passes(&bus, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_live_log_in_anew_when_credentials_change() {
    let server = server();
    let provider = Rotating::new("first");
    let config = RedisConfig::new("127.0.0.1", server.port()).credentials(provider.clone()).lanes(2);
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    let before = auths(&server);
    let _ = server.command(&["ACL", "SETUSER", "ann", ">second"]);
    provider.rotate("second");
    eventually("two lanes and the listening connection", || auths(&server) == before + 3).await;
    let _ = server.command(&["ACL", "SETUSER", "ann", "<first", ">third"]);
    provider.rotate("third");
    eventually("again", || auths(&server) == before + 6).await;
    assert_eq!(failed_auths(&server), 0);
    bus.publish_to("k", &Numbered::new("s", 5)).await.unwrap();
    let heard = within("over the same connection", events.recv()).await.unwrap().unwrap();
    assert_eq!(heard.number, 5);
}

#[tokio::test]
async fn a_login_that_fails_is_told_and_tried_again_and_later_ones_work() {
    let (logged, _guard) = Logged::here();
    let server = server();
    let provider = Rotating::new("first");
    let config = RedisConfig::new("127.0.0.1", server.port()).credentials(provider.clone());
    let redis = RedisTransport::connect(config).await.unwrap();
    let bus = NumberedBus::new(redis.clone());
    let mut events = bus.listen("k").await.unwrap();
    provider.rotate("s3cret-not-known-yet");
    let told = |health: event_bus_core::transport::Health| {
        [health.publisher.last_error, health.listener.last_error]
            .iter()
            .all(|error| error.as_deref().is_some_and(|error| error.contains("can't log in anew")))
    };
    eventually("health tells", || told(redis.health())).await;
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(within("the old login is still good", events.recv()).await.unwrap().unwrap().number, 1);
    eventually("tried again", || failed_auths(&server) >= 6).await;
    let _ = server.command(&["ACL", "SETUSER", "ann", ">s3cret-not-known-yet"]);
    eventually("the one that failed comes through", || !told(redis.health())).await;
    eventually("on both", || redis.health().publisher.last_error.is_none()).await;
    let done = auths(&server);
    let _ = server.command(&["ACL", "SETUSER", "ann", ">third"]);
    provider.rotate("third");
    eventually("the next change", || auths(&server) >= done + 2).await;
    let lines = logged.lines();
    let warnings = lines.iter().filter(|line| line.contains("keeps the old credentials")).count();
    assert_eq!(warnings, 2, "one for each connection: {lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("s3cret")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_fails_or_takes_too_long_is_told() {
    let server = server();
    let config = || RedisConfig::new("127.0.0.1", server.port()).connect_timeout(Duration::from_millis(300));
    let failing = config().credentials(async || Err("the vault is sealed".into()));
    let hanging = config().credentials(std::future::pending::<Result<Credentials, CredentialsError>>);
    for (config, words) in [(failing, "the vault is sealed"), (hanging, "gave none within 300ms")] {
        let config = config.listen_timeout(Duration::from_secs(1));
        let error = within("told", RedisTransport::connect(config.clone())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        assert!(format!("{error:?}").contains(words), "{error:?}");
        let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
        let error = within("told", bus.listen("k")).await.unwrap_err();
        assert!(format!("{error:?}").contains(words), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_says_why() {
    let server = RedisServer::start_with(&["--requirepass", "word"]);
    let config = || RedisConfig::new("127.0.0.1", server.port());
    for (config, words) in [(config(), "no password"), (config().password("another"), "\"default\"")] {
        let error = RedisTransport::connect(config.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains(words), "{error}");
        let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
        let error = bus.listen("k").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lacks_a_right_is_told_which_rule_to_grant() {
    let server =
        RedisServer::start_with(&["--user", "worker", "on", ">w", "resetchannels", "-@all", "+ping"]);
    let config = RedisConfig::new("127.0.0.1", server.port()).username("worker").password("w");
    let bus = NumberedBus::new(RedisTransport::connect(config.clone()).await.unwrap());
    let error = bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(
        error
            .to_string()
            .contains("user \"worker\" may not publish on numbered/k: grant `+publish &numbered/*`"),
        "{error}"
    );
    let error = bus.listen("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("grant `+subscribe &numbered/*`"), "{error}");
    let error = bus.listen_events("user-1/*").await.unwrap_err();
    assert!(error.to_string().contains("grant `+psubscribe &numbered/user-1/*`"), "{error}");
    let sharded = NumberedBus::new(RedisTransport::connect(config.sharded()).await.unwrap());
    let error = sharded.publish_to("k", &Numbered::new("s", 1)).await.unwrap_err();
    assert!(error.to_string().contains("grant `+spublish &numbered/*`"), "{error}");
    let error = sharded.listen("k").await.unwrap_err();
    assert!(error.to_string().contains("grant `+ssubscribe &numbered/*`"), "{error}");
}

/// Watches how often somebody logs in at a node, over a connection that logs in itself only when it is made.
struct Doorkeeper(Mutex<Connection>);

impl Doorkeeper {
    fn at(address: &str) -> Self {
        let client = redis::Client::open(format!("redis://{address}")).unwrap();
        Self(Mutex::new(client.get_connection().unwrap()))
    }

    /// How many logins there have been on connections that were logged in already, and how many failed.
    fn auths(&self) -> (u64, u64) {
        let stats: String =
            redis::cmd("INFO").arg("commandstats").query(&mut self.0.lock().unwrap()).unwrap();
        let line = stats.lines().find(|line| line.starts_with("cmdstat_auth:")).unwrap_or_default();
        let count = |name| {
            let mut counts = line.split([':', ',']).filter_map(|count| count.split_once('='));
            counts.find(|(its, _)| *its == name).map_or(0, |(_, count)| count.trim().parse().unwrap())
        };
        (count("calls"), count("failed_calls"))
    }
}

/// One event, which is the next thing that is heard.
async fn is_next(bus: &NumberedBus, key: &str, events: &mut Subscription<Numbered>, number: u64) {
    bus.publish_to(key, &Numbered::new("s", number)).await.unwrap();
    let heard = within("heard", events.recv()).await.unwrap();
    assert_eq!(heard.expect("nothing was told").number, number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_to_all_nodes_of_a_cluster_log_in_anew_when_credentials_change() {
    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0).line(FIRST));
    let provider = Rotating::new("first");
    let config = RedisConfig::cluster(cluster.seeds()).credentials(provider.clone()).sharded();
    let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
    let keys: Vec<String> = (0..3).map(|node| key_of(&cluster, node)).collect();
    let mut streams = Vec::new();
    for key in &keys[..2] {
        let mut events = bus.listen(&**key).await.unwrap();
        is_next(&bus, key, &mut events, 1).await;
        streams.push(events);
    }
    let doors: Vec<Doorkeeper> = (0..3).map(|node| Doorkeeper::at(&cluster.address(node))).collect();
    let all = |words: &[&str]| (0..3).for_each(|node| drop(cluster.command(node, words)));
    let of = |user: &str, node| connections_of(user, &cluster.command(node, &["CLIENT", "LIST"]));
    let asks = |connection: &String| connection.contains(" cmd=cluster|nodes ");
    all(&["ACL", "SETUSER", "bob", "on", ">second", "~*", "&*", "+@all"]);
    eventually("all are asked who serves what", || (0..3).all(|node| of("ann", node).iter().any(asks))).await;
    provider.rotate_to("bob", "second");
    // Whoever publishes, whoever listens, and whoever asks.
    eventually("all have logged in anew", || (0..3).all(|node| of("ann", node).is_empty())).await;
    eventually("and ask again", || (0..3).all(|node| of("bob", node).iter().any(asks))).await;
    all(&["ACL", "DELUSER", "ann"]);
    for (key, events) in keys.iter().zip(&mut streams) {
        is_next(&bus, key, events, 2).await;
    }
    let mut new = bus.listen(&*keys[2]).await.unwrap();
    is_next(&bus, &keys[2], &mut new, 3).await;
    all(&["CLIENT", "KILL", "USER", "bob"]);
    for (key, events) in keys.iter().zip(streams.iter_mut().chain([&mut new])) {
        assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
        assert!(matches!(within("back", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
        is_next(&bus, key, events, 4).await;
    }
    assert!(doors.iter().all(|door| door.auths().1 == 0), "no login failed");
}

/// What a node says of each.
fn connections_of(user: &str, list: &redis::Value) -> Vec<String> {
    let list: String = redis::from_redis_value_ref(list).unwrap();
    list.lines().filter(|line| line.contains(&format!(" user={user} "))).map(str::to_owned).collect()
}

fn key_of(cluster: &RedisCluster, node: usize) -> String {
    let mut keys = (0..).map(|number| format!("k{number}"));
    keys.find(|key| cluster.owner_of(&format!("numbered/{key}")) == Some(node)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_to_the_master_of_sentinels_log_in_anew_and_so_does_the_next_master() {
    let sentinels = RedisSentinels::start_with(SentinelOptions::default().line(FIRST));
    let provider = Rotating::new("first");
    let config = RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds());
    let config = config.credentials(provider.clone()).publish_timeout(Duration::from_secs(20));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    is_next(&bus, "k", &mut events, 1).await;
    let master = Doorkeeper::at(&sentinels.address(0));
    let all = |words: &[&str]| {
        (0..sentinels.nodes()).for_each(|node| drop(sentinels.command(node, words)));
    };
    all(&["ACL", "SETUSER", "ann", ">second"]);
    let (before, failed) = master.auths();
    provider.rotate("second");
    // Sentinels and replicas log in there, too, if they connect anew.
    eventually("whoever publishes and whoever listens", || master.auths().0 >= before + 2).await;
    all(&["ACL", "SETUSER", "ann", "<first"]);
    is_next(&bus, "k", &mut events, 2).await;
    assert_eq!(master.auths().1, failed);
    sentinels.failover().await;
    assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
    while !matches!(within("at the new one", events.recv()).await, Some(Err(Notice::Resumed { .. }))) {}
    is_next(&bus, "k", &mut events, 3).await;
}

/// A vault that gives nothing until it is opened, and tells when that is tried again.
#[derive(Clone)]
struct Sealed(Arc<Vault>);

struct Vault {
    changed: Notify,
    asked: watch::Sender<u64>,
}

/// Between two attempts to connect, however often credentials change.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

impl Sealed {
    fn new() -> Self {
        Self(Arc::new(Vault { changed: Notify::new(), asked: watch::Sender::new(0) }))
    }

    fn asked(&self) -> u64 {
        *self.0.asked.borrow()
    }

    /// Until it was asked more often than `times`.
    async fn asked_after(&self, times: u64) {
        self.0.asked.subscribe().wait_for(|asked| *asked > times).await.unwrap();
    }
}

impl CredentialsProvider for Sealed {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        self.0.asked.send_modify(|asked| *asked += 1);
        Err("the vault is sealed".into())
    }

    async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

/// In a time that goes on only when there is nothing else to do.
#[tokio::test(start_paused = true)]
async fn a_listener_that_waits_to_connect_is_woken_by_other_credentials() {
    let vault = Sealed::new();
    let config = RedisConfig::new("127.0.0.1", 1).credentials(vault.clone());
    let bus =
        NumberedBus::new(RedisTransport::lazy(config.listen_timeout(Duration::from_secs(3600))).unwrap());
    let mut listening = std::pin::pin!(bus.listen("k"));
    let rounds = async {
        vault.asked_after(10).await; // the pauses between attempts are as long as they get
        for round in 0..5 {
            let (asked, begin) = (vault.asked(), Instant::now());
            vault.0.changed.notify_one();
            vault.asked_after(asked).await;
            assert!(begin.elapsed() <= LEAST_PAUSE, "round {round}: {:?}", begin.elapsed());
        }
        let (asked, begin) = (vault.asked(), Instant::now());
        vault.asked_after(asked).await;
        assert!(begin.elapsed() > Duration::ZERO, "nothing was told: it waits");
    };
    tokio::select! {
        outcome = &mut listening => panic!("{:?}", outcome.err()),
        () = rounds => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_goes_out_with_other_credentials_however_the_ones_before_failed() {
    let vault = Sealed::new();
    let config = RedisConfig::new("127.0.0.1", 1).credentials(vault.clone()).publish_attempts(1);
    let bus = NumberedBus::new(RedisTransport::lazy(config).unwrap());
    for asked in 1..10 {
        for _ in 0..3 {
            bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap_err();
            assert_eq!(vault.asked(), asked, "only the first one tries");
        }
        vault.0.changed.notify_one();
        sleep(LEAST_PAUSE).await;
    }
}

/// One channel at each of the servers that are logged in to.
async fn are_heard_again(bus: NumberedBus, keys: &[String], provider: &Rotating, all: impl Fn(&[&str])) {
    let mut streams = Vec::new();
    for key in keys {
        streams.push(bus.listen(&**key).await.unwrap());
    }
    all(&["ACL", "SETUSER", "ann", "resetpass", ">second"]);
    all(&["CLIENT", "KILL", "USER", "ann"]);
    for events in &mut streams {
        assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
    }
    let asked = provider.asked();
    eventually("refused again and again", || provider.asked() > asked + 8 * keys.len()).await;
    let begin = Instant::now();
    provider.rotate("second");
    for (key, events) in keys.iter().zip(&mut streams) {
        assert!(matches!(within("back", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
        println!("{key} is heard again after {:?}", begin.elapsed());
        is_next(&bus, key, events, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_that_were_refused_hear_again_when_the_right_password_is_told() {
    let config = |config: RedisConfig, provider: &Rotating| {
        let config = config.credentials(provider.clone()).publish_timeout(Duration::from_secs(20));
        NumberedBus::new(RedisTransport::lazy(config).unwrap())
    };
    let (server, provider) = (server(), Rotating::new("first"));
    let bus = config(RedisConfig::new("127.0.0.1", server.port()), &provider);
    are_heard_again(bus, &["k".to_owned()], &provider, |words| drop(server.command(words))).await;

    let cluster = RedisCluster::start_with(ClusterOptions::default().replicas(0).line(FIRST));
    let all = |words: &[&str]| (0..3).for_each(|node| drop(cluster.command(node, words)));
    let keys: Vec<String> = (0..3).map(|node| key_of(&cluster, node)).collect();
    let provider = Rotating::new("first");
    let bus = config(RedisConfig::cluster(cluster.seeds()).sharded(), &provider);
    are_heard_again(bus, &keys, &provider, all).await;

    let sentinels = RedisSentinels::start_with(SentinelOptions::default().line(FIRST));
    let all = |words: &[&str]| (0..3).for_each(|node| drop(sentinels.command(node, words)));
    let provider = Rotating::new("first");
    let bus = config(RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds()), &provider);
    are_heard_again(bus, &["k".to_owned()], &provider, all).await;
}
