//! What a bus does on every transport: each test runs in memory and on a real Redis.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::time::Duration;

use event_bus_core::transport::{LinkState, Overflow, Transport};
use event_bus_core::{
    ChannelKey, ErrorKind, EventBus, KeyPattern, MemoryTransport, MessageLimit, Notice, Oversize,
};
use event_bus_redis::RedisTransport;
use event_bus_tests::{
    Numbered, NumberedBus, NumberedChannel, RedisServer, SourceChannel, eventually, within,
};
use futures_util::StreamExt;

macro_rules! on_every_transport {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::MemoryTransport::new()).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let server = super::RedisServer::start();
                super::$test(super::RedisTransport::connect(server.url()).await.unwrap()).await;
            })*
        }
    };
}

on_every_transport!(
    an_event_goes_to_every_channel_of_its_type,
    a_publish_right_after_listen_is_heard,
    events_of_one_channel_arrive_in_order,
    patterns_hear_what_matches_and_exact_keys_only_themselves,
    a_subscription_is_a_stream,
    buses_share_a_transport_and_each_closes_only_its_own,
    closing_lets_what_is_queued_be_read,
    closing_the_transport_ends_everything,
    dropping_the_last_listener_of_a_channel_unsubscribes,
    a_dropped_listen_leaves_nothing_behind,
    wait_gives_the_first_event_or_none_at_the_deadline,
    an_oversized_event_is_told_to_publisher_and_listeners,
    a_rejected_event_is_told_to_its_publisher_alone,
    the_limit_is_compared_with_the_whole_message,
    a_slow_listener_is_told_exactly_what_it_missed,
    a_foreign_message_does_not_end_a_subscription,
    a_hundred_listeners_hear_everything,
    what_was_published_before_is_not_heard,
    notices_that_a_wait_comes_upon_are_not_lost,
    what_a_cancelled_wait_came_upon_is_told_by_the_next,
    waiting_gets_past_any_number_of_notices,
);

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

async fn next(events: &mut event_bus_core::Subscription<Numbered>) -> u64 {
    within("an event", events.recv()).await.expect("not the end").expect("an event").number
}

async fn an_event_goes_to_every_channel_of_its_type<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    let mut all = bus.source(SourceChannel { source: "s" }).listen().await.unwrap();
    let mut one = bus.numbered(NumberedChannel { source: "s", number: 7 }).listen().await.unwrap();
    let receipts = bus.publish(&event(7)).await.unwrap();
    let channels: Vec<&str> = receipts.iter().map(|receipt| receipt.channel.as_str()).collect();
    assert_eq!(channels, ["numbered/s", "numbered/s/7"]);
    assert!(receipts.iter().all(|receipt| receipt.receivers == Some(1)), "{receipts:?}");
    assert_eq!(within("all", all.recv()).await.unwrap().unwrap().channel().key(), "s");
    assert_eq!(*within("one", one.recv()).await.unwrap().unwrap(), event(7));
}

async fn a_publish_right_after_listen_is_heard<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    for number in 0..200 {
        let mut events = bus.listen(format!("round-{number}")).await.unwrap();
        bus.publish_to(format!("round-{number}"), &event(number)).await.unwrap();
        assert_eq!(next(&mut events).await, number);
    }
}

async fn events_of_one_channel_arrive_in_order<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::builder(transport).queue_messages(10_000).build().unwrap();
    let mut events = bus.listen("k").await.unwrap();
    for number in 0..2_000 {
        bus.publish_to("k", &event(number)).await.unwrap();
    }
    for number in 0..2_000 {
        assert_eq!(next(&mut events).await, number);
    }
}

async fn patterns_hear_what_matches_and_exact_keys_only_themselves<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    let mut odd = bus.listen(KeyPattern::new("user-[13]/*").unwrap()).await.unwrap();
    let mut literal = bus.listen("user-1/a?").await.unwrap();
    for (number, key) in (0..).zip(["user-1/a?", "user-2/a?", "user-3/b", "user-1/ab", "other"]) {
        bus.publish_to(key, &event(number)).await.unwrap();
    }
    assert_eq!([next(&mut odd).await, next(&mut odd).await, next(&mut odd).await], [0, 2, 3]);
    assert_eq!(next(&mut literal).await, 0);
    bus.close().await;
    assert!(odd.recv().await.is_none());
    assert!(literal.recv().await.is_none(), "`?` in a key is no glob");
}

async fn a_subscription_is_a_stream<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    let events = bus.listen("k").await.unwrap();
    for number in 0..10 {
        bus.publish_to("k", &event(number)).await.unwrap();
    }
    let numbers: Vec<u64> = within("ten", events.take(10).map(|item| item.unwrap().number).collect()).await;
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
}

async fn buses_share_a_transport_and_each_closes_only_its_own<T: Transport + Clone>(transport: T) {
    let (one, other) = (NumberedBus::new(transport.clone()), NumberedBus::new(transport));
    let mut ended = one.listen("k").await.unwrap();
    let mut lasting = other.listen("k").await.unwrap();
    one.close().await;
    one.clone().close().await;
    assert!(within("the end", ended.recv()).await.is_none());
    assert_eq!(one.publish(&event(1)).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(one.listen("k").await.unwrap_err().kind(), ErrorKind::Closed);
    other.publish_to("k", &event(2)).await.unwrap();
    assert_eq!(next(&mut lasting).await, 2);
}

async fn closing_lets_what_is_queued_be_read<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    let mut events = bus.listen("k").await.unwrap();
    let mut probe = bus.listen("k").await.unwrap();
    bus.publish_to("k", &event(1)).await.unwrap();
    assert_eq!(next(&mut probe).await, 1, "so it has arrived");
    bus.close().await;
    assert_eq!(next(&mut events).await, 1);
    assert!(events.recv().await.is_none());
    assert!(events.recv().await.is_none(), "the end stays");
}

async fn closing_the_transport_ends_everything<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport.clone());
    let mut events = bus.listen("k").await.unwrap();
    transport.close().await;
    transport.close().await;
    assert!(within("the end", events.recv()).await.is_none());
    assert_eq!(bus.publish(&event(1)).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(bus.listen("k").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(bus.state().listener, LinkState::Closed);
}

async fn dropping_the_last_listener_of_a_channel_unsubscribes<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    let first = bus.listen("k").await.unwrap();
    let second = bus.listen("k").await.unwrap();
    assert_eq!((bus.health().wanted, bus.health().confirmed), (1, 1));
    drop(first);
    bus.publish_to("k", &event(1)).await.unwrap();
    assert_eq!(bus.health().confirmed, 1);
    std::thread::spawn(|| drop(second)).join().expect("dropping outside a runtime works");
    eventually("unsubscribed", || bus.health().confirmed == 0).await;
    let mut again = bus.listen("k").await.unwrap();
    bus.publish_to("k", &event(2)).await.unwrap();
    assert_eq!(next(&mut again).await, 2);
}

async fn a_dropped_listen_leaves_nothing_behind<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    for round in 0..200_u64 {
        let key = format!("k-{}", round % 7);
        let _ = tokio::time::timeout(Duration::from_micros(round * 3), bus.listen(&*key)).await;
    }
    eventually("nothing is left", || bus.health().wanted == 0 && bus.health().confirmed == 0).await;
}

async fn wait_gives_the_first_event_or_none_at_the_deadline<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    assert!(bus.wait("k", Duration::from_millis(50)).await.unwrap().is_none());
    let mut answer = bus.listen("k").await.unwrap();
    bus.publish_to("k", &event(5)).await.unwrap();
    let delivery = answer.wait(Duration::from_secs(10)).await.unwrap();
    assert_eq!(delivery.map(|delivery| delivery.number), Some(5));
    let error = {
        let closing = bus.clone();
        let waiting = tokio::spawn(async move { answer.wait(Duration::from_secs(10)).await });
        closing.close().await;
        within("the wait ends", waiting).await.unwrap().unwrap_err()
    };
    assert_eq!(error.kind(), ErrorKind::Closed);
}

async fn an_oversized_event_is_told_to_publisher_and_listeners<T: Transport + Clone>(transport: T) {
    let limit = MessageLimit::new(1_000).unwrap();
    let bus = NumberedBus::builder(transport).message_limit(limit).build().unwrap();
    let mut events = bus.source(SourceChannel { source: "x".repeat(500) }).listen().await.unwrap();
    let mut other = bus.listen("k").await.unwrap();
    let large = Numbered::new(&"x".repeat(2_000), 1);
    let error = bus.publish_to("k", &large).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let sizes = error.too_large().unwrap();
    assert_eq!(
        (sizes.original_size_bytes, sizes.max_size_bytes, sizes.marker_sent),
        (2_036, 1_000, Some(true))
    );
    match within("a notice", other.recv()).await.unwrap().unwrap_err() {
        Notice::Oversized { channel, original_size_bytes: 2_036, max_size_bytes: 1_000 } => {
            assert_eq!(channel.as_str(), "numbered/k");
        }
        notice => panic!("{notice}"),
    }
    bus.publish(&Numbered::new(&"x".repeat(500), 2)).await.unwrap();
    assert_eq!(next(&mut events).await, 2);
}

async fn a_rejected_event_is_told_to_its_publisher_alone<T: Transport + Clone>(transport: T) {
    let limit = MessageLimit::new(1_000).unwrap();
    let bus =
        NumberedBus::builder(transport).message_limit(limit).oversize(Oversize::Reject).build().unwrap();
    let mut events = bus.listen("k").await.unwrap();
    let error = bus.publish_to("k", &Numbered::new(&"x".repeat(2_000), 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.too_large().unwrap().marker_sent, Some(false));
    bus.publish_to("k", &event(2)).await.unwrap();
    assert_eq!(next(&mut events).await, 2);
}

async fn the_limit_is_compared_with_the_whole_message<T: Transport + Clone>(transport: T) {
    let overhead = r#"{"payload":{"source":"","number":1}}"#.len();
    let bus =
        NumberedBus::builder(transport).message_limit(MessageLimit::new(1_000).unwrap()).build().unwrap();
    let exactly = Numbered::new(&"é".repeat((1_000 - overhead) / 2), 1);
    bus.publish_to("k", &exactly).await.expect("exactly the limit passes");
    let one_more = Numbered { source: exactly.source + "x", number: 1 };
    assert_eq!(bus.publish_to("k", &one_more).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

async fn a_slow_listener_is_told_exactly_what_it_missed<T: Transport + Clone>(transport: T) {
    let newest = NumberedBus::builder(transport.clone()).queue_messages(10).build().unwrap();
    let oldest = NumberedBus::builder(transport.clone())
        .queue_messages(10)
        .overflow(Overflow::DropNewest)
        .build()
        .unwrap();
    let closing =
        NumberedBus::builder(transport.clone()).queue_messages(10).overflow(Overflow::Close).build().unwrap();
    let ample = NumberedBus::new(transport);
    let mut newest = newest.listen("k").await.unwrap();
    let mut oldest = oldest.listen("k").await.unwrap();
    let mut closing = closing.listen("k").await.unwrap();
    let mut probe = ample.listen("k").await.unwrap();
    for number in 0..100 {
        ample.publish_to("k", &event(number)).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(next(&mut probe).await, number, "a slow neighbour costs nothing");
    }
    assert!(matches!(newest.recv().await, Some(Err(Notice::Lagged { missed: 90 }))));
    for number in 90..100 {
        assert_eq!(next(&mut newest).await, number);
    }
    for number in 0..10 {
        assert_eq!(next(&mut oldest).await, number);
        assert_eq!(next(&mut closing).await, number);
    }
    assert!(matches!(oldest.recv().await, Some(Err(Notice::Lagged { missed: 90 }))));
    assert!(matches!(closing.recv().await, Some(Err(Notice::Overflowed))));
    assert!(closing.recv().await.is_none());
}

async fn a_foreign_message_does_not_end_a_subscription<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport.clone());
    let mut events = bus.listen("k").await.unwrap();
    let channel = bus.channel(&ChannelKey::new("k").unwrap());
    let deep = format!(r#"{{"payload":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let foreign: Vec<Vec<u8>> = vec![
        b"\xff\xfe".to_vec(),
        b"".to_vec(),
        b"null".to_vec(),
        br#"{"payload":{"source":7,"number":"one"}}"#.to_vec(),
        br#"{"payload":"\ud800"}"#.to_vec(),
        deep.into_bytes(),
    ];
    for bytes in &foreign {
        let message = event_bus_core::Message::new(channel.clone(), bytes.clone());
        transport.publish(vec![message]).await.pop().unwrap().unwrap();
    }
    bus.publish_to("k", &event(1)).await.unwrap();
    for bytes in &foreign {
        match within("a notice", events.recv()).await.unwrap().unwrap_err() {
            Notice::Undecodable { raw, channel, .. } => {
                assert_eq!((&raw[..], channel.key()), (&bytes[..], "k"));
            }
            notice => panic!("{notice}"),
        }
    }
    assert_eq!(next(&mut events).await, 1);
}

async fn a_hundred_listeners_hear_everything<T: Transport + Clone>(transport: T) {
    let bus: EventBus<Numbered> = EventBus::new(transport);
    let mut listeners = Vec::new();
    for _ in 0..100 {
        listeners.push(bus.listen("k").await.unwrap());
    }
    for number in 0..50 {
        bus.publish_to("k", &event(number)).await.unwrap();
    }
    for events in &mut listeners {
        for number in 0..50 {
            assert_eq!(next(events).await, number);
        }
    }
    assert_eq!(bus.health().confirmed, 1);
}

async fn what_was_published_before_is_not_heard<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport);
    for round in 0..100 {
        bus.publish_to("k", &event(0)).await.unwrap();
        bus.publish_to("k", &event(1)).await.unwrap();
        let mut events = bus.listen("k").await.unwrap();
        bus.publish_to("k", &event(2)).await.unwrap();
        assert_eq!(next(&mut events).await, 2, "round {round}");
        drop(events);
        eventually("unsubscribed", || bus.health().confirmed == 0).await;
    }
}

async fn notices_that_a_wait_comes_upon_are_not_lost<T: Transport + Clone>(transport: T) {
    let small = NumberedBus::builder(transport.clone()).queue_messages(2).build().unwrap();
    let mut events = small.listen("k").await.unwrap();
    let mut probe = NumberedBus::new(transport).listen("k").await.unwrap();
    for number in 0..10 {
        small.publish_to("k", &event(number)).await.unwrap();
    }
    for number in 0..10 {
        assert_eq!(next(&mut probe).await, number);
    }
    let waited = events.wait(Duration::from_secs(10)).await.unwrap();
    assert_eq!(waited.map(|delivery| delivery.number), Some(8));
    assert!(matches!(events.recv().await, Some(Err(Notice::Lagged { missed: 8 }))));
    assert_eq!(next(&mut events).await, 9);
    assert!(events.wait(Duration::from_millis(20)).await.unwrap().is_none(), "what has been told is told");
}

async fn publish_nonsense<T: Transport>(transport: &T, bus: &NumberedBus, count: usize) {
    let channel = bus.channel(&ChannelKey::new("k").unwrap());
    for _ in 0..count {
        let message = event_bus_core::Message::new(channel.clone(), "nonsense");
        transport.publish(vec![message]).await.pop().unwrap().unwrap();
    }
}

async fn what_a_cancelled_wait_came_upon_is_told_by_the_next<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport.clone());
    let mut events = bus.listen("k").await.unwrap();
    publish_nonsense(&transport, &bus, 1).await;
    let cancelled = events.wait(Duration::from_secs(10));
    assert!(tokio::time::timeout(Duration::from_millis(100), cancelled).await.is_err());
    let error = events.wait(Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missed);
    assert!(events.wait(Duration::from_millis(20)).await.unwrap().is_none(), "it has been told");
    assert!(matches!(events.recv().await, Some(Err(Notice::Undecodable { .. }))), "and stands in the stream");
}

async fn waiting_gets_past_any_number_of_notices<T: Transport + Clone>(transport: T) {
    let bus = NumberedBus::new(transport.clone());
    let mut events = bus.listen("k").await.unwrap();
    publish_nonsense(&transport, &bus, 500).await;
    bus.publish_to("k", &event(7)).await.unwrap();
    let mut refusals = 0;
    loop {
        match events.wait(Duration::from_secs(10)).await {
            Ok(delivery) => break assert_eq!(delivery.map(|delivery| delivery.number), Some(7)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Missed),
        }
        refusals += 1;
        assert!(refusals < 20, "it never gets past them");
    }
}
