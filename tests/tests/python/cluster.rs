//! On a Redis Cluster with sharded pub/sub, as the platform runs today: who hears what on every shard, and who goes on hearing
//! after a slot has moved or a master was replaced.

use std::collections::BTreeMap;
use std::time::Instant;

use event_bus_core::{ErrorKind, Event, EventBus, KeyPattern, Notice, Subscription};
use event_bus_examples::{ExecutionEvent, run_events};
use event_bus_tests::python::{PythonListener, exact};
use event_bus_tests::{ClusterOptions, RedisCluster, eventually};

use crate::channels::{first_event, hear_all_from_python, validate_all_in_python};
use crate::pair::{Pair, delivery, notice};

type ClusterPair = Pair<RedisCluster>;

const RUN: &str = "{user-1/graph-1}/exec/run-1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_python_publishes_on_any_shard_is_heard_typed() {
    let mut pair = start();
    for events in runs_on_every_shard(&pair.server) {
        pair.python_to_rust(&events).await;
    }
    hear_all_from_python(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_rust_publishes_on_any_shard_validates_in_python() {
    let mut pair = start();
    for events in runs_on_every_shard(&pair.server) {
        let heard = pair.rust_to_python(&events).await;
        assert!(heard.iter().all(|heard| heard.kind == "smessage"), "{heard:?}");
    }
    validate_all_in_python(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_side_listens_to_patterns_on_shards() {
    let mut pair = start();
    assert_eq!(pair.python.refuses::<ExecutionEvent>("{user-1/*}/all").await, "ValueError");
    let bus = pair.bus::<ExecutionEvent>();
    let error = bus.listen(KeyPattern::new("{user-1/*}/all").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// redis-py hands the server's `sunsubscribe` to the reader, which takes it for no event, and waits on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_slot_has_moved_rust_hears_python_and_a_python_listener_is_deaf() {
    let mut pair = start();
    let (mut events, mut listener) = listen_on_both_sides(&mut pair).await;
    let channel = channel();
    let owner = pair.server.owner_of(&channel).unwrap();
    pair.server.migrate_slot(pair.server.slot(&channel), (owner + 1) % 3);
    is_back(&mut events).await;
    assert_eq!(listener.next().await.kind, "sunsubscribe");
    python_to_rust_alone(&mut pair, &mut events, &mut listener).await;
}

/// As where a slot moves: this is how nodes are taken down for maintenance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_master_has_stepped_down_rust_hears_python_and_a_python_listener_is_deaf() {
    let mut pair = start();
    let (mut events, mut listener) = listen_on_both_sides(&mut pair).await;
    let owner = pair.server.owner_of(&channel()).unwrap();
    pair.server.failover_to(pair.server.replicas(owner)[0]).await;
    is_back(&mut events).await;
    assert_eq!(listener.next().await.kind, "sunsubscribe");
    python_to_rust_alone(&mut pair, &mut events, &mut listener).await;
}

/// redis-py tries to reach the node that it knew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_master_was_replaced_rust_hears_python_and_a_python_listener_has_ended() {
    let mut pair = start();
    let (mut events, listener) = listen_on_both_sides(&mut pair).await;
    let channel = channel();
    let (slot, owner) = (pair.server.slot(&channel), pair.server.owner_of(&channel).unwrap());
    let killed = Instant::now();
    pair.server.kill(owner);
    pair.server.elected(slot, owner).await;
    is_back(&mut events).await;
    pair.python.publish(&run()).await;
    assert!(exact(delivery(&mut events).await.event()) == exact(&run()));
    assert_eq!(listener.end().await, "ConnectionError");
    println!("the Python listener had ended after {:?}", killed.elapsed());
}

/// redis-py reaches that node again, and subscribes with `SUBSCRIBE`, which hears nothing of shards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_master_has_restarted_rust_hears_python_and_a_python_listener_is_deaf() {
    let mut pair = start();
    let (mut events, mut listener) = listen_on_both_sides(&mut pair).await;
    let owner = pair.server.owner_of(&channel()).unwrap();
    pair.server.restart(owner);
    is_back(&mut events).await;
    assert_eq!(listener.next().await.kind, "subscribe", "and not ssubscribe");
    python_to_rust_alone(&mut pair, &mut events, &mut listener).await;
}

fn start() -> ClusterPair {
    Pair::start_on_cluster(ClusterOptions::default())
}

/// The events of one run for each master. The two channels of an event are in one slot.
fn runs_on_every_shard(cluster: &RedisCluster) -> Vec<Vec<ExecutionEvent>> {
    let mut runs = BTreeMap::new();
    for user in (0..100).map(|number| format!("user-{number}")) {
        let events = run_events(&user, "graph-1", "run-1", &["fetch"], None);
        let channels = channels_of(&events[0]);
        assert_eq!(cluster.slot(&channels[0]), cluster.slot(&channels[1]), "{channels:?}");
        runs.insert(cluster.owner_of(&channels[0]), events);
        if runs.len() == 3 {
            break;
        }
    }
    assert_eq!(runs.len(), 3, "a run for each master");
    runs.into_values().collect()
}

fn channels_of(event: &ExecutionEvent) -> Vec<String> {
    let keys = event.channel_keys().unwrap();
    keys.iter().map(|key| format!("{}/{key}", ExecutionEvent::BUS_NAME)).collect()
}

fn run() -> ExecutionEvent {
    first_event("graph-1", "run-1")
}

fn channel() -> String {
    format!("{}/{RUN}", ExecutionEvent::BUS_NAME)
}

async fn listen_on_both_sides(pair: &mut ClusterPair) -> (Subscription<ExecutionEvent>, PythonListener) {
    let bus: EventBus<ExecutionEvent> = pair.bus();
    let mut events = bus.listen(RUN).await.unwrap();
    let mut listener = pair.python.listen::<ExecutionEvent>(RUN).await;
    pair.python.publish(&run()).await;
    assert!(exact(delivery(&mut events).await.event()) == exact(&run()));
    assert_eq!(listener.next().await.event, Some(exact(&run())));
    (events, listener)
}

async fn is_back(events: &mut Subscription<ExecutionEvent>) {
    assert!(matches!(notice(events).await, Notice::Interrupted));
    let resumed = notice(events).await;
    let Notice::Resumed { down_for } = resumed else { panic!("{resumed} instead of Resumed") };
    println!("nothing was heard for {down_for:?}");
}

/// Python publishes; Rust hears it, and a Python listener, which is there and says nothing, does not.
async fn python_to_rust_alone(
    pair: &mut ClusterPair,
    events: &mut Subscription<ExecutionEvent>,
    listener: &mut PythonListener,
) {
    eventually("Rust alone is subscribed", || subscribers(&pair.server) == 1).await;
    for _ in 0..3 {
        pair.python.publish(&run()).await;
        assert!(exact(delivery(events).await.event()) == exact(&run()));
    }
    assert_eq!(listener.unread(), Ok(Vec::new()), "it neither hears nor ends");
}

/// How many are subscribed to the channel, by the word of all masters.
fn subscribers(cluster: &RedisCluster) -> u64 {
    let count = |node| -> u64 {
        let told = cluster.command(node, &["PUBSUB", "SHARDNUMSUB", &channel()]);
        redis::from_redis_value::<(String, u64)>(told).unwrap().1
    };
    (0..cluster.nodes()).filter(|node| cluster.server(*node).runs()).map(count).sum()
}
