//! TLS on both halves: servers that are believed, servers that are not, and what is said about it.

#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::error::Error as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

use event_bus_core::transport::{LinkState, Transport};
use event_bus_core::{Error, ErrorKind, Notice, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{
    ClientCertificates, ClusterOptions, Identity, Numbered, NumberedBus, RedisCluster, RedisSentinels,
    RedisServer, SentinelOptions, eventually, within,
};

/// The server as one sees it who trusts its authority.
fn trusting(server: &RedisServer) -> RedisConfig {
    let config = RedisConfig::from_url(server.tls_url()).unwrap();
    config.ca_certificates(fs::read(server.certificates().authority()).unwrap())
}

fn with_client(config: RedisConfig, client: &Identity) -> RedisConfig {
    config.client_certificate(fs::read(&client.certificate).unwrap(), fs::read(&client.key).unwrap())
}

/// What connecting to publish is told, and what one who listens is.
async fn refusals(config: RedisConfig) -> [Error; 2] {
    let config = config.listen_timeout(Duration::from_secs(2)).connect_timeout(Duration::from_secs(1));
    let publishing = RedisTransport::connect(config.clone()).await.unwrap_err();
    let listening = NumberedBus::new(RedisTransport::lazy(config).unwrap()).listen("k").await.unwrap_err();
    [publishing, listening]
}

fn text(error: &Error) -> String {
    format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
}

async fn says(config: RedisConfig, words: &str) {
    for error in refusals(config).await {
        assert!(matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::NotSubscribed), "{error:?}");
        assert!(text(&error).contains(words), "{words}: {}", text(&error));
    }
}

/// One publish, heard by a listener of the same settings.
async fn serves(config: RedisConfig) -> NumberedBus {
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    bus.publish_to("k", &Numbered::new("s", 7)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 7);
    bus
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_halves_speak_tls_and_large_events_pass_as_they_are() {
    let server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let bus = serves(trusting(&server)).await;
    let mut events = bus.listen("k").await.unwrap();
    let large = "ä€ \u{0}".repeat(200_000);
    bus.publish_to("k", &Numbered::new(&large, 8)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().source, large);
    let by_name = RedisConfig::from_url(server.tls_url().replace("127.0.0.1", "localhost")).unwrap();
    serves(by_name.ca_certificates(fs::read(server.certificates().authority()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_over_tls_comes_in_order_and_whole() {
    const EVENTS: u64 = 5_000;
    let server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let bus = NumberedBus::builder(RedisTransport::connect(trusting(&server)).await.unwrap())
        .queue_messages(usize::try_from(EVENTS).unwrap())
        .build()
        .unwrap();
    let mut events = bus.listen("k").await.unwrap();
    let publishing = async {
        for number in 0..EVENTS {
            bus.publish_to("k", &Numbered::new("s", number)).await.unwrap();
        }
    };
    let listening = async {
        for number in 0..EVENTS {
            assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, number);
        }
    };
    tokio::join!(publishing, listening);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_is_found_again_over_tls() {
    let mut server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let bus = serves(trusting(&server)).await;
    let mut events = bus.listen("k").await.unwrap();
    server.kill();
    assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
    server.restart();
    assert!(matches!(within("back", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
    bus.publish_to("k", &Numbered::new("s", 9)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_noticed_over_tls() {
    let server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let times = Duration::from_millis(300);
    let bus = serves(trusting(&server).ping_interval(times).response_timeout(times)).await;
    let mut events = bus.listen("k").await.unwrap();
    server.pause();
    assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
    server.resume();
    assert!(matches!(within("back", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_an_unknown_authority_is_not_believed() {
    let server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let foreign = RedisConfig::from_url(server.tls_url()).unwrap();
    says(foreign.clone(), "give that one with `ca_certificates`").await;
    let other = fs::read(server.certificates().foreign_authority()).unwrap();
    says(foreign.ca_certificates(other), "is of an authority that is not trusted").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_under_another_name_than_its_certificate_s_is_not_believed() {
    let both = ["--bind", "127.0.0.1", "127.0.0.2"];
    let server = RedisServer::start_tls_with(ClientCertificates::NotAsked, &both);
    let url = server.tls_url().replace("127.0.0.1", "127.0.0.2");
    let config = RedisConfig::from_url(url).unwrap();
    let authority = fs::read(server.certificates().authority()).unwrap();
    says(config.ca_certificates(authority), "is not for this host").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_against_a_plain_port_and_the_other_way_round_are_explained() {
    let server = RedisServer::start_tls(ClientCertificates::NotAsked);
    says(RedisConfig::new("127.0.0.1", server.port()).tls(), "does not speak tls").await;
    let url = server.tls_url().replace("rediss", "redis");
    says(RedisConfig::from_url(url).unwrap(), "the port speaks tls").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_demands_a_certificate_gets_one_or_the_error_says_so() {
    let server = RedisServer::start_tls(ClientCertificates::Required);
    let certificates = server.certificates();
    serves(with_client(trusting(&server), &certificates.client())).await;
    says(trusting(&server), "`client_certificate`").await;
    says(with_client(trusting(&server), &certificates.foreign_client()), "`client_certificate`").await;
    let key_of_another = Identity { key: certificates.foreign_client().key, ..certificates.client() };
    let error = RedisTransport::lazy(with_client(trusting(&server), &key_of_another)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("does not belong"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_tls_go_together_and_no_key_is_shown() {
    let user = ["--user", "ann", "on", ">word", "~*", "&*", "+@all"];
    let server = RedisServer::start_tls_with(ClientCertificates::Required, &user);
    let client = server.certificates().client();
    let config = with_client(trusting(&server), &client).username("ann").password("word");
    let key = fs::read_to_string(&client.key).unwrap();
    let secret = key.lines().nth(1).unwrap();
    assert!(!format!("{config:?}").contains(secret));
    let bus = serves(config.clone()).await;
    assert_eq!(bus.health().publisher.state, LinkState::Connected);
    let wrong = RedisTransport::connect(config.password("another")).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Denied);
    assert!(!format!("{wrong:?}").contains(secret));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_over_tls_end_with_the_transport() {
    let server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let redis = RedisTransport::connect(trusting(&server)).await.unwrap();
    let bus = NumberedBus::new(redis.clone());
    let events = bus.listen("k").await.unwrap();
    redis.close().await;
    drop((bus, events, redis));
    let clients = || {
        let list: String = redis::from_redis_value(server.command(&["CLIENT", "LIST"])).unwrap();
        list.lines().count()
    };
    eventually("all are gone but the one that asks", || clients() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nodes_of_a_cluster_are_reached_over_tls() {
    let options = ClusterOptions::default().replicas(0).tls(ClientCertificates::Required);
    let cluster = RedisCluster::start_with(options);
    let seed = cluster.url(0).replace("rediss://", "rediss-cluster://");
    let config = RedisConfig::from_url(seed).unwrap();
    let config = config.ca_certificates(fs::read(cluster.certificates().authority()).unwrap());
    let config = with_client(config, &cluster.certificates().client());
    for config in [config.clone(), config.sharded()] {
        let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
        for key in ["a", "b", "c", "d", "e", "f"] {
            let mut events = bus.listen(key).await.unwrap();
            bus.publish_to(key, &Numbered::new("s", 7)).await.unwrap();
            assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 7);
        }
    }
}

/// By the URL that a deployment is given.
fn of_sentinels(sentinels: &RedisSentinels) -> RedisConfig {
    let (mut parts, name) = (sentinels.sentinel_addresses(), sentinels.master_name());
    parts[0] = format!("rediss-sentinel://{}?sentinelServiceName={name}", parts[0]);
    RedisConfig::from_url(parts.join("&node=")).unwrap()
}

/// The master was replaced: that is told, and the next one is published to and heard.
async fn follow(bus: &NumberedBus, events: &mut Subscription<Numbered>, number: u64) {
    assert!(matches!(within("told", events.recv()).await, Some(Err(Notice::Interrupted))));
    while !matches!(within("back", events.recv()).await, Some(Err(Notice::Resumed { .. }))) {}
    bus.publish_to("k", &Numbered::new("s", number)).await.unwrap();
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_of_sentinels_is_reached_over_tls_and_so_are_those_that_replace_it() {
    let sentinels = RedisSentinels::start_with(SentinelOptions::default().tls(ClientCertificates::Required));
    let certificates = sentinels.certificates();
    let config = of_sentinels(&sentinels).ca_certificates(fs::read(certificates.authority()).unwrap());
    let config = with_client(config, &certificates.client()).publish_timeout(Duration::from_secs(20));
    for config in [config.clone(), config.sharded()] {
        let bus = serves(config).await;
        let mut events = bus.listen("k").await.unwrap();
        sentinels.failover().await;
        follow(&bus, &mut events, 8).await;
        sentinels.settled().await;
        let master = sentinels.master().unwrap();
        sentinels.kill(master);
        sentinels.switched(master).await;
        follow(&bus, &mut events, 9).await;
        sentinels.restart(master);
        sentinels.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_are_not_believed_or_do_not_believe_us_are_told_as_what_they_are() {
    let options = SentinelOptions::default().replicas(0).sentinels(1).tls(ClientCertificates::Required);
    let sentinels = RedisSentinels::start_with(options);
    let (certificates, config) = (sentinels.certificates(), of_sentinels(&sentinels));
    says(config.clone(), "give that one with `ca_certificates`").await;
    let foreign = fs::read(certificates.foreign_authority()).unwrap();
    says(config.clone().ca_certificates(foreign), "is of an authority that is not trusted").await;
    let trusting = config.ca_certificates(fs::read(certificates.authority()).unwrap());
    says(trusting.clone(), "`client_certificate`").await;
    says(with_client(trusting, &certificates.foreign_client()), "`client_certificate`").await;
    let plain = RedisConfig::sentinel(sentinels.master_name(), sentinels.seeds());
    says(plain, "the port speaks tls").await;
}

/// The environment of a process can't be changed safely while it runs, so this test runs itself once more.
#[test]
fn a_server_of_an_authority_that_the_platform_trusts_needs_no_setting() {
    const TEST: &str = "a_server_of_an_authority_that_the_platform_trusts_needs_no_setting";
    if let Ok(url) = std::env::var("SERVER") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _bus = runtime.block_on(serves(RedisConfig::from_url(url).unwrap()));
        return;
    }
    let server = RedisServer::start_tls(ClientCertificates::NotAsked);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", TEST]).env("SERVER", server.tls_url());
    let output = child.env("SSL_CERT_FILE", server.certificates().authority()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
