//! What is handed out, in which order, and how often is fetched.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_bus_core::transport::{Filter, Inbox, Lease, Overflow, Transport};
use event_bus_core::{
    ChannelKey, EventBus, MemoryTransport, Message, Notice, Receipt, Resync, ResyncError, Update,
};
use event_bus_tests::{Numbered, NumberedBus, within};
use futures_util::StreamExt;
use tokio::time::timeout;

/// What was handed out, in words.
fn in_words(read: Option<Result<Update<usize, Numbered>, ResyncError<usize>>>) -> String {
    match read {
        Some(Ok(Update::Snapshot(number))) => format!("snapshot {number}"),
        Some(Ok(Update::Event(event))) => format!("event {}", event.number),
        Some(Ok(Update::Stale(Notice::Interrupted))) => "interrupted".into(),
        Some(Ok(Update::Stale(Notice::Resumed { .. }))) => "resumed".into(),
        Some(Ok(Update::Stale(Notice::Lagged { missed }))) => format!("lagged {missed}"),
        Some(Ok(Update::Stale(Notice::Undecodable { .. }))) => "undecodable".into(),
        Some(Err(ResyncError::Fetch(number))) => format!("failed {number}"),
        Some(Err(ResyncError::Ended(Notice::Overflowed))) => "overflowed".into(),
        Some(Ok(Update::Stale(notice)) | Err(ResyncError::Ended(notice))) => panic!("{notice}"),
        None => "none".into(),
    }
}

/// Everything that comes without waiting for anything but the transport. Time is paused.
async fn told<F, Fut>(updates: &mut Resync<Numbered, F, Fut>) -> Vec<String>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<usize, usize>>,
{
    let mut told = Vec::new();
    while let Ok(read) = timeout(Duration::from_millis(1), updates.recv()).await {
        told.push(in_words(read));
        if told.last().is_some_and(|last| last == "none") {
            break;
        }
        assert!(told.len() < 100, "it never ends: {told:?}");
    }
    told
}

async fn publish(bus: &NumberedBus, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        bus.publish_to("k", &Numbered::new("s", number)).await.unwrap();
    }
}

async fn publish_nonsense(memory: &MemoryTransport, bus: &NumberedBus, count: usize) {
    let channel = bus.channel(&ChannelKey::new("k").unwrap());
    for _ in 0..count {
        memory.publish(vec![Message::new(channel.clone(), "nonsense")]).await.pop().unwrap().unwrap();
    }
}

fn new() -> (MemoryTransport, NumberedBus) {
    let memory = MemoryTransport::new();
    (memory.clone(), NumberedBus::new(memory))
}

/// Each fetch gives the number of fetches so far, which are counted.
fn counting(
    count: &Arc<AtomicUsize>,
) -> impl FnMut() -> std::future::Ready<Result<usize, usize>> + Send + use<> {
    let count = Arc::clone(count);
    move || std::future::ready(Ok(count.fetch_add(1, SeqCst) + 1))
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_comes_first_and_then_what_was_published_since_the_listen() {
    let (_, bus) = new();
    publish(&bus, 1..=1).await;
    let events = bus.listen("k").await.unwrap();
    publish(&bus, 2..=3).await;
    let mut updates = events.resync(counting(&Arc::default()));
    assert_eq!(told(&mut updates).await, ["snapshot 1", "event 2", "event 3"]);
    bus.close().await;
    assert_eq!(told(&mut updates).await, ["none"]);
    assert_eq!(told(&mut updates).await, ["none"], "the end stays");
}

#[tokio::test(start_paused = true)]
async fn an_interruption_is_told_at_once_and_fetched_for_when_it_is_over() {
    let (memory, bus) = new();
    let count = Arc::default();
    let mut updates = bus.listen("k").await.unwrap().resync(counting(&count));
    publish(&bus, 1..=1).await;
    memory.interrupt();
    assert_eq!(told(&mut updates).await, ["snapshot 1", "event 1", "interrupted"]);
    assert_eq!(count.load(SeqCst), 1);
    memory.resume();
    publish(&bus, 2..=2).await;
    assert_eq!(told(&mut updates).await, ["resumed", "snapshot 2", "event 2"]);
}

#[tokio::test(start_paused = true)]
async fn notices_beside_each_other_share_one_fetch_and_each_is_handed_out() {
    let (memory, bus) = new();
    let count = Arc::default();
    let mut updates = bus.listen("k").await.unwrap().resync(counting(&count));
    assert_eq!(told(&mut updates).await, ["snapshot 1"]);
    publish_nonsense(&memory, &bus, 500).await;
    memory.drop_next(1);
    publish(&bus, 1..=2).await;
    publish_nonsense(&memory, &bus, 1).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Read without a pause: the runtime makes us yield meanwhile, which must not be taken for the end of the gap.
    let mut told = Vec::new();
    for _ in 0..506 {
        told.push(in_words(within("an item", updates.recv()).await));
    }
    assert!(told[..500].iter().all(|told| told == "undecodable"));
    assert_eq!(told[500..], ["interrupted", "resumed", "snapshot 2", "event 2", "undecodable", "snapshot 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_overflows_while_fetching_is_one_more_gap() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::builder(memory).queue_messages(2).build().unwrap();
    let (publishing, count) = (bus.clone(), Arc::new(AtomicUsize::new(0)));
    let mut updates = bus.listen("k").await.unwrap().resync(move || {
        let (bus, count) = (publishing.clone(), count.fetch_add(1, SeqCst) + 1);
        async move {
            if count == 1 {
                publish(&bus, 1..=5).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok::<usize, usize>(count)
        }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(in_words(updates.recv().await), "snapshot 1");
    assert_eq!(told(&mut updates).await, ["lagged 3", "snapshot 2", "event 4", "event 5"]);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_fails_is_told_and_tried_again_by_the_next_read() {
    let (memory, bus) = new();
    let mut tries = 0;
    let mut updates = bus.listen("k").await.unwrap().resync(move || {
        tries += 1;
        std::future::ready(if tries % 3 == 0 { Ok(tries) } else { Err(tries) })
    });
    publish(&bus, 1..=1).await;
    memory.drop_next(1);
    publish(&bus, 2..=3).await;
    let expected = ["failed 1", "failed 2", "snapshot 3", "event 1", "interrupted", "resumed"];
    assert_eq!(
        told(&mut updates).await,
        [&expected[..], &["failed 4", "failed 5", "snapshot 6", "event 3"]].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_bus_ends_it_even_if_nothing_can_be_fetched_any_more() {
    let (memory, bus) = new();
    let mut tries = 0;
    let mut updates = bus.listen("k").await.unwrap().resync(move || {
        tries += 1;
        std::future::ready(Err::<usize, usize>(tries))
    });
    publish(&bus, 1..=1).await;
    memory.drop_next(1);
    publish(&bus, 2..=2).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(in_words(updates.recv().await), "failed 1");
    bus.close().await;
    assert_eq!(told(&mut updates).await, ["failed 2", "event 1", "interrupted", "resumed", "none"]);
}

#[tokio::test(start_paused = true)]
async fn a_final_notice_is_the_last_item() {
    let memory = MemoryTransport::new();
    let bus = NumberedBus::builder(memory).queue_messages(2).overflow(Overflow::Close).build().unwrap();
    let events = bus.listen("k").await.unwrap();
    publish(&bus, 1..=3).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut updates = events.resync(counting(&Arc::default()));
    assert_eq!(told(&mut updates).await, ["snapshot 1", "event 1", "event 2", "overflowed", "none"]);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_within_a_fetch_neither_loses_nor_repeats_it() {
    let (_, bus) = new();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let mut updates = bus.listen("k").await.unwrap().resync(move || {
        let count = counted.fetch_add(1, SeqCst) + 1;
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<usize, usize>(count)
        }
    });
    publish(&bus, 1..=1).await;
    for _ in 0..90 {
        assert!(timeout(Duration::from_millis(1), updates.recv()).await.is_err());
    }
    assert_eq!(in_words(within("the snapshot", updates.recv()).await), "snapshot 1");
    assert_eq!(told(&mut updates).await, ["event 1"]);
    assert_eq!(count.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_a_stream_that_can_be_followed_in_a_task_of_its_own() {
    let (_, bus) = new();
    let updates = bus.listen("k").await.unwrap().resync(counting(&Arc::default()));
    let following =
        tokio::spawn(async move { updates.map(|update| in_words(Some(update))).collect::<Vec<_>>().await });
    publish(&bus, 1..=2).await;
    let mut probe = bus.listen("k").await.unwrap();
    publish(&bus, 3..=3).await;
    within("it has arrived", probe.recv()).await.unwrap().unwrap();
    bus.close().await;
    let told = within("the end", following).await.unwrap();
    assert_eq!(told, ["snapshot 1", "event 1", "event 2", "event 3"]);
}

#[tokio::test]
async fn dropping_it_unsubscribes() {
    let (_, bus) = new();
    let updates = bus.listen("k").await.unwrap().resync(counting(&Arc::default()));
    assert_eq!(bus.health().wanted, 1);
    drop(updates);
    assert_eq!(bus.health().wanted, 0);
}

/// A transport whose inboxes a test fills by hand: one of several filters is cut off, the others deliver.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<Inbox>>>);

impl Transport for ByHand {
    async fn publish(&self, _: Vec<Message>) -> Vec<event_bus_core::Result<Receipt>> {
        Vec::new()
    }

    async fn subscribe(&self, _: Filter, inbox: Inbox) -> event_bus_core::Result<Lease> {
        self.0.lock().unwrap().push(inbox);
        Ok(Lease::new(|| {}))
    }

    async fn close(&self) {}
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_while_one_filter_is_cut_off_whatever_the_others_tell() {
    let transport = ByHand::default();
    let bus: EventBus<Numbered> = EventBus::new(transport.clone());
    let count = Arc::default();
    let mut updates = bus.listen("k").await.unwrap().resync(counting(&count));
    assert_eq!(told(&mut updates).await, ["snapshot 1"]);
    let inbox = transport.0.lock().unwrap()[0].clone();
    inbox.interrupt();
    inbox.deliver(Arc::new(Message::new(bus.channel(&ChannelKey::new("k").unwrap()), "nonsense")));
    assert_eq!(told(&mut updates).await, ["interrupted", "undecodable"]);
    assert_eq!(count.load(SeqCst), 1);
    inbox.resume();
    assert_eq!(told(&mut updates).await, ["resumed", "snapshot 2"]);
}
