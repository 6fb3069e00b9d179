//! Each metric: when it counts, and that its labels stay few.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod measured;

use std::collections::BTreeSet;
use std::time::Duration;

use event_bus_core::transport::{LinkState, Overflow, Transport};
use event_bus_core::{
    Channel, ErrorKind, MemoryTransport, Message, MessageLimit, Notice, OutboxConfig, OutboxOverflow,
    Subscription,
};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Numbered, NumberedBus, RedisServer, SourceChannel, eventually, within};

use measured::Meter;

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

async fn publish_raw(memory: &MemoryTransport, wire: &'static str) {
    let message = Message::new(Channel::from_full_name("numbered/s"), wire);
    Transport::publish(memory, vec![message]).await.remove(0).unwrap();
}

/// Reads so many items; which of them are events.
async fn read(events: &mut Subscription<Numbered>, items: usize) -> Vec<bool> {
    let mut read = Vec::new();
    for _ in 0..items {
        read.push(within("an item", events.recv()).await.unwrap().is_ok());
    }
    read
}

#[tokio::test]
async fn what_is_published_and_what_fails_is_counted_by_message_and_timed_by_round_trip() {
    let meter = Meter::new();
    let _guard = meter.here();
    let memory = MemoryTransport::new();
    let bus =
        NumberedBus::builder(memory.clone()).message_limit(MessageLimit::new(1024).unwrap()).build().unwrap();
    bus.publish_to("s", &event(1)).await.unwrap();
    bus.publish(&event(1)).await.unwrap(); // to two channels
    assert_eq!(bus.publish_batch([event(1), event(2)]).await.len(), 2);
    let measured = meter.read();
    assert_eq!(measured.count("messaging.client.sent.messages messaging.operation.name=publish"), 7);
    assert_eq!(measured.times("messaging.client.operation.duration messaging.operation.name=publish"), 3);

    let of_one_message = [
        ErrorKind::NotSent,
        ErrorKind::Refused,
        ErrorKind::Denied,
        ErrorKind::OutcomeUnknown,
        ErrorKind::Partial,
    ];
    for kind in of_one_message {
        memory.fail_next(1, kind);
        bus.publish_to("s", &event(1)).await.unwrap_err();
    }
    memory.fail_next(1, ErrorKind::NotSent);
    bus.publish(&event(1)).await.unwrap_err(); // one channel of two
    bus.publish_to("s", &Numbered::new(&"x".repeat(2_000), 1)).await.unwrap_err();
    let measured = meter.read();
    let failed = |kind| measured.count(&format!("messaging.client.sent.messages error.type={kind}"));
    assert_eq!(
        ["not_sent", "refused", "denied", "outcome_unknown", "partial", "too_large", "queue_full"]
            .map(failed),
        [2, 1, 1, 1, 1, 1, 0]
    );
    assert_eq!(measured.count("messaging.client.sent.messages"), 1);
    assert_eq!(measured.times("messaging.client.operation.duration error.type=not_sent"), 1);
    assert_eq!(measured.times("messaging.client.operation.duration error.type=partial"), 2);
    assert_eq!(measured.times("messaging.client.operation.duration error.type=too_large"), 1);
}

#[tokio::test]
async fn a_key_that_is_none_counts_however_it_is_published() {
    let meter = Meter::new();
    let _guard = meter.here();
    let bus = NumberedBus::new(MemoryTransport::new());
    let outbox = bus.outbox(OutboxConfig::default()).unwrap();
    bus.publish_to("a b\n*", &event(1)).await.unwrap_err();
    outbox.send_to("a b\n*", &event(1)).unwrap_err();
    outbox.send_to_when_room("a b\n*", &event(1)).await.unwrap_err();
    bus.source(SourceChannel { source: "a b\n*" }).publish(&event(1)).await.unwrap_err();
    assert_eq!(meter.read().count("messaging.client.sent.messages error.type=invalid_key"), 4);
}

#[tokio::test]
async fn what_an_outbox_publishes_drops_and_leaves_behind_is_counted() {
    let meter = Meter::new();
    let _guard = meter.here();
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let config = OutboxConfig::default().queue_messages(2).overflow(OutboxOverflow::DropOldest);
    let outbox = bus.outbox(config).unwrap();
    for number in 0..5 {
        outbox.send_to("s", &event(number)).unwrap(); // its task has not run yet
    }
    within("the flush", outbox.flush()).await;
    memory.fail_next(1, ErrorKind::Denied);
    outbox.send_to("s", &event(9)).unwrap();
    within("the flush", outbox.flush()).await;
    let measured = meter.read();
    assert_eq!(measured.count("messaging.client.sent.messages"), 2);
    assert_eq!(measured.count("messaging.client.sent.messages error.type=queue_full"), 3);
    assert_eq!(measured.count("messaging.client.sent.messages error.type=denied"), 1);
    assert!((1..=2).contains(&measured.times("messaging.client.operation.duration")), "in one batch or two");
}

#[tokio::test]
async fn what_is_delivered_decoded_and_missed_is_counted_by_its_cause() {
    let meter = Meter::new();
    let _guard = meter.here();
    let memory = MemoryTransport::new();
    let limit = MessageLimit::new(1024).unwrap();
    let bus = NumberedBus::builder(memory.clone()).queue_messages(2).message_limit(limit).build().unwrap();
    let mut events = bus.listen("s").await.unwrap();
    let mut others = bus.listen("s").await.unwrap();
    for number in 0..5 {
        bus.publish_to("s", &event(number)).await.unwrap();
    }
    memory.interrupt();
    memory.resume();
    assert_eq!(read(&mut events, 5).await, [false, true, true, false, false]);
    bus.publish_to("s", &Numbered::new(&"x".repeat(2_000), 1)).await.unwrap_err();
    publish_raw(&memory, "{}").await;
    assert_eq!(read(&mut events, 2).await, [false, false]);
    let measured = meter.read();
    let missed = |cause| measured.count(&format!("event_bus.missed cause={cause}"));
    assert_eq!(
        ["lagged", "interrupted", "oversized", "undecodable", "unknown_type", "gap"].map(missed),
        [3, 1, 1, 1, 0, 0]
    );
    assert_eq!(measured.count("messaging.client.consumed.messages messaging.operation.name=receive"), 2);
    assert_eq!(measured.times("event_bus.decode.duration"), 3, "two events, and what is none");
    assert_eq!(measured.count("event_bus.reconnects messaging.system=memory"), 1);

    assert_eq!(read(&mut others, 5).await, [false; 5], "all events have made room for later messages");
    assert_eq!(meter.read().times("event_bus.decode.duration"), 0, "decoded once for all");
}

#[tokio::test]
async fn the_messages_that_wait_are_a_gauge_which_sinks_however_they_go() {
    let meter = Meter::new();
    let _guard = meter.here();
    let depth = || meter.read().gauge("event_bus.inbox.messages"); // by how much it has changed
    let is = |depth: f64, expected: f64| assert!((depth - expected).abs() < 0.1, "{depth} for {expected}");
    let bus = NumberedBus::builder(MemoryTransport::new()).queue_messages(3).build().unwrap();
    let mut one = bus.listen("s").await.unwrap();
    let two = bus.listen("s").await.unwrap();
    let mut mirror = bus.listen("mirror").await.unwrap();
    for number in 0..5 {
        bus.publish_to("s", &event(number)).await.unwrap();
    }
    bus.publish_to("mirror", &event(9)).await.unwrap();
    assert_eq!(read(&mut mirror, 1).await, [true], "all before it have arrived");
    assert_eq!(bus.health().queued, 6);
    is(depth(), 6.0); // three for each
    assert_eq!(read(&mut one, 2).await, [false, true], "lag, then an event");
    is(depth(), -1.0);
    drop(two);
    is(depth(), -3.0);
    bus.close().await;
    assert_eq!(read(&mut one, 2).await, [true; 2]);
    is(depth(), -2.0);
    drop(one);
    is(depth(), 0.0);
    assert_eq!(bus.health().queued, 0);
}

#[tokio::test]
async fn a_queue_that_closes_or_refuses_what_is_new_is_measured_right() {
    let meter = Meter::new();
    let _guard = meter.here();
    for overflow in [Overflow::DropNewest, Overflow::Close] {
        let bus = NumberedBus::builder(MemoryTransport::new())
            .queue_messages(2)
            .overflow(overflow)
            .build()
            .unwrap();
        let mut mirror = bus.listen("mirror").await.unwrap();
        let events = bus.listen("s").await.unwrap();
        for number in 0..4 {
            bus.publish_to("s", &event(number)).await.unwrap();
        }
        bus.publish_to("mirror", &event(9)).await.unwrap();
        assert_eq!(read(&mut mirror, 1).await, [true]);
        drop((events, mirror));
        let left = meter.read().gauge("event_bus.inbox.messages");
        assert!(left.abs() < 0.1, "{left} with {overflow:?}");
    }
}

#[tokio::test]
async fn handlers_are_timed_and_so_is_one_that_panics() {
    let meter = Meter::new();
    let _guard = meter.here();
    let bus = NumberedBus::new(MemoryTransport::new());
    let running = bus
        .subscriber()
        .on_event(async |event| assert!(event.number != 1, "the handler gives up"))
        .on_panic(|_| ())
        .ignore_notices()
        .start([bus.source(SourceChannel { source: "s" })])
        .await
        .unwrap();
    let mut mirror = bus.listen("s").await.unwrap();
    for number in 0..3 {
        bus.publish_to("s", &event(number)).await.unwrap();
    }
    assert_eq!(read(&mut mirror, 3).await, [true; 3]);
    bus.close().await;
    let mut running = running;
    let report = within("the end", running.ended()).await;
    assert_eq!((report.handled, report.panicked), (2, 1));
    let measured = meter.read();
    assert_eq!(measured.times("messaging.process.duration messaging.operation.name=process"), 2);
    assert_eq!(measured.times("messaging.process.duration error.type=panic"), 1);
    assert_eq!(measured.count("messaging.client.consumed.messages"), 6, "handled and read");
}

#[tokio::test]
async fn a_handler_that_a_shutdown_ends_is_timed_as_such() {
    let meter = Meter::new();
    let _guard = meter.here();
    let bus = NumberedBus::new(MemoryTransport::new());
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let running = bus
        .subscriber()
        .on_event(move |_| {
            begun.try_send(()).unwrap();
            std::future::pending()
        })
        .ignore_notices()
        .start([bus.source(SourceChannel { source: "s" })])
        .await
        .unwrap();
    bus.publish_to("s", &event(1)).await.unwrap();
    within("a handler", has_begun.recv()).await;
    running.shutdown(Duration::from_millis(10)).await;
    assert_eq!(meter.read().times("messaging.process.duration error.type=aborted"), 1);
}

#[tokio::test]
async fn a_failure_that_publishing_does_not_know_is_counted_as_another_one() {
    let meter = Meter::new();
    let _guard = meter.here();
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    memory.fail_next(1, ErrorKind::NotSubscribed); // as no transport should
    bus.publish_to("s", &event(1)).await.unwrap_err();
    assert_eq!(meter.read().count("messaging.client.sent.messages error.type=_OTHER"), 1);
}

#[tokio::test]
async fn a_redis_that_is_killed_shows_in_reconnects_in_what_was_missed_and_in_what_was_not_sent() {
    let meter = Meter::new();
    let _guard = meter.here();
    let mut server = RedisServer::start();
    let config = RedisConfig::new("127.0.0.1", server.port()).publish_timeout(Duration::from_millis(300));
    let bus = NumberedBus::new(RedisTransport::connect(config).await.unwrap());
    let mut events = bus.listen("s").await.unwrap();
    let measured = meter.read();
    assert_eq!(
        measured.count("event_bus.reconnects messaging.system=redis"),
        0,
        "it stands there from the beginning"
    );
    server.kill();
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Interrupted))));
    eventually("publishing has noticed", || bus.state().publisher != LinkState::Connected).await;
    assert_eq!(bus.publish_to("s", &event(1)).await.unwrap_err().kind(), ErrorKind::NotSent);
    server.restart();
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
    while bus.publish_to("s", &event(2)).await.is_err() {}
    assert_eq!(read(&mut events, 1).await, [true]);
    let measured = meter.read();
    assert_eq!(measured.count("event_bus.reconnects messaging.system=redis"), bus.health().reconnects);
    assert_eq!(bus.health().reconnects, 1);
    assert_eq!(measured.count("event_bus.missed cause=interrupted messaging.system=redis"), 1);
    assert!(measured.count("messaging.client.sent.messages error.type=not_sent") >= 1);
    assert_eq!(measured.count("messaging.client.sent.messages"), 1);
    assert_eq!(measured.count("messaging.client.consumed.messages"), 1);
}

#[tokio::test]
async fn labels_are_few_and_know_no_channel() {
    let meter = Meter::new();
    let _guard = meter.here();
    let bus = NumberedBus::new(MemoryTransport::new());
    let mut events = bus.listen("a-user").await.unwrap();
    let series = meter.read().labels().count();
    for number in 0..50 {
        bus.publish_to("a-user", &event(number)).await.unwrap();
        bus.publish_to(format!("user-{number}"), &event(number)).await.unwrap();
        read(&mut events, 1).await;
    }
    let measured = meter.read();
    assert_eq!(measured.labels().count(), series, "channels and events add none");
    let names: BTreeSet<&str> = measured.labels().filter_map(|label| label.split('=').next()).collect();
    let known = [
        "cause",
        "error.type",
        "messaging.destination.template",
        "messaging.operation.name",
        "messaging.system",
    ];
    assert_eq!(names, BTreeSet::from(known));
    let of_bus = "messaging.destination.template=numbered/{key}";
    assert!(measured.labels().all(|label| !label.starts_with("messaging.destination") || label == of_bus));
}

#[tokio::test]
async fn every_metric_is_described_with_its_unit() {
    let meter = Meter::new();
    let _guard = meter.here();
    let _bus = NumberedBus::new(MemoryTransport::new());
    let described = meter.described();
    let expected = [
        ("event_bus.decode.duration", "seconds"),
        ("event_bus.inbox.messages", "count"),
        ("event_bus.missed", "count"),
        ("event_bus.reconnects", "count"),
        ("messaging.client.consumed.messages", "count"),
        ("messaging.client.operation.duration", "seconds"),
        ("messaging.client.sent.messages", "count"),
        ("messaging.process.duration", "seconds"),
    ];
    let documented =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/observability.md"));
    let documented = documented.unwrap();
    for (name, _) in expected {
        assert!(documented.contains(&format!("`{name}`")), "{name} is not in docs/observability.md");
    }
    let expected = expected.map(|(name, unit)| (name.to_owned(), unit.to_owned()));
    assert!(described.into_iter().eq(expected));
}
