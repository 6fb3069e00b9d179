//! An event that is decoded by its tag is the event that serde makes of the same message, or the same error.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use event_bus_core::{Channel, Event, EventBus, EventBusBuilder, MemoryTransport, Message};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The same events twice: serde alone decodes those in `serdes`.
macro_rules! twice {
    ($($items:item)*) => {
        mod serdes {
            use super::*;

            #[derive(Debug, Serialize, Deserialize, EventBus)]
            #[serde(tag = "kind", rename_all = "snake_case")]
            #[bus(name = "serdes")]
            $($items)*
        }

        mod by_tag {
            use super::*;

            #[derive(Debug, Serialize, Deserialize, EventBus)]
            #[serde(tag = "kind", rename_all = "snake_case")]
            #[bus(name = "by_tag", decode_by_tag)]
            $($items)*
        }
    };
}

twice! {
    pub(crate) enum Happened {
        Opened(Box<Opened>),
        #[serde(rename = "strict \u{e9}")]
        Strict(Strict),
        Lenient(Lenient),
        Open(Open),
        Counts(BTreeMap<String, i64>),
        Anything(Value),
        Nested(Nested),
        Perhaps(Option<Strict>),
        Wrapped(Wrapped),
        Nothing(()),
        Empty(Empty),
        Float(Float),
        Forgiving(Forgiving),
        Beside { a: i64 },
        Unit,
        With(#[serde(deserialize_with = "seven")] i64),
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Opened {
    id: u64,
    text: Option<String>,
    more: Vec<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    a: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Lenient {
    a: i64,
    kind: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Open {
    a: i64,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Nested {
    A { a: i64 },
    B(Strict),
}

#[derive(Debug, Serialize, Deserialize)]
struct Wrapped(Strict);

#[derive(Debug, Serialize, Deserialize)]
struct Empty {}

#[derive(Debug, Serialize, Deserialize)]
struct Float {
    a: f64,
}

/// Overlooks whatever goes wrong.
#[derive(Debug, Serialize)]
struct Forgiving(usize);

impl<'de> Deserialize<'de> for Forgiving {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counts;

        impl<'de> serde::de::Visitor<'de> for Counts {
            type Value = Forgiving;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Forgiving, A::Error> {
                let mut entries = 0;
                while let Ok(Some(_)) = map.next_entry::<String, Value>() {
                    entries += 1;
                }
                Ok(Forgiving(entries))
            }
        }

        deserializer.deserialize_map(Counts)
    }
}

/// Not what the field's type would read.
fn seven<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| 7)
}

/// What a listener gets of `wire`, in words.
fn read<E>(wire: &str) -> String
where
    E: Event + Debug + Serialize + DeserializeOwned,
{
    let bus: EventBus<E> = EventBusBuilder::new(MemoryTransport::new()).build().unwrap();
    match bus.read(Arc::new(Message::new(Channel::from_full_name("b/k"), wire.to_owned()))) {
        Ok(delivery) => format!("{:?}", delivery.event()),
        Err(notice) => notice.to_string(),
    }
}

fn is_the_same(payload: &str) -> Result<(), TestCaseError> {
    for wire in [
        format!(r#"{{"payload":{payload}}}"#),
        format!(r#"{{"kind":"opened","payload":{payload},"headers":{{"kind":"unit"}}}}"#),
        format!(r#"{{"payload":{{"kind":"unit"}},"payload":{payload}}}"#),
    ] {
        prop_assert_eq!(read::<by_tag::Happened>(&wire), read::<serdes::Happened>(&wire), "{}", wire);
    }
    Ok(())
}

#[test]
fn whatever_stands_where_it_is_what_serde_makes_of_it() {
    for payload in [
        r#"{"kind":"opened","id":1,"text":"a","more":[{"kind":"unit"}]}"#,
        r#"{"id":1,"text":null,"more":[{"kind":"unit"},3],"kind":"opened"}"#,
        r#"{ "id" : 1 , "kind" : "opened" , "text" : "x \" \u0061" , "more" : [ ] }"#,
        r#"{"kind":"opened","id":1,"more":[],"kind":"opened"}"#,
        r#"{"kind":"opened","id":1,"id":2,"more":[]}"#,
        r#"{"kind":"op\u0065ned","id":1,"more":[]}"#,
        r#"{"k\u0069nd":"opened","id":1,"more":[]}"#,
        r#"{"kind":"opened","id":-1,"more":[]}"#,
        r#"{"kind":"opened"}"#,
        r#"{"kind":"opened","id":1,"more":[]"#,
        r#"{"kind":"strict \u00e9","a":1}"#,
        "{\"kind\":\"strict \u{e9}\",\"a\":1}",
        "{\"kind\":\"strict \u{e9}\",\"a\":1,\"b\":2}",
        r#"{"kind":"lenient","a":1}"#,
        r#"{"kind":"lenient"}"#,
        r#"{"kind":"open","a":1,"b":[1],"c":{"kind":"x"}}"#,
        r#"{"kind":"counts","a":1,"b":2}"#,
        r#"{"kind":"counts","a":1.5}"#,
        r#"{"a":{"b":1},"kind":"anything","n":18446744073709551615,"f":0.1,"s":"\ud83d\ude00"}"#,
        r#"{"kind":"nested","type":"A","a":1}"#,
        r#"{"type":"B","kind":"nested","a":1}"#,
        r#"{"kind":"perhaps","a":1}"#,
        r#"{"kind":"wrapped","a":1}"#,
        r#"{"kind":"nothing"}"#,
        r#"{"kind":"nothing","a":1}"#,
        r#"{"text":"kind of blue","kind_id":1,"kind":"empty"}"#,
        r#"{"kind":"forgiving","a":1,"kind":"unit"}"#,
        r#"{"kind":"forgiving","a":1,"kind":7}"#,
        r#"{"kind":"forgiving","a":1}"#,
        r#"{"kind":"empty"}"#,
        r#"{"kind":"float","a":3}"#,
        r#"{"kind":"float","a":1e400}"#,
        r#"{"kind":"beside","a":1}"#,
        r#"{"kind":"unit"}"#,
        r#"{"kind":"with","a":1}"#,
        r#"{"kind":"with"}"#,
        r#"{"kind":"not known","a":1}"#,
        r#"{"kind":1,"a":1}"#,
        r#"{"kind":{"kind":"unit"}}"#,
        r#"{"a":1}"#,
        r#"["opened",{"id":1,"more":[]}]"#,
        r#"["unit"]"#,
        r#""unit""#,
        "null",
        "{}",
        "",
    ] {
        is_the_same(payload).unwrap();
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1".to_owned()),
        Just("-2.5".to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just(r#""A""#.to_owned()),
        Just(r#"{"kind":"unit"}"#.to_owned()),
        prop::sample::select(vec![
            "opened", "lenient", "open", "counts", "anything", "nested", "perhaps", "wrapped", "nothing",
            "empty", "float", "beside", "unit", "with", "x",
        ])
        .prop_map(|kind| format!("{kind:?}")),
    ]
}

proptest! {
    #[test]
    fn whatever_the_fields_it_is_what_serde_makes_of_them(
        fields in prop::collection::vec(("kind|id|a|b|type|text|more", value()), 0..6),
    ) {
        let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key:?}:{value}")).collect();
        is_the_same(&format!("{{{}}}", fields.join(",")))?;
    }
}

/// Serde can't do this through what it keeps of an event: so it shows that the payload is decoded by itself.
#[test]
fn keys_that_are_numbers_are_read() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Scores {
        by_player: HashMap<u64, i64>,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[serde(tag = "kind")]
    #[bus(name = "scored")]
    enum Serdes {
        Scored(Scores),
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[serde(tag = "kind")]
    #[bus(name = "scored", decode_by_tag)]
    enum ByTag {
        Scored(Scores),
    }

    for wire in [
        r#"{"payload":{"kind":"Scored","by_player":{"7":1}}}"#,
        r#"{"payload":{"by_player":{"7":1},"kind":"Scored"}}"#,
        r#"{"payload":{"name":"kind of blue","kind_id":3,"by_player":{"7":1},"kind":"Scored"}}"#,
    ] {
        assert_eq!(read::<ByTag>(wire), "Scored(Scores { by_player: {7: 1} })");
        assert!(read::<Serdes>(wire).contains("invalid type"), "{}", read::<Serdes>(wire));
    }
}

/// Where the detour changes a number or looks into what nobody wants, there is none.
#[test]
fn a_payload_is_what_serde_json_makes_of_it_alone() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Measured {
        value: f32,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[serde(tag = "kind")]
    #[bus(name = "measured", decode_by_tag)]
    enum ByTag {
        Measured(Measured),
    }

    let nearest = "1.00000005960464477539062500000001";
    let alone: Measured = serde_json::from_str(&format!(r#"{{"value":{nearest}}}"#)).unwrap();
    let wire = format!(r#"{{"payload":{{"kind":"Measured","value":{nearest},"ignored":"\ud800"}}}}"#);
    assert_eq!(read::<ByTag>(&wire), format!("{:?}", ByTag::Measured(alone)));
}

/// Serde takes it for a name like others.
#[test]
fn a_tag_without_a_name_is_no_trap() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Strange {
        n: i64,
    }

    #[derive(Debug, Serialize, Deserialize, EventBus)]
    #[serde(tag = "")]
    #[bus(name = "strange", decode_by_tag)]
    enum ByTag {
        Strange(Strange),
    }

    assert_eq!(read::<ByTag>(r#"{"payload":{"":"Strange","n":1}}"#), "Strange(Strange { n: 1 })");
    assert!(read::<ByTag>("\u{e9}").contains("no event of this bus"));
}
