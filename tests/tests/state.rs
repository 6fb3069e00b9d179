//! Watching the state of a transport while its server is killed and comes back.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::time::Duration;

use event_bus_core::transport::{LinkState, StateWatch, Transport, TransportState};
use event_bus_core::{MemoryTransport, Notice};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Numbered, NumberedBus, RedisServer, SourceChannel, eventually, within};

/// Gives up at once, and does not wait for an answer for long.
fn config(server: &RedisServer) -> RedisConfig {
    RedisConfig::new("127.0.0.1", server.port())
        .publish_attempts(1)
        .response_timeout(Duration::from_millis(500))
}

/// The first state that is as wanted, from the present one on.
async fn until(
    what: &str,
    watch: &mut StateWatch,
    is_it: impl Fn(&TransportState) -> bool,
) -> TransportState {
    let mut state = watch.current();
    while !is_it(&state) {
        state = within(what, watch.changed()).await.expect("not the end");
    }
    state
}

/// Tells everything that is left to be told.
async fn drain(watch: &mut StateWatch) -> Option<TransportState> {
    let mut last = None;
    while let Some(state) = within("the end", watch.changed()).await {
        last = Some(state);
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_listening_connection_is_shown_with_its_error_and_so_is_its_return() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    let mut watch = bus.watch_state();
    assert_eq!(watch.current().listener, LinkState::Idle);
    let mut events = bus.listen("k").await.unwrap();
    assert_eq!(watch.current().listener, LinkState::Connected);
    for round in 0..3 {
        server.kill();
        let down = until("interrupted", &mut watch, |state| state.listener == LinkState::Interrupted).await;
        assert!(down.listener_error.is_some_and(|error| !error.is_empty()));
        server.restart();
        let up = until("connected", &mut watch, |state| state.listener == LinkState::Connected).await;
        assert_eq!(up.listener_error, None, "it belongs to the interruption");
        // The connection is back; a moment later, so are the subscriptions.
        while !matches!(within("resumed", events.recv()).await.unwrap(), Err(Notice::Resumed { .. })) {}
        while bus.publish_to("k", &Numbered::new("s", round)).await.is_err() {}
        assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_that_fails_is_shown_with_its_error_and_so_is_its_success() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::lazy(config(&server)).unwrap());
    let mut watch = bus.watch_state();
    assert_eq!(watch.current(), TransportState::default());
    for round in 0..3 {
        while bus.publish_to("k", &Numbered::new("s", round)).await.is_err() {}
        let up = until("connected", &mut watch, |state| state.publisher == LinkState::Connected).await;
        assert_eq!(up.publisher_error, None, "it belongs to the interruption");
        server.kill();
        until("noticed", &mut watch, |state| state.publisher == LinkState::Idle).await;
        bus.publish_to("k", &Numbered::new("s", round)).await.unwrap_err();
        let down = until("interrupted", &mut watch, |state| state.publisher == LinkState::Interrupted).await;
        assert!(down.publisher_error.is_some_and(|error| !error.is_empty()));
        assert_eq!(down.listener, LinkState::Idle, "nobody listens");
        server.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_watcher_finds_the_latest_state_and_no_old_one() {
    let server = RedisServer::start();
    let transport = RedisTransport::connect(config(&server)).await.unwrap();
    let bus = NumberedBus::new(transport.clone());
    let mut watch = bus.watch_state();
    let _events = bus.listen("k").await.unwrap();
    for _ in 0..10 {
        let before = bus.health().reconnects;
        let _ = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        let _ = server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        // Confirmed, or the next kill comes while the connection is of neither type; and twice if both kills have hit.
        eventually("back", || {
            let health = bus.health();
            health.reconnects > before && health.confirmed == health.wanted
        })
        .await;
    }
    while bus.publish_to("k", &Numbered::new("s", 1)).await.is_err() {}
    // Whoever changes the state shows it right after; nobody changes it any more.
    eventually("the same", || watch.current() == bus.state()).await;
    assert_eq!(within("told", watch.changed()).await, Some(bus.state()));
    transport.close().await;
    assert!(within("told", watch.changed()).await.is_some_and(|state| state.is_closed()));
    assert_eq!(within("the end", watch.changed()).await, None);
}

async fn closing_is_the_last_that_is_told(transport: impl Transport + Clone) {
    let bus = NumberedBus::new(transport.clone());
    let mut watch = bus.watch_state();
    let mut idle = bus.watch_state();
    let mut events = bus.listen("k").await.unwrap();
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    let works = |state: &TransportState| {
        (state.publisher, state.listener) == (LinkState::Connected, LinkState::Connected)
    };
    until("connected", &mut watch, works).await;
    bus.close().await;
    assert!(works(&watch.current()), "others may use the transport");
    transport.close().await;
    assert!(drain(&mut watch).await.unwrap().is_closed());
    assert!(drain(&mut idle).await.unwrap().is_closed());
    assert_eq!(within("the end", bus.watch_state().changed()).await, None);
    while within("the end", events.recv()).await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_is_the_last_that_is_told_by_redis() {
    let server = RedisServer::start();
    closing_is_the_last_that_is_told(RedisTransport::connect(config(&server)).await.unwrap()).await;
}

#[tokio::test]
async fn closing_is_the_last_that_is_told_in_memory() {
    closing_is_the_last_that_is_told(MemoryTransport::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_keeps_no_transport_alive_and_ends_with_it() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    let mut watch = bus.watch_state();
    let events = bus.listen("k").await.unwrap();
    drop(bus);
    until("connected", &mut watch, |state| state.listener == LinkState::Connected).await;
    drop(events);
    drain(&mut watch).await;
}

#[test]
fn a_runtime_that_ends_leaves_an_idle_transport_in_memory() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let watch = bus.watch_state();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        let _events = bus.listen("k").await.unwrap();
        assert_eq!(watch.current().listener, LinkState::Connected);
    });
    assert_eq!(watch.current(), TransportState::default());
    assert_eq!(bus.state(), TransportState::default());
}

#[tokio::test]
async fn a_probe_is_told_what_works_and_no_password() {
    let mut server = RedisServer::start_with(&["--requirepass", "s3cret"]);
    let url = format!("redis://:s3cret@127.0.0.1:{}", server.port());
    let redis = RedisTransport::connect(url.as_str()).await.unwrap();
    let bus = NumberedBus::new(redis.clone());
    assert_eq!((bus.health().http_status(), bus.health().is_live()), (200, true));
    let _events = bus.source(SourceChannel { source: "s" }).listen().await.unwrap();
    let json = bus.health().to_json();
    assert!(json.starts_with(r#"{"ready":true,"live":true,"publisher":{"state":"connected""#), "{json}");
    server.kill();
    eventually("it is not ready", || bus.health().http_status() == 503).await;
    let health = bus.health();
    assert!(health.is_live(), "it heals by itself");
    let value: serde_json::Value = serde_json::from_str(&health.to_json()).unwrap();
    assert_eq!(value["listener"]["state"], "interrupted");
    assert!(value["listener"]["last_error"].is_string());
    assert!(!health.to_json().contains("s3cret"), "{}", health.to_json());
    server.restart();
    eventually("it is ready again", || bus.health().http_status() == 200).await;
    redis.close().await;
    assert_eq!((bus.health().http_status(), bus.health().is_live()), (503, false), "closed is closed");
}
