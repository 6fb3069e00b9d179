//! The types of events: their names follow serde's, a subscription is narrowed to some without decoding the others, and
//! those of a later release are told, or land in a variant for them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{
    Bytes, Channel, ChannelKey, Codec, CodecError, Envelope, ErrorKind, Event, EventBus, Json, KeyError,
    MemoryTransport, Message, Notice, Peek, TypeTag, UnknownEvent,
};
use event_bus_redis::RedisTransport;
use event_bus_tests::{RedisServer, within};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What serde writes for the type, wherever it stands.
fn on_the_wire(event: &impl Serialize) -> String {
    match serde_json::to_value(event).unwrap() {
        Value::String(name) => name,
        Value::Object(object) => match object.get("kind") {
            Some(kind) => kind.as_str().unwrap().to_owned(),
            None => object.keys().next().unwrap().clone(),
        },
        other => panic!("no event: {other}"),
    }
}

fn assert_named_as_on_the_wire<E: Event + Serialize>(events: &[E]) {
    let names: Vec<String> = events.iter().map(on_the_wire).collect();
    assert_eq!(events.iter().map(Event::event_type).collect::<Vec<_>>(), names);
    assert_eq!(E::EVENT_TYPES, names);
}

macro_rules! named_by {
    ($($rule:literal)*) => {$({
        #[derive(Serialize, Deserialize, EventBus)]
        #[serde(tag = "kind", rename_all = $rule)]
        #[bus(name = "ruled")]
        enum Ruled {
            Paid { n: u8 },
            NodeDone,
            HTTPGet,
            #[serde(rename = "as it is")]
            Renamed,
            r#Try,
            #[allow(non_camel_case_types)]
            lower_case,
        }
        use Ruled::{HTTPGet, NodeDone, Paid, Renamed, Try, lower_case};
        assert_named_as_on_the_wire(&[Paid { n: 1 }, NodeDone, HTTPGet, Renamed, Try, lower_case]);
        assert_eq!(Ruled::TYPE_TAG, TypeTag::Field("kind"));
    })*};
}

#[test]
fn names_follow_every_rule_of_serde() {
    named_by!("lowercase" "UPPERCASE" "PascalCase" "camelCase" "snake_case" "SCREAMING_SNAKE_CASE" "kebab-case" "SCREAMING-KEBAB-CASE");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Payment {
    order_id: u64,
    cents: u64,
}

macro_rules! job {
    ($name:ident, $channel:ident $($serde:tt)*) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
        $($serde)*
        #[bus(name = "jobs", channel(order = "{order_id}" as $channel))]
        enum $name {
            Opened { order_id: u64, note: String },
            Paid(Box<Payment>),
            Refunded(Payment),
            #[bus(field(order_id = "0"))]
            Closed(u64, String),
        }

        impl $name {
            const ALL: fn(u64) -> Vec<Self> = |order_id| {
                vec![
                    Self::Opened { order_id, note: "{\"kind\":\"Paid\"}".into() },
                    Self::Paid(Box::new(Payment { order_id, cents: 1 })),
                    Self::Refunded(Payment { order_id, cents: 2 }),
                    Self::Closed(order_id, "Paid".into()),
                ]
            };
        }
    };
}

job!(Within, OrderOfWithin #[serde(tag = "kind", content = "of")]);
job!(Around, OrderOfAround);

/// serde can't put a tag into a tuple.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[bus(name = "jobs", channel(order = "{order_id}"))]
enum Inside {
    Opened { order_id: u64, note: String },
    Paid(Box<Payment>),
    Refunded(Payment),
    Closed { order_id: u64 },
}

impl Inside {
    const ALL: fn(u64) -> Vec<Self> = |order_id| {
        vec![
            Self::Opened { order_id, note: "{\"kind\":\"paid\"}".into() },
            Self::Paid(Box::new(Payment { order_id, cents: 1 })),
            Self::Refunded(Payment { order_id, cents: 2 }),
            Self::Closed { order_id },
        ]
    };
}

#[test]
fn the_tag_is_where_serde_puts_it() {
    assert_eq!(Within::TYPE_TAG, TypeTag::Field("kind"));
    assert_eq!(Inside::TYPE_TAG, TypeTag::Field("kind"));
    assert_eq!(Around::TYPE_TAG, TypeTag::Variant);
    assert_named_as_on_the_wire(&Within::ALL(1));
    assert_named_as_on_the_wire(&Inside::ALL(1));
    assert_named_as_on_the_wire(&Around::ALL(1));
}

/// [`Json`], which counts what it decodes.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl<E> Codec<E> for Counting
where
    Json: Codec<E>,
{
    fn encode(&self, channel: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError> {
        Json.encode(channel, envelope)
    }

    fn decode(&self, channel: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError> {
        self.0.fetch_add(1, SeqCst);
        Json.decode(channel, wire)
    }

    fn peek<'a>(&self, channel: &Channel, wire: &'a Bytes, tag: TypeTag) -> Option<Peek<'a>> {
        Codec::<E>::peek(&Json, channel, wire, tag)
    }
}

macro_rules! narrowing {
    ($name:ident, $event:ident) => {
        #[tokio::test]
        async fn $name() {
            let decoded = Counting::default();
            let bus =
                EventBus::<$event>::with_codec(MemoryTransport::new(), decoded.clone()).build().unwrap();
            let mut paid = bus.listen("7").await.unwrap().only($event::PAID);
            let mut opened = bus.listen("7").await.unwrap().only($event::OPENED);
            let mut money = bus.listen("7").await.unwrap().only(($event::PAID, $event::REFUNDED));
            for event in $event::ALL(7) {
                bus.publish(&event).await.unwrap();
            }
            let all = $event::ALL(7);
            let payment = within("a payment", paid.recv()).await.unwrap().unwrap();
            assert_eq!(
                (payment.cents, payment.event()),
                (1, &all[1]),
                "the payload, and the event around it"
            );
            assert_eq!(*within("an opening", opened.recv()).await.unwrap().unwrap(), all[0]);
            for expected in [&all[1], &all[2]] {
                assert_eq!(*within("money", money.recv()).await.unwrap().unwrap(), *expected);
            }
            bus.close().await;
            assert!(within("the end", paid.recv()).await.is_none());
            assert!(within("the end", opened.recv()).await.is_none());
            assert!(within("the end", money.recv()).await.is_none());
            assert_eq!(decoded.0.load(SeqCst), 3, "each event that somebody wants once, and the other never");
        }
    };
}

narrowing!(a_narrowed_subscription_decodes_what_it_wants_with_the_tag_inside, Inside);
narrowing!(a_narrowed_subscription_decodes_what_it_wants_with_the_event_beside_the_tag, Within);
narrowing!(a_narrowed_subscription_decodes_what_it_wants_with_the_tag_around, Around);

/// One whose names serde's attributes hide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(untagged)]
#[bus(name = "jobs", channel(order = "{order_id}" as OrderOfHidden))]
enum Hidden {
    #[bus(event_type = "paid")]
    Paid(Payment),
    #[bus(event_type = "closed")]
    Closed { order_id: u64 },
}

#[tokio::test]
async fn where_the_tag_can_not_be_seen_everything_is_decoded_and_narrowed_all_the_same() {
    assert_eq!((Hidden::TYPE_TAG, Hidden::EVENT_TYPES), (TypeTag::Absent, &["paid", "closed"][..]));
    let decoded = Counting::default();
    let bus = HiddenBus::with_codec(MemoryTransport::new(), decoded.clone()).build().unwrap();
    let mut closed = bus.listen("7").await.unwrap().only(Hidden::CLOSED);
    bus.publish(&Hidden::Paid(Payment { order_id: 7, cents: 1 })).await.unwrap();
    bus.publish(&Hidden::Closed { order_id: 7 }).await.unwrap();
    assert_eq!(*within("it", closed.recv()).await.unwrap().unwrap(), Hidden::Closed { order_id: 7 });
    assert_eq!(decoded.0.load(SeqCst), 2);
}

/// Somebody knows better than serde's attributes: a codec that is not serde's names this otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind")]
#[bus(name = "jobs", channel(order = "{order_id}" as OrderOfTold))]
enum Told {
    #[bus(event_type = "told")]
    Paid { order_id: u64 },
    #[serde(alias = "Ended")]
    #[bus(event_type = "Closed")]
    Closed { order_id: u64 },
}

#[tokio::test]
async fn an_alias_is_heard_by_whoever_wants_its_type() {
    assert_eq!((Told::TYPE_TAG, Told::EVENT_TYPES), (TypeTag::Absent, &["told", "Closed"][..]));
    let memory = MemoryTransport::new();
    let bus = ToldBus::new(memory.clone());
    let mut closed = bus.listen("7").await.unwrap().only(Told::CLOSED);
    publish_raw(&memory, "jobs/7", r#"{"payload":{"kind":"Ended","order_id":7}}"#).await;
    assert_eq!(*within("it", closed.recv()).await.unwrap().unwrap(), Told::Closed { order_id: 7 });
}

/// Written and read by hand, in a form that could be taken for serde's.
#[derive(Clone, Debug, PartialEq, EventBus)]
#[bus(name = "jobs", channel(job = "all"))]
enum ByHand {
    #[bus(event_type = "Paid")]
    Paid,
    #[bus(event_type = "Closed")]
    Closed,
}

impl Serialize for ByHand {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        json!({ "Closed": *self == Self::Closed }).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ByHand {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let is_closed = Value::deserialize(deserializer)?["Closed"] == true;
        Ok(if is_closed { Self::Closed } else { Self::Paid })
    }
}

#[tokio::test]
async fn what_is_written_by_hand_is_decoded_if_its_names_are_told() {
    let bus = ByHandBus::new(MemoryTransport::new());
    let mut paid = bus.job().listen().await.unwrap().only(ByHand::PAID);
    bus.publish(&ByHand::Closed).await.unwrap();
    bus.publish(&ByHand::Paid).await.unwrap();
    assert_eq!(*within("it", paid.recv()).await.unwrap().unwrap(), ByHand::Paid);
}

async fn publish_raw(transport: &impl Transport, channel: &str, wire: impl Into<Bytes>) {
    let message = Message::new(Channel::from_full_name(channel), wire);
    assert!(transport.publish(vec![message]).await.iter().all(Result::is_ok));
}

/// As serde writes it, if `kind` is the type and `fields` the event.
fn tagged(tag: TypeTag, kind: &str, fields: &Value) -> String {
    let mut payload = json!({ kind: fields });
    if tag != TypeTag::Variant {
        payload = fields.clone();
        payload["of"] = fields.clone();
        payload["kind"] = kind.into();
    }
    json!({ "payload": payload }).to_string()
}

async fn unknown_types_are_told<E: Event>(transport: impl Transport + Clone)
where
    Json: Codec<E>,
{
    let bus = EventBus::<E>::new(transport.clone());
    let mut events = bus.listen("7").await.unwrap();
    let unknown = tagged(E::TYPE_TAG, "shipped", &json!({ "order_id": 7, "secret": "swordfish" }));
    let broken = tagged(E::TYPE_TAG, E::EVENT_TYPES[1], &json!({ "order_id": "swordfish" }));
    for wire in [unknown.clone(), broken, "{\"payload\":".into(), "{\"payload\":[1]}".into()] {
        publish_raw(&transport, "jobs/7", wire).await;
    }
    match within("a notice", events.recv()).await.unwrap().map(drop).unwrap_err() {
        notice @ Notice::UnknownType { .. } => {
            assert!(notice.to_string().contains("`shipped`"), "{notice}");
            assert!(!format!("{notice} {notice:?}").contains("swordfish"));
            assert_eq!(notice.channel().map(Channel::as_str), Some("jobs/7"));
            let Notice::UnknownType { event_type, raw, .. } = notice else { unreachable!() };
            assert_eq!((&*event_type, &raw[..]), ("shipped", unknown.as_bytes()));
        }
        other => panic!("{other}"),
    }
    for _ in 0..3 {
        let notice = within("a notice", events.recv()).await.unwrap().map(drop).unwrap_err();
        assert!(matches!(notice, Notice::Undecodable { .. }), "{notice}");
    }
}

#[tokio::test]
async fn events_of_unknown_types_are_told_as_such_with_every_kind_of_tag() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(server.url()).await.unwrap();
    unknown_types_are_told::<Inside>(MemoryTransport::new()).await;
    unknown_types_are_told::<Within>(MemoryTransport::new()).await;
    unknown_types_are_told::<Around>(MemoryTransport::new()).await;
    unknown_types_are_told::<Inside>(redis).await;
}

#[tokio::test]
async fn a_narrowed_subscription_passes_over_unknown_types_and_is_told_of_what_is_broken() {
    let memory = MemoryTransport::new();
    let bus = InsideBus::new(memory.clone());
    let mut paid = bus.listen("7").await.unwrap().only(Inside::PAID);
    for (kind, fields) in [
        ("shipped", json!({})),
        ("closed", json!({ "order_id": "not one of mine, so nobody looks" })),
        ("paid", json!({ "order_id": "broken" })),
    ] {
        publish_raw(&memory, "jobs/7", tagged(Inside::TYPE_TAG, kind, &fields)).await;
    }
    publish_raw(&memory, "jobs/7", "no json").await;
    for _ in 0..2 {
        let notice = within("a notice", paid.recv()).await.unwrap().map(drop).unwrap_err();
        assert!(matches!(notice, Notice::Undecodable { .. }), "{notice}");
    }
}

#[tokio::test]
async fn whoever_reads_first_a_broken_event_of_another_type_is_not_told_to_a_narrowed_subscription() {
    let memory = MemoryTransport::new();
    let bus = InsideBus::new(memory.clone());
    let broken = || tagged(Inside::TYPE_TAG, "closed", &json!({ "order_id": "broken" }));
    for whole_first in [true, false] {
        let mut whole = bus.listen("7").await.unwrap();
        let mut paid = bus.listen("7").await.unwrap().only(Inside::PAID);
        publish_raw(&memory, "jobs/7", broken()).await;
        bus.publish(&Inside::Paid(Box::new(Payment { order_id: 7, cents: 1 }))).await.unwrap();
        if whole_first {
            assert!(within("a notice", whole.recv()).await.unwrap().is_err());
        }
        assert_eq!(within("a payment", paid.recv()).await.unwrap().unwrap().cents, 1);
        if !whole_first {
            assert!(within("a notice", whole.recv()).await.unwrap().is_err());
        }
    }
}

#[tokio::test]
async fn what_a_stranger_calls_a_type_is_shown_only_if_it_is_a_short_name() {
    let memory = MemoryTransport::new();
    let bus = AroundBus::new(memory.clone());
    let mut events = bus.listen("7").await.unwrap();
    for name in ["password=swordfish", "swordfish is the password", &"swordfish".repeat(100_000)] {
        publish_raw(&memory, "jobs/7", json!({ "payload": name }).to_string()).await;
        let notice = within("a notice", events.recv()).await.unwrap().map(drop).unwrap_err();
        assert!(matches!(&notice, Notice::UnknownType { event_type, .. } if **event_type == *name));
        let shown = format!("{notice} {notice:?} {:?}", UnknownEvent::new(name, ""));
        assert!(!shown.contains("swordfish") && shown.len() < 500, "{shown}");
    }
}

/// Payloads without a size, and names that are hard to use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "hard", channel(hard = "all"))]
enum Hard {
    Text(Box<str>),
    List(Box<[u64]>),
    V1(Payment),
    X,
}

#[tokio::test]
async fn payloads_may_have_no_size_and_variants_the_names_of_constants() {
    let bus = HardBus::new(MemoryTransport::new());
    let mut text = bus.hard().listen().await.unwrap().only(Hard::TEXT);
    let mut list = bus.hard().listen().await.unwrap().only(Hard::LIST);
    let mut v1 = bus.hard().listen().await.unwrap().only((Hard::V1_EVENT, Hard::X_EVENT));
    let payment = Hard::V1(Payment { order_id: 7, cents: 1 });
    for event in [Hard::Text("a text".into()), Hard::List([1, 2].into()), payment.clone(), Hard::X] {
        bus.publish(&event).await.unwrap();
    }
    assert_eq!(&*within("a text", text.recv()).await.unwrap().unwrap(), "a text");
    assert_eq!(&*within("a list", list.recv()).await.unwrap().unwrap(), [1, 2]);
    assert_eq!(*within("it", v1.recv()).await.unwrap().unwrap(), payment);
    assert_eq!(*within("it", v1.recv()).await.unwrap().unwrap(), Hard::X);
}

#[tokio::test]
async fn waiting_on_a_narrowed_subscription_is_not_disturbed_by_other_types() {
    let memory = MemoryTransport::new();
    let bus = InsideBus::new(memory.clone());
    let mut paid = bus.listen("7").await.unwrap().only(Inside::PAID);
    publish_raw(&memory, "jobs/7", tagged(Inside::TYPE_TAG, "shipped", &json!({}))).await;
    bus.publish(&Inside::Closed { order_id: 7 }).await.unwrap();
    assert!(paid.wait(Duration::from_millis(300)).await.unwrap().is_none(), "nothing that may have been it");
    for event in Inside::ALL(7) {
        bus.publish(&event).await.unwrap();
    }
    assert_eq!(paid.wait(Duration::from_secs(20)).await.unwrap().unwrap().cents, 1);
}

#[tokio::test]
async fn a_narrowed_subscription_is_told_what_it_missed() {
    let memory = MemoryTransport::new();
    let bus = InsideBus::new(memory.clone());
    let mut paid = bus.listen("7").await.unwrap().only(Inside::PAID);
    memory.drop_next(1);
    bus.publish(&Inside::Closed { order_id: 7 }).await.unwrap();
    let notice = within("a notice", paid.recv()).await.unwrap().map(drop).unwrap_err();
    assert!(matches!(notice, Notice::Interrupted), "it may have been one of mine: {notice}");
}

/// Has a place for what its successors add.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[bus(name = "jobs", channel(order = "{order_id}" as OrderOfLasting))]
enum Lasting {
    Paid(Payment),
    Closed {
        order_id: u64,
    },
    #[serde(skip)]
    #[bus(other)]
    Unknown(UnknownEvent),
}

#[tokio::test]
async fn events_of_unknown_types_land_in_the_variant_for_them() {
    let memory = MemoryTransport::new();
    let bus = LastingBus::new(memory.clone());
    let mut events = bus.listen("7").await.unwrap();
    let mut unknown = bus.listen("7").await.unwrap().only(Lasting::UNKNOWN);
    let mut both = bus.listen("7").await.unwrap().only((Lasting::PAID, Lasting::UNKNOWN));
    let wire = r#"{"payload":{"kind":"shipped","order_id":7},"headers":{"id":"9"}}"#;
    bus.publish(&Lasting::Closed { order_id: 7 }).await.unwrap();
    publish_raw(&memory, "jobs/7", wire).await;
    publish_raw(&memory, "jobs/7", r#"{"payload":{"kind":"paid"}}"#).await;

    assert_eq!(*within("it", events.recv()).await.unwrap().unwrap(), Lasting::Closed { order_id: 7 });
    let event = within("it", events.recv()).await.unwrap().unwrap();
    assert_eq!(*event, Lasting::Unknown(UnknownEvent::new("shipped", wire)));
    assert_eq!((event.event_type(), event.headers().get("id")), ("shipped", Some("9")));
    assert!(!format!("{event:?}").contains("order_id"), "{event:?}");
    let notice = within("a notice", events.recv()).await.unwrap().map(drop).unwrap_err();
    assert!(matches!(notice, Notice::Undecodable { .. }), "what is known and broken is broken: {notice}");

    assert_eq!(within("it", unknown.recv()).await.unwrap().unwrap().event_type(), "shipped");
    assert_eq!(within("it", both.recv()).await.unwrap().unwrap().event_type(), "shipped");
    assert_eq!((Lasting::EVENT_TYPES, Lasting::UNKNOWN.name()), (&["paid", "closed"][..], None));
}

/// Writes less than it has variants, and reads less than it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[bus(name = "jobs", channel(order = "{order_id}" as OrderOfShrunk))]
enum Shrunk {
    Opened {
        order_id: u64,
    },
    #[serde(skip)]
    Moved {
        order_id: u64,
    },
    #[serde(skip_deserializing)]
    Closed {
        order_id: u64,
    },
    #[serde(rename = "closed", skip_serializing)]
    Ended {
        order_id: u64,
    },
    #[serde(skip)]
    #[bus(event_type = "told")]
    Told {
        order_id: u64,
    },
}

#[tokio::test]
async fn what_serde_does_not_read_is_no_type_that_is_known() {
    assert_eq!(Shrunk::EVENT_TYPES, ["opened", "closed", "told"]);
    assert_eq!(Shrunk::Moved { order_id: 7 }.event_type(), "moved");
    assert_eq!(Shrunk::Told { order_id: 7 }.event_type(), "told");
    let memory = MemoryTransport::new();
    let bus = ShrunkBus::new(memory.clone());
    let mut events = bus.listen("7").await.unwrap();
    publish_raw(&memory, "jobs/7", tagged(Shrunk::TYPE_TAG, "moved", &json!({ "to": "Rome" }))).await;
    bus.publish(&Shrunk::Closed { order_id: 7 }).await.unwrap();
    let notice = within("a notice", events.recv()).await.unwrap().map(drop).unwrap_err();
    assert!(matches!(notice, Notice::UnknownType { .. }), "a successor's: {notice}");
    let event = within("it", events.recv()).await.unwrap().unwrap();
    assert_eq!((&*event, event.event_type()), (&Shrunk::Ended { order_id: 7 }, "closed"));

    let subscriber = bus.subscriber().on_opened(async |_| {}).on_ended(async |_| {}).on_told(async |_| {});
    drop(subscriber.ignore_notices().start(["7"]).await.unwrap()); // that is all there can be
}

#[tokio::test]
async fn an_unknown_event_can_not_be_published() {
    let bus = LastingBus::new(MemoryTransport::new());
    let unknown = Lasting::Unknown(UnknownEvent::new("shipped", "{}"));
    assert_eq!(bus.publish(&unknown).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    assert_eq!(bus.publish_to("7", &unknown).await.unwrap_err().kind(), ErrorKind::Encode);
}

/// Some of its events go to some of its channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "trips", channel(trip = "{id}", car = "car/{car}/x", all = "all/trips"))]
enum Trip {
    Begun {
        id: u64,
        car: String,
    },
    #[bus(to(trip, all))]
    Paid {
        id: u64,
    },
    #[bus(to(all))]
    Quiet,
}

#[test]
fn events_go_to_the_channels_of_their_variant() {
    let keys = |event: Trip| -> Vec<String> {
        event.channel_keys().unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(keys(Trip::Begun { id: 7, car: "c".into() }), ["7", "car/c/x", "all/trips"]);
    assert_eq!(keys(Trip::Paid { id: 7 }), ["7", "all/trips"]);
    assert_eq!(keys(Trip::Quiet), ["all/trips"]);
}

#[derive(Serialize, Deserialize, EventBus)]
#[serde(rename = "order-changed")]
#[bus(name = "orders")]
struct OrderChanged {
    id: u64,
}

/// In a struct, fields follow the rule.
#[derive(Serialize, Deserialize, EventBus)]
#[serde(rename_all(serialize = "camelCase", deserialize = "snake_case"))]
#[bus(name = "orders")]
struct OrderSent {
    order_id: u64,
}

/// The name of an enum is on no wire.
#[derive(Serialize, Deserialize, EventBus)]
#[serde(rename(serialize = "Order"))]
#[bus(name = "orders")]
enum OrderEvent {
    Paid { order_id: u64 },
}

#[derive(Clone, Serialize, Deserialize, EventBus)]
#[serde(into = "u64", from = "u64")]
#[bus(name = "orders", event_type = "number")]
struct Number(u64);

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl From<Number> for u64 {
    fn from(number: Number) -> Self {
        number.0
    }
}

/// Written by hand.
struct Plain;

impl Event for Plain {
    const BUS_NAME: &'static str = "plain";

    fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> {
        Ok(Vec::new())
    }
}

#[test]
fn the_name_of_an_enum_hides_none_of_its_variants() {
    assert_named_as_on_the_wire(&[OrderEvent::Paid { order_id: 1 }]);
    assert_eq!(OrderEvent::TYPE_TAG, TypeTag::Variant);
}

#[test]
fn a_struct_is_one_type_and_has_a_name() {
    assert_eq!(
        (OrderChanged::EVENT_TYPES, OrderChanged { id: 1 }.event_type()),
        (&["order-changed"][..], "order-changed")
    );
    assert_eq!(
        (OrderSent::EVENT_TYPES, OrderSent { order_id: 1 }.event_type()),
        (&["OrderSent"][..], "OrderSent")
    );
    assert_eq!((Number::EVENT_TYPES, Number(1).event_type()), (&["number"][..], "number"));
    assert_eq!((Plain::EVENT_TYPES, Plain.event_type()), (&["plain"][..], "plain"));
}
