//! What the derive generates, in use: keys out of events and handles, values that are refused, and the bus itself.
//! What does not compile is in `ui/`.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::HashMap;
use std::path::Path;

use event_bus_core::{
    Bytes, Channel, ChannelHandle, Codec, CodecError, Envelope, ErrorKind, Event, EventBus, MemoryTransport,
};
use event_bus_tests::within;
use serde::{Deserialize, Serialize};

/// A run of a graph, or a node in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "runs", channel(run = "{{{user_id}/{graph_id}}}/exec/{id}"))]
#[bus(channel(graph = "{{{user_id}/{graph_id}}}/all", kind = "kind-{type}s", all = "all"))]
enum Run {
    Started {
        user_id: String,
        graph_id: String,
        id: u64,
        r#type: char,
    },
    #[bus(field(id = "run_id", type = "kind"))]
    Stopped {
        user_id: String,
        graph_id: String,
        run_id: u64,
        kind: String,
    },
    Whole(Whole),
    #[bus(field(id = "run"), field(type = "id"))]
    Node(Box<Node>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Whole {
    user_id: String,
    graph_id: String,
    id: i64,
    r#type: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    user_id: String,
    graph_id: String,
    run: String,
    id: u8,
}

/// Three texts in several arrangements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EventBus)]
#[bus(
    name = "texts",
    channel(slashes = "{a}/{b}/{c}"),
    channel(braces = "{{{a}}}{{{b}}}{c}"),
    channel(mixed = "a-{a}-a/b{{{b}}}{c}-a"),
    channel(twice = "{a}/{b}/{a}/{c}")
)]
struct Texts {
    a: String,
    b: String,
    c: String,
}

/// Goes to whom it is from and to whom it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EventBus)]
#[bus(
    name = "letters",
    channel(sender = "user/{sender}", receiver = "user/{receiver}"),
    overlap(sender, receiver)
)]
struct Letter {
    sender: u64,
    receiver: u64,
}

fn keys(event: &impl Event) -> Vec<String> {
    event.channel_keys().unwrap().iter().map(ToString::to_string).collect()
}

fn key<E: Event>(handle: &ChannelHandle<E>) -> String {
    handle.key().unwrap().to_string()
}

#[test]
fn keys_are_rendered_from_the_fields_of_a_struct() {
    let texts = Texts { a: "x".into(), b: "é 😀".into(), c: "?[1]\\".into() };
    let expected = ["x/é 😀/?[1]\\", "{x}{é 😀}?[1]\\", "a-x-a/b{é 😀}?[1]\\-a", "x/é 😀/x/?[1]\\"];
    assert_eq!(keys(&texts), expected);
}

#[test]
fn keys_are_rendered_from_every_variant_and_renamed_field() {
    let (user_id, graph_id) = (|| "u".to_owned(), || "g".to_owned());
    let started = Run::Started { user_id: user_id(), graph_id: graph_id(), id: 1, r#type: 't' };
    let stopped = Run::Stopped { user_id: user_id(), graph_id: graph_id(), run_id: 2, kind: "stop".into() };
    let whole = Run::Whole(Whole { user_id: user_id(), graph_id: graph_id(), id: -3, r#type: true });
    let node = Node { user_id: user_id(), graph_id: graph_id(), run: "4".into(), id: 5 };
    assert_eq!(keys(&started), ["{u/g}/exec/1", "{u/g}/all", "kind-ts", "all"]);
    assert_eq!(keys(&stopped), ["{u/g}/exec/2", "{u/g}/all", "kind-stops", "all"]);
    assert_eq!(keys(&whole), ["{u/g}/exec/-3", "{u/g}/all", "kind-trues", "all"]);
    assert_eq!(keys(&Run::Node(Box::new(node))), ["{u/g}/exec/4", "{u/g}/all", "kind-5s", "all"]);
}

#[test]
fn handles_have_the_keys_of_the_event() {
    let bus = RunBus::new(MemoryTransport::new());
    let event = Run::Started { user_id: "u".into(), graph_id: "g".into(), id: 1, r#type: 't' };
    let handles = [
        bus.run(RunChannel { user_id: "u", graph_id: "g".to_owned(), id: 1 }),
        bus.graph(GraphChannel { user_id: &"u", graph_id: 'g' }),
        bus.kind(KindChannel { r#type: "t" }),
        bus.all(),
    ];
    assert_eq!(handles.each_ref().map(key).to_vec(), keys(&event));
    let parameters = RunChannel { user_id: "u", graph_id: "g", id: 1 };
    assert_eq!(key(&bus.run(parameters)), parameters.key().unwrap().as_str());
}

#[tokio::test]
async fn a_value_that_would_change_its_channel_is_refused_by_name_when_publishing() {
    let bus = TextsBus::new(MemoryTransport::new());
    for evil in evil_values() {
        for parameter in ["a", "b", "c"] {
            let [a, b, c] =
                ["a", "b", "c"].map(|name| if name == parameter { evil.clone() } else { name.to_owned() });
            let error = bus.publish(&Texts { a, b, c }).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidKey, "{evil:?}");
            assert!(error.to_string().contains(&format!("`{parameter}`")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_value_that_would_change_its_channel_is_refused_by_name_through_a_handle() {
    let bus = TextsBus::new(MemoryTransport::new());
    let event = Texts { a: "a".into(), b: "b".into(), c: "c".into() };
    for evil in evil_values() {
        let handle = bus.mixed(MixedChannel { a: "a", b: &evil, c: "c" });
        let errors = [
            handle.key().map(drop).unwrap_err(),
            handle.publish(&event).await.map(drop).unwrap_err(),
            handle.listen().await.map(drop).unwrap_err(),
            handle.wait(std::time::Duration::ZERO).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidKey, "{evil:?}");
            assert!(error.to_string().contains("`b`"), "{error}");
        }
    }
}

fn evil_values() -> Vec<String> {
    let evil =
        ["", "/", "*", "{", "}", "\n", "\0", "\u{7f}", "\u{85}", "x/../y", "x*", "{x}", "x\r\nPUBLISH"];
    evil.into_iter().map(str::to_owned).chain(["x".repeat(1_025)]).collect()
}

#[test]
fn different_values_never_give_the_same_key_and_keys_split_back_into_them() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen: HashMap<(usize, String), [String; 3]> = HashMap::new();
    let mut rendered = 0;
    for _ in 0..2_000 {
        let values = [(); 3].map(|()| random_value(&mut random));
        let [a, b, c] = values.clone();
        let is_allowed = |value: &String| !value.is_empty() && !value.contains(['/', '*', '{', '}', '\n']);
        let keys = Texts { a, b, c }.channel_keys();
        assert_eq!(keys.is_ok(), values.iter().all(is_allowed), "{values:?}");
        for (channel, key) in keys.iter().flatten().enumerate() {
            rendered += 1;
            assert_eq!(
                split(channel, key.as_str()).map(|parts| parts.map(str::to_owned)),
                Some(values.clone())
            );
            let earlier = seen.entry((channel, key.to_string())).or_insert_with(|| values.clone());
            assert_eq!(*earlier, values, "both are {key}");
        }
    }
    assert!(rendered > 1_000, "too few values were allowed to prove anything: {rendered}");
}

/// Short and of few characters, so that values are often almost alike, and now and then evil.
fn random_value(random: &mut fastrand::Rng) -> String {
    let characters = ['a', 'b', '-', 'a', ' ', ':', 'é', '\\', '?', '[', 'a', 'b', '-', '.'];
    let evil = ['/', '*', '{', '}', '\n'];
    let mut value: String =
        (0..random.usize(1..5)).map(|_| characters[random.usize(..characters.len())]).collect();
    match random.u8(..20) {
        0 => value.push(evil[random.usize(..evil.len())]),
        1 => value.clear(),
        _ => {}
    }
    value
}

/// The values in a key of the channels of [`Texts`], in the order of their declaration.
fn split(channel: usize, key: &str) -> Option<[&str; 3]> {
    let mut parts = match channel {
        0 => key.splitn(3, '/').collect::<Vec<_>>(),
        1 => key.strip_prefix('{')?.splitn(3, ['{', '}']).collect(),
        2 => key.strip_prefix("a-")?.strip_suffix("-a")?.splitn(2, "-a/b{").collect(),
        _ => key.splitn(4, '/').collect(),
    };
    match channel {
        1 => parts = [parts[0]].into_iter().chain(parts[2].split('}')).collect(),
        2 => parts = [parts[0]].into_iter().chain(parts[1].split('}')).collect(),
        3 if parts[2] == parts[0] => drop(parts.remove(2)),
        _ => {}
    }
    parts.try_into().ok()
}

#[tokio::test]
async fn an_event_is_published_to_every_declared_channel_with_a_receipt_each() {
    let bus = TextsBus::new(MemoryTransport::new());
    let event = Texts { a: "1".into(), b: "2".into(), c: "3".into() };
    let (a, b, c) = (1, 2, 3);
    let handles = [
        bus.slashes(SlashesChannel { a, b, c }),
        bus.braces(BracesChannel { a, b, c }),
        bus.mixed(MixedChannel { a, b, c }),
        bus.twice(TwiceChannel { a, b, c }),
    ];
    let mut listeners = Vec::new();
    for handle in &handles {
        listeners.push(handle.listen().await.unwrap());
    }
    let receipts = bus.publish(&event).await.unwrap();
    let channels: Vec<&str> = receipts.iter().map(|receipt| receipt.channel.as_str()).collect();
    assert_eq!(channels, ["texts/1/2/3", "texts/{1}{2}3", "texts/a-1-a/b{2}3-a", "texts/1/2/1/3"]);
    let last = Texts { a: "last".into(), ..event.clone() };
    for (handle, listener) in handles.iter().zip(&mut listeners) {
        handle.publish(&last).await.unwrap();
        assert_eq!(*within("the event", listener.recv()).await.unwrap().unwrap(), event);
        assert_eq!(*within("the last", listener.recv()).await.unwrap().unwrap(), last, "the other came once");
    }
}

#[tokio::test]
async fn channels_that_turn_out_to_be_one_get_an_event_once() {
    let bus = LetterBus::new(MemoryTransport::new());
    let mut letters = bus.receiver(ReceiverChannel { receiver: 7 }).listen().await.unwrap();
    assert_eq!(bus.publish(&Letter { sender: 1, receiver: 7 }).await.unwrap().len(), 2);
    assert_eq!(bus.publish(&Letter { sender: 7, receiver: 7 }).await.unwrap().len(), 1);
    assert_eq!(bus.publish(&Letter { sender: 2, receiver: 7 }).await.unwrap().len(), 2);
    for sender in [1, 7, 2] {
        assert_eq!(within("a letter", letters.recv()).await.unwrap().unwrap().sender, sender);
    }
}

#[tokio::test]
async fn a_clone_is_the_same_bus_and_debug_tells_which() {
    let bus = LetterBus::new(MemoryTransport::new());
    let clone = bus.clone();
    let mut letters = clone.sender(SenderChannel { sender: 1 }).listen().await.unwrap();
    bus.publish(&Letter { sender: 1, receiver: 2 }).await.unwrap();
    assert_eq!(within("the letter", letters.recv()).await.unwrap().unwrap().receiver, 2);
    assert_eq!(format!("{bus:?}"), format!("{clone:?}"));
    assert!(format!("{bus:?}").contains("letters"), "{bus:?}");
    clone.close().await;
    let error = bus.publish(&Letter { sender: 1, receiver: 2 }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn a_generated_bus_is_made_from_a_transport_a_builder_or_a_bus() {
    let made = LetterBus::new(MemoryTransport::new());
    let built = LetterBus::builder(MemoryTransport::new()).queue_messages(1).build().unwrap();
    let converted = LetterBus::from(EventBus::new(MemoryTransport::new()));
    assert_eq!([made, built, converted].map(|bus| bus.name().to_string()), ["letters"; 3]);
}

/// An event that serde knows nothing of.
#[derive(Debug, EventBus)]
#[bus(name = "numbers", channel(number = "{number}"))]
struct Number {
    number: u8,
}

struct OneByte;

impl Codec<Number> for OneByte {
    fn encode(&self, _: &Channel, envelope: &Envelope<&Number>) -> Result<Bytes, CodecError> {
        Ok(vec![envelope.payload.number].into())
    }

    fn decode(&self, _: &Channel, wire: &Bytes) -> Result<Envelope<Number>, CodecError> {
        let number = *wire.first().ok_or_else(|| CodecError::new("expected one byte"))?;
        Ok(Envelope::new(Number { number }))
    }
}

#[tokio::test]
async fn an_event_without_serde_travels_with_a_codec_of_its_own() {
    let bus = NumberBus::with_codec(MemoryTransport::new(), OneByte).build().unwrap();
    let mut numbers = bus.number(NumberChannel { number: 7 }).listen().await.unwrap();
    bus.publish(&Number { number: 7 }).await.unwrap();
    assert_eq!(within("the number", numbers.recv()).await.unwrap().unwrap().number, 7);
}

#[test]
fn no_method_of_a_bus_can_be_hidden_by_a_channel() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| std::fs::read_to_string(workspace.join(path)).unwrap();
    let rules = read("event-bus-derive/src/valid/mod.rs");
    let files = ["bus", "python", "batch", "blocking/bus", "blocking/python"]
        .map(|file| read(&format!("event-bus-core/src/{file}.rs")));
    let bus = files
        .map(|file| file.split("\npub struct PublishBatch").next().unwrap_or_default().to_owned())
        .concat();
    let traits = read("event-bus-derive/src/expand/wrapper.rs");
    let of_bus = bus.lines().filter_map(|line| {
        line.strip_prefix("    pub fn ").or_else(|| line.strip_prefix("    pub async fn "))
    });
    let of_traits = traits.lines().filter_map(|line| line.strip_prefix("                fn "));
    let methods = of_bus.chain(of_traits).filter_map(|method| method.split(['(', '<']).next());
    let methods: Vec<&str> = methods.collect();
    for known in ["publish", "runtime", "from", "deref", "clone", "fmt"] {
        assert!(methods.contains(&known), "{methods:?}");
    }
    for method in methods {
        assert!(rules.contains(&format!("\"{method}\"")), "the derive allows a channel `{method}`");
    }
}
