//! What the in-memory transport offers to tests: recordings, and faults of which listeners are told as a real
//! connection would have it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]
#![allow(clippy::disallowed_methods, reason = "a test awaits what it spawns")]

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::transport::{LinkState, Transport};
use event_bus_core::{
    ErrorKind, EventBus, KeyPattern, MemoryTransport, Message, MessageLimit, Notice, Recording, Subscription,
};
use event_bus_tests::{Numbered, NumberedBus, NumberedChannel, eventually, within};
use tokio::time::{Instant, timeout};

#[derive(Debug, serde::Serialize, serde::Deserialize, EventBus)]
#[bus(name = "words", channel(all = "all"))]
struct Word {
    word: String,
}

fn event(number: u64) -> Numbered {
    Numbered::new("s", number)
}

fn new() -> (MemoryTransport, NumberedBus) {
    let memory = MemoryTransport::new();
    (memory.clone(), NumberedBus::new(memory))
}

async fn publish(bus: &NumberedBus, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        bus.publish_to("k", &event(number)).await.unwrap();
    }
}

fn in_words<E>(item: Result<u64, Notice>, events: &Subscription<E>) -> String {
    match item {
        Ok(number) => number.to_string(),
        Err(Notice::Interrupted) => "interrupted".to_owned(),
        Err(Notice::Resumed { down_for }) => format!("resumed {}", down_for.as_secs()),
        Err(notice) => panic!("{notice} in {events:?}"),
    }
}

/// Everything that has arrived. Time is paused: it passes only when nothing else happens.
async fn told(events: &mut Subscription<Numbered>) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(item) = timeout(Duration::from_millis(1), events.recv()).await {
        let item = item.expect("not the end").map(|delivery| delivery.number);
        told.push(in_words(item, events));
    }
    told
}

fn numbers(recording: &Recording, bus: &NumberedBus) -> Vec<u64> {
    recording.messages().into_iter().map(|message| bus.read(message).unwrap().number).collect()
}

#[tokio::test]
async fn a_recording_holds_what_was_published_in_order_whether_anybody_heard_it_or_not() {
    let (memory, bus) = new();
    publish(&bus, 0..=0).await;
    let recording = memory.record();
    publish(&bus, 1..=2).await;
    let second = memory.record();
    bus.publish(&event(3)).await.unwrap();
    let first = numbers(&recording, &bus);
    assert_eq!(first, [1, 2, 3, 3], "one message for each channel");
    assert_eq!(numbers(&second, &bus), [3, 3]);
    let channels: Vec<String> = second.take().iter().map(|message| message.channel().to_string()).collect();
    assert_eq!(channels, ["numbered/s", "numbered/s/3"]);
    assert!(second.is_empty() && recording.len() == 4, "taken from one, not from the other");
}

#[tokio::test]
async fn a_recording_that_is_dropped_keeps_nothing() {
    let (memory, bus) = new();
    let recording = memory.record();
    publish(&bus, 1..=1).await;
    let [message] = <[Arc<Message>; 1]>::try_from(recording.messages()).unwrap();
    drop(recording);
    publish(&bus, 2..=2).await;
    assert_eq!(Arc::strong_count(&message), 1);
}

#[tokio::test]
async fn a_bus_reads_what_was_recorded_as_its_listeners_do() {
    let memory = MemoryTransport::new();
    let limit = MessageLimit::new(1_000).unwrap();
    let bus = NumberedBus::builder(memory.clone()).message_limit(limit).build().unwrap();
    let words = WordBus::new(memory.clone());
    let recording = memory.record();
    publish(&bus, 1..=1).await;
    words.publish(&Word { word: "one".into() }).await.unwrap();
    let too_large = Numbered::new(&"x".repeat(2_000), 2);
    assert_eq!(bus.publish_to("k", &too_large).await.unwrap_err().kind(), ErrorKind::TooLarge);
    let [number, word, marker] = <[Arc<Message>; 3]>::try_from(recording.take()).unwrap();
    let delivery = bus.read(number).unwrap();
    assert_eq!((delivery.channel().as_str(), &*delivery), ("numbered/k", &event(1)));
    assert!(matches!(bus.read(Arc::clone(&word)), Err(Notice::Undecodable { .. })));
    assert_eq!(words.read(word).unwrap().word, "one");
    assert!(matches!(bus.read(marker), Err(Notice::Oversized { max_size_bytes: 1_000, .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_hear_in_the_order_of_the_recording_however_many_publish() {
    let (memory, _) = new();
    let bus = NumberedBus::builder(memory.clone()).queue_messages(10_000).build().unwrap();
    let recording = memory.record();
    let mut events = bus.listen("k").await.unwrap();
    let publishers: Vec<_> = (0..8)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move { publish(&bus, publisher * 1_000..=publisher * 1_000 + 499).await })
        })
        .collect();
    for publisher in publishers {
        within("published", publisher).await.unwrap();
    }
    for number in numbers(&recording, &bus) {
        assert_eq!(within("heard", events.recv()).await.unwrap().unwrap().number, number);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interruption_is_told_between_what_was_published_before_and_after() {
    let (memory, bus) = new();
    let mut events = bus.listen("k").await.unwrap();
    let mut pattern = bus.listen(KeyPattern::any()).await.unwrap();
    publish(&bus, 1..=2).await;
    memory.interrupt();
    memory.interrupt();
    let receipt = bus.publish_to("k", &event(3)).await.unwrap();
    assert_eq!(receipt.receivers, Some(0));
    tokio::time::advance(Duration::from_secs(7)).await;
    memory.resume();
    memory.resume();
    let receipt = bus.publish_to("k", &event(4)).await.unwrap();
    assert_eq!(receipt.receivers, Some(2));
    for events in [&mut events, &mut pattern] {
        assert_eq!(told(events).await, ["1", "2", "interrupted", "resumed 7", "4"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_holds_for_what_is_published_behind_it_on_any_runtime() {
    let (memory, bus) = new();
    let mut events = bus.listen("k").await.unwrap();
    for _ in 0..500 {
        publish(&bus, 1..=2).await;
        memory.interrupt();
        publish(&bus, 3..=3).await;
        memory.resume();
        publish(&bus, 4..=4).await;
        memory.drop_next(1);
        publish(&bus, 5..=6).await;
        let mut told = Vec::new();
        for _ in 0..8 {
            let item = within("an item", events.recv()).await.expect("not the end");
            told.push(in_words(item.map(|delivery| delivery.number), &events));
        }
        let expected = ["1", "2", "interrupted", "resumed 0", "4", "interrupted", "resumed 0", "6"];
        assert_eq!(told, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn state_and_health_show_an_interruption() {
    let (memory, bus) = new();
    assert_eq!(bus.state().listener, LinkState::Idle);
    let events = bus.listen("k").await.unwrap();
    memory.interrupt();
    tokio::time::advance(Duration::from_secs(3)).await;
    let health = bus.health();
    assert_eq!(health.publisher.state, LinkState::Connected);
    assert_eq!(health.listener.state, LinkState::Interrupted);
    assert_eq!(health.listener.in_state_for, Duration::from_secs(3));
    assert!(health.listener.last_error.is_some());
    assert_eq!((health.wanted, health.confirmed, health.reconnects), (1, 0, 0));
    memory.resume();
    let health = bus.health();
    assert_eq!(health.listener.state, LinkState::Connected);
    assert_eq!((health.wanted, health.confirmed, health.reconnects), (1, 1, 1));
    memory.interrupt();
    drop(events);
    assert_eq!((bus.health().wanted, bus.health().confirmed), (0, 0));
    memory.close().await;
    assert_eq!(bus.state().listener, LinkState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_listen_within_an_interruption_waits_for_its_end_and_is_told_nothing() {
    let (memory, bus) = new();
    memory.interrupt();
    let started = Instant::now();
    assert_eq!(bus.listen("k").await.unwrap_err().kind(), ErrorKind::NotSubscribed);
    assert_eq!(started.elapsed(), Duration::from_secs(5));
    assert_eq!(bus.health().wanted, 0, "nothing is left behind");
    let listening = tokio::spawn({
        let bus = bus.clone();
        async move { bus.listen("k").await }
    });
    eventually("it waits", || bus.health().wanted == 1).await;
    publish(&bus, 1..=1).await;
    assert!(!listening.is_finished());
    memory.resume();
    let mut events = listening.await.unwrap().unwrap();
    publish(&bus, 2..=2).await;
    assert_eq!(told(&mut events).await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn delayed_messages_arrive_that_much_later_and_in_order() {
    let (memory, bus) = new();
    let mut events = bus.listen("k").await.unwrap();
    let started = Instant::now();
    memory.delay(Duration::from_secs(60));
    publish(&bus, 1..=1).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    memory.delay(Duration::ZERO);
    publish(&bus, 2..=2).await;
    assert_eq!(started.elapsed(), Duration::from_secs(10), "publishing takes no time");
    assert_eq!(events.recv().await.unwrap().unwrap().number, 1);
    assert_eq!(started.elapsed().as_secs(), 60);
    assert_eq!(events.recv().await.unwrap().unwrap().number, 2);
    assert_eq!(started.elapsed().as_secs(), 60, "nothing overtakes, and the delay is over");
    memory.delay(Duration::MAX);
    publish(&bus, 3..=3).await;
    assert!(timeout(Duration::from_secs(1_000_000), events.recv()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_comes_while_messages_are_delayed_waits_for_none_of_them_and_gets_none() {
    let (memory, bus) = new();
    let mut early = bus.listen("k").await.unwrap();
    memory.delay(Duration::from_secs(60));
    publish(&bus, 1..=1).await;
    let started = Instant::now();
    let mut late = bus.listen("k").await.unwrap();
    assert_eq!(started.elapsed(), Duration::ZERO);
    publish(&bus, 2..=2).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(told(&mut early).await, ["1", "2"]);
    assert_eq!(told(&mut late).await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_is_added_does_not_wait_for_ever() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let mut events = bus.listen("k").await.unwrap();
    memory.delay(Duration::from_secs(60));
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    let started = Instant::now();
    events.add("other").await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!(events.recv().await.unwrap().unwrap().number, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_delayed_is_lost_by_an_interruption() {
    let (memory, bus) = new();
    let mut events = bus.listen("k").await.unwrap();
    publish(&bus, 1..=1).await;
    memory.delay(Duration::from_secs(1));
    publish(&bus, 2..=2).await;
    memory.interrupt();
    memory.resume();
    publish(&bus, 3..=3).await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(told(&mut events).await, ["1", "interrupted", "resumed 0", "3"]);
}

#[tokio::test(start_paused = true)]
async fn publishing_waits_when_too_much_is_on_its_way() {
    let (memory, _) = new();
    let bus = NumberedBus::builder(memory.clone()).queue_messages(10_000).build().unwrap();
    let mut events = bus.listen("k").await.unwrap();
    memory.delay(Duration::from_secs(2));
    let started = Instant::now();
    publish(&bus, 1..=1_024).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    publish(&bus, 1_025..=1_025).await;
    assert_eq!(started.elapsed().as_secs(), 2);
    assert_eq!(told(&mut events).await.len(), 1_024);
    memory.delay(Duration::from_secs(60));
    publish(&bus, 1..=1_023).await;
    tokio::time::advance(Duration::from_secs(2)).await;
    publish(&bus, 1..=1).await;
    let error = bus.publish_to("k", &event(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSent);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_message_is_told_where_it_would_have_stood_and_to_those_who_would_have_got_it() {
    let (memory, bus) = new();
    let mut exact = bus.listen("k").await.unwrap();
    let mut pattern = bus.listen(KeyPattern::any()).await.unwrap();
    let mut other = bus.listen("other").await.unwrap();
    publish(&bus, 1..=1).await;
    memory.drop_next(2);
    let receipt = bus.publish_to("k", &event(2)).await.unwrap();
    assert_eq!(receipt.receivers, Some(2), "a receipt says that it was taken, not that it was heard");
    publish(&bus, 3..=4).await;
    memory.drop_next(1);
    memory.drop_next(0);
    publish(&bus, 5..=5).await;
    bus.publish_to("other", &event(6)).await.unwrap();
    assert_eq!(told(&mut exact).await, ["1", "interrupted", "resumed 0", "4", "5"], "told as one");
    assert_eq!(told(&mut pattern).await, ["1", "interrupted", "resumed 0", "4", "5", "6"]);
    assert_eq!(told(&mut other).await, ["6"], "nothing is told that did not happen");
}

#[tokio::test(start_paused = true)]
async fn a_publish_fails_on_demand_and_reaches_nobody() {
    let (memory, bus) = new();
    let recording = memory.record();
    let mut events = bus.listen("k").await.unwrap();
    let mut all = bus.listen(KeyPattern::any()).await.unwrap();
    memory.fail_next(2, ErrorKind::NotSent);
    for number in 1..=2 {
        let error = bus.publish_to("k", &event(number)).await.unwrap_err();
        assert!(error.is_retryable() && error.channel().is_some_and(|channel| channel.key() == "k"));
    }
    memory.fail_next(1, ErrorKind::OutcomeUnknown);
    assert!(bus.publish_to("k", &event(3)).await.unwrap_err().outcome_unknown());
    publish(&bus, 3..=3).await;
    assert_eq!(told(&mut events).await, ["3", "3"], "whoever tries again then doubles it");
    assert_eq!(numbers(&recording, &bus), [3, 3]);
    memory.fail_next(1, ErrorKind::Refused);
    let error = bus.publish(&event(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Partial, "the other channel has it");
    let mut one = bus.numbered(NumberedChannel { source: "s", number: 4 }).listen().await.unwrap();
    assert_eq!(told(&mut one).await, [""; 0], "it was published before");
    assert_eq!(told(&mut all).await, ["3", "3", "4"]);
}

#[tokio::test]
async fn the_task_of_a_transport_ends_with_it() {
    let (memory, bus) = new();
    let recording = memory.record();
    let events = bus.listen("k").await.unwrap();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks(), 1);
    drop((memory, bus));
    drop(events);
    eventually("no task", || tasks() == 0).await;
    drop(recording);
    let (memory, bus) = new();
    publish(&bus, 1..=1).await;
    assert_eq!(tasks(), 1);
    memory.close().await;
    eventually("no task", || tasks() == 0).await;
}

#[test]
fn listeners_of_a_runtime_that_ends_are_told_and_the_next_use_starts_afresh() {
    let (memory, bus) = new();
    let first = tokio::runtime::Runtime::new().unwrap();
    let mut events = first.block_on(bus.listen("k")).unwrap();
    drop(first);
    let second = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    second.block_on(async {
        assert!(matches!(events.recv().await, Some(Err(Notice::Stopped { .. }))));
        assert!(events.recv().await.is_none());
        let mut again = bus.listen("k").await.unwrap();
        publish(&bus, 1..=1).await;
        assert_eq!(again.recv().await.unwrap().unwrap().number, 1);
    });
    drop(memory);
}

#[test]
fn a_runtime_that_stands_still_is_noticed_by_listening() {
    let (_, bus) = new();
    let still = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    still.block_on(publish(&bus, 1..=1));
    let driven =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let error = driven.block_on(bus.listen("k")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSubscribed);
    assert_eq!(bus.health().wanted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_does_not_say_that_nothing_came_while_something_is_on_its_way_or_nothing_can_come() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let mut events = bus.listen("k").await.unwrap();
    memory.delay(Duration::from_secs(60));
    bus.publish_to("k", &Numbered::new("s", 1)).await.unwrap();
    assert_eq!(events.wait(Duration::from_secs(1)).await.unwrap_err().kind(), ErrorKind::Missed);
    let late = events.wait(Duration::from_secs(60)).await.unwrap();
    assert_eq!(late.map(|event| event.number), Some(1));
    memory.delay(Duration::ZERO);
    assert!(events.wait(Duration::from_secs(1)).await.unwrap().is_none());
    memory.interrupt();
    for _ in 0..2 {
        assert_eq!(events.wait(Duration::from_secs(1)).await.unwrap_err().kind(), ErrorKind::Missed);
    }
}

#[tokio::test]
async fn an_interruption_is_shown_to_whoever_watches() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::new(memory.clone());
    let _events = bus.listen("k").await.unwrap();
    let mut watch = bus.watch_state();
    memory.interrupt();
    let interrupted = watch.changed().await.unwrap();
    assert_eq!((interrupted.publisher, interrupted.listener), (LinkState::Connected, LinkState::Interrupted));
    assert!(interrupted.listener_error.is_some());
    memory.resume();
    let resumed = watch.changed().await.unwrap();
    assert_eq!((resumed.listener, resumed.listener_error), (LinkState::Connected, None));
    memory.close().await;
    assert!(watch.changed().await.unwrap().is_closed());
    assert!(watch.changed().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_fence_ends_also_where_nobody_carries() {
    let memory = MemoryTransport::new();
    within("before the first use", memory.fence()).await.unwrap();
    memory.close().await;
    let error = within("behind the end", memory.fence()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
}

#[tokio::test]
async fn what_was_published_before_a_close_is_heard() {
    let (memory, bus) = new();
    let mut events = bus.listen("k").await.unwrap();
    publish(&bus, 1..=3).await;
    memory.close().await;
    for number in 1..=3 {
        assert_eq!(within("heard", events.recv()).await.expect("not the end").unwrap().number, number);
    }
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn the_task_of_a_transport_that_only_published_ends_with_it() {
    let (memory, bus) = new();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    publish(&bus, 1..=1).await;
    for _ in 0..10 {
        tokio::task::yield_now().await; // its task sleeps
    }
    drop((memory, bus));
    eventually("no task", || tasks() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_fence_fails_while_interrupted_and_one_that_was_asked_before_fails_with_the_connection() {
    let (memory, bus) = new();
    let _events = bus.listen("k").await.unwrap();
    memory.delay(Duration::from_secs(1));
    let asked = tokio::spawn({
        let memory = memory.clone();
        async move { memory.fence().await }
    });
    tokio::task::yield_now().await;
    memory.interrupt();
    for error in [within("an answer", asked).await.unwrap(), within("an answer", memory.fence()).await] {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotConnected);
    }
}

#[tokio::test]
async fn an_event_over_the_limit_tells_what_became_of_its_marker() {
    let memory = MemoryTransport::new();
    let limit = MessageLimit::new(200).unwrap();
    let bus = EventBus::<Word>::builder(memory.clone()).message_limit(limit).build().unwrap();
    let long = Word { word: "x".repeat(300) };
    for (failure, sent) in [(ErrorKind::NotSent, Some(false)), (ErrorKind::OutcomeUnknown, None)] {
        memory.fail_next(1, failure);
        let error = bus.publish_to("all", &long).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert_eq!(error.too_large().unwrap().marker_sent, sent, "{error}");
        assert_eq!(error.channel().unwrap().as_str(), "words/all");
    }
    let error = bus.publish_to("all", &long).await.unwrap_err();
    assert_eq!(error.too_large().unwrap().marker_sent, Some(true));
}
