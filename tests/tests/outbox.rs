//! The outbox: sent without waiting, published in the background, in order, and nothing is lost unseen; also on a Redis
//! that is killed and restarted.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use event_bus_core::transport::{Filter, Inbox, Lease, Transport};
use event_bus_core::{
    BlockingRuntime, Error, ErrorKind, MemoryTransport, Message, MessageLimit, Notice, Outbox, OutboxConfig,
    OutboxFailure, OutboxOverflow, Oversize, Receipt,
};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{
    Logged, Numbered, NumberedBlockingBus, NumberedBus, RedisServer, eventually, eventually_blocking, within,
};
use futures_util::FutureExt;

/// The number of an event that says that nothing more is coming.
const LAST: u64 = u64::MAX;

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

fn patient() -> OutboxConfig {
    OutboxConfig::default().drain_within(Duration::from_secs(20))
}

/// The numbers of all failures that an outbox tells, with their kinds.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(u64, ErrorKind)>>>);

impl Told {
    fn of(&self, config: OutboxConfig) -> OutboxConfig {
        let told = self.clone();
        config.on_failure(move |failure: OutboxFailure| {
            let kind = failure.error().kind();
            told.0.lock().unwrap().push((number(failure), kind));
        })
    }

    fn list(&self) -> Vec<(u64, ErrorKind)> {
        self.0.lock().unwrap().clone()
    }
}

fn number(failure: OutboxFailure) -> u64 {
    number_of(failure.into_message())
}

fn number_of(message: Message) -> u64 {
    NumberedBus::new(MemoryTransport::new()).read(Arc::new(message)).unwrap().number
}

/// A transport that publishes a batch for each time that it is let.
#[derive(Clone)]
struct Gated(Arc<Gate>);

struct Gate {
    open: tokio::sync::Semaphore,
    calls: AtomicUsize,
    published: Mutex<Vec<u64>>,
}

impl Gated {
    fn new() -> Self {
        let (calls, published) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Gate { open: tokio::sync::Semaphore::new(0), calls, published }))
    }

    fn let_through(&self, batches: usize) {
        self.0.open.add_permits(batches);
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }
}

impl Transport for Gated {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt, Error>> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        self.0.open.acquire().await.unwrap().forget();
        let channels: Vec<_> = messages.iter().map(|message| message.channel().clone()).collect();
        self.0.published.lock().unwrap().extend(messages.into_iter().map(number_of));
        channels.into_iter().map(|channel| Ok(Receipt::new(channel, None))).collect()
    }

    async fn subscribe(&self, _: Filter, _: Inbox) -> Result<Lease, Error> {
        Err(Error::new(ErrorKind::Unsupported, "nobody listens"))
    }

    async fn close(&self) {}
}

/// What was published to the channel `k`, in order.
async fn published(memory: &MemoryTransport, bus: &NumberedBus, work: impl AsyncFnOnce()) -> Vec<u64> {
    let recording = memory.record();
    work().await;
    recording.take().into_iter().map(|message| bus.read(message).unwrap().number).collect()
}

#[tokio::test]
async fn what_is_sent_is_published_in_order_to_all_its_channels() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let outbox = bus.outbox(patient()).unwrap();
    let numbers = published(&memory, &bus, async || {
        for number in 0..2_500 {
            outbox.send(&event(number)).unwrap();
        }
        assert_eq!(outbox.report().queued, 5_000, "nobody else had a turn yet");
        let report = within("flushed", outbox.flush()).await;
        assert_eq!((report.accepted, report.sent, report.queued, report.lost()), (5_000, 5_000, 0, 0));
        assert_eq!(report.queued_bytes, 0);
    })
    .await;
    assert_eq!(numbers, (0..2_500).flat_map(|number| [number, number]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_outbox_refuses_all_of_an_event_and_takes_it_once_there_is_room() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let outbox = bus.outbox(patient().queue_messages(3)).unwrap();
    outbox.send(&event(1)).unwrap();
    let refused = outbox.send(&event(2)).unwrap_err(); // two channels, and room for one
    assert_eq!(refused.kind(), ErrorKind::QueueFull);
    assert!(refused.is_retryable());
    assert_eq!(outbox.report().accepted, 2);
    outbox.send_to("k", &event(3)).unwrap();
    within("there is room", outbox.send_when_room(&event(4))).await.unwrap();
    within("there is room", outbox.send_to_when_room("k", &event(5))).await.unwrap();
    assert_eq!(within("closed", outbox.close()).await.sent, 6);
}

#[tokio::test]
async fn bytes_bound_it_too_but_an_event_alone_is_taken_whatever_its_size() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let outbox = bus.outbox(patient().queue_bytes(10)).unwrap();
    outbox.send_to("k", &event(1)).unwrap();
    assert_eq!(outbox.send_to("k", &event(2)).unwrap_err().kind(), ErrorKind::QueueFull);
    within("flushed", outbox.flush()).await;
    outbox.send_to("k", &event(3)).unwrap();
}

#[tokio::test]
async fn an_outbox_that_drops_the_oldest_counts_and_tells_them() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let told = Told::default();
    let (log, _guard) = Logged::here();
    let config = told.of(patient()).queue_messages(3).overflow(OutboxOverflow::DropOldest);
    let outbox = bus.outbox(config).unwrap();
    let numbers = published(&memory, &bus, async || {
        for number in 0..10 {
            outbox.send_to("k", &event(number)).unwrap();
        }
        let report = within("flushed", outbox.flush()).await;
        assert_eq!((report.accepted, report.sent, report.lost()), (10, 3, 7));
        assert_eq!(report.failed(ErrorKind::QueueFull), 7);
    })
    .await;
    assert_eq!(numbers, [7, 8, 9]);
    assert_eq!(told.list(), (0..7).map(|number| (number, ErrorKind::QueueFull)).collect::<Vec<_>>());
    assert_eq!(log.lines().len(), 1, "one line when it begins: {:?}", log.lines());
}

#[tokio::test]
async fn who_is_told_of_a_drop_may_send_and_drops_nothing_by_it() {
    let bus = NumberedBus::new(MemoryTransport::new());
    let (handle, refused) = (Arc::new(OnceLock::<Outbox<Numbered>>::new()), Told::default());
    let config = patient().queue_messages(3).overflow(OutboxOverflow::DropOldest).on_failure({
        let (handle, refused) = (Arc::clone(&handle), refused.clone());
        move |failure| {
            let outbox = handle.get().unwrap();
            assert!(outbox.flush().now_or_never().is_none(), "it is not settled before everybody was told");
            let alarm = outbox.send_to("alarm", &event(100)).unwrap_err();
            refused.0.lock().unwrap().push((number(failure), alarm.kind()));
        }
    });
    let outbox = bus.outbox(config).unwrap();
    handle.set(outbox.clone()).unwrap();
    (0..5).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    assert_eq!(refused.list(), [(0, ErrorKind::QueueFull), (1, ErrorKind::QueueFull)]);
    let report = within("closed", outbox.close()).await;
    assert_eq!((report.accepted, report.sent, report.lost()), (5, 3, 2));
}

#[tokio::test]
async fn who_waits_for_room_drops_nothing_and_has_a_turn_in_order() {
    let gated = Gated::new();
    let bus = NumberedBus::new(gated.clone());
    let outbox = bus.outbox(patient().queue_messages(1).overflow(OutboxOverflow::DropOldest)).unwrap();
    outbox.send_to("k", &event(0)).unwrap();
    eventually("it is under way", || gated.calls() == 1).await;
    let (first, second, third) = (event(1), event(2), event(3));
    let mut waiting = Box::pin(outbox.send_to_when_room("k", &first));
    assert!((&mut waiting).now_or_never().is_none());
    let mut behind = Box::pin(outbox.send_to_when_room("k", &second));
    assert!((&mut behind).now_or_never().is_none());
    let mut last = Box::pin(outbox.send_to_when_room("k", &third));
    assert!((&mut last).now_or_never().is_none());
    drop(waiting);
    gated.let_through(3);
    let (behind, last) = within("both were taken", async { tokio::join!(last, behind) }).await;
    behind.unwrap();
    last.unwrap();
    let report = within("closed", outbox.close()).await;
    assert_eq!((report.accepted, report.sent, report.lost()), (3, 3, 0));
    assert_eq!(*gated.0.published.lock().unwrap(), [0, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn between_batches_of_which_nothing_is_sent_there_is_a_pause() {
    for kind in [ErrorKind::Refused, ErrorKind::Denied, ErrorKind::OutcomeUnknown] {
        let memory = MemoryTransport::new();
        let outbox = NumberedBus::new(memory.clone()).outbox(patient()).unwrap();
        memory.fail_next(usize::MAX, kind);
        (0..10_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
        let started = tokio::time::Instant::now();
        assert_eq!(outbox.flush().await.failed(kind), 10_000);
        assert!(started.elapsed() > Duration::from_millis(100), "{kind:?}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn what_surely_was_not_sent_is_tried_again_in_order() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let (log, _guard) = Logged::here();
    let outbox = bus.outbox(patient()).unwrap();
    let numbers = published(&memory, &bus, async || {
        memory.fail_next(20, ErrorKind::NotSent); // the whole batch, twice
        for number in 0..10 {
            outbox.send_to("k", &event(number)).unwrap();
        }
        let report = within("flushed", outbox.flush()).await;
        assert_eq!((report.sent, report.lost()), (10, 0));
        assert!(!report.is_failing);
    })
    .await;
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert_eq!(log.lines().len(), 2, "one when it begins and one when it is over: {:?}", log.lines());
}

#[tokio::test]
async fn what_was_overtaken_is_told_and_not_sent_late() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let told = Told::default();
    let outbox = bus.outbox(told.of(patient())).unwrap();
    let numbers = published(&memory, &bus, async || {
        memory.fail_next(2, ErrorKind::NotSent);
        for number in 0..5 {
            outbox.send_to("k", &event(number)).unwrap();
        }
        assert_eq!(within("flushed", outbox.flush()).await.sent, 3);
    })
    .await;
    assert_eq!(numbers, [2, 3, 4]);
    assert_eq!(told.list(), [(0, ErrorKind::NotSent), (1, ErrorKind::NotSent)]);
}

/// Of the first batch the first message is not sent, and only one of two kinds of listeners gets the second.
#[derive(Clone, Default)]
struct HalfPublishing(Arc<Mutex<Vec<Vec<u64>>>>);

impl Transport for HalfPublishing {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt, Error>> {
        let mut calls = self.0.lock().unwrap();
        let mut failing =
            if calls.is_empty() { vec![ErrorKind::Partial, ErrorKind::NotSent] } else { vec![] };
        let answer = |message: &Message| match failing.pop() {
            Some(kind) => Err(Error::new(kind, "as it was meant to")),
            None => Ok(Receipt::new(message.channel().clone(), None)),
        };
        let results = messages.iter().map(answer).collect();
        calls.push(messages.into_iter().map(number_of).collect());
        results
    }

    async fn subscribe(&self, _: Filter, _: Inbox) -> Result<Lease, Error> {
        Err(Error::new(ErrorKind::Unsupported, "nobody listens"))
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn what_one_kind_of_listeners_has_overtakes_what_was_before() {
    let transport = HalfPublishing::default();
    let told = Told::default();
    let outbox = NumberedBus::new(transport.clone()).outbox(told.of(patient())).unwrap();
    for number in 0..2 {
        outbox.send_to("k", &event(number)).unwrap();
    }
    assert_eq!(within("flushed", outbox.flush()).await.sent, 0);
    assert_eq!(told.list(), [(0, ErrorKind::NotSent), (1, ErrorKind::Partial)]);
    assert_eq!(*transport.0.lock().unwrap(), [[0, 1]], "nothing came behind");
}

#[tokio::test]
async fn what_may_have_been_published_is_never_sent_again() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let told = Told::default();
    let outbox = bus.outbox(told.of(patient())).unwrap();
    let numbers = published(&memory, &bus, async || {
        memory.fail_next(2, ErrorKind::OutcomeUnknown);
        for number in 0..4 {
            outbox.send_to("k", &event(number)).unwrap();
        }
        let report = within("flushed", outbox.flush()).await;
        assert_eq!((report.sent, report.failed(ErrorKind::OutcomeUnknown), report.lost()), (2, 2, 2));
        assert_eq!(report.failures().collect::<Vec<_>>(), [(ErrorKind::OutcomeUnknown, 2)]);
    })
    .await;
    assert_eq!(numbers, [0, 1, 2, 3], "once each: in memory, an unknown outcome was a success");
    assert_eq!(told.list().len(), 2);
}

#[tokio::test]
async fn what_is_refused_is_told_and_stops_nothing() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let (log, _guard) = Logged::here();
    let outbox = bus.outbox(patient().on_failure(|_| panic!("whoever is told panics"))).unwrap();
    memory.fail_next(3, ErrorKind::Denied);
    for number in 0..5 {
        outbox.send_to("k", &event(number)).unwrap();
    }
    let report = within("flushed", outbox.flush()).await;
    assert_eq!((report.sent, report.failed(ErrorKind::Denied)), (2, 3));
    let of_denied = log.lines().into_iter().filter(|line| line.contains("Denied")).count();
    assert_eq!(of_denied, 1, "the first one is logged: {:?}", log.lines());
}

#[tokio::test]
async fn mistakes_are_told_to_who_sends() {
    let memory = MemoryTransport::new();
    let limit = MessageLimit::new(256).unwrap();
    let bus = NumberedBus::builder(memory.clone()).message_limit(limit).build().unwrap();
    let mut heard = bus.listen("k").await.unwrap();
    let outbox = bus.outbox(patient()).unwrap();
    assert_eq!(outbox.send_to("a*", &event(1)).unwrap_err().kind(), ErrorKind::InvalidKey);
    let large = Numbered::new(&"x".repeat(300), 1);
    let error = outbox.send_to("k", &large).unwrap_err();
    assert_eq!((error.kind(), error.too_large().unwrap().marker_sent), (ErrorKind::TooLarge, None));
    assert!(matches!(within("the marker", heard.recv()).await, Some(Err(Notice::Oversized { .. }))));

    let silent =
        NumberedBus::builder(memory).message_limit(limit).oversize(Oversize::Reject).build().unwrap();
    let outbox = silent.outbox(patient()).unwrap();
    let error = outbox.send_to("k", &large).unwrap_err();
    assert_eq!((error.kind(), error.too_large().unwrap().marker_sent), (ErrorKind::TooLarge, Some(false)));
    assert_eq!(outbox.report().accepted, 0);
}

#[tokio::test]
async fn settings_that_cannot_be_right_are_refused() {
    let kind = |bus: &NumberedBus, config| bus.outbox(config).map(drop).unwrap_err().kind();
    let bus = NumberedBus::new(MemoryTransport::new());
    assert_eq!(kind(&bus, OutboxConfig::default().queue_messages(0)), ErrorKind::InvalidConfig);
    assert_eq!(kind(&bus, OutboxConfig::default().queue_bytes(0)), ErrorKind::InvalidConfig);
    let no_runtime = bus.clone();
    let outside = std::thread::spawn(move || no_runtime.outbox(OutboxConfig::default()).map(drop));
    assert_eq!(outside.join().unwrap().unwrap_err().kind(), ErrorKind::InvalidConfig);
    let sequenced = NumberedBus::builder(MemoryTransport::new()).sequenced(true).build().unwrap();
    assert_eq!(kind(&sequenced, OutboxConfig::default()), ErrorKind::Unsupported);
    bus.close().await;
    assert_eq!(kind(&bus, OutboxConfig::default()), ErrorKind::Closed);
}

#[tokio::test]
async fn closing_the_bus_or_the_outbox_publishes_what_is_left() {
    for close_bus in [false, true] {
        let memory = MemoryTransport::new();
        let bus = NumberedBus::new(memory.clone());
        let outbox = bus.outbox(patient()).unwrap();
        let numbers = published(&memory, &bus, async || {
            (0..3_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
            if close_bus {
                within("closed", bus.close()).await;
            }
            assert_eq!(within("closed", outbox.close()).await.sent, 3_000);
        })
        .await;
        assert_eq!(numbers.len(), 3_000);
        assert_eq!(outbox.send_to("k", &event(0)).unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(
            within("at once", outbox.send_when_room(&event(0))).await.unwrap_err().kind(),
            ErrorKind::Closed
        );
    }
}

#[tokio::test]
async fn an_outbox_that_is_dropped_still_publishes_what_it_holds() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let recording = memory.record();
    let outbox = bus.outbox(patient()).unwrap();
    let clone = outbox.clone();
    drop(outbox);
    (0..2_000).for_each(|number| clone.send_to("k", &event(number)).unwrap());
    drop(clone);
    let mut published = Vec::new();
    eventually("published", || {
        published.extend(recording.take());
        published.len() == 2_000
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_left_when_the_time_after_closing_is_over_is_told() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let told = Told::default();
    let (log, _guard) = Logged::here();
    let outbox = bus.outbox(told.of(OutboxConfig::default().drain_within(Duration::from_secs(3)))).unwrap();
    memory.fail_next(usize::MAX, ErrorKind::NotSent);
    (0..3).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    let started = tokio::time::Instant::now();
    let report = outbox.close().await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!((report.accepted, report.queued, report.lost()), (3, 0, 3));
    assert_eq!(told.list(), [0, 1, 2].map(|number| (number, ErrorKind::NotSent)));
    assert_eq!(log.lines().len(), 2, "that it fails, and what is left: {:?}", log.lines());
}

#[test]
fn a_runtime_that_ends_leaves_nothing_untold() {
    let memory = MemoryTransport::new();
    let told = Told::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outbox: Outbox<Numbered> = runtime.block_on(async {
        let bus = NumberedBus::new(memory.clone());
        let outbox = bus.outbox(told.of(patient())).unwrap();
        outbox.send_to("k", &event(1)).unwrap();
        outbox
    });
    drop(runtime);
    assert_eq!(told.list(), [(1, ErrorKind::NotSent)]);
    assert_eq!((outbox.report().lost(), outbox.report().queued), (1, 0));
    assert_eq!(outbox.send_to("k", &event(2)).unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_batch_under_way_when_the_runtime_ends_is_told_as_unknown() {
    let (gated, told) = (Gated::new(), Told::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outbox = runtime.block_on(async {
        let outbox = NumberedBus::new(gated.clone()).outbox(told.of(patient().queue_messages(4))).unwrap();
        (0..4).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
        eventually("two are under way", || gated.calls() == 1).await;
        outbox
    });
    drop(runtime);
    assert_eq!(told.list(), unknown_and_unsent());
    assert_eq!((outbox.report().queued, outbox.report().lost()), (0, 4));
}

#[tokio::test(start_paused = true)]
async fn a_batch_under_way_when_the_time_is_over_is_told_as_unknown_before_closing_returns() {
    let (gated, told) = (Gated::new(), Told::default());
    let handle = Arc::new(OnceLock::<Outbox<Numbered>>::new());
    let config = OutboxConfig::default().queue_messages(4).drain_within(Duration::from_secs(3)).on_failure({
        let (handle, told) = (Arc::clone(&handle), told.clone());
        move |failure| {
            let outbox = handle.get().unwrap();
            assert!(outbox.close().now_or_never().is_none(), "it has not ended before everybody was told");
            let kind = failure.error().kind();
            told.0.lock().unwrap().push((number(failure), kind));
        }
    });
    let outbox = NumberedBus::new(gated.clone()).outbox(config).unwrap();
    handle.set(outbox.clone()).unwrap();
    (0..4).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    eventually("two are under way", || gated.calls() == 1).await;
    let report = outbox.close().await;
    assert_eq!((report.accepted, report.queued, report.lost()), (4, 0, 4));
    assert_eq!(told.list(), unknown_and_unsent());
}

fn unknown_and_unsent() -> [(u64, ErrorKind); 4] {
    use ErrorKind::{NotSent, OutcomeUnknown};
    [(0, OutcomeUnknown), (1, OutcomeUnknown), (2, NotSent), (3, NotSent)]
}

#[tokio::test]
async fn a_flush_waits_for_what_was_sent_before_it_and_not_for_more() {
    let gated = Gated::new();
    let outbox = NumberedBus::new(gated.clone()).outbox(patient()).unwrap();
    within("nothing to wait for", outbox.flush()).await;
    outbox.send_to("k", &event(1)).unwrap();
    eventually("it is under way", || gated.calls() == 1).await;
    let mut flushing = Box::pin(outbox.flush());
    assert!((&mut flushing).now_or_never().is_none());
    outbox.send_to("k", &event(2)).unwrap();
    gated.let_through(1);
    let report = within("flushed", flushing).await;
    assert_eq!((report.sent, report.queued), (1, 1));
    drop(outbox.flush().now_or_never());
    assert!(outbox.close().now_or_never().is_none(), "cancelled, and closed all the same");
    assert_eq!(outbox.send_to("k", &event(3)).unwrap_err().kind(), ErrorKind::Closed);
    gated.let_through(1);
    assert_eq!(within("closed", outbox.close()).await.sent, 2);
}

#[test]
fn threads_with_runtimes_of_their_own_keep_their_order_and_the_sums_add_up() {
    const EACH: u64 = 3_000;
    let memory = MemoryTransport::new();
    let told = Told::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let bus = NumberedBus::new(memory.clone());
    let recording = memory.record();
    let config = told.of(patient()).queue_messages(200).overflow(OutboxOverflow::DropOldest);
    let outbox = runtime.block_on(async { bus.outbox(config) }).unwrap();
    memory.fail_next(150, ErrorKind::OutcomeUnknown);
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let outbox = &outbox;
            scope.spawn(move || {
                let own = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                own.block_on(async {
                    for number in 0..EACH {
                        let event = Numbered::new(&sender.to_string(), number);
                        match sender % 2 {
                            0 => outbox.send_to(event.source.clone(), &event).unwrap(),
                            _ => outbox.send_to_when_room(event.source.clone(), &event).await.unwrap(),
                        }
                        let report = outbox.report();
                        assert_eq!(report.accepted, report.queued + report.sent + report.lost());
                    }
                });
            });
        }
    });
    let report = runtime.block_on(async { within("closed", outbox.close()).await });
    assert_eq!((report.accepted, report.queued, report.sent + report.lost()), (4 * EACH, 0, 4 * EACH));
    assert_eq!(told.list().len() as u64, report.lost());
    let mut last: HashMap<String, u64> = HashMap::new();
    for message in recording.take() {
        let event = bus.read(message).unwrap();
        let before = last.insert(event.source.clone(), event.number);
        assert!(before.is_none_or(|before| before < event.number), "{} behind {before:?}", event.number);
    }
}

#[test]
fn an_outbox_that_is_dropped_with_all_of_its_runtime_still_publishes_what_it_holds() {
    let gated = Gated::new();
    let bus = NumberedBlockingBus::new(&BlockingRuntime::new().unwrap(), gated.clone());
    let outbox = bus.outbox(patient()).unwrap();
    (0..2_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    eventually_blocking("a batch is under way", || gated.calls() == 1);
    drop((bus, outbox));
    gated.let_through(2_000);
    eventually_blocking("published", || gated.0.published.lock().unwrap().len() == 2_000);
}

#[test]
fn code_that_blocks_sends_flushes_and_closes() {
    let bus = NumberedBlockingBus::new(&BlockingRuntime::new().unwrap(), MemoryTransport::new());
    let outbox = bus.outbox(patient().queue_messages(64)).unwrap();
    (0..2_000).for_each(|number| outbox.send_to_when_room("k", &event(number)).unwrap());
    assert_eq!(outbox.flush().unwrap().sent, 2_000);
    outbox.send(&event(1)).unwrap();
    bus.close();
    assert_eq!(outbox.report().sent, 2_002);
    let other = NumberedBlockingBus::new(bus.runtime(), MemoryTransport::new()).outbox(patient()).unwrap();
    let refused = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        other.send_to("k", &event(1)).unwrap(); // never waits, and so is allowed
        other.close().map(drop).unwrap_err().kind()
    });
    assert_eq!(refused, ErrorKind::CannotBlock);
    assert_eq!(other.close().unwrap().sent, 1);
}

/// Gives up soon while the server is away, and late where it has the messages: a busy machine is not a broken one.
fn redis(server: &RedisServer) -> RedisTransport {
    redis_that_answers_within(server, Duration::from_secs(10))
}

fn redis_that_answers_within(server: &RedisServer, time: Duration) -> RedisTransport {
    let config = RedisConfig::from_url(server.url()).unwrap();
    let config = config.response_timeout(time).publish_timeout(Duration::from_millis(500));
    RedisTransport::lazy(config).unwrap()
}

/// Connects until the server refuses. Who reads of it that has room for none.
fn fill_with_clients(server: &RedisServer) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    loop {
        let mut client = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        let mut answer = [0; 7];
        let is_in = client.write_all(b"PING\r\n").is_ok()
            && client.read_exact(&mut answer).is_ok()
            && answer == *b"+PONG\r\n";
        if !is_in {
            return clients;
        }
        clients.push(client);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_for_a_redis_that_is_full_of_clients() {
    let server = RedisServer::start_with(&["--maxclients", "8"]);
    let listening = NumberedBus::builder(redis(&server)).queue_messages(10_000).build().unwrap();
    let mut heard = listening.listen("k").await.unwrap();
    let clients = fill_with_clients(&server);
    let outbox = NumberedBus::new(redis(&server)).outbox(patient()).unwrap();
    (0..5_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    eventually("it is refused", || outbox.report().is_failing || outbox.report().lost() > 0).await;
    drop(clients);
    let report = within("flushed", outbox.flush()).await;
    assert_eq!((report.sent, report.lost()), (5_000, 0), "{report:?}");
    for number in 0..5_000 {
        let event = within("an event", heard.recv()).await.unwrap().unwrap();
        assert_eq!(event.number, number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_refused_for_a_moment_does_not_cost_the_whole_queue() {
    let server = RedisServer::start();
    let _ = server.command(&["ACL", "SETUSER", "app", "on", ">new", "~*", "&*", "+@all"]);
    let config = RedisConfig::from_url(server.url().replace("redis://", "redis://app:old@")).unwrap();
    let outbox = NumberedBus::new(RedisTransport::lazy(config).unwrap()).outbox(patient()).unwrap();
    (0..10_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    eventually("it is refused", || outbox.report().failed(ErrorKind::Denied) > 0).await;
    let _ = server.command(&["ACL", "SETUSER", "app", ">old"]);
    let report = within("flushed", outbox.flush()).await;
    assert!(report.sent > 0, "{report:?}");
    assert_eq!(report.sent + report.failed(ErrorKind::Denied), 10_000, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_for_a_redis_that_is_down_longer_than_a_publish_would() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(redis(&server));
    server.kill();
    let outbox = bus.outbox(patient()).unwrap();
    (0..3_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    eventually("a publish was given up", || outbox.report().is_failing).await;
    server.restart();
    let report = within("flushed", outbox.flush()).await;
    assert_eq!((report.sent, report.lost()), (3_000, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_kills_and_restarts_the_order_is_kept_and_nothing_is_lost_unseen() {
    let mut server = RedisServer::start();
    let listening = NumberedBus::builder(redis(&server)).queue_messages(1_000_000).build().unwrap();
    let mut heard = listening.listen("k").await.unwrap();
    let listener = tokio::spawn(async move {
        let (mut numbers, mut is_whole) = (Vec::new(), true);
        while let Some(item) = heard.recv().await {
            match item {
                Ok(event) if event.number == LAST => break,
                Ok(event) => numbers.push(event.number),
                Err(_) => is_whole = false,
            }
        }
        (numbers, is_whole)
    });
    let told = Told::default();
    let bus = NumberedBus::new(redis(&server));
    let outbox = bus.outbox(told.of(patient()).queue_messages(2_000)).unwrap();
    let mut sent = 0;
    for _ in 0..4 {
        let before = outbox.report().sent;
        while outbox.report().sent < before + 5_000 {
            within("room", outbox.send_to_when_room("k", &event(sent))).await.unwrap();
            sent += 1;
        }
        server.kill();
        while outbox.report().queued < 2_000 && !outbox.report().is_failing {
            if outbox.send_to("k", &event(sent)).is_ok() {
                sent += 1;
            }
            tokio::task::yield_now().await;
        }
        server.restart();
    }
    let report = within("closed", outbox.close()).await;
    assert_eq!(report.accepted, sent);
    assert_eq!(report.sent + report.lost(), sent, "{report:?}");
    assert_eq!(report.failed(ErrorKind::OutcomeUnknown), report.lost(), "nothing else was lost: {report:?}");
    assert_eq!(told.list().len() as u64, report.lost());
    within("the listener is connected again, and has heard all that it could", async {
        while !listener.is_finished() {
            bus.publish_to("k", &event(LAST)).await.unwrap();
        }
    })
    .await;
    let (numbers, is_whole) = listener.await.unwrap();
    assert!(numbers.is_sorted_by(|one, next| one < next), "in order, and once");
    assert!(!is_whole, "the listener was cut off and told so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_holds_up_nobody_who_sends() {
    let server = RedisServer::start();
    let listening = NumberedBus::builder(redis(&server)).queue_messages(1_000_000).build().unwrap();
    let mut heard = listening.listen("k").await.unwrap();
    let transport = redis_that_answers_within(&server, Duration::from_millis(500));
    let bus = NumberedBus::new(transport.clone());
    bus.publish_to("k", &event(LAST - 1)).await.unwrap();
    server.pause();
    let told = Told::default();
    let outbox = bus.outbox(told.of(patient())).unwrap();
    let started = std::time::Instant::now();
    (0..5_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    eventually("some are unknown", || outbox.report().failed(ErrorKind::OutcomeUnknown) > 0).await;
    server.resume();
    let report = within("closed", outbox.close()).await;
    assert_eq!(report.sent + report.failed(ErrorKind::OutcomeUnknown), 5_000, "{report:?}");
    listening.publish_to("k", &event(LAST)).await.unwrap();
    let unknown: HashSet<u64> = told.list().into_iter().map(|(number, _)| number).collect();
    let (mut sent, mut is_whole) = (Vec::new(), true);
    loop {
        match within("what was published", heard.recv()).await.unwrap() {
            Ok(event) if event.number == LAST => break,
            Ok(event) if event.number == LAST - 1 || unknown.contains(&event.number) => {}
            Ok(event) => sent.push(event.number),
            Err(_) => is_whole = false,
        }
    }
    assert!(sent.is_sorted_by(|one, next| one < next), "what counts as sent came in order, and once");
    assert!(!is_whole || sent.len() as u64 == report.sent, "{} of {}", sent.len(), report.sent);
    transport.close().await;
}
