//! Where the time of one message goes, part by part and without a server: encoding, decoding, routing, the queue to a
//! listener, glob matching.

#![allow(missing_docs, reason = "what criterion's macros make")]
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on panics")]

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use event_bus_core::transport::{
    Capabilities, Endpoint, Filter, Inbox, Lease, Registry, Request, Scope, Topic, TopicKind, Transport,
};
use event_bus_core::{
    Bytes, Channel, ChannelFilter, ChannelKey, Codec, Envelope, Event, Json, KeyPattern, Message, Receipt,
    Result, Subscription,
};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use futures_util::FutureExt;

/// As listeners are routed: in a registry, but by the hand of the benchmark in place of a connection.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Registry>>);

impl ByHand {
    fn of(registry: Registry) -> Self {
        Self(Arc::new(Mutex::new(registry)))
    }

    fn listen(&self, filter: impl Into<ChannelFilter>) -> Subscription<ExecutionEvent> {
        let bus = ExecutionEventBus::builder(self.clone()).build().unwrap();
        bus.listen(filter.into()).now_or_never().unwrap().unwrap()
    }

    fn deliver(&self, kind: TopicKind, topic: &str, channel: &str, payload: &Bytes) -> usize {
        let mut registry = self.0.lock().unwrap();
        let listeners = registry.deliver(scope(kind), topic, channel.as_bytes(), payload.clone());
        let aftermath = registry.take_aftermath();
        drop(registry);
        drop(aftermath);
        listeners
    }
}

impl Transport for ByHand {
    async fn publish(&self, _: Vec<Message>) -> Vec<Result<Receipt>> {
        Vec::new() // nobody does
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let (kind, name) = match &filter {
            Filter::Pattern(pattern) => (TopicKind::Pattern, Arc::clone(pattern)),
            other => (TopicKind::Channel, other.to_string().into()),
        };
        let mut registry = self.0.lock().unwrap();
        let _live_already = registry.join(&Topic { scope: scope(kind), name }, inbox);
        while let Some(request) = registry.next_request(1_000) {
            if let Request::Subscribe(scope, names) = request {
                names.iter().for_each(|name| drop(registry.confirm(scope, name)));
            }
        }
        Ok(Lease::new(|| {}))
    }

    async fn close(&self) {}

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().patterns(true)
    }
}

fn scope(kind: TopicKind) -> Scope {
    Scope { endpoint: Endpoint(0), kind }
}

fn event() -> ExecutionEvent {
    run_events("user-1", "graph-1", "run-1", &["fetch"], None).pop().unwrap()
}

fn channel(key: &str) -> Channel {
    Channel::from_full_name(format!("{}/{key}", ExecutionEvent::BUS_NAME))
}

fn wire() -> Bytes {
    Json.encode(&channel("k"), &Envelope::new(&event())).unwrap()
}

fn encode(c: &mut Criterion) {
    let (event, channel) = (event(), channel("k"));
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Bytes(wire().len() as u64));
    group.bench_function("json", |b| b.iter(|| Json.encode(&channel, &Envelope::new(black_box(&event)))));
    group.finish();
}

fn decode(c: &mut Criterion) {
    #[derive(serde::Deserialize)]
    struct Wire {
        #[expect(dead_code, reason = "only decoded")]
        payload: ExecutionEvent,
    }
    let (wire, channel) = (wire(), channel("k"));
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(wire.len() as u64));
    group.bench_function("json, by its tag", |b| {
        b.iter(|| -> core::result::Result<Envelope<ExecutionEvent>, _> {
            Json.decode(&channel, black_box(&wire))
        });
    });
    group.bench_function("serde_json alone", |b| {
        b.iter(|| serde_json::from_slice::<Wire>(black_box(&wire)));
    });
    group.finish();
}

/// To a listener that never reads, and so drops its oldest: what is measured is the way to it.
fn routing(c: &mut Criterion) {
    let payload = wire();
    let mut group = c.benchmark_group("routing");
    for channels in [1_u64, 1_000] {
        let by_hand = ByHand::default();
        let key = |n: u64| ChannelKey::new(format!("key-{n}")).unwrap();
        let _listeners: Vec<_> = (0..channels).map(|n| by_hand.listen(key(n))).collect();
        let name = channel("key-0");
        group.bench_with_input(BenchmarkId::new("one of so many channels", channels), &channels, |b, _| {
            b.iter(|| by_hand.deliver(TopicKind::Channel, name.as_str(), name.as_str(), &payload));
        });
    }
    for patterns in [1_u64, 1_000] {
        let by_hand = ByHand::of(Registry::folding_beyond(0));
        let pattern = |n: u64| KeyPattern::new(format!("user-{n}/*")).unwrap();
        let _listeners: Vec<_> = (0..patterns).map(|n| by_hand.listen(pattern(n))).collect();
        let (wide, name) = (channel("*"), channel("user-0/graph-1"));
        group.bench_with_input(
            BenchmarkId::new("one of so many folded patterns", patterns),
            &patterns,
            |b, _| {
                b.iter(|| by_hand.deliver(TopicKind::Pattern, wide.as_str(), name.as_str(), &payload));
            },
        );
    }
    group.throughput(Throughput::Elements(1_000));
    let by_hand = ByHand::default();
    let key = ChannelKey::new("all").unwrap();
    let _listeners: Vec<_> = (0..1_000).map(|_| by_hand.listen(key.clone())).collect();
    let name = channel("all");
    group.bench_function("1,000 listeners of one channel", |b| {
        b.iter(|| by_hand.deliver(TopicKind::Channel, name.as_str(), name.as_str(), &payload));
    });
    group.finish();
}

/// A message in and out again. Its event is decoded only by the first of the two who read it.
fn inbox(c: &mut Criterion) {
    let (payload, name) = (wire(), channel("all"));
    let key = ChannelKey::new("all").unwrap();
    for readers in [1_usize, 2] {
        let by_hand = ByHand::default();
        let mut listeners: Vec<_> = (0..readers).map(|_| by_hand.listen(key.clone())).collect();
        c.bench_function(&format!("inbox/routed and read by {readers}"), |b| {
            b.iter(|| {
                by_hand.deliver(TopicKind::Channel, name.as_str(), name.as_str(), &payload);
                for events in &mut listeners {
                    black_box(events.recv().now_or_never().unwrap());
                }
            });
        });
    }
}

fn glob(c: &mut Criterion) {
    let key = ChannelKey::new("user-1/graph-1/exec/run-1").unwrap();
    for pattern in ["*", "user-1/*", "user-?/graph-[0-9]/*", "*/exec/*", "*a*a*a*a*b"] {
        let compiled = KeyPattern::new(pattern).unwrap();
        c.bench_function(&format!("glob/{pattern}"), |b| b.iter(|| compiled.matches(black_box(&key))));
    }
}

criterion_group!(parts, encode, decode, routing, inbox, glob);
criterion_main!(parts);
