//! What a transport says of itself, beside what it does.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use event_bus_core::MemoryTransport;
use event_bus_core::transport::{LinkState, Transport};
use event_bus_redis::RedisTransport;
use event_bus_tests::{NumberedBus, RedisServer, SourceChannel, eventually};

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
async fn in_memory_subscriptions_are_counted() {
    subscriptions_are_counted_until_the_transport_is_closed(MemoryTransport::new()).await;
}

#[tokio::test]
async fn on_redis_subscriptions_are_counted() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(server.url()).await.unwrap();
    subscriptions_are_counted_until_the_transport_is_closed(redis).await;
}
