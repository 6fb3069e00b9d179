//! What a transport says of itself, beside what it does.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use event_bus_core::transport::{LinkState, Transport};
use event_bus_core::{ErrorKind, MemoryTransport, MessageLimit, Notice};
use event_bus_redis::RedisTransport;
use event_bus_tests::{Logged, Numbered, NumberedBus, RedisServer, SourceChannel, eventually, within};

async fn subscriptions_are_counted_until_the_transport_is_closed<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport.clone());
    assert_eq!(bus.state().listener, LinkState::Idle);
    let counts = || (bus.health().wanted, bus.health().confirmed);
    let first = bus.source(SourceChannel { source: "s" }).listen().await.unwrap();
    let mut second = bus.source(SourceChannel { source: "s" }).listen().await.unwrap();
    assert_eq!(counts(), (1, 1), "channels, not listeners");
    assert_eq!(bus.state().listener, LinkState::Connected);
    second.add("t").await.unwrap();
    assert_eq!(counts(), (2, 2));
    drop(second);
    eventually("`t` is given up", || counts() == (1, 1)).await;
    drop(first);
    eventually("nothing is left", || counts() == (0, 0)).await;
    transport.close().await;
    assert_eq!((bus.state().publisher, bus.state().listener), (LinkState::Closed, LinkState::Closed));
}

#[tokio::test]
async fn a_closed_bus_is_closed_and_its_transport_is_not() {
    let memory = MemoryTransport::new();
    let (closed, other) = (NumberedBus::new(memory.clone()), NumberedBus::new(memory));
    let _events = other.listen("s").await.unwrap();
    closed.close().await;
    let health = closed.health();
    assert_eq!((health.publisher.state, health.listener.state), (LinkState::Closed, LinkState::Closed));
    assert_eq!((health.http_status(), health.is_live()), (503, false));
    assert_eq!((other.health().http_status(), other.health().is_live()), (200, true));
}

#[tokio::test]
async fn in_memory_subscriptions_are_counted() {
    subscriptions_are_counted_until_the_transport_is_closed(MemoryTransport::new()).await;
}

#[tokio::test]
async fn on_redis_subscriptions_are_counted() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(server.url()).await.unwrap();
    subscriptions_are_counted_until_the_transport_is_closed(redis).await;
}

#[tokio::test]
async fn what_was_delivered_and_missed_is_counted_by_its_cause() {
    let memory = MemoryTransport::new();
    let limit = MessageLimit::new(4096).unwrap();
    let bus = NumberedBus::builder(memory.clone()).queue_messages(2).message_limit(limit).build().unwrap();
    let mut events = bus.source(SourceChannel { source: "s" }).listen().await.unwrap();
    for number in 0..5 {
        bus.publish_to("s", &Numbered::new("s", number)).await.unwrap();
    }
    memory.interrupt();
    memory.resume();
    assert_eq!(bus.health().delivered, 0, "nothing has been read");
    for _ in 0..5 {
        let _ = within("an item", events.recv()).await.unwrap(); // Lagged, two events, Interrupted, Resumed
    }
    let large = Numbered::new(&"x".repeat(5_000), 9);
    assert_eq!(bus.publish_to("s", &large).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Oversized { .. }))));
    let health = bus.health();
    let missed = health.missed;
    assert_eq!((health.delivered, missed.lagged, missed.interruptions, missed.oversized), (2, 3, 1, 1));
    assert_eq!((missed.gaps, missed.undecodable, missed.unknown_types), (0, 0, 0));
    assert_eq!(NumberedBus::new(memory).health().delivered, 0, "another bus has heard nothing");
}

#[tokio::test]
async fn a_change_of_state_is_one_line_in_the_log_and_a_message_is_none() {
    let (logged, _logging) = Logged::here();
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = bus.source(SourceChannel { source: "s" }).listen().await.unwrap();
    for number in 0..200 {
        bus.publish_to("s", &Numbered::new("s", number)).await.unwrap();
        within("an event", events.recv()).await.unwrap().unwrap();
    }
    assert_eq!(logged.lines(), [""; 0], "nothing has changed");
    server.kill();
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Interrupted))));
    let first_error = bus.health().listener.last_error;
    eventually("an attempt to come back has failed", || bus.health().listener.last_error != first_error)
        .await;
    server.restart();
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
    let of_listening: Vec<String> =
        logged.lines().into_iter().filter(|line| line.contains("listening")).collect();
    assert_eq!(of_listening.len(), 2, "{of_listening:#?}");
    assert!(of_listening[0].contains("WARN") && of_listening[0].contains("interrupted"), "{of_listening:#?}");
    assert!(of_listening[1].contains("INFO") && of_listening[1].contains("again"), "{of_listening:#?}");
}
