//! Codecs of a user's own, after the examples' MessagePack and sealing ones: what they carry, and what they refuse.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::HashSet;
use std::sync::Arc;

use event_bus_core::transport::Transport;
use event_bus_core::{
    Bytes, Channel, Codec, CodecError, Delivery, Envelope, ErrorKind, EventBusBuilder, Json, KeyPattern,
    MemoryTransport, Message, MessageLimit, Notice, Subscription,
};
use event_bus_examples::codecs::{KeyRing, MessagePack, Sealed};
use event_bus_examples::{ExecutionEventBus, GraphChannel, run_events};
use event_bus_redis::RedisTransport;
use event_bus_tests::{Numbered, NumberedBus, RedisServer, within};
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    all_listeners_of_a_packed_or_sealed_bus_hear_its_events,
    a_bus_of_many_shapes_travels_as_message_pack,
    what_is_no_message_pack_is_undecodable,
    buses_with_different_keys_never_read_each_other,
    a_sealed_and_an_open_bus_never_read_each_other,
    a_message_moved_to_another_channel_is_undecodable,
    an_event_for_two_channels_is_sealed_for_each,
    a_sealed_message_cut_off_anywhere_is_undecodable,
    a_sealed_message_with_any_bit_flipped_is_undecodable,
    keys_change_in_three_steps_without_losing_an_event,
    the_size_rule_counts_sealed_bytes,
);

const OLD: [u8; 32] = [0xA7; 32];
const NEW: [u8; 32] = [0xB8; 32];

/// The bytes of a seal around a message: version, key id, nonce and tag.
const SEAL_BYTES: usize = 1 + 4 + 24 + 16;

fn sealed(sealing: u32, keys: &[(u32, &[u8; 32])]) -> Sealed {
    Sealed::new(KeyRing::new(sealing, keys.iter().copied()).unwrap())
}

fn bus(transport: &(impl Transport + Clone), codec: impl Codec<Numbered>) -> NumberedBus {
    NumberedBus::with_codec(transport.clone(), codec).build().unwrap()
}

fn event(number: u64) -> Numbered {
    Numbered::new("s3cret", number)
}

fn channel(key: &str) -> Channel {
    Channel::from_full_name(format!("numbered/{key}"))
}

async fn heard(events: &mut Subscription<Numbered>) -> Delivery<Numbered> {
    within("an event", events.recv()).await.expect("not the end").expect("an event")
}

async fn undecodable(events: &mut Subscription<Numbered>) -> Bytes {
    let notice = within("a notice", events.recv()).await.expect("not the end").expect_err("a notice");
    let shown = format!("{notice} {notice:?}");
    let Notice::Undecodable { error, raw, .. } = notice else { panic!("{notice}") };
    tells_no_secret(&(shown + &every_text(&error)));
    raw
}

fn every_text(error: &CodecError) -> String {
    let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let texts: Vec<String> = chain.map(|error| format!("{error} {error:?}")).collect();
    texts.join(" ")
}

/// Neither a key nor anything of an event.
fn tells_no_secret(shown: &str) {
    for secret in ["s3cret", "167, 167", "a7a7", "A7A7", "184, 184", "b8b8", "B8B8"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Publishes bytes that no bus of the test would.
async fn inject(transport: &impl Transport, key: &str, wires: &[Bytes]) {
    let messages = wires.iter().map(|wire| Message::new(channel(key), wire.clone())).collect();
    for outcome in transport.publish(messages).await {
        outcome.unwrap();
    }
}

/// All of `wires` are undecodable on `bus`, and its next event is heard.
async fn are_refused(transport: &impl Transport, bus: &NumberedBus, wires: &[Bytes]) {
    let mut events = bus.listen("k").await.unwrap();
    inject(transport, "k", wires).await;
    bus.publish_to("k", &event(1)).await.unwrap();
    for wire in wires {
        assert_eq!(undecodable(&mut events).await, wire);
    }
    assert_eq!(*heard(&mut events).await, event(1));
}

async fn all_listeners_of_a_packed_or_sealed_bus_hear_its_events<T: Transport + Clone>(transport: T) {
    let ring = KeyRing::new(1, [(1, &OLD)]).unwrap();
    let buses = [
        bus(&transport, MessagePack),
        bus(&transport, Sealed::new(ring.clone())),
        bus(&transport, Sealed::around(MessagePack, ring)),
    ];
    for (round, bus) in buses.iter().enumerate() {
        let key = format!("round-{round}");
        let mut listeners = vec![bus.listen(KeyPattern::new(format!("{key}*")).unwrap()).await.unwrap()];
        for _ in 0..3 {
            listeners.push(bus.listen(&key).await.unwrap());
        }
        for number in 0..20 {
            bus.publish_to(&key, &event(number)).await.unwrap();
        }
        for events in &mut listeners {
            for number in 0..20 {
                assert_eq!(*heard(events).await, event(number));
            }
        }
    }
}

async fn a_bus_of_many_shapes_travels_as_message_pack<T: Transport + Clone>(transport: T) {
    let bus = ExecutionEventBus::with_codec(transport, MessagePack).build().unwrap();
    let mut events = bus.graph(GraphChannel { user_id: "u", graph_id: "g" }).listen().await.unwrap();
    for event in run_events("u", "g", "r", &["fetch", "send"], Some("send")) {
        bus.publish(&event).await.unwrap();
        let delivery = within("the event", events.recv()).await.unwrap().unwrap();
        assert_eq!(*delivery, event);
    }
}

async fn what_is_no_message_pack_is_undecodable<T: Transport + Clone>(transport: T) {
    let whole = MessagePack.encode(&channel("k"), &Envelope::new(&event(1))).unwrap();
    let mut wires: Vec<Bytes> = (0..whole.len()).map(|end| whole.slice(..end)).collect();
    wires.extend([
        [&whole[..], b"\xc0"].concat().into(),
        Json.encode(&channel("k"), &Envelope::new(&event(1))).unwrap(),
        Bytes::from_static(b"\x81\xa7payload\xa6s3cret"), // no map, which rmp-serde's text would quote
        Bytes::from_static(b"\x81\xa7payload\x81\xa6source\xdb\xff\xff\xff\xff"), // a text of 4 GiB
        Bytes::from_static(b"\x81\xa7payload\xdd\xff\xff\xff\xff\xa6s3cret"), // a sequence as long
    ]);
    are_refused(&transport, &bus(&transport, MessagePack), &wires).await;
}

async fn buses_with_different_keys_never_read_each_other<T: Transport + Clone>(transport: T) {
    let one = bus(&transport, sealed(1, &[(1, &OLD)]));
    let twin = bus(&transport, sealed(1, &[(1, &OLD)]));
    let same_id = bus(&transport, sealed(1, &[(1, &NEW)]));
    let other_id = bus(&transport, sealed(2, &[(2, &NEW)]));
    for stranger in [&same_id, &other_id] {
        // They share a transport, and so the message; whoever reads it first must not decide for the others.
        let (mut first, mut last) = (one.listen("k").await.unwrap(), one.listen("k").await.unwrap());
        let mut twins = twin.listen("k").await.unwrap();
        let (mut before, mut after) =
            (stranger.listen("k").await.unwrap(), stranger.listen("k").await.unwrap());
        for number in 0..10 {
            one.publish_to("k", &event(number)).await.unwrap();
            undecodable(&mut before).await;
            for events in [&mut first, &mut twins, &mut last] {
                assert_eq!(*heard(events).await, event(number));
            }
            undecodable(&mut after).await;

            stranger.publish_to("k", &event(number)).await.unwrap();
            undecodable(&mut first).await;
            assert_eq!(*heard(&mut before).await, event(number));
            undecodable(&mut last).await;
            assert_eq!(*heard(&mut after).await, event(number));
            undecodable(&mut twins).await;
        }
    }
}

async fn a_sealed_and_an_open_bus_never_read_each_other<T: Transport + Clone>(transport: T) {
    let sealed = bus(&transport, sealed(1, &[(1, &OLD)]));
    for open in [bus(&transport, Json), bus(&transport, MessagePack), NumberedBus::new(transport.clone())] {
        let mut at_sealed = sealed.listen("k").await.unwrap();
        let mut at_open = open.listen("k").await.unwrap();
        sealed.publish_to("k", &event(1)).await.unwrap();
        assert_eq!(*heard(&mut at_sealed).await, event(1));
        let raw = undecodable(&mut at_open).await;
        assert!(!raw.windows(6).any(|bytes| bytes == b"s3cret"));

        open.publish_to("k", &event(2)).await.unwrap();
        assert_eq!(*heard(&mut at_open).await, event(2));
        undecodable(&mut at_sealed).await;
    }
}

async fn a_message_moved_to_another_channel_is_undecodable<T: Transport + Clone>(transport: T) {
    let bus = bus(&transport, sealed(1, &[(1, &OLD)]));
    let mut at_source = bus.listen("source").await.unwrap();
    bus.publish_to("source", &event(1)).await.unwrap();
    let raw = heard(&mut at_source).await.raw().clone();
    for key in ["sourc", "source/", "source/1", "Source"] {
        let mut elsewhere = bus.listen(key).await.unwrap();
        inject(&transport, key, std::slice::from_ref(&raw)).await;
        assert_eq!(undecodable(&mut elsewhere).await, raw);
        bus.publish_to(key, &event(2)).await.unwrap();
        assert_eq!(*heard(&mut elsewhere).await, event(2));
    }
    inject(&transport, "source", &[raw]).await;
    assert_eq!(*heard(&mut at_source).await, event(1), "on its own channel it opens, as is documented");
}

async fn an_event_for_two_channels_is_sealed_for_each<T: Transport + Clone>(transport: T) {
    let bus = bus(&transport, sealed(1, &[(1, &OLD)]));
    let (mut at_source, mut at_number) = (bus.listen("s").await.unwrap(), bus.listen("s/7").await.unwrap());
    let event = Numbered::new("s", 7);
    assert_eq!(bus.publish(&event).await.unwrap().len(), 2);
    let (to_source, to_number) = (heard(&mut at_source).await, heard(&mut at_number).await);
    assert_eq!((&*to_source, &*to_number), (&event, &event));

    inject(&transport, "s", &[to_number.raw().clone()]).await;
    inject(&transport, "s/7", &[to_source.raw().clone()]).await;
    assert_eq!(undecodable(&mut at_source).await, to_number.raw());
    assert_eq!(undecodable(&mut at_number).await, to_source.raw());
}

async fn a_sealed_message_cut_off_anywhere_is_undecodable<T: Transport + Clone>(transport: T) {
    let codec = sealed(1, &[(1, &OLD)]);
    let whole = codec.encode(&channel("k"), &Envelope::new(&event(1))).unwrap();
    let wires: Vec<Bytes> = (0..whole.len()).map(|end| whole.slice(..end)).collect();
    are_refused(&transport, &bus(&transport, codec), &wires).await;
}

async fn a_sealed_message_with_any_bit_flipped_is_undecodable<T: Transport + Clone>(transport: T) {
    // Not even a flipped id passes under which the same key stands.
    let codec = sealed(2, &[(2, &OLD), (3, &OLD), (0, &NEW)]);
    let whole = codec.encode(&channel("k"), &Envelope::new(&event(1))).unwrap();
    let wires: Vec<Bytes> = (0..whole.len() * 8)
        .map(|bit| {
            let mut wire = whole.to_vec();
            wire[bit / 8] ^= 1 << (bit % 8);
            wire.into()
        })
        .collect();
    are_refused(&transport, &bus(&transport, codec), &wires).await;
}

async fn keys_change_in_three_steps_without_losing_an_event<T: Transport + Clone>(transport: T) {
    let steps = [
        bus(&transport, sealed(1, &[(1, &OLD)])),
        bus(&transport, sealed(1, &[(1, &OLD), (2, &NEW)])),
        bus(&transport, sealed(2, &[(1, &OLD), (2, &NEW)])),
        bus(&transport, sealed(2, &[(2, &NEW)])),
    ];
    for (published_at, publisher) in steps.iter().enumerate() {
        for (heard_at, listener) in steps.iter().enumerate() {
            let mut events = listener.listen("k").await.unwrap();
            publisher.publish_to("k", &event(1)).await.unwrap();
            if published_at.abs_diff(heard_at) <= 1 {
                assert_eq!(*heard(&mut events).await, event(1), "services may be a step apart");
            } else if published_at.abs_diff(heard_at) == 3 {
                undecodable(&mut events).await;
            }
        }
    }
}

async fn the_size_rule_counts_sealed_bytes<T: Transport + Clone>(transport: T) {
    let limit = MessageLimit::new(1_000).unwrap();
    let codec = sealed(1, &[(1, &OLD)]);
    let bus = NumberedBus::with_codec(transport, codec).message_limit(limit).build().unwrap();
    let mut events = bus.listen("k").await.unwrap();
    let around_source = Json.encode(&channel("k"), &Envelope::new(&Numbered::new("", 1))).unwrap().len();
    let exactly = Numbered::new(&"x".repeat(1_000 - SEAL_BYTES - around_source), 1);
    bus.publish_to("k", &exactly).await.expect("exactly the limit passes");
    let delivery = heard(&mut events).await;
    assert_eq!((&*delivery, delivery.raw().len()), (&exactly, 1_000));

    let one_more = Numbered { source: exactly.source + "x", number: 1 };
    let error = bus.publish_to("k", &one_more).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.too_large().unwrap().original_size_bytes, 1_001);
    let notice = within("a notice", events.recv()).await.unwrap().unwrap_err();
    assert!(matches!(notice, Notice::Oversized { original_size_bytes: 1_001, .. }), "{notice}");
}

#[test]
fn headers_travel_with_packed_and_sealed_events() {
    let ring = KeyRing::new(1, [(1, &OLD)]).unwrap();
    let codecs: [Box<dyn Codec<Numbered>>; 3] = [
        Box::new(MessagePack),
        Box::new(Sealed::new(ring.clone())),
        Box::new(Sealed::around(MessagePack, ring)),
    ];
    for codec in codecs {
        let event = event(1);
        let mut envelope = Envelope::new(&event);
        envelope.headers.insert("id", "7");
        envelope.headers.insert("traceparent", "00-é");
        let wire = codec.encode(&channel("k"), &envelope).unwrap();
        let back = codec.decode(&channel("k"), &wire).unwrap();
        assert_eq!((&back.payload, &back.headers), (&event, &envelope.headers));
    }
}

#[test]
fn readers_and_writers_of_message_pack_may_gain_and_lose_fields() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Older {
        user: String,
        age: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newer {
        #[serde(default)]
        tags: Vec<String>,
        age: u8,
        user: String,
    }
    let older = Older { user: "a".into(), age: 3 };
    let newer = Newer { tags: vec!["t".into()], age: 3, user: "a".into() };
    let wire = MessagePack.encode(&channel("k"), &Envelope::new(&newer)).unwrap();
    assert_eq!(MessagePack.decode(&channel("k"), &wire).unwrap(), Envelope::new(older));
    let older = Older { user: "a".into(), age: 3 };
    let wire = MessagePack.encode(&channel("k"), &Envelope::new(&older)).unwrap();
    let read: Envelope<Newer> = MessagePack.decode(&channel("k"), &wire).unwrap();
    assert_eq!(read.payload, Newer { tags: Vec::new(), ..newer });
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    for level in [&b"\x91"[..], b"\x81\xa1a"] {
        for start in [&b"\x81\xa7payload"[..], b"\x82\xa7payload\x01\xa5other"] {
            let read = |depth| -> Result<Envelope<Value>, CodecError> {
                let wire = [start, &level.repeat(depth), b"\x01"].concat();
                MessagePack.decode(&channel("k"), &wire.into())
            };
            read(100).unwrap();
            for depth in [200, 1_000, 100_000] {
                assert!(read(depth).unwrap_err().to_string().contains("nested deeper"));
            }
        }
    }
}

#[test]
fn no_two_seals_are_alike() {
    let codec = sealed(1, &[(1, &OLD)]);
    let seal = |_| codec.encode(&channel("k"), &Envelope::new(&event(1))).unwrap();
    let seals: HashSet<Bytes> = (0..1_000).map(seal).collect();
    assert_eq!(seals.len(), 1_000);
    assert!(seals.iter().all(|seal| seal.starts_with(&[1, 0, 0, 0, 1])), "version and key id, as documented");
}

#[test]
fn what_can_be_told_of_a_seal_that_does_not_open_is_told() {
    #[derive(Serialize, Deserialize, event_bus_core::EventBus)]
    #[bus(name = "counts")]
    struct Count(u64);

    let reader = sealed(1, &[(1, &OLD)]);
    let wire = |codec: Sealed| codec.encode(&channel("k"), &Envelope::new(&event(1))).unwrap();
    let whole = wire(sealed(1, &[(1, &OLD)]));
    let other_event = reader.encode(&channel("k"), &Envelope::new(&Count(7))).unwrap();
    for (wire, words) in [
        (Bytes::new(), "cut off"),
        (whole.slice(..SEAL_BYTES - 17), "cut off"),
        (whole.slice(..SEAL_BYTES - 1), "does not hold"),
        (Bytes::from_static(br#"{"payload":"s3cret"}"#), "no sealed message"),
        (wire(sealed(9, &[(9, &OLD)])), "the key 9"),
        (wire(sealed(1, &[(1, &NEW)])), "does not hold"),
        (other_event, "invalid type: integer"), // the inner codec's
    ] {
        let result: Result<Envelope<Numbered>, _> = reader.decode(&channel("k"), &wire);
        let error = result.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        tells_no_secret(&every_text(&error));
    }
}

#[test]
fn debug_shows_the_ids_of_keys_and_no_key() {
    let codec = sealed(2, &[(1, &OLD), (2, &NEW)]);
    let builder = EventBusBuilder::<Numbered>::with_codec(MemoryTransport::new(), codec.clone());
    let shown = format!("{codec:?} {builder:?}");
    tells_no_secret(&format!("{shown} {:?}", builder.build().unwrap()));
    assert!(shown.contains("sealing: 2, opening: [1, 2]"), "{shown}");
}

#[test]
fn a_ring_that_contradicts_itself_is_refused() {
    for (sealing, keys) in [(1, vec![]), (3, vec![(1, &OLD)]), (1, vec![(1, &OLD), (1, &NEW)])] {
        let error = KeyRing::new(sealing, keys).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }
}

#[tokio::test]
async fn a_codec_can_be_chosen_at_run_time() {
    for is_sealed in [false, true] {
        let codec: Arc<dyn Codec<Numbered>> =
            if is_sealed { Arc::new(sealed(1, &[(1, &NEW)])) } else { Arc::new(Json) };
        assert_eq!(codec.ignores_channel(), !is_sealed);
        let bus = NumberedBus::with_codec(MemoryTransport::new(), codec).build().unwrap();
        let mut events = bus.listen("s").await.unwrap();
        bus.publish(&Numbered::new("s", 1)).await.unwrap();
        let heard = within("an event", events.recv()).await.unwrap().unwrap();
        assert_eq!((heard.number, heard.raw().starts_with(b"{")), (1, !is_sealed));
    }
}
