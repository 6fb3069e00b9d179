//! Handlers: each type of events to its own, in order per channel, so many at once, notices in their place, panics
//! contained, and an orderly end.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_bus_core::transport::{Overflow, Transport};
use event_bus_core::{
    Any, Channel, ErrorKind, EventBus, MemoryTransport, Message, Notice, RunningSubscriber, UnknownEvent,
};
use event_bus_redis::RedisTransport;
use event_bus_tests::{
    Numbered, NumberedBus, NumberedChannel, RedisServer, SourceChannel, eventually, within,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Payment {
    order: u64,
    cents: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[bus(name = "orders", channel(order = "{order}"))]
enum OrderEvent {
    Opened { order: u64 },
    Paid(Box<Payment>),
    Closed { order: u64 },
}

/// What handlers did, in the order in which they did it.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    fn note(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    fn read(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    async fn until(&self, entries: usize) -> Vec<String> {
        eventually("the handlers have done their work", || self.read().len() >= entries).await;
        self.read()
    }
}

fn paid(order: u64, cents: u64) -> OrderEvent {
    OrderEvent::Paid(Box::new(Payment { order, cents }))
}

async fn each_type_goes_to_its_handler(transport: impl Transport + Clone) {
    let bus = OrderEventBus::new(transport.clone());
    let journal = Journal::default();
    let [opened, payments, closed, notices] = [(); 4].map(|()| journal.clone());
    let running = bus
        .subscriber()
        .on_opened(move |event| {
            let journal = opened.clone();
            async move { journal.note(format!("opened on {}", event.channel())) }
        })
        .on_paid(move |payment| {
            let journal = payments.clone();
            async move { journal.note(format!("paid {}", payment.cents)) }
        })
        .on_closed(move |event| {
            let journal = closed.clone();
            async move { journal.note(format!("closed {:?}", *event)) }
        })
        .on_notice(move |notice| {
            let journal = notices.clone();
            async move { journal.note(format!("notice {notice}")) }
        })
        .start([bus.order(OrderChannel { order: 1 }), bus.order(OrderChannel { order: 2 })])
        .await
        .unwrap();
    for event in [OrderEvent::Opened { order: 1 }, paid(1, 950), paid(3, 1), OrderEvent::Closed { order: 1 }]
    {
        bus.publish(&event).await.unwrap();
    }
    let message = Message::new(Channel::from_full_name("orders/1"), r#"{"payload":{"kind":"lost"}}"#);
    transport.publish(vec![message]).await.pop().unwrap().unwrap();
    let expected = [
        "opened on orders/1",
        "paid 950",
        "closed Closed { order: 1 }",
        "notice a message of 27 bytes on orders/1 is an event of an unknown type: `lost`",
    ];
    assert_eq!(journal.until(4).await, expected);
    bus.publish(&paid(2, 3)).await.unwrap();
    assert_eq!(journal.until(5).await[4], "paid 3");
    let report = running.shutdown(Duration::from_secs(20)).await;
    assert_eq!((report.handled, report.panicked, report.aborted, report.unhandled), (5, 0, 0, 0));
    assert!(report.end.is_none(), "{report:?}");
    let receipts = bus.publish(&paid(2, 4)).await.unwrap();
    assert_eq!(receipts[0].receivers, Some(0), "it has unsubscribed");
}

#[tokio::test]
async fn each_type_goes_to_its_handler_in_memory() {
    each_type_goes_to_its_handler(MemoryTransport::new()).await;
}

#[tokio::test]
async fn each_type_goes_to_its_handler_on_redis() {
    let server = RedisServer::start();
    each_type_goes_to_its_handler(RedisTransport::connect(server.url()).await.unwrap()).await;
}

/// Handlers that wait to be let through, one permit each.
#[derive(Clone)]
struct Gate {
    permits: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
    most_inside: Arc<AtomicUsize>,
}

impl Gate {
    fn shut() -> Self {
        let (inside, most_inside) = (Arc::default(), Arc::default());
        Self { permits: Arc::new(Semaphore::new(0)), inside, most_inside }
    }

    async fn pass(&self) {
        let inside = self.inside.fetch_add(1, SeqCst) + 1;
        self.most_inside.fetch_max(inside, SeqCst);
        self.permits.acquire().await.unwrap().forget();
        self.inside.fetch_sub(1, SeqCst);
    }

    fn inside(&self) -> usize {
        self.inside.load(SeqCst)
    }
}

/// Notes each event once it has passed the gate, and each notice.
async fn gated(bus: &NumberedBus, gate: &Gate, journal: &Journal, concurrency: usize) -> RunningSubscriber {
    let (gate, events, notices) = (gate.clone(), journal.clone(), journal.clone());
    let handlers = bus
        .subscriber()
        .on_event(move |event| {
            let (gate, journal) = (gate.clone(), events.clone());
            async move {
                gate.pass().await;
                journal.note(format!("{} {}", event.source, event.number));
            }
        })
        .on_notice(move |notice| {
            let journal = notices.clone();
            async move { journal.note(notice.to_string().split(':').next().unwrap_or_default()) }
        });
    handlers.concurrency(concurrency).start([bus.source(SourceChannel { source: Any })]).await.unwrap()
}

async fn publish(bus: &NumberedBus, source: &str, number: u64) {
    bus.publish_to(source, &Numbered::new(source, number)).await.unwrap();
}

#[tokio::test]
async fn a_channel_waits_for_its_handler_and_the_others_do_not() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let running = gated(&bus, &gate, &journal, 4).await;
    for (source, number) in [("a", 1), ("a", 2), ("b", 3), ("a", 4), ("c", 5)] {
        publish(&bus, source, number).await;
    }
    eventually("one of each channel runs", || gate.inside() == 3).await;
    gate.permits.add_permits(5);
    let done = journal.until(5).await;
    let of = |source| -> Vec<&String> { done.iter().filter(|entry| entry.starts_with(source)).collect() };
    assert_eq!(of("a"), ["a 1", "a 2", "a 4"]);
    assert_eq!(gate.most_inside.load(SeqCst), 3, "never two of one channel");
    assert_eq!(running.shutdown(Duration::ZERO).await.handled, 5);
}

#[tokio::test]
async fn no_more_handlers_run_at_once_than_allowed_and_none_is_lost_by_it() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let running = gated(&bus, &gate, &journal, 2).await;
    for number in 0..40 {
        publish(&bus, &format!("s{}", number % 8), number).await;
    }
    eventually("as many run as may", || gate.inside() == 2).await;
    gate.permits.add_permits(40);
    let done = journal.until(40).await;
    assert_eq!(gate.most_inside.load(SeqCst), 2);
    let mut last: HashMap<&str, u64> = HashMap::new();
    for entry in &done {
        let (source, number) = entry.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        assert!(last.insert(source, number).is_none_or(|before| before < number), "{done:?}");
    }
    assert_eq!(running.shutdown(Duration::ZERO).await.handled, 40);
}

#[tokio::test]
async fn a_notice_of_a_loss_is_handled_between_what_came_before_and_what_came_behind() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let running = gated(&bus, &gate, &journal, 4).await;
    publish(&bus, "a", 1).await;
    publish(&bus, "b", 2).await;
    memory.interrupt();
    memory.resume();
    publish(&bus, "c", 3).await;
    eventually("what came before runs", || gate.inside() == 2).await;
    gate.permits.add_permits(1);
    assert_eq!(journal.until(1).await.len(), 1, "one of them still runs");
    gate.permits.add_permits(2);
    let done = journal.until(5).await;
    let behind: Vec<bool> = ["the connection was lost", "listening again", "c 3"]
        .iter()
        .zip(&done[2..])
        .map(|(start, entry)| entry.starts_with(start))
        .collect();
    assert_eq!(behind, [true; 3], "{done:?}");
    drop(running);
}

#[tokio::test]
async fn a_panic_in_a_handler_is_reported_and_nothing_else_suffers() {
    let bus = OrderEventBus::new(MemoryTransport::new());
    let (journal, panics) = (Journal::default(), Journal::default());
    let (payments, told) = (journal.clone(), panics.clone());
    let running = bus
        .subscriber()
        .on_opened(|_| -> std::future::Ready<()> { panic!("before its future") })
        .on_paid(move |payment| {
            let journal = payments.clone();
            async move {
                tokio::task::yield_now().await;
                assert!(payment.cents != 13, "not {}", payment.cents);
                journal.note(payment.cents.to_string());
            }
        })
        .ignore_rest()
        .on_notice(async |_| panic!("over a notice"))
        .on_panic(move |panic| {
            told.note(format!("{panic}: {}", panic.message()));
            assert!(panic.event_type() != Some("opened"), "who is told of panics panics");
        })
        .start([bus.order(OrderChannel { order: Any })])
        .await
        .unwrap();
    for event in [
        paid(1, 1),
        paid(1, 13),
        OrderEvent::Opened { order: 1 },
        OrderEvent::Closed { order: 1 },
        paid(1, 2),
    ] {
        bus.publish(&event).await.unwrap();
    }
    assert_eq!(journal.until(2).await, ["1", "2"]);
    let expected = [
        "the handler of `paid` panicked over a message on orders/1: not 13",
        "the handler of `opened` panicked over a message on orders/1: before its future",
    ];
    assert_eq!(panics.read(), expected);
    let report = running.shutdown(Duration::from_secs(20)).await;
    assert_eq!((report.handled, report.panicked), (2, 2));
}

/// Panics over some messages.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Unlucky(u64);

impl<'de> Deserialize<'de> for Unlucky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        assert!(number != 13, "not {number}");
        Ok(Self(number))
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "numbers", channel(number = "all"))]
struct Number {
    number: Unlucky,
}

#[tokio::test]
async fn a_message_that_the_event_type_panics_over_is_reported_and_the_next_is_handled() {
    let bus = NumberBus::new(MemoryTransport::new());
    let (journal, panics) = (Journal::default(), Journal::default());
    let (numbers, told) = (journal.clone(), panics.clone());
    let running = bus
        .subscriber()
        .on_event(move |event| {
            let journal = numbers.clone();
            async move { journal.note(event.number.0.to_string()) }
        })
        .ignore_notices()
        .on_panic(move |panic| told.note(format!("{panic}: {}", panic.message())))
        .start([bus.number()])
        .await
        .unwrap();
    for number in [1, 13, 2] {
        bus.publish(&Number { number: Unlucky(number) }).await.unwrap();
    }
    assert_eq!(journal.until(2).await, ["1", "2"]);
    assert_eq!(panics.read(), ["the event type panicked while a message was read: not 13"]);
    let report = running.shutdown(Duration::ZERO).await;
    assert_eq!((report.handled, report.panicked, report.unhandled), (2, 1, 0));
}

#[tokio::test]
async fn notices_that_are_ignored_hold_up_nothing() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let (passing, events) = (gate.clone(), journal.clone());
    let running = bus
        .subscriber()
        .on_event(move |event| {
            let (gate, journal) = (passing.clone(), events.clone());
            async move {
                if event.source == "stuck" {
                    gate.pass().await;
                }
                journal.note(event.source.clone());
            }
        })
        .ignore_notices()
        .start([bus.source(SourceChannel { source: Any })])
        .await
        .unwrap();
    publish(&bus, "stuck", 1).await;
    eventually("it is stuck", || gate.inside() == 1).await;
    memory.interrupt();
    memory.resume();
    publish(&bus, "free", 2).await;
    assert_eq!(journal.until(1).await, ["free"]);
    drop(running);
}

#[tokio::test]
async fn what_was_received_and_not_handled_is_counted_and_nothing_else() {
    let memory = MemoryTransport::new();
    let bus = OrderEventBus::new(memory.clone());
    let gate = Gate::shut();
    let passing = gate.clone();
    let running = bus
        .subscriber()
        .on_paid(move |_| {
            let gate = passing.clone();
            async move { gate.pass().await }
        })
        .on_notice(async |_| {})
        .ignore_rest()
        .concurrency(1)
        .start(["1"])
        .await
        .unwrap();
    let mut mirror = bus.listen("1").await.unwrap();
    for number in 0..10 {
        bus.publish(&OrderEvent::Opened { order: 1 }).await.unwrap();
        if number < 3 {
            bus.publish(&paid(1, number)).await.unwrap();
        }
    }
    memory.interrupt();
    memory.resume();
    let mut received = 0;
    while received < 15 {
        let _ = within("what it got too", mirror.recv()).await.unwrap();
        received += 1;
    }
    eventually("one runs", || gate.inside() == 1).await;
    let report = running.shutdown(Duration::ZERO).await;
    assert_eq!((report.handled, report.aborted, report.unhandled), (0, 1, 4), "two payments and two notices");
}

#[tokio::test]
async fn a_shutdown_lets_running_handlers_finish_and_starts_no_more() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let running = gated(&bus, &gate, &journal, 2).await;
    for (source, number) in [("a", 1), ("a", 2), ("b", 3), ("c", 4), ("c", 5)] {
        publish(&bus, source, number).await;
    }
    eventually("as many run as may", || gate.inside() == 2).await;
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let ending = tokio::spawn(running.shutdown(Duration::from_secs(20)));
    until_nobody_listens(&bus).await;
    gate.permits.add_permits(5);
    let report = within("the report", ending).await.unwrap();
    assert_eq!(journal.read().len(), 2);
    assert_eq!((report.handled, report.aborted), (2, 0));
    assert!(report.unhandled >= 3, "three were published and not handled: {report:?}");
}

async fn until_nobody_listens(bus: &NumberedBus) {
    let listens = async || bus.publish_to("x", &Numbered::new("x", 0)).await.unwrap().receivers != Some(0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while listens().await {
        assert!(Instant::now() < deadline, "it still listens");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_shutdown_waits_no_longer_than_it_was_told() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let running = gated(&bus, &gate, &journal, 2).await;
    publish(&bus, "a", 1).await;
    publish(&bus, "b", 2).await;
    eventually("both run", || gate.inside() == 2).await;
    let report = within("the report", running.shutdown(Duration::from_millis(20))).await;
    assert_eq!((report.handled, report.aborted, journal.read().len()), (0, 2, 0));
    eventually("the handlers are gone", || Arc::strong_count(&gate.permits) == 1).await;
}

#[tokio::test]
async fn dropping_it_stops_everything() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let running = gated(&bus, &gate, &journal, 2).await;
    publish(&bus, "a", 1).await;
    eventually("it runs", || gate.inside() == 1).await;
    drop(running);
    until_nobody_listens(&bus).await;
    eventually("the handler is gone", || Arc::strong_count(&gate.permits) == 1).await;
}

#[tokio::test]
async fn it_ends_with_its_bus_once_all_is_handled() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let (gate, journal) = (Gate::shut(), Journal::default());
    let mut running = gated(&bus, &gate, &journal, 1).await;
    let mut mirror = bus.listen("a").await.unwrap();
    for number in 0..5 {
        publish(&bus, "a", number).await;
    }
    for _ in 0..5 {
        within("what it got too", mirror.recv()).await.unwrap().unwrap();
    }
    bus.close().await;
    gate.permits.add_permits(5);
    let report = within("its end", running.ended()).await;
    assert_eq!((report.handled, report.unhandled, journal.read().len()), (5, 0, 5));
    assert!(report.end.is_none(), "closed on purpose: {report:?}");
    assert_eq!(within("its end", running.ended()).await.handled, 5, "once more");
}

#[tokio::test]
async fn why_it_ended_stands_in_the_report_and_is_told_to_the_handler_of_notices() {
    let bus = NumberedBus::builder(MemoryTransport::new())
        .queue_messages(2)
        .overflow(Overflow::Close)
        .build()
        .unwrap();
    let (gate, journal) = (Gate::shut(), Journal::default());
    let mut running = gated(&bus, &gate, &journal, 1).await;
    for number in 0..20 {
        publish(&bus, "a", number).await;
    }
    gate.permits.add_permits(20);
    let report = within("its end", running.ended()).await;
    assert!(matches!(report.end, Some(Notice::Overflowed)), "{report:?}");
    assert_eq!(journal.read().last().map(String::as_str), Some("too slow"));
}

#[tokio::test]
async fn it_says_what_it_can_not_start_on() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let handlers = || bus.subscriber().on_event(async |_| {}).ignore_notices();
    let nothing: [&str; 0] = [];
    assert_eq!(handlers().start(nothing).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert_eq!(handlers().start(["a/*"]).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    let evil = bus.numbered(NumberedChannel { source: "a/b", number: Any });
    assert_eq!(handlers().start([evil]).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    bus.close().await;
    assert_eq!(handlers().start(["a"]).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[bus(name = "orders", channel(order = "{order}" as OrderOfLasting))]
enum Lasting {
    Opened {
        order: u64,
    },
    #[serde(skip)]
    #[bus(other)]
    Unknown(UnknownEvent),
}

#[tokio::test]
async fn unknown_events_have_a_handler_where_they_have_a_variant() {
    let memory = MemoryTransport::new();
    let (old, new) = (LastingBus::new(memory.clone()), OrderEventBus::new(memory));
    let journal = Journal::default();
    let unknown = journal.clone();
    let running = old
        .subscriber()
        .on_unknown(move |event| {
            let journal = unknown.clone();
            async move { journal.note(event.event_type()) }
        })
        .ignore_rest()
        .ignore_notices()
        .start(["1"])
        .await
        .unwrap();
    for event in [OrderEvent::Opened { order: 1 }, paid(1, 1), OrderEvent::Closed { order: 1 }] {
        new.publish(&event).await.unwrap();
    }
    assert_eq!(journal.until(2).await, ["paid", "closed"]);
    assert_eq!(running.shutdown(Duration::ZERO).await.handled, 2);
}

/// Through a server that is killed and comes back: the handlers go on, and are told what they may have missed.
#[tokio::test]
async fn handlers_go_on_after_the_server_was_killed() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let (gate, journal) = (Gate::shut(), Journal::default());
    gate.permits.add_permits(1_000_000);
    let running = gated(&bus, &gate, &journal, 4).await;
    publish(&bus, "a", 1).await;
    journal.until(1).await;
    server.kill();
    journal.until(2).await;
    server.restart();
    journal.until(3).await;
    publish(&bus, "a", 2).await;
    let done = journal.until(4).await;
    assert_eq!((done[0].as_str(), done[3].as_str()), ("a 1", "a 2"));
    assert!(
        done[1].starts_with("the connection was lost") && done[2].starts_with("listening again"),
        "{done:?}"
    );
    assert_eq!(running.shutdown(Duration::ZERO).await.handled, 4);
}
