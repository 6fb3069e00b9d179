//! The same on a real server that is killed and started again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use event_bus_core::{Notice, ResyncError, Update};
use event_bus_redis::RedisTransport;
use event_bus_tests::{Numbered, NumberedBus, RedisServer, eventually, within};

/// Each thing changes once: what a follower misses of it would be missing for good.
#[derive(Default)]
struct Table {
    rows: Mutex<BTreeMap<u64, String>>,
    is_done: AtomicBool,
}

/// Changes the table and publishes each change until the server has taken it: it may be gone for a while.
async fn write(table: Arc<Table>, bus: NumberedBus) {
    for number in 0.. {
        if table.is_done.load(SeqCst) {
            return;
        }
        let event = Numbered::new("row", number);
        table.rows.lock().unwrap().insert(number, event.source.clone());
        while bus.publish_to("k", &event).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[derive(Default)]
struct Copy {
    rows: Mutex<BTreeMap<u64, String>>,
    events: AtomicUsize,
    outages: AtomicUsize,
    snapshots: AtomicUsize,
}

async fn follow(table: Arc<Table>, bus: NumberedBus, copy: Arc<Copy>) {
    let fetch = move || {
        let table = Arc::clone(&table);
        async move {
            tokio::task::yield_now().await;
            let rows = table.rows.lock().unwrap().clone();
            tokio::task::yield_now().await;
            Ok::<_, &str>(rows)
        }
    };
    let mut updates = bus.listen("k").await.unwrap().resync(fetch);
    while let Some(update) = updates.recv().await {
        match update {
            Ok(Update::Snapshot(rows)) => {
                *copy.rows.lock().unwrap() = rows;
                copy.snapshots.fetch_add(1, SeqCst);
            }
            Ok(Update::Event(event)) => {
                copy.rows.lock().unwrap().insert(event.number, event.source.clone());
                copy.events.fetch_add(1, SeqCst);
            }
            Ok(Update::Stale(Notice::Interrupted)) => drop(copy.outages.fetch_add(1, SeqCst)),
            Ok(Update::Stale(_)) => {}
            Err(ResyncError::Fetch(error)) => panic!("{error}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_ends_up_with_the_state_although_the_server_is_killed_again_and_again() {
    let mut server = RedisServer::start();
    let transport = || async { RedisTransport::connect(server.url()).await.unwrap() };
    let (publisher, listener) = (NumberedBus::new(transport().await), NumberedBus::new(transport().await));
    let (table, copy) = (Arc::<Table>::default(), Arc::<Copy>::default());
    let following = tokio::spawn(follow(Arc::clone(&table), listener.clone(), Arc::clone(&copy)));
    let writing = tokio::spawn(write(Arc::clone(&table), publisher));
    for round in 1..=4 {
        let heard = copy.events.load(SeqCst) + 50;
        eventually("events are heard", || copy.events.load(SeqCst) > heard).await;
        server.kill();
        eventually("the outage is told", || copy.outages.load(SeqCst) == round).await;
        server.restart();
        eventually("a new snapshot", || copy.snapshots.load(SeqCst) > round).await;
    }
    table.is_done.store(true, SeqCst);
    within("written", writing).await.unwrap();
    eventually("the same", || *copy.rows.lock().unwrap() == *table.rows.lock().unwrap()).await;
    listener.close().await;
    within("the end", following).await.unwrap();
}
