//! The rules that a bus tells are those under which it works at a real server, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::HashMap;
use std::time::Duration;

use event_bus_core::transport::{LinkState, Transport};
use event_bus_core::{Acl, AclRules, ErrorKind, KeyPattern, MemoryTransport, Notice};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{
    ClusterOptions, Numbered, NumberedBus, RedisCluster, RedisSentinels, RedisServer, SentinelOptions,
    eventually, within,
};

fn acl() -> Acl {
    NumberedBus::new(MemoryTransport::new()).acl()
}

/// A config of a user who has these rules and no others.
fn user(server: &RedisServer, name: &str, rules: &AclRules) -> RedisConfig {
    let words: Vec<&str> = ["ACL", "SETUSER", name, "on", ">word"].into_iter().chain(rules.iter()).collect();
    let _ = server.command(&words);
    RedisConfig::new("127.0.0.1", server.port()).username(name).password("word")
}

async fn bus(config: RedisConfig) -> NumberedBus {
    NumberedBus::new(RedisTransport::connect(config).await.unwrap())
}

/// What the server has refused so far, of whom and what.
fn refusals(server: &RedisServer) -> Vec<String> {
    let log: Vec<HashMap<String, redis::Value>> =
        redis::from_redis_value(server.command(&["ACL", "LOG"])).unwrap();
    let text = |entry: &HashMap<String, redis::Value>, name: &str| -> String {
        redis::from_redis_value(entry[name].clone()).unwrap()
    };
    log.iter().map(|entry| format!("{} {}", text(entry, "username"), text(entry, "object"))).collect()
}

/// Publishing and listening, waiting and patterns, with both connections lost in between.
async fn work(server: &RedisServer, publisher: &NumberedBus, listener: &NumberedBus, has_patterns: bool) {
    let mut kept = listener.listen("kept").await.unwrap();
    for round in 0..2 {
        let mut events = listener.listen("k").await.unwrap();
        let mut others = listener.listen("other").await.unwrap();
        publisher.publish_to("k", &Numbered::new("s", round)).await.unwrap();
        assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, round);
        publisher.publish_to("other", &Numbered::new("s", round)).await.unwrap();
        assert_eq!(within("heard", others.recv()).await.unwrap().unwrap().number, round);
        if round == 0 {
            // Long enough for a busy server to answer that there was nothing.
            assert!(listener.wait("nothing", Duration::from_secs(3)).await.unwrap().is_none());
        }
        if has_patterns {
            let mut all = listener.listen_events("user-1/*").await.unwrap();
            publisher.publish_to("user-1/x", &Numbered::new("s", round)).await.unwrap();
            assert_eq!(within("heard", all.recv()).await.unwrap().unwrap().number, round);
        }
        drop((events, others));
        let _ = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let _ = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        while !matches!(within("back", kept.recv()).await, Some(Err(Notice::Resumed { .. }))) {}
        let is_noticed = || publisher.health().publisher.state != LinkState::Connected;
        eventually("the lost lane is noticed", is_noticed).await;
    }
}

async fn roles_work(acl: &Acl, adapt: impl Fn(RedisConfig) -> RedisConfig, has_patterns: bool) {
    let server = RedisServer::start();
    let publisher = bus(adapt(user(&server, "publisher", &acl.publisher()))).await;
    let listener = bus(adapt(user(&server, "listener", &acl.listener()))).await;
    work(&server, &publisher, &listener, has_patterns).await;
    let service = bus(adapt(user(&server, "service", &acl.publisher_and_listener()))).await;
    work(&server, &service, &service, has_patterns).await;
    assert_eq!(refusals(&server), Vec::<String>::new(), "nothing was refused");

    let error = listener.publish_to("k", &Numbered::new("s", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let error = publisher.listen("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    only_that_is_allowed(&server);
}

/// Other commands, other channels.
fn only_that_is_allowed(server: &RedisServer) {
    for name in ["publisher", "listener", "service"] {
        for command in [
            &["GET", "k"][..],
            &["SET", "k", "v"],
            &["PUBSUB", "CHANNELS"],
            &["INFO"],
            &["CLIENT", "LIST"],
            &["ACL", "LIST"],
            &["FLUSHALL"],
            &["CONFIG", "GET", "*"],
            &["PUBLISH", "elsewhere/k", "v"],
            &["SPUBLISH", "elsewhere/k", "v"],
            &["SUBSCRIBE", "elsewhere/k"],
            &["SSUBSCRIBE", "elsewhere/k"],
            &["PSUBSCRIBE", "*"],
            &["PSUBSCRIBE", "numbered/user-2/*"],
        ] {
            let words: Vec<&str> =
                ["ACL", "DRYRUN", name].into_iter().chain(command.iter().copied()).collect();
            let answer: String = redis::from_redis_value(server.command(&words)).unwrap();
            assert_ne!(answer, "OK", "{name} may {command:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn classic_roles_work_under_exactly_their_rules() {
    roles_work(&acl(), |config| config, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_that_are_told_may_be_listened_to() {
    let acl = acl().pattern(KeyPattern::new("user-1/*").unwrap());
    roles_work(&acl, |config| config, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_may_be_selected_if_it_is_told() {
    roles_work(&acl().database(), |config| config.database(3), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharded_roles_work_under_exactly_their_rules() {
    roles_work(&acl().sharded(), RedisConfig::sharded, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_and_many_folded_patterns_are_within_the_rules() {
    let server = RedisServer::start();
    let acl = acl().pattern(KeyPattern::new("user-1/*").unwrap()).probe();
    let config = user(&server, "listener", &acl.listener()).probe_interval(Duration::from_millis(50));
    let redis = RedisTransport::connect(config.fold_patterns_beyond(0)).await.unwrap();
    let listener = NumberedBus::new(redis.clone());
    let mut events = listener.listen_events("user-1/*").await.unwrap();
    let publisher = bus(user(&server, "publisher", &acl.publisher())).await;
    publisher.publish_to("user-1/x", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 1);
    let probes = || {
        let info: String = redis::from_redis_value(server.command(&["INFO", "commandstats"])).unwrap();
        let line = info.lines().find(|line| line.starts_with("cmdstat_publish:")).unwrap().to_owned();
        line.split("calls=").nth(1).unwrap().split(',').next().unwrap().parse::<u64>().unwrap()
    };
    eventually("probed", || probes() > 4).await;
    assert_eq!(refusals(&server), Vec::<String>::new());
    assert_eq!(redis.health().reconnects, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharded_roles_of_a_cluster_work_under_exactly_their_rules() {
    let acl = acl().sharded().cluster();
    let user = |name: &str, rules: &AclRules| format!("user {name} on >word {rules}");
    let options = ClusterOptions::default()
        .replicas(0)
        .line(user("publisher", &acl.publisher()))
        .line(user("listener", &acl.listener()));
    let cluster = RedisCluster::start_with(options);
    let nodes = cluster.seeds();
    let config = |name: &str| RedisConfig::cluster(nodes.clone()).sharded().username(name).password("word");
    let (publisher, listener) = (bus(config("publisher")).await, bus(config("listener")).await);
    for key in ["a", "b", "c", "d", "e", "f"] {
        let mut events = listener.listen(key).await.unwrap();
        publisher.publish_to(key, &Numbered::new("s", 7)).await.unwrap();
        assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 7);
    }
    let error = listener.publish_to("a", &Numbered::new("s", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let error = publisher.listen("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    for node in 0..cluster.nodes() {
        let log: Vec<HashMap<String, redis::Value>> =
            redis::from_redis_value(cluster.command(node, &["ACL", "LOG"])).unwrap();
        let commands =
            ["cluster|nodes", "hello", "ping", "unwatch"].map(|name| redis::Value::BulkString(name.into()));
        assert!(!log.iter().any(|entry| commands.contains(&entry["object"])), "{log:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_finds_its_master_with_the_rules_for_sentinels() {
    let rules = acl().publisher_and_listener();
    let options = SentinelOptions::default()
        .line(format!("user service on >word {rules}"))
        .sentinel_line(format!("user watcher on >watch {}", Acl::sentinels()));
    let sentinels = RedisSentinels::start_with(options);
    let config = RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds())
        .username("service")
        .password("word")
        .listen_timeout(Duration::from_secs(20));
    let bus = bus(config.clone().sentinel_login(Some("watcher"), "watch")).await;
    let mut events = bus.listen("k").await.unwrap();
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 1);
    sentinels.failover().await;
    while !matches!(within("at the new one", events.recv()).await, Some(Err(Notice::Resumed { .. }))) {}
    let wrong = config.sentinel_login(Some("watcher"), "another");
    assert_eq!(RedisTransport::connect(wrong).await.unwrap_err().kind(), ErrorKind::Denied);
}
