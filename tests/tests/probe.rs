//! The end-to-end probe: quiet while all is well, gone with the last listener, and loud where it can't work.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::time::Duration;

use event_bus_core::EventBus;
use event_bus_redis::{Listening, Publishing, RedisConfig, RedisTransport};
use event_bus_tests::{Numbered, NumberedBus, RedisServer, eventually, within};

const OFTEN: Duration = Duration::from_millis(20);

fn probing(server: &RedisServer) -> RedisConfig {
    RedisConfig::from_url(server.url()).unwrap().probe_interval(OFTEN)
}

fn text(value: &redis::Value) -> String {
    format!("{value:?}")
}

/// How many publishes the server has executed.
fn publishes(server: &RedisServer) -> u64 {
    calls(server, "publish")
}

fn calls(server: &RedisServer, command: &str) -> u64 {
    let stats = text(&server.command(&["INFO", "commandstats"]));
    let calls = stats.split(&format!("cmdstat_{command}:calls=")).nth(1).unwrap_or("0,");
    calls.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn while_all_is_well_nothing_is_told_and_it_ends_with_the_last_listener() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(probing(&server)).await.unwrap());
    assert_eq!(publishes(&server), 0, "nobody listens");
    let mut events = bus.listen("k").await.unwrap();
    let other = bus.listen("l").await.unwrap();
    eventually("it probes", || publishes(&server) >= 10).await;
    assert_eq!((bus.health().wanted, bus.health().reconnects), (3, 0), "two channels and the probe's");
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(within("the event", events.recv()).await.unwrap().unwrap().number, 1, "and nothing before it");
    drop(other);
    let before = publishes(&server);
    eventually("it goes on", || publishes(&server) > before + 5).await;
    drop(events);
    eventually("nothing is subscribed to", || {
        text(&server.command(&["PUBSUB", "CHANNELS"])) == text(&redis::Value::Array(Vec::new()))
    })
    .await;
    assert_eq!(bus.health().wanted, 0);

    let _again = bus.listen("k").await.unwrap();
    let before = publishes(&server);
    eventually("it begins again", || publishes(&server) > before + 5).await;
}

#[tokio::test]
async fn a_probe_goes_the_way_that_is_listened_to_whatever_events_are_published_with() {
    let server = RedisServer::start();
    let kinds = [
        (Publishing::Classic, Listening::Sharded, "spublish"),
        (Publishing::Sharded, Listening::Classic, "publish"),
    ];
    for (publishing, listening, command) in kinds {
        let config = probing(&server).publishing(publishing).listening(listening);
        let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
        let mut events = bus.listen("k").await.unwrap();
        let before = calls(&server, command);
        eventually("each comes back before the next", || calls(&server, command) > before + 10).await;
        assert_eq!(bus.health().reconnects, 0, "{publishing:?}, {listening:?}");
        assert!(futures_util::FutureExt::now_or_never(events.recv()).is_none(), "nothing was told");
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_once_and_probed_again_afterwards() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(probing(&server)).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    eventually("it probes", || publishes(&server) >= 3).await;
    server.kill();
    within("told", events.recv()).await.unwrap().unwrap_err();
    server.restart();
    within("told", events.recv()).await.unwrap().unwrap_err();
    eventually("it probes again", || publishes(&server) >= 3).await;
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(within("the event", events.recv()).await.unwrap().unwrap().number, 1, "nothing else was told");
    assert_eq!(bus.health().reconnects, 1);
}

#[tokio::test]
async fn a_user_who_may_not_probe_listens_all_the_same() {
    let server = RedisServer::start();
    let rights = ["ACL", "SETUSER", "bob", "on", ">pw", "+@all", "resetchannels", "&numbered/*"];
    let _ = server.command(&rights);
    let config = probing(&server).username("bob").password("pw");
    let bus: EventBus<Numbered> = EventBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("k").await.unwrap();
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(within("the event", events.recv()).await.unwrap().unwrap().number, 1);
}
