//! The bytes on the wire, seen by a plain Redis client beside the bus.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use event_bus_core::{KeyPattern, MessageLimit, Notice, Oversize};
use event_bus_redis::RedisTransport;
use event_bus_tests::{Numbered, NumberedBus, RedisServer, SourceChannel, within};
use futures_util::StreamExt;

async fn plain_client(server: &RedisServer) -> redis::aio::PubSub {
    let client = redis::Client::open(server.url()).unwrap();
    let mut plain = client.get_async_pubsub().await.unwrap();
    plain.psubscribe("numbered/*").await.unwrap();
    plain
}

async fn next(plain: &mut redis::aio::PubSub) -> (String, String) {
    let message = within("a message", plain.on_message().next()).await.unwrap();
    (message.get_channel_name().to_owned(), message.get_payload().unwrap())
}

#[tokio::test]
async fn an_event_is_published_as_the_python_bus_does() {
    let server = RedisServer::start();
    let mut plain = plain_client(&server).await;
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    bus.publish(&Numbered::new("é😀", 1)).await.unwrap();
    let wire = r#"{"payload":{"source":"é😀","number":1}}"#.to_owned();
    assert_eq!(next(&mut plain).await, ("numbered/é😀".into(), wire.clone()));
    assert_eq!(next(&mut plain).await, ("numbered/é😀/1".into(), wire));
}

#[tokio::test]
async fn the_marker_stands_on_the_wire_in_place_of_an_oversized_event() {
    let server = RedisServer::start();
    let mut plain = plain_client(&server).await;
    let transport = RedisTransport::connect(server.url()).await.unwrap();
    let limit = MessageLimit::new(1_000).unwrap();
    let bus = NumberedBus::builder(transport.clone()).message_limit(limit).build().unwrap();
    let large = Numbered::new(&"x".repeat(1_000), 1);
    let error = bus.publish_to("k", &large).await.unwrap_err();
    assert_eq!(error.too_large().unwrap().marker_sent, Some(true));
    let marker = r#"{"payload":{"event_type":"error_comms_update","error":"Payload too large for Redis transmission","original_size_bytes":1036,"max_size_bytes":1000}}"#;
    assert_eq!(next(&mut plain).await, ("numbered/k".into(), marker.into()));

    let rejecting =
        NumberedBus::builder(transport).message_limit(limit).oversize(Oversize::Reject).build().unwrap();
    let error = rejecting.publish_to("k", &large).await.unwrap_err();
    assert_eq!(error.too_large().unwrap().marker_sent, Some(false));
    bus.publish_to("k", &Numbered::new("s", 2)).await.unwrap();
    assert!(next(&mut plain).await.1.contains("\"number\":2"), "nothing was published in between");
}

#[tokio::test]
async fn messages_of_other_clients_are_heard_or_told_in_order() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let mut exact = bus.source(SourceChannel { source: "s" }).listen().await.unwrap();
    let mut pattern = bus.listen(KeyPattern::new("s*").unwrap()).await.unwrap();
    let publish = |channel: &[u8], payload: &[u8]| {
        let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
        redis::cmd("PUBLISH").arg(channel).arg(payload).query::<u64>(&mut connection).unwrap()
    };
    let spaced = br#" { "extra" : [1], "payload" : { "number" : 1, "source" : "s", "more" : null } } "#;
    assert_eq!(publish(b"numbered/s", spaced), 2);
    assert_eq!(publish(b"numbered/s", b"\xff"), 2);
    assert_eq!(publish(b"numbered/s/\xff", br#"{"payload":{"source":"t","number":2}}"#), 1);
    for events in [&mut exact, &mut pattern] {
        assert_eq!(within("an event", events.recv()).await.unwrap().unwrap().number, 1);
        let notice = within("a notice", events.recv()).await.unwrap().unwrap_err();
        assert!(matches!(&notice, Notice::Undecodable { raw, .. } if raw == &b"\xff"[..]), "{notice:?}");
    }
    let odd = within("an event", pattern.recv()).await.unwrap().unwrap();
    assert_eq!((odd.number, odd.channel().as_str()), (2, "numbered/s/\u{fffd}"));
}
