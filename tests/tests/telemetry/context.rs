//! Trace context beside the events: who writes it, what it costs, and what becomes of what others write there. That Python
//! ignores it is shown by `python/envelope.rs`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{
    Channel, ErrorKind, MemoryTransport, Message, MessageLimit, OutboxConfig, TraceContext, TracePropagator,
};
use event_bus_tests::{Numbered, NumberedBus, SourceChannel, eventually, within};
use tracing::span::{Attributes, Id};
use tracing::{Level, Span, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::seen::Seen;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Writes one context, and notes in which span, and to what a span is tied.
#[derive(Clone, Default)]
struct Noting {
    injected: Arc<Mutex<Vec<String>>>,
    extracted: Arc<Mutex<Vec<(String, TraceContext)>>>,
    writes_nothing: bool,
}

fn name(span: &Span) -> String {
    span.metadata().map_or("none", |metadata| metadata.name()).to_owned()
}

impl TracePropagator for Noting {
    fn inject(&self, span: &Span) -> Option<TraceContext> {
        self.injected.lock().unwrap().push(name(span));
        let context = TraceContext::new(TRACE).unwrap().with_tracestate("vendor=1");
        (!self.writes_nothing).then_some(context)
    }

    fn extract(&self, span: &Span, context: &TraceContext) {
        self.extracted.lock().unwrap().push((name(span), context.clone()));
    }
}

fn tracing_bus(memory: &MemoryTransport, propagator: &Noting) -> NumberedBus {
    NumberedBus::builder(memory.clone()).trace_context(propagator.clone()).build().unwrap()
}

fn event() -> Numbered {
    Numbered::new("s", 1)
}

fn wires(recording: &event_bus_core::Recording) -> Vec<String> {
    recording.take().iter().map(|message| String::from_utf8_lossy(message.payload()).into_owned()).collect()
}

const WIRE: &str = r#"{"payload":{"source":"s","number":1},"headers":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"vendor=1"}}"#;

#[tokio::test]
async fn the_trace_travels_however_an_event_is_published_and_only_if_it_was_asked_for() {
    let (_seen, _guard) = Seen::here(Level::DEBUG);
    let (memory, propagator) = (MemoryTransport::new(), Noting::default());
    let recording = memory.record();
    let bus = tracing_bus(&memory, &propagator);
    bus.publish(&event()).await.unwrap();
    drop(bus.publish_batch([event()]).await);
    let outbox = bus.outbox(OutboxConfig::default()).unwrap();
    tracing::info_span!("request").in_scope(|| outbox.send_to("s", &event()).unwrap());
    within("the flush", outbox.flush()).await;
    assert_eq!(wires(&recording), [WIRE; 5]);
    let spans = propagator.injected.lock().unwrap().clone();
    assert_eq!(spans, ["publish", "publish", "request"], "that of the publish, or of who sends");

    NumberedBus::new(memory.clone()).publish_to("s", &event()).await.unwrap();
    let silent = Noting { writes_nothing: true, ..Noting::default() };
    tracing_bus(&memory, &silent).publish_to("s", &event()).await.unwrap();
    assert_eq!(wires(&recording), [r#"{"payload":{"source":"s","number":1}}"#; 2]);
}

#[tokio::test]
async fn where_nobody_looks_at_our_spans_the_current_one_is_passed_on() {
    let (_seen, _guard) = Seen::here(Level::INFO);
    let propagator = Noting::default();
    let bus = tracing_bus(&MemoryTransport::new(), &propagator);
    let request = tracing::info_span!("request");
    tracing::Instrument::instrument(bus.publish_to("s", &event()), request).await.unwrap();
    assert_eq!(*propagator.injected.lock().unwrap(), ["request"]);
}

/// A collector that gives each span that its filter lets pass a trace.
struct Collector;

struct Traced;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collector {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        context.span(id).unwrap().extensions_mut().insert(Traced);
    }
}

/// Knows the traces of that collector.
struct OfCollector;

impl TracePropagator for OfCollector {
    fn inject(&self, span: &Span) -> Option<TraceContext> {
        let is_traced = span.with_subscriber(|(id, dispatch)| {
            let registry = dispatch.downcast_ref::<Registry>().unwrap();
            registry.span(id).is_some_and(|span| span.extensions().get::<Traced>().is_some())
        });
        is_traced?.then(|| TraceContext::new(TRACE)).flatten()
    }

    fn extract(&self, _: &Span, _: &TraceContext) {}
}

#[tokio::test]
async fn where_only_others_look_at_our_spans_the_caller_s_is_passed_on() {
    let (seen, _guard) = Seen::beside(Collector.with_filter(LevelFilter::INFO));
    let memory = MemoryTransport::new();
    let recording = memory.record();
    let bus = NumberedBus::builder(memory).trace_context(OfCollector).build().unwrap();
    let request = tracing::info_span!("request");
    tracing::Instrument::instrument(bus.publish_to("s", &event()), request.clone()).await.unwrap();
    let batch = async { drop(bus.publish_batch([event()]).await) };
    tracing::Instrument::instrument(batch, request).await;
    assert_eq!(seen.of("publish").len(), 2, "others do look");
    let wires = wires(&recording);
    assert_eq!(wires.len(), 3);
    assert!(wires.iter().all(|wire| wire.contains(TRACE)), "{wires:#?}");
}

#[tokio::test]
async fn a_handler_is_tied_to_the_trace_of_its_event() {
    let (_seen, _guard) = Seen::here(Level::DEBUG);
    let (memory, propagator) = (MemoryTransport::new(), Noting::default());
    let bus = tracing_bus(&memory, &propagator);
    let running = bus
        .subscriber()
        .on_event(async |_| ())
        .ignore_notices()
        .start([bus.source(SourceChannel { source: "s" })])
        .await
        .unwrap();
    bus.publish_to("s", &event()).await.unwrap();
    NumberedBus::new(memory).publish_to("s", &event()).await.unwrap(); // in no trace
    let extracted = || propagator.extracted.lock().unwrap().clone();
    eventually("it is processed", || !extracted().is_empty()).await;
    assert_eq!(running.shutdown(Duration::from_secs(5)).await.panicked, 0);
    let context = TraceContext::new(TRACE).unwrap().with_tracestate("vendor=1");
    assert_eq!(extracted(), [("process".to_owned(), context)]);
}

#[tokio::test]
async fn numbers_and_a_trace_travel_together() {
    let (memory, propagator) = (MemoryTransport::new(), Noting::default());
    let bus = NumberedBus::builder(memory).sequenced(true).trace_context(propagator).build().unwrap();
    let mut events = bus.listen("s").await.unwrap();
    for number in ["1", "2"] {
        bus.publish(&event()).await.unwrap();
        let heard = within("it", events.recv()).await.unwrap().unwrap();
        assert_eq!(heard.headers().get("seq"), Some(number));
        assert_eq!(heard.headers().iter().count(), 4);
        assert_eq!(heard.trace_context().unwrap().traceparent(), TRACE);
    }
}

#[tokio::test]
async fn its_bytes_count_for_the_limit() {
    let (memory, propagator) = (MemoryTransport::new(), Noting::default());
    let padded = |length: usize| Numbered::new(&"x".repeat(length), 1);
    let most = 1024 - (WIRE.len() - 1); // beside the `s` that stands in it
    let limit = MessageLimit::new(1024).unwrap();
    let bus =
        NumberedBus::builder(memory.clone()).message_limit(limit).trace_context(propagator).build().unwrap();
    let without = NumberedBus::builder(memory).message_limit(limit).build().unwrap();
    bus.publish_to("s", &padded(most)).await.unwrap();
    without.publish_to("s", &padded(most + 1)).await.unwrap();
    let error = bus.publish_to("s", &padded(most + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.too_large().unwrap().original_size_bytes, 1025);
}

#[tokio::test]
async fn what_others_write_there_costs_no_event_and_is_no_context_unless_it_is_one() {
    let (_seen, _guard) = Seen::here(Level::DEBUG);
    let (memory, propagator) = (MemoryTransport::new(), Noting::default());
    let bus = tracing_bus(&memory, &propagator);
    let mut events = bus.listen("s").await.unwrap();
    for headers in [
        r#"{"traceparent":"00-1-2-01"}"#,
        r#"{"traceparent":"00-00000000000000000000000000000000-b7ad6b7169203331-01"}"#,
        r#"{"traceparent":7,"tracestate":"vendor=1"}"#,
        r#"{"tracestate":"vendor=1"}"#,
        "[]",
    ] {
        let wire = format!(r#"{{"payload":{{"source":"s","number":1}},"headers":{headers}}}"#);
        let message = Message::new(Channel::from_full_name("numbered/s"), wire);
        Transport::publish(&memory, vec![message]).await.remove(0).unwrap();
        let heard = within("it", events.recv()).await.unwrap().unwrap();
        assert_eq!(heard.trace_context(), None, "{headers}");
        drop(bus.process_span(&heard));
    }
    assert!(propagator.extracted.lock().unwrap().is_empty());
}
