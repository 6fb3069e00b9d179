//! How many allocations a publish and a delivery cost. Each has a ceiling: what could be allocated once for a connection
//! must not be allocated for each message.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use event_bus_core::transport::Transport;
use event_bus_core::{ChannelKey, Event, EventBus, MemoryTransport, OutboxConfig, Subscription};
use event_bus_redis::RedisTransport;
use event_bus_tests::RedisServer;
use event_bus_tests::heap::{Heap, allocations_per_event};
use serde::{Deserialize, Serialize};

const EVENTS: u32 = 1_000;

/// Its text is the only part of it that is allocated when it is decoded.
#[derive(Clone, Debug, Serialize, Deserialize, EventBus)]
#[bus(name = "counted", channel(all = "all"))]
struct Counted {
    text: String,
}

fn event() -> Counted {
    Counted { text: "x".repeat(500) }
}

fn key() -> ChannelKey {
    event().channel_keys().unwrap().remove(0)
}

#[global_allocator]
static HEAP: Heap = Heap;

async fn publish(bus: &EventBus<Counted>) -> f64 {
    let (key, event) = (key(), event());
    allocations_per_event(EVENTS, async || {
        for _ in 0..EVENTS {
            bus.publish_to(&key, &event).await.unwrap();
        }
    })
    .await
}

async fn publish_declared(bus: &EventBus<Counted>) -> f64 {
    let event = event();
    allocations_per_event(EVENTS, async || {
        for _ in 0..EVENTS {
            bus.publish(&event).await.unwrap();
        }
    })
    .await
}

async fn publish_batch(bus: &EventBus<Counted>) -> f64 {
    let (key, event) = (key(), event());
    allocations_per_event(EVENTS, async || {
        for _ in 0..EVENTS / 100 {
            let results = bus.publish_batch_to(&key, std::iter::repeat_n(&event, 100)).unwrap().await;
            assert!(results.iter().all(Result::is_ok));
        }
    })
    .await
}

async fn send(bus: &EventBus<Counted>) -> f64 {
    let (key, event) = (key(), event());
    let outbox = bus.outbox(OutboxConfig::default()).unwrap();
    allocations_per_event(EVENTS, async || {
        for _ in 0..EVENTS {
            outbox.send_to(&key, &event).unwrap();
        }
        assert_eq!(outbox.flush().await.lost(), 0);
    })
    .await
}

/// What publishing and hearing an event costs with so many listeners on its channel.
async fn publish_and_hear(bus: &EventBus<Counted>, listeners: usize) -> f64 {
    let (key, event) = (key(), event());
    let mut all: Vec<Subscription<Counted>> = Vec::new();
    for _ in 0..listeners {
        all.push(bus.listen(&key).await.unwrap());
    }
    allocations_per_event(EVENTS, async || {
        for _ in 0..EVENTS {
            bus.publish_to(&key, &event).await.unwrap();
            for events in &mut all {
                events.recv().await.unwrap().unwrap();
            }
        }
    })
    .await
}

/// How many at most: what there was when this was written, and half of one more.
struct Ceilings {
    publish: f64,
    declared: f64,
    batch: f64,
    outbox: f64,
    delivery: f64,
    extra_listener: f64,
}

async fn each_is_within(transport: impl Transport, most: Ceilings) {
    let bus = EventBus::<Counted>::new(transport);
    let (publish, declared) = (publish(&bus).await, publish_declared(&bus).await);
    let (batch, outbox) = (publish_batch(&bus).await, send(&bus).await);
    let one = publish_and_hear(&bus, 1).await;
    let eleven = publish_and_hear(&bus, 11).await;
    let all = [
        ("a publish to a key", publish, most.publish),
        ("a publish to what is declared", declared, most.declared),
        ("an event in a batch of 100", batch, most.batch),
        ("an event through an outbox", outbox, most.outbox),
        ("a delivery", one - publish, most.delivery),
        ("a delivery to one more listener", (eleven - one) / 10.0, most.extra_listener),
    ];
    for (what, count, most) in all {
        println!("{what}: {count:.2} allocations, at most {most}");
    }
    for (what, count, most) in all {
        assert!(count <= most, "{what}: {count:.2} allocations, at most {most} are allowed");
    }
}

#[tokio::test]
async fn over_redis_nothing_is_allocated_for_each_message_that_need_not_be() {
    let server = RedisServer::start();
    println!("a publish with redis-rs alone: {:.2} allocations", bare(&server).await);
    let redis = RedisTransport::connect(server.url()).await.unwrap();
    let most = Ceilings {
        publish: 7.5,
        declared: 11.5,
        batch: 3.75,
        outbox: 4.55,
        delivery: 8.7,
        extra_listener: 0.5,
    };
    each_is_within(redis, most).await;
}

const IN_MEMORY: Ceilings =
    Ceilings { publish: 6.5, declared: 10.5, batch: 5.6, outbox: 6.55, delivery: 3.5, extra_listener: 0.5 };

#[tokio::test]
async fn in_memory_nothing_is_allocated_for_each_message_that_need_not_be() {
    each_is_within(MemoryTransport::new(), IN_MEMORY).await;
}

#[tokio::test]
async fn a_log_at_info_costs_none_more() {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::sink);
    let _guard = tracing::subscriber::set_default(log.finish());
    each_is_within(MemoryTransport::new(), IN_MEMORY).await;
}

/// The same publish by redis-rs alone: the measure of what is needed.
async fn bare(server: &RedisServer) -> f64 {
    #[derive(Serialize)]
    struct Wire<'a> {
        payload: &'a Counted,
    }
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let event = event();
    allocations_per_event(EVENTS, async || {
        for _ in 0..EVENTS {
            let wire = serde_json::to_vec(&Wire { payload: &event }).unwrap();
            let publish = redis::Cmd::publish("counted/all", wire);
            publish.query_async::<u64>(&mut connection).await.unwrap();
        }
    })
    .await
}
