//! Publishing to a Redis that is killed, restarted, stopped, or full.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use event_bus_core::ErrorKind;
use event_bus_core::transport::LinkState;
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Logged, Numbered, NumberedBus, RedisServer, SourceChannel, eventually, within};
use tokio::time::sleep;

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

fn config(server: &RedisServer) -> RedisConfig {
    let config = RedisConfig::from_url(server.url()).unwrap();
    config.response_timeout(Duration::from_millis(300)).publish_timeout(Duration::from_millis(700))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_after_an_idle_lane_was_killed_succeeds() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    for round in 0..5 {
        server.restart();
        eventually("noticed", || bus.state().publisher == LinkState::Idle).await;
        bus.publish_to("k", &event(round)).await.unwrap();
    }
    assert_eq!(bus.state().publisher, LinkState::Connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_while_the_server_is_down_waits_and_then_succeeds() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    server.kill();
    eventually("noticed", || bus.state().publisher == LinkState::Idle).await;
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish_to("k", &event(1)).await }
    });
    server.restart();
    within("published", publishing).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_down_is_told_within_the_time_out() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    server.kill();
    let _ = bus.publish_to("k", &event(0)).await; // may be the one that finds the dead lane
    let started = Instant::now();
    let error = bus.publish(&event(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSent, "{error}");
    assert!(error.is_retryable() && !error.outcome_unknown());
    assert_eq!(error.outcomes().len(), 2, "one for each channel");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(bus.state().publisher, LinkState::Interrupted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_are_counted_and_end_before_the_time_out_does() {
    let mut server = RedisServer::start();
    let config = RedisConfig::from_url(server.url()).unwrap().publish_timeout(Duration::from_secs(3600));
    let transport = |attempts| RedisTransport::lazy(config.clone().publish_attempts(attempts)).unwrap();
    let buses: Vec<_> = [1, 3].map(|attempts| (attempts, NumberedBus::new(transport(attempts)))).into();
    server.kill();
    for (attempts, bus) in &buses {
        let error = within("given up", bus.publish_to("k", &event(1))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSent, "{error}");
        assert!(error.is_retryable());
        assert!(error.to_string().contains(&format!("in {attempts} attempt")), "{error}");
    }
    server.restart();
    for (_, bus) in &buses {
        within("published", async { while bus.publish_to("k", &event(2)).await.is_err() {} }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_leaves_the_outcome_unknown_within_the_time_out() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    server.pause();
    let started = Instant::now();
    let error = bus.publish_to("k", &event(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert!(!error.is_retryable());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    server.resume();
    within("publishing again", async { while bus.publish_to("k", &event(2)).await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_publishes_to_a_stopped_server_end_in_time_and_no_later_one_is_disturbed() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server).max_in_flight(50)).await.unwrap());
    server.pause();
    let started = Instant::now();
    let publishes: Vec<_> = (0..500)
        .map(|number| {
            let bus = bus.clone();
            tokio::spawn(async move { bus.publish_to("k", &event(number)).await })
        })
        .collect();
    for publish in publishes {
        let error = within("an outcome", publish).await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::NotSent), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    server.resume();
    let mut events = within("listening", bus.listen("fresh")).await.unwrap();
    within("publishing again", async { while bus.publish_to("fresh", &event(7)).await.is_err() {} }).await;
    assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_publishes_disturb_no_other() {
    let server = RedisServer::start();
    let bus = NumberedBus::builder(RedisTransport::connect(server.url()).await.unwrap())
        .queue_messages(100_000)
        .build()
        .unwrap();
    let mut events = bus.listen("kept").await.unwrap();
    for number in 0..2_000 {
        let event = event(number);
        let dropped = bus.publish_to("dropped", &event);
        let _ = tokio::time::timeout(Duration::from_micros(number % 300), dropped).await;
        let receipt = bus.publish_to("kept", &event).await.unwrap();
        assert_eq!((receipt.channel.key(), receipt.receivers), ("kept", Some(1)));
    }
    for number in 0..2_000 {
        assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_lanes_keep_the_order_of_each_channel() {
    let server = RedisServer::start();
    let config = RedisConfig::from_url(server.url()).unwrap().lanes(4);
    let bus = NumberedBus::builder(RedisTransport::connect(config).await.unwrap())
        .queue_messages(10_000)
        .build()
        .unwrap();
    let mut listeners = Vec::new();
    for source in 0..8 {
        let source = format!("s-{source}");
        let events = bus.source(SourceChannel { source: &source }).listen().await.unwrap();
        listeners.push((source, events));
    }
    for number in 0..200 {
        for (source, _) in &listeners {
            let receipts = bus.publish(&Numbered::new(source, number)).await.unwrap();
            assert_eq!(receipts[0].channel.key(), source.as_str(), "receipts keep the order of the channels");
            assert_eq!(receipts[1].channel.key(), format!("{source}/{number}"));
        }
    }
    for (_, events) in &mut listeners {
        for number in 0..200 {
            assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, number);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_loading_is_asked_again() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    // A replica whose master is gone refuses with MASTERDOWN, as one that loads does with LOADING.
    let _ = server.command(&["CONFIG", "SET", "replica-serve-stale-data", "no"]);
    let _ = server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let outcome = bus.publish_to("k", &event(1)).await;
    let _ = server.command(&["REPLICAOF", "NO", "ONE"]);
    match outcome {
        Ok(_) => {} // redis lets PUBLISH through in this state
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotSent, "{error}"),
    }
    within("published", async { while bus.publish_to("k", &event(2)).await.is_err() {} }).await;
}

#[tokio::test]
async fn publishing_that_never_fails_returns_in_time_while_redis_is_dead() {
    let (logged, _logging) = Logged::here();
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    server.kill();
    let started = Instant::now();
    bus.publish_event(&event(1), "k").await;
    bus.publish_or_log(&Numbered::new("s", 2)).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(bus.unpublished(), 2);
    let logged = logged.lines();
    let lines = logged.iter().filter(|line| line.contains("an event was not published"));
    assert_eq!(
        lines.filter(|line| line.contains("ERROR") && line.contains("numbered")).count(),
        2,
        "{logged:#?}"
    );
    assert!(!logged.iter().any(|line| line.contains("{\"payload\"")), "{logged:#?}");
    server.restart();
    bus.publish_event(&event(3), "k").await;
    assert_eq!(bus.unpublished(), 2, "it publishes again");
}

#[tokio::test]
async fn a_batch_of_a_hundred_goes_out_together() {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await.unwrap());
    let reads = || {
        let stats: String = redis::from_redis_value(server.command(&["INFO", "stats"])).unwrap();
        let reads = stats.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        reads.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = reads();
    let results = bus.publish_batch((0..100).map(event)).await;
    assert!(results.iter().all(Result::is_ok));
    let read = reads() - before;
    assert!(read <= 10, "the server read {read} times, asking for this included");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_during_which_the_server_is_killed_tells_of_each_event_what_is_true() {
    let mut server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    let mut batch = bus.publish_batch_to("k", (0..5_000).map(event)).unwrap();
    let mut outcomes = Vec::new();
    while let Some(outcome) = within("an outcome", batch.next()).await {
        outcomes.push(outcome.err().map(|error| error.kind()));
        if outcomes.len() == 2_000 {
            server.kill();
        }
    }
    assert_eq!(outcomes.len(), 5_000);
    assert!(outcomes[..2_000].iter().all(Option::is_none), "they were published before");
    let is_told = |kind: &ErrorKind| matches!(kind, ErrorKind::NotSent | ErrorKind::OutcomeUnknown);
    assert!(outcomes[2_000..].iter().all(|kind| kind.as_ref().is_some_and(is_told)), "{:?}", outcomes.last());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_during_which_the_server_stands_still_tells_of_each_event_what_is_true() {
    const LAST: u64 = u64::MAX;
    let server = RedisServer::start();
    let patient = NumberedBus::builder(RedisTransport::connect(server.url()).await.unwrap());
    let mut events = patient.queue_messages(1_000_000).build().unwrap().listen("k").await.unwrap();
    let bus = NumberedBus::new(RedisTransport::connect(config(&server)).await.unwrap());
    let is_over = Arc::new(AtomicBool::new(false));
    let endless = {
        let is_over = Arc::clone(&is_over);
        (0..).take_while(move |_| !is_over.load(Ordering::Relaxed)).map(event)
    };
    let mut batch = bus.publish_batch_to("k", endless).unwrap();
    let publishing = tokio::spawn(async move {
        let mut outcomes = Vec::new();
        while let Some(outcome) = batch.next().await {
            outcomes.push(outcome.err().map(|error| error.kind()));
        }
        outcomes
    });
    for _ in 0..3 {
        sleep(Duration::from_millis(50)).await;
        server.pause();
        sleep(Duration::from_millis(800)).await;
        server.resume();
    }
    sleep(Duration::from_millis(50)).await;
    is_over.store(true, Ordering::Relaxed);
    let outcomes = within("all outcomes", publishing).await.unwrap();
    within("the last", async { while bus.publish_to("k", &event(LAST)).await.is_err() {} }).await;

    let mut heard = Vec::new();
    while heard.last() != Some(&LAST) {
        heard
            .push(within("heard", events.recv()).await.unwrap().expect("no outage of the listener's").number);
    }
    assert!(heard.is_sorted_by(|one, next| one < next), "in order, and nothing twice");
    let heard: HashSet<u64> = heard.into_iter().collect();
    for (number, outcome) in (0..).zip(&outcomes) {
        match outcome {
            None => assert!(heard.contains(&number), "{number} was published"),
            Some(ErrorKind::NotSent) => assert!(!heard.contains(&number), "{number} was not sent"),
            Some(kind) => assert_eq!(*kind, ErrorKind::OutcomeUnknown, "{number}"),
        }
    }
    let count = |kind| outcomes.iter().filter(|outcome| **outcome == kind).count();
    let (published, unknown) = (count(None), count(Some(ErrorKind::OutcomeUnknown)));
    assert!(published > 0 && unknown > 0, "{published} published, {unknown} unknown");
}
