//! What a publish allocates that does not go the shortest way: where somebody may look, on a numbered bus, over a transport in
//! another one's hands. A program of its own, since who looks decides for a whole process.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use event_bus_core::transport::{Filter, Inbox, Lease, Transport};
use event_bus_core::{EventBus, Message, Receipt, Result};
use event_bus_redis::RedisTransport;
use event_bus_tests::heap::{Heap, allocations_per_event};
use event_bus_tests::{Numbered, RedisServer};
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

const EVENTS: u32 = 1_000;

#[global_allocator]
static HEAP: Heap = Heap;

/// Passes on what a transport must have, and nothing besides.
struct InOthersHands(RedisTransport);

impl Transport for InOthersHands {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        self.0.publish(messages).await
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        self.0.subscribe(filter, inbox).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

async fn publish(bus: &EventBus<Numbered>) -> f64 {
    let event = Numbered::new("s", 1);
    allocations_per_event(EVENTS, async || {
        for _ in 0..EVENTS {
            bus.publish_to("k", &event).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn a_publish_that_goes_a_longer_way_allocates_little_more() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(server.url()).await.unwrap();
    let bus = EventBus::<Numbered>::new(redis.clone());

    let shortest = publish(&bus).await;
    let numbered = EventBus::builder(redis.clone()).sequenced(true).build().unwrap();
    let numbered = publish(&numbered).await - shortest;
    let in_others_hands = publish(&EventBus::new(InOthersHands(redis))).await - shortest;

    let others = Targets::new().with_target("elsewhere", Level::DEBUG);
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(others);
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log));
    let looked_for = publish(&bus).await - shortest;

    let all = [
        ("where a collector takes `debug` of others", looked_for, 1.5),
        ("over a transport in another one's hands", in_others_hands, 2.5),
        ("on a numbered bus", numbered, 11.5),
    ];
    for (what, more, most) in all {
        println!("{what}: {more:.2} allocations more than {shortest:.2}, at most {most}");
    }
    for (what, more, most) in all {
        assert!(more <= most, "{what}: {more:.2} allocations more, at most {most} are allowed");
    }
}
