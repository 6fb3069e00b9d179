//! Whatever bytes arrive: no panic, one item for each message, and the next event is heard. Real messages of the platform
//! are what the fuzzing starts from.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::sync::Arc;

use event_bus_core::{
    Bytes, Channel, ChannelKey, Codec, Event, EventBus, Json, KeyPattern, MemoryTransport, Message, TypeTag,
    UnknownEvent,
};
use event_bus_examples::{ExecutionEvent, Notification, WebhookEvent};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "around")]
enum Around {
    Text(String),
    Number { n: f64 },
    Nothing,
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[serde(tag = "event_type", rename_all = "snake_case")]
#[bus(name = "lasting")]
enum Lasting {
    GraphExecutionUpdate {
        id: String,
    },
    #[serde(skip)]
    #[bus(other)]
    Unknown(UnknownEvent),
}

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "free")]
struct Free {
    #[serde(flatten)]
    all: Value,
}

fn corpus() -> Vec<Vec<u8>> {
    let vectors = include_str!("../vectors/autogpt-wire.jsonl").lines();
    let recorded = vectors.map(|line| {
        let vector: Value = serde_json::from_str(line).unwrap();
        vector["wire"].as_str().unwrap().as_bytes().to_vec()
    });
    let made = [
        r#"{"payload":{"event_type":"error_comms_update","error":"Payload too large for Redis transmission","original_size_bytes":17,"max_size_bytes":16}}"#,
        r#"{"payload":{"event_type":"graph_execution_update","id":"1"},"headers":{"publisher":"p","seq":"18446744073709551615"}}"#,
        r#"{"payload":"Nothing"}"#,
        r#"{"payload":{"Text":"\ud83d\ude00"}}"#,
        r#"{"payload":{"Number":{"n":1e308}},"payload":{"Number":{"n":-0.0}}}"#,
        r#"{"payload":{"event_type":"graph_execution_update","event_type":"x","id":[[[[]]]]}}"#,
        r#"{"headers":{"seq":[1],"publisher":{}},"payload":null}"#,
        r#"{"payload":123456789012345678901234567890}"#,
        "",
        "{",
        "[]",
        "\u{feff}{}",
    ];
    recorded.chain(made.map(|text| text.as_bytes().to_vec())).collect()
}

/// One change to a message.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Double(usize, usize),
    Splice(usize, usize),
    Wrap(usize, bool),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "null",
        "1e999",
        "\"payload\":",
        "\"event_type\":",
        "\u{0}",
        "\\ud800",
        "9",
    ]);
    let change = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), token).prop_map(|(at, token)| Change::Insert(at, token.into())),
        (any::<usize>(), any::<usize>()).prop_map(|(from, length)| Change::Double(from, length)),
        (any::<usize>(), any::<usize>()).prop_map(|(message, at)| Change::Splice(message, at)),
        (0..400_usize, any::<bool>()).prop_map(|(depth, in_object)| Change::Wrap(depth, in_object)),
    ];
    prop::collection::vec(change, 0..4)
}

fn changed(corpus: &[Vec<u8>], which: usize, changes: Vec<Change>) -> Vec<u8> {
    let mut wire = corpus[which % corpus.len()].clone();
    for change in changes {
        let place = |at: usize| at % (wire.len() + 1);
        match change {
            Change::Flip(at, bits) if !wire.is_empty() => {
                let at = at % wire.len();
                wire[at] ^= bits;
            }
            Change::Flip(..) => {}
            Change::Cut(at) => wire.truncate(place(at)),
            Change::Insert(at, token) => drop(wire.splice(place(at)..place(at), token)),
            Change::Double(from, length) => {
                let from = place(from);
                let until = from + length % (wire.len() - from + 1);
                let piece = wire[from..until].to_vec();
                wire.extend(piece);
            }
            Change::Splice(message, at) => {
                wire.truncate(place(at));
                let other = &corpus[message % corpus.len()];
                wire.extend(&other[at % (other.len() + 1)..]);
            }
            Change::Wrap(depth, in_object) => {
                let (open, close) = if in_object { ("{\"a\":", "}") } else { ("[", "]") };
                let inside = String::from_utf8_lossy(&wire).into_owned();
                let nested = open.repeat(depth) + &inside + &close.repeat(depth);
                wire = format!("{{\"payload\":{nested}}}").into_bytes();
            }
        }
    }
    wire
}

/// What a message gives, and that its type is told the same way by a glance and by a look.
fn check<E: Event>(wire: &[u8]) -> Result<(), TestCaseError>
where
    Json: Codec<E>,
{
    let channel = Channel::from_full_name("bus/key");
    let bytes = Bytes::copy_from_slice(wire);
    let peeked =
        Codec::<E>::peek(&Json, &channel, &bytes, E::TYPE_TAG).map(|peek| peek.event_type.into_owned());
    for tag in [TypeTag::Absent, TypeTag::Variant, TypeTag::Field("payload")] {
        let _ = Codec::<E>::peek(&Json, &channel, &bytes, tag);
    }
    if let Ok(envelope) = Codec::<E>::decode(&Json, &channel, &bytes)
        && let Some(peeked) = peeked.filter(|peeked| E::EVENT_TYPES.contains(&peeked.as_str()))
    {
        prop_assert_eq!(envelope.payload.event_type(), peeked);
    }
    let bus = EventBus::<E>::new(MemoryTransport::new());
    let shown = match bus.read(Arc::new(Message::new(channel, bytes))) {
        Ok(_) => String::new(),
        Err(notice) => format!("{notice} {notice:?}"),
    };
    prop_assert!(shown.len() < 2_000, "{} bytes of notice", shown.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn changed_messages_are_events_or_notices(which in any::<usize>(), changes in changes()) {
        let wire = changed(&corpus(), which, changes);
        check::<ExecutionEvent>(&wire)?;
        check::<Notification>(&wire)?;
        check::<WebhookEvent>(&wire)?;
        check::<Around>(&wire)?;
        check::<Lasting>(&wire)?;
        check::<Free>(&wire)?;
    }

    #[test]
    fn any_bytes_are_an_event_or_a_notice(wire in prop::collection::vec(any::<u8>(), 0..300)) {
        check::<ExecutionEvent>(&wire)?;
        check::<Around>(&wire)?;
        check::<Lasting>(&wire)?;
    }

    #[test]
    fn any_text_is_a_name_or_refused(text in "\\PC{0,40}|[*?\\[\\]\\\\^a-]{0,40}", key in "[a-c*/\\[\\]]{1,20}") {
        let _ = Channel::from_full_name(text.as_str()).key();
        let key = ChannelKey::new(&key);
        if let (Ok(pattern), Ok(key)) = (KeyPattern::new(&text), key) {
            let _ = pattern.matches(&key);
        }
    }
}

#[tokio::test]
async fn after_every_message_of_the_corpus_the_next_event_is_heard() {
    use event_bus_core::transport::Transport;
    let memory = MemoryTransport::new();
    let bus = AroundBus::new(memory.clone());
    let mut events = bus.listen("k").await.unwrap();
    for wire in corpus() {
        let message = Message::new(Channel::from_full_name("around/k"), wire);
        memory.publish(vec![message]).await.pop().unwrap().unwrap();
        bus.publish_to("k", &Around::Text("next".into())).await.unwrap();
        let _event_or_notice = event_bus_tests::within("one item", events.recv()).await.unwrap();
        let next = event_bus_tests::within("the next", events.recv()).await.unwrap().unwrap();
        assert!(matches!(&*next, Around::Text(text) if text == "next"));
    }
}

#[test]
fn a_pattern_made_to_be_slow_is_matched_in_time() {
    let key = ChannelKey::new("a".repeat(1_000)).unwrap();
    let began = std::time::Instant::now();
    for pattern in ["*a".repeat(500) + "b", "*a*b".repeat(200), "[^b]*".repeat(200) + "b"] {
        assert!(!KeyPattern::new(&pattern).unwrap().matches(&key));
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
}
