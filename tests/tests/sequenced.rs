//! Sequenced buses: what is missing although every connection looked healthy is told, what comes twice is dropped, and
//! what is told already is not told again.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use event_bus_core::transport::{Capabilities, Filter, Inbox, Lease, Transport};
use event_bus_core::{
    Any, Channel, Error, ErrorKind, EventBus, EventType, KeyPattern, MemoryTransport, Message, MessageLimit,
    Notice, Receipt, Result, Subscription,
};
use event_bus_redis::RedisTransport;
use event_bus_tests::{
    Numbered, NumberedBus, NumberedChannel, RedisServer, SourceChannel, eventually, within,
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

fn sequenced(transport: impl Transport) -> NumberedBus {
    NumberedBus::builder(transport).sequenced(true).build().unwrap()
}

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

async fn publish(bus: &NumberedBus, number: u64) {
    bus.publish_to("s", &event(number)).await.unwrap();
}

/// What was heard: an event's number, or how many are missing.
async fn next(events: &mut Subscription<Numbered>) -> std::result::Result<u64, u64> {
    match within("an item", events.recv()).await.unwrap() {
        Ok(event) => Ok(event.number),
        Err(Notice::Gap { missed, .. }) => Err(missed),
        Err(notice) => panic!("{notice}"),
    }
}

/// Takes messages with a receipt and loses, or doubles, some of them, as nothing that is connected should.
#[derive(Clone)]
struct Unfaithful {
    memory: MemoryTransport,
    loses: Arc<AtomicBool>,
    doubles: Arc<AtomicBool>,
}

impl Unfaithful {
    fn new() -> Self {
        Self { memory: MemoryTransport::new(), loses: Arc::default(), doubles: Arc::default() }
    }

    async fn losing(&self, bus: &NumberedBus, number: u64) {
        self.loses.store(true, SeqCst);
        publish(bus, number).await;
        self.loses.store(false, SeqCst);
    }
}

impl Transport for Unfaithful {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        if self.loses.load(SeqCst) {
            return messages
                .iter()
                .map(|message| Ok(Receipt::new(message.channel().clone(), Some(1))))
                .collect();
        }
        if self.doubles.load(SeqCst) {
            let again =
                |message: &Message| Message::new(message.channel().clone(), message.payload().clone());
            let _ = Transport::publish(&self.memory, messages.iter().map(again).collect()).await;
        }
        Transport::publish(&self.memory, messages).await
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        Transport::subscribe(&self.memory, filter, inbox).await
    }

    async fn close(&self) {
        Transport::close(&self.memory).await;
    }

    fn capabilities(&self) -> Capabilities {
        Transport::capabilities(&self.memory)
    }
}

#[tokio::test]
async fn what_is_lost_in_silence_is_told_before_the_next_event() {
    let transport = Unfaithful::new();
    let bus = sequenced(transport.clone());
    let mut events = bus.listen("s").await.unwrap();
    publish(&bus, 1).await;
    transport.losing(&bus, 2).await;
    transport.losing(&bus, 3).await;
    publish(&bus, 4).await;
    publish(&bus, 5).await;
    let heard =
        [next(&mut events).await, next(&mut events).await, next(&mut events).await, next(&mut events).await];
    assert_eq!(heard, [Ok(1), Err(2), Ok(4), Ok(5)]);
}

#[tokio::test]
async fn what_comes_twice_is_heard_once() {
    let transport = Unfaithful::new();
    let bus = sequenced(transport.clone());
    let mut events = bus.listen("s").await.unwrap();
    transport.doubles.store(true, SeqCst);
    for number in 1..4 {
        publish(&bus, number).await;
    }
    assert_eq!(
        [next(&mut events).await, next(&mut events).await, next(&mut events).await],
        [Ok(1), Ok(2), Ok(3)]
    );
    transport.doubles.store(false, SeqCst);
    publish(&bus, 4).await;
    assert_eq!(next(&mut events).await, Ok(4));
}

async fn nothing_is_told_while_nothing_is_missing(transport: impl Transport + Clone) {
    let buses: Vec<NumberedBus> = (0..3).map(|_| sequenced(transport.clone())).collect();
    let unnumbered = NumberedBus::new(transport.clone());
    let mut exact = unnumbered.source(SourceChannel { source: "s" }).listen().await.unwrap();
    let mut open = unnumbered.numbered(NumberedChannel { source: Any, number: Any }).listen().await.unwrap();
    let mut publishers = JoinSet::new();
    for (at, bus) in buses.iter().chain([&unnumbered]).cloned().enumerate() {
        for task in 0..8 {
            let bus = bus.clone();
            publishers.spawn(async move {
                for number in 0..10 {
                    let number = (at * 8 + task) as u64 * 100 + number;
                    if u64::is_multiple_of(number, 3) {
                        bus.publish_batch([event(number)]).await.pop().unwrap().unwrap();
                    } else {
                        bus.publish(&event(number)).await.unwrap();
                    }
                }
            });
        }
    }
    publishers.join_all().await;
    for events in [&mut exact, &mut open] {
        for _ in 0..320 {
            within("an event", events.recv()).await.unwrap().unwrap();
        }
    }
    drop(buses);
    let restarted = sequenced(transport);
    restarted.publish(&event(9_999)).await.unwrap();
    assert_eq!(next(&mut exact).await, Ok(9_999), "a publisher that restarted");
}

#[tokio::test]
async fn nothing_is_told_while_nothing_is_missing_in_memory() {
    nothing_is_told_while_nothing_is_missing(MemoryTransport::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_while_nothing_is_missing_on_redis() {
    let server = RedisServer::start();
    nothing_is_told_while_nothing_is_missing(RedisTransport::connect(server.url()).await.unwrap()).await;
}

#[tokio::test]
async fn what_another_notice_covers_is_not_told_as_a_gap() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::builder(memory.clone()).sequenced(true).queue_messages(2).build().unwrap();
    let mut events = bus.listen("s").await.unwrap();
    let mut mirror = bus.listen("other").await.unwrap();
    publish(&bus, 1).await;
    assert_eq!(next(&mut events).await, Ok(1));
    memory.interrupt();
    publish(&bus, 2).await;
    memory.resume();
    publish(&bus, 3).await;
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Interrupted))));
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Resumed { .. }))));
    assert_eq!(next(&mut events).await, Ok(3));

    for number in 4..9 {
        publish(&bus, number).await;
    }
    bus.publish_to("other", &event(0)).await.unwrap();
    while within("all has arrived", mirror.recv()).await.unwrap().is_err() {} // it was cut off too
    assert!(matches!(within("it", events.recv()).await, Some(Err(Notice::Lagged { missed: 3 }))));
    assert_eq!([next(&mut events).await, next(&mut events).await], [Ok(7), Ok(8)]);
}

#[tokio::test]
async fn what_was_surely_not_published_leaves_no_gap() {
    let memory = MemoryTransport::new();
    let limit = MessageLimit::new(4096).unwrap();
    let bus = NumberedBus::builder(memory.clone()).sequenced(true).message_limit(limit).build().unwrap();
    let mut events = bus.listen("s").await.unwrap();
    publish(&bus, 1).await;
    for kind in [ErrorKind::NotSent, ErrorKind::Refused, ErrorKind::Denied] {
        memory.fail_next(1, kind);
        assert_eq!(bus.publish_to("s", &event(2)).await.unwrap_err().kind(), kind);
    }
    let large = Numbered::new(&"x".repeat(5_000), 2);
    assert_eq!(bus.publish_to("s", &large).await.unwrap_err().kind(), ErrorKind::TooLarge);
    publish(&bus, 3).await;
    assert_eq!(next(&mut events).await, Ok(1));
    assert!(matches!(within("the marker", events.recv()).await, Some(Err(Notice::Oversized { .. }))));
    assert_eq!(next(&mut events).await, Ok(3));

    memory.fail_next(1, ErrorKind::OutcomeUnknown); // and published all the same
    bus.publish_to("s", &event(4)).await.unwrap_err();
    publish(&bus, 5).await;
    assert_eq!([next(&mut events).await, next(&mut events).await], [Ok(4), Ok(5)]);
}

#[tokio::test]
async fn a_channel_that_was_not_listened_to_for_a_while_has_no_gap() {
    let bus = sequenced(MemoryTransport::new());
    let mut events = bus.listen("s").await.unwrap();
    publish(&bus, 1).await;
    assert_eq!(next(&mut events).await, Ok(1));
    events.add("other").await.unwrap();
    events.remove("s").unwrap();
    publish(&bus, 2).await;
    events.add("s").await.unwrap();
    publish(&bus, 3).await;
    assert_eq!(next(&mut events).await, Ok(3));
}

#[tokio::test]
async fn it_has_none_though_what_came_before_is_read_later() {
    let bus = sequenced(MemoryTransport::new());
    let mut events = bus.listen("s").await.unwrap();
    events.add("other").await.unwrap();
    publish(&bus, 1).await;
    assert_eq!(next(&mut events).await, Ok(1));
    publish(&bus, 2).await;
    eventually("it is queued", || bus.health().queued == 1).await;
    events.remove("s").unwrap();
    publish(&bus, 3).await;
    events.add("s").await.unwrap();
    publish(&bus, 4).await;
    assert_eq!([next(&mut events).await, next(&mut events).await], [Ok(2), Ok(4)]);
}

#[tokio::test]
async fn a_loss_is_told_whatever_else_is_listened_to_meanwhile() {
    let transport = Unfaithful::new();
    let bus = sequenced(transport.clone());
    let mut events = bus.listen("s").await.unwrap();
    publish(&bus, 1).await;
    transport.losing(&bus, 2).await;
    events.add("other").await.unwrap();
    events.add(KeyPattern::any()).await.unwrap(); // beside the one by which it is heard already
    publish(&bus, 3).await;
    transport.losing(&bus, 4).await;
    events.remove("other").unwrap();
    publish(&bus, 5).await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(next(&mut events).await);
    }
    assert_eq!(heard, [Ok(1), Err(1), Ok(3), Err(1), Ok(5)]);
}

#[tokio::test]
async fn what_does_not_decode_excuses_what_is_missing_on_its_channel_and_on_no_other() {
    let transport = Unfaithful::new();
    let bus = sequenced(transport.clone());
    let mut events = bus.listen("s").await.unwrap();
    events.add("other").await.unwrap();
    publish(&bus, 1).await;
    transport.losing(&bus, 2).await;
    let garbage = Message::new(Channel::from_full_name("numbered/other"), "garbage");
    transport.memory.publish(vec![garbage]).await.remove(0).unwrap();
    publish(&bus, 3).await;
    assert_eq!(next(&mut events).await, Ok(1));
    let garbage = within("the garbage", events.recv()).await.unwrap().unwrap_err();
    assert!(matches!(garbage, Notice::Undecodable { .. }), "{garbage}");
    assert_eq!([next(&mut events).await, next(&mut events).await], [Err(1), Ok(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_never_has_its_turn_ends_in_time() {
    let bus = sequenced(MemoryTransport::new());
    let mut begun = bus.publish_batch_to("s", (0..).map(event)).unwrap();
    let _begun = tokio::time::timeout(Duration::ZERO, begun.next()).await;
    begun.next().await.unwrap().unwrap();
    let holds_the_turn = async { while begun.next().await.is_some() {} };
    drop(tokio::time::timeout(Duration::ZERO, holds_the_turn).await);
    let started = tokio::time::Instant::now();
    let results = bus.publish_batch_to("s", (0..5_000).map(event)).unwrap().await;
    assert_eq!(results.len(), 5_000);
    assert!(started.elapsed() < Duration::from_secs(90), "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_one_kind_of_listeners_has_keeps_its_number() {
    let memory = MemoryTransport::new();
    let bus = sequenced(memory.clone());
    let recorded = memory.record();
    memory.fail_next(1, ErrorKind::Partial);
    let _partial = bus.publish_to("s", &event(1)).await.unwrap_err();
    publish(&bus, 2).await;
    let wires: Vec<_> =
        recorded.take().iter().map(|it| String::from_utf8_lossy(it.payload()).into_owned()).collect();
    assert!(wires.last().unwrap().contains(r#""seq":"2""#), "{wires:?}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind")]
#[bus(name = "steps", channel(step = "all"))]
enum Step {
    Begun,
    Done { n: u64 },
}

#[tokio::test]
async fn a_narrowed_subscription_sees_what_is_missing_through_events_that_it_passes_over() {
    let transport = Unfaithful::new();
    let bus = StepBus::builder(transport.clone()).sequenced(true).build().unwrap();
    let done: EventType<Step> = Step::DONE;
    let mut events = bus.step().listen().await.unwrap().only(done);
    for n in 0..3 {
        bus.publish(&Step::Begun).await.unwrap();
        bus.publish(&Step::Done { n }).await.unwrap();
    }
    for n in 0..3 {
        assert_eq!(
            *within("it", events.recv()).await.unwrap().unwrap(),
            Step::Done { n },
            "nothing is missing"
        );
    }
    transport.loses.store(true, SeqCst);
    bus.publish(&Step::Done { n: 3 }).await.unwrap();
    transport.loses.store(false, SeqCst);
    bus.publish(&Step::Begun).await.unwrap();
    let notice = within("the gap", events.recv()).await.unwrap().unwrap_err();
    assert!(matches!(notice, Notice::Gap { missed: 1, .. }), "{notice}");
    assert_eq!(notice.channel().map(Channel::as_str), Some("steps/all"));
}

#[tokio::test]
async fn a_wait_in_which_something_is_missing_does_not_say_that_nothing_came() {
    let transport = Unfaithful::new();
    let bus = sequenced(transport.clone());
    let mut events = bus.listen("s").await.unwrap();
    publish(&bus, 1).await;
    events.wait(Duration::from_secs(20)).await.unwrap();
    transport.losing(&bus, 2).await;
    publish(&bus, 3).await;
    assert_eq!(events.wait(Duration::from_secs(20)).await.unwrap().unwrap().number, 3);
    assert_eq!(next(&mut events).await, Err(1), "the wait came upon it");
}

#[tokio::test]
async fn numbers_travel_beside_the_event_and_only_where_they_were_asked_for() {
    let memory = MemoryTransport::new();
    let recording = memory.record();
    let mut listener = NumberedBus::new(memory.clone()).listen("s").await.unwrap();
    publish(&NumberedBus::new(memory.clone()), 1).await;
    let bus = sequenced(memory.clone());
    publish(&bus, 2).await;
    publish(&bus, 3).await;
    let wires: Vec<String> = recording
        .take()
        .iter()
        .map(|message| String::from_utf8_lossy(message.payload()).into_owned())
        .collect();
    assert_eq!(wires[0], r#"{"payload":{"source":"s","number":1}}"#);
    for (wire, number) in wires[1..].iter().zip([1, 2]) {
        let start =
            format!(r#"{{"payload":{{"source":"s","number":{}}},"headers":{{"publisher":""#, number + 1);
        assert!(wire.starts_with(&start) && wire.ends_with(&format!(r#"","seq":"{number}"}}}}"#)), "{wire}");
    }
    assert!(within("it", listener.recv()).await.unwrap().unwrap().headers().is_empty());
    let numbered = within("it", listener.recv()).await.unwrap().unwrap();
    assert_eq!(numbered.headers().get("seq"), Some("1"));
}

/// Order and truth of the publisher's numbers while some publishes are dropped half-way.
#[tokio::test]
async fn a_dropped_publish_disturbs_no_other_and_may_leave_a_gap_of_one() {
    let memory = MemoryTransport::new();
    let bus = sequenced(memory.clone());
    let mut events = bus.listen("s").await.unwrap();
    publish(&bus, 0).await;
    assert_eq!(next(&mut events).await, Ok(0));
    let mut dropped = 0;
    for number in 1..200 {
        let event = event(number);
        let publishing = bus.publish_to("s", &event);
        let cut: std::result::Result<Result<Receipt, Error>, _> =
            tokio::time::timeout(Duration::from_micros(number % 40), publishing).await;
        dropped += u64::from(cut.is_err());
    }
    publish(&bus, 999).await;
    let (mut heard, mut missing) = (0, 0);
    loop {
        match next(&mut events).await {
            Ok(999) => break,
            Ok(_) => heard += 1,
            Err(missed) => missing += missed,
        }
    }
    assert!(
        heard + missing <= 199 && missing <= dropped,
        "{heard} heard, {missing} missing, {dropped} dropped"
    );
}
