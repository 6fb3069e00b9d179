//! Every shape of bytes below `tests/corpus`: no panic, one item and the right one, the next event is heard, and memory is
//! bounded by the message.
//!
//! A new case, such as what proptest has found, is a file in `envelope`, `marker` or `codec` whose name begins with what
//! a listener gets: `event-`, `oversized-`, `unknown-`, `undecodable-`. In `channels` it is a key: `key-` or `refused-`.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use event_bus_core::transport::Transport;
use event_bus_core::{
    Bytes, Channel, ChannelKey, Delivery, ErrorKind, EventBus, KeyPattern, MemoryTransport, Message, Notice,
    Subscription,
};
use event_bus_redis::RedisTransport;
use event_bus_tests::{RedisServer, within};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize, EventBus)]
#[serde(tag = "event_type", rename_all = "snake_case")]
#[bus(name = "corpus")]
enum Met {
    Text { text: String },
    Number { number: f64 },
    Whole { whole: i64 },
    Any { any: Value },
    Next,
}

struct Case {
    name: String,
    bytes: Bytes,
}

impl Case {
    fn new(name: &str, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into() }
    }

    /// What it has to be, by its name.
    fn expected(&self) -> &str {
        self.name.split_once('-').expect("a name that begins with what is expected").0
    }
}

/// The files of a folder.
fn stored(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let mut cases: Vec<Case> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| Case::new(path.file_name().unwrap().to_str().unwrap(), fs::read(&path).unwrap()))
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 10, "it is not the whole corpus");
    cases
}

/// What is too large to be stored.
fn made() -> Vec<Case> {
    let any = |text: String| format!(r#"{{"payload":{{"event_type":"any","any":{text}}}}}"#);
    let nested = |open: &str, close: &str| open.repeat(10_000) + "0" + &close.repeat(10_000);
    let plain = r#""payload":{"event_type":"text","text":"a"}"#;
    let many = |item: fn(usize) -> String| (0..50_000).map(item).collect::<Vec<_>>().join(",");
    let members = many(|number| format!(r#""{number}":"x""#));
    vec![
        Case::new("undecodable-arrays-10000-deep", any(nested("[", "]"))),
        Case::new("undecodable-objects-10000-deep", any(nested("{\"a\":", "}"))),
        Case::new("undecodable-brackets-that-never-close", any("[".repeat(100_000))),
        Case::new(
            "event-nested-10000-deep-where-nobody-looks",
            format!(r#"{{"x":{},{plain}}}"#, nested("[", "]")),
        ),
        Case::new("undecodable-headers-10000-deep", format!(r#"{{"headers":{},{plain}}}"#, nested("[", "]"))),
        Case::new("event-fifty-thousand-headers", format!(r#"{{{plain},"headers":{{{members}}}}}"#)),
        Case::new("event-fifty-thousand-members", any(format!("{{{members}}}"))),
        Case::new("event-fifty-thousand-zeros", any(format!("[{}]", many(|_| "0".to_owned())))),
        Case::new("event-fifty-thousand-empty-objects", any(format!("[{}]", many(|_| "{}".to_owned())))),
        Case::new("event-a-mebibyte-of-escapes", any(format!("\"{}\"", "\\u0041".repeat(1024 * 1024 / 6)))),
        Case::new("undecodable-a-mebibyte-of-quotes", vec![b'"'; 1024 * 1024]),
        Case::new("undecodable-a-mebibyte-of-0xff", vec![0xff; 1024 * 1024]),
        Case::new("undecodable-a-mebibyte-of-digits", any("9".repeat(1024 * 1024))),
        Case::new(
            "unknown-a-name-of-a-mebibyte",
            format!(r#"{{"payload":{{"event_type":"{}"}}}}"#, "x".repeat(1024 * 1024)),
        ),
    ]
}

fn messages() -> Vec<Case> {
    ["envelope", "marker", "codec"].into_iter().flat_map(stored).chain(made()).collect()
}

/// What a listener got, in the words of the names.
fn kind(read: &Result<Delivery<Met>, Notice>) -> &'static str {
    match read {
        Ok(_) => "event",
        Err(Notice::Oversized { .. }) => "oversized",
        Err(Notice::UnknownType { .. }) => "unknown",
        Err(Notice::Undecodable { .. }) => "undecodable",
        Err(_) => "something else",
    }
}

async fn item(events: &mut Subscription<Met>, after: &str) -> Result<Delivery<Met>, Notice> {
    within(after, events.recv()).await.expect("not the end")
}

/// Each message, and a good one behind it.
async fn each_is_heard_as_what_it_is(transport: impl Transport + Clone) {
    let bus = EventBus::<Met>::new(transport.clone());
    let mut events = bus.listen("k").await.unwrap();
    for case in messages() {
        let message = Message::new(Channel::from_full_name("corpus/k"), case.bytes.clone());
        transport.publish(vec![message]).await.pop().unwrap().unwrap();
        bus.publish_to("k", &Met::Next).await.unwrap();
        let read = item(&mut events, &case.name).await;
        assert_eq!(kind(&read), case.expected(), "{}: {read:?}", case.name);
        if let Err(Notice::UnknownType { raw, .. } | Notice::Undecodable { raw, .. }) = &read {
            assert!(*raw == case.bytes, "{}: the message as it was", case.name);
        }
        let next = item(&mut events, &case.name).await;
        assert!(matches!(next.as_deref(), Ok(Met::Next)), "{} gave a second item: {next:?}", case.name);
    }
}

#[tokio::test]
async fn in_memory_every_message_is_one_item_and_the_next_event_is_heard() {
    each_is_heard_as_what_it_is(MemoryTransport::new()).await;
}

#[tokio::test]
async fn over_redis_every_message_is_one_item_and_the_next_event_is_heard() {
    let server = RedisServer::start();
    each_is_heard_as_what_it_is(RedisTransport::connect(server.url()).await.unwrap()).await;
}

async fn each_channel_is_itself_or_refused(transport: impl Transport + Clone) {
    let bus = EventBus::<Met>::new(transport.clone());
    let mut all = bus.listen(KeyPattern::any()).await.unwrap();
    for Case { name, bytes } in stored("channels") {
        let key = std::str::from_utf8(&bytes).unwrap();
        let _ = KeyPattern::new(key).map(|pattern| pattern.matches(&ChannelKey::new("k").unwrap()));
        if name.starts_with("key-") {
            let mut one = bus.listen(key).await.unwrap();
            bus.publish_to(key, &Met::Next).await.unwrap();
            assert_eq!(item(&mut one, &name).await.unwrap().channel().key(), key, "{name}");
        } else {
            assert!(name.starts_with("refused-"), "{name}");
            assert_eq!(bus.listen(key).await.unwrap_err().kind(), ErrorKind::InvalidKey, "{name}");
            let error = bus.publish_to(key, &Met::Next).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidKey, "{name}");
            // Others may publish there all the same.
            let channel = Channel::from_full_name(format!("corpus/{key}"));
            let message = Message::new(channel, r#"{"payload":{"event_type":"next"}}"#);
            transport.publish(vec![message]).await.pop().unwrap().unwrap();
        }
        let heard = item(&mut all, &name).await.unwrap();
        assert!(heard.channel().key() == key && matches!(*heard, Met::Next), "{name}: {heard:?}");
    }
}

#[tokio::test]
async fn in_memory_every_channel_is_itself_or_refused() {
    each_channel_is_itself_or_refused(MemoryTransport::new()).await;
}

#[tokio::test]
async fn over_redis_every_channel_is_itself_or_refused() {
    let server = RedisServer::start();
    each_channel_is_itself_or_refused(RedisTransport::connect(server.url()).await.unwrap()).await;
}

/// What one byte of a message may cost, at most, while it is read and while what was read is held: `[0,0,…` where anything
/// may stand is the worst.
const MOST_PER_BYTE: usize = 100;
/// What may be shown of a message.
const LONGEST_TEXT: usize = 2_000;
const ROOM: usize = 8 * 1024;

#[test]
fn what_is_held_of_a_message_is_bounded_by_it() {
    let bus = EventBus::<Met>::new(MemoryTransport::new());
    let mut worst = 0;
    for case in messages() {
        let message = Arc::new(Message::new(Channel::from_full_name("corpus/k"), case.bytes.clone()));
        Heap::begin();
        let read = bus.read(message);
        let (held, peak) = Heap::grown();
        let size = case.bytes.len();
        worst = worst.max(peak / size.max(1));
        assert!(peak <= ROOM + MOST_PER_BYTE * size, "{}: {peak} bytes while it was read", case.name);
        if let Err(notice) = read {
            // The message itself is shared, not copied; a type's name is.
            assert!(held <= ROOM + size, "{}: {held} bytes held", case.name);
            let shown = format!("{notice} {notice:?}").len();
            assert!(shown <= LONGEST_TEXT, "{}: {shown} bytes are shown", case.name);
        }
    }
    assert!(worst > 10, "nothing was counted");
}

/// What one thread has allocated and not freed, since it began to count, and the most that it was.
struct Heap;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static COUNTING: Heap = Heap;

impl Heap {
    fn begin() {
        HELD.set(0);
        PEAK.set(0);
    }

    fn grown() -> (usize, usize) {
        [HELD.get(), PEAK.get()].map(|bytes| usize::try_from(bytes).unwrap_or(0)).into()
    }

    fn count(change: isize) {
        HELD.set(HELD.get() + change);
        PEAK.set(PEAK.get().max(HELD.get()));
    }
}

// SAFETY: all is left to the system's allocator; the counters allocate nothing and need no destructor.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        Self::count(-layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}
