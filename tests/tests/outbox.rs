//! The outbox: sent without waiting, published in the background, in order, and nothing is lost unseen; also on a Redis
//! that is killed and restarted.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{
    BlockingRuntime, ErrorKind, MemoryTransport, MessageLimit, Notice, Outbox, OutboxConfig, OutboxFailure,
    OutboxOverflow, Oversize,
};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Logged, Numbered, NumberedBlockingBus, NumberedBus, RedisServer, eventually, within};

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
    let bus = NumberedBus::new(MemoryTransport::new());
    bus.read(Arc::new(failure.into_message())).unwrap().number
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
async fn what_surely_was_not_sent_is_tried_again_in_order() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let (log, _guard) = Logged::here();
    let outbox = bus.outbox(patient()).unwrap();
    let numbers = published(&memory, &bus, async || {
        memory.fail_next(25, ErrorKind::NotSent); // the first batch, twice, and half of it once more
        for number in 0..10 {
            outbox.send_to(number.to_string(), &event(number)).unwrap();
        }
        let report = within("flushed", outbox.flush()).await;
        assert_eq!((report.sent, report.lost()), (10, 0));
        assert!(!report.is_failing);
    })
    .await;
    assert_eq!(numbers.iter().copied().collect::<HashSet<_>>(), (0..10).collect());
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

#[tokio::test]
async fn a_flush_waits_for_what_was_sent_before_it_and_not_for_more() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let outbox = bus.outbox(patient()).unwrap();
    within("nothing to wait for", outbox.flush()).await;
    memory.fail_next(usize::MAX, ErrorKind::NotSent);
    outbox.send_to("k", &event(1)).unwrap();
    let flushing = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.flush().await }
    });
    eventually("it fails", || outbox.report().is_failing).await;
    assert!(!flushing.is_finished());
    memory.fail_next(0, ErrorKind::NotSent);
    assert_eq!(within("flushed", flushing).await.unwrap().sent, 1);
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

fn redis(server: &RedisServer) -> RedisTransport {
    let config = RedisConfig::from_url(server.url()).unwrap();
    let config =
        config.response_timeout(Duration::from_millis(500)).publish_timeout(Duration::from_millis(500));
    RedisTransport::lazy(config).unwrap()
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
    let transport = redis(&server);
    let bus = NumberedBus::new(transport.clone());
    bus.publish_to("k", &event(0)).await.unwrap();
    server.pause();
    let outbox = bus.outbox(patient()).unwrap();
    let started = std::time::Instant::now();
    (0..5_000).for_each(|number| outbox.send_to("k", &event(number)).unwrap());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    eventually("some are unknown", || outbox.report().failed(ErrorKind::OutcomeUnknown) > 0).await;
    server.resume();
    let report = within("closed", outbox.close()).await;
    assert_eq!(report.sent + report.failed(ErrorKind::OutcomeUnknown), 5_000, "{report:?}");
    transport.close().await;
}
