//! The spans of publishing and processing.

use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{ErrorKind, MemoryTransport, MessageLimit, OutboxConfig, Oversize};
use event_bus_redis::RedisTransport;
use event_bus_tests::{Numbered, NumberedBus, RedisServer, SourceChannel, eventually, within};
use tracing::{Instrument, Level};

use crate::seen::{Seen, SeenSpan};

fn fields<'a>(span: &'a SeenSpan, names: &[&str]) -> Vec<Option<&'a str>> {
    names.iter().map(|name| span.get(name)).collect()
}

async fn a_publish_and_its_handler_have_spans_by_the_conventions(transport: impl Transport, system: &str) {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let bus = NumberedBus::new(transport);
    let running = bus
        .subscriber()
        .on_event(async |_| ())
        .ignore_notices()
        .start([bus.source(SourceChannel { source: "s" })])
        .await
        .unwrap();
    bus.publish_to("s", &Numbered::new("s", 1))
        .instrument(tracing::info_span!(target: "event_bus", "request"))
        .await
        .unwrap();
    eventually("it is processed", || seen.of("process").iter().any(|span| span.has_ended)).await;
    let (publish, process) = (seen.only("publish"), seen.only("process"));
    let size = r#"{"payload":{"source":"s","number":1}}"#.len().to_string();
    for (span, name, kind, operation) in
        [(&publish, "publish", "client", "send"), (&process, "process", "consumer", "process")]
    {
        assert_eq!(
            fields(
                span,
                &[
                    "otel.name",
                    "otel.kind",
                    "messaging.system",
                    "messaging.operation.name",
                    "messaging.operation.type"
                ]
            ),
            [
                Some(&*format!("{name} numbered/{{key}}")),
                Some(kind),
                Some(system),
                Some(name),
                Some(operation)
            ]
        );
        assert_eq!(
            fields(
                span,
                &[
                    "messaging.destination.name",
                    "messaging.destination.template",
                    "messaging.message.envelope.size"
                ]
            ),
            [Some("numbered/s"), Some("numbered/{key}"), Some(&*size)]
        );
        assert_eq!(
            fields(span, &["error.type", "otel.status_code", "messaging.batch.message_count"]),
            [None; 3],
            "{span:?}"
        );
    }
    assert_eq!((publish.parent, publish.has_ended), (Some("request"), true));
    running.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn in_memory_a_publish_and_its_handler_have_spans_by_the_conventions() {
    a_publish_and_its_handler_have_spans_by_the_conventions(MemoryTransport::new(), "memory").await;
}

#[tokio::test]
async fn on_redis_a_publish_and_its_handler_have_spans_by_the_conventions() {
    let server = RedisServer::start();
    let redis = RedisTransport::connect(server.url()).await.unwrap();
    a_publish_and_its_handler_have_spans_by_the_conventions(redis, "redis").await;
}

#[tokio::test]
async fn what_goes_out_together_has_one_span_that_counts_it() {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let bus = NumberedBus::new(MemoryTransport::new());
    let counted =
        ["messaging.batch.message_count", "messaging.destination.name", "messaging.message.envelope.size"];
    bus.publish(&Numbered::new("s", 1)).await.unwrap(); // to two channels
    assert_eq!(fields(&seen.only("publish"), &counted), [Some("2"), None, None]);
    let results = bus.publish_batch((0..5).map(|number| Numbered::new("s", number))).await;
    assert_eq!(results.len(), 5);
    let spans = seen.of("publish");
    assert_eq!(spans.len(), 2, "{spans:#?}");
    assert_eq!(fields(&spans[1], &counted), [Some("10"), None, None]);
    assert!(spans[1].has_ended);
}

#[tokio::test]
async fn an_outbox_publishes_in_spans_of_its_own() {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let bus = NumberedBus::new(MemoryTransport::new());
    let outbox = bus.outbox(OutboxConfig::default()).unwrap();
    tracing::info_span!(target: "event_bus", "request")
        .in_scope(|| outbox.send_to("s", &Numbered::new("s", 1)).unwrap());
    within("the flush", outbox.flush()).await;
    let span = seen.only("publish");
    assert_eq!(
        fields(&span, &["otel.kind", "messaging.destination.name"]),
        [Some("client"), Some("numbered/s")]
    );
    assert_eq!(span.parent, None, "it is nobody's doing");
}

#[tokio::test]
async fn a_publish_that_fails_says_how() {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let memory = MemoryTransport::new();
    let limit = MessageLimit::new(1024).unwrap();
    let bus =
        NumberedBus::builder(memory.clone()).message_limit(limit).oversize(Oversize::Reject).build().unwrap();
    for kind in [ErrorKind::NotSent, ErrorKind::Refused, ErrorKind::Denied, ErrorKind::OutcomeUnknown] {
        memory.fail_next(1, kind);
        bus.publish_to("s", &Numbered::new("s", 1)).await.unwrap_err();
    }
    bus.publish_to("s", &Numbered::new(&"x".repeat(2_000), 1)).await.unwrap_err();
    memory.fail_next(1, ErrorKind::NotSent);
    bus.publish(&Numbered::new("s", 1)).await.unwrap_err(); // one channel of two
    memory.fail_next(1, ErrorKind::Denied);
    drop(bus.publish_batch([Numbered::new("s", 1)]).await);
    let errors: Vec<_> = seen
        .of("publish")
        .into_iter()
        .map(|span| (span.fields["error.type"].clone(), span.fields["otel.status_code"].clone()))
        .collect();
    let expected = ["not_sent", "refused", "denied", "outcome_unknown", "too_large", "partial", "partial"];
    assert_eq!(errors, expected.map(|error| (error.to_owned(), "ERROR".to_owned())));
}

#[tokio::test]
async fn a_handler_that_panics_says_so() {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let bus = NumberedBus::new(MemoryTransport::new());
    let running = bus
        .subscriber()
        .on_event(async |event| {
            assert!(event.number != 1, "the handler gives up");
            std::future::pending::<()>().await;
        })
        .on_panic(|_| ())
        .ignore_notices()
        .start([bus.source(SourceChannel { source: "s" })])
        .await
        .unwrap();
    for number in [1, 2] {
        bus.publish_to("s", &Numbered::new("s", number)).await.unwrap();
    }
    eventually("the second one is handled", || seen.of("process").len() == 2).await;
    drop(running);
    eventually("it is over", || seen.of("process").iter().all(|span| span.has_ended)).await;
    assert_eq!(seen.of("process")[0].get("error.type"), Some("panic"));
    assert_eq!(seen.of("process")[0].get("otel.status_code"), Some("ERROR"));
    assert_eq!(seen.of("process")[1].get("error.type"), None, "dropped with its subscriber");
}

#[tokio::test]
async fn a_handler_that_a_shutdown_ends_says_so() {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let bus = NumberedBus::new(MemoryTransport::new());
    let running = bus
        .subscriber()
        .on_event(async |_| std::future::pending().await)
        .ignore_notices()
        .start([bus.source(SourceChannel { source: "s" })])
        .await
        .unwrap();
    bus.publish_to("s", &Numbered::new("s", 1)).await.unwrap();
    eventually("it is handled", || seen.of("process").len() == 1).await;
    running.shutdown(Duration::from_millis(10)).await;
    let span = seen.only("process");
    assert_eq!(fields(&span, &["error.type", "otel.status_code"]), [Some("aborted"), Some("ERROR")]);
    assert!(span.has_ended);
}

#[tokio::test]
async fn a_batch_of_which_nothing_can_be_sent_has_a_span_that_says_why() {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let limit = MessageLimit::new(1024).unwrap();
    let memory = MemoryTransport::new();
    let bus = NumberedBus::builder(memory).message_limit(limit).oversize(Oversize::Reject).build().unwrap();
    let large = Numbered::new(&"x".repeat(2_000), 1);
    assert!(bus.publish_batch_to("s", [&large, &large]).unwrap().await.iter().all(Result::is_err));
    let span = seen.only("publish");
    assert_eq!(fields(&span, &["error.type", "messaging.batch.message_count"]), [Some("too_large"), None]);
}

#[tokio::test]
async fn who_reads_a_subscription_gets_the_same_span_for_the_asking() {
    let (seen, _guard) = Seen::here(Level::DEBUG);
    let bus = NumberedBus::new(MemoryTransport::new());
    let mut events = bus.listen("s").await.unwrap();
    bus.publish_to("s", &Numbered::new("s", 1)).await.unwrap();
    let event = within("it", events.recv()).await.unwrap().unwrap();
    assert!(seen.of("process").is_empty(), "nothing is known of what becomes of it");
    bus.process_span(&event).in_scope(|| ());
    let span = seen.only("process");
    assert_eq!(
        fields(&span, &["otel.kind", "messaging.destination.name"]),
        [Some("consumer"), Some("numbered/s")]
    );
    assert!(span.has_ended);
}

#[tokio::test]
async fn a_log_at_info_has_no_spans() {
    let (seen, _guard) = Seen::here(Level::INFO);
    let bus = NumberedBus::new(MemoryTransport::new());
    bus.publish(&Numbered::new("s", 1)).await.unwrap();
    drop(bus.publish_batch([Numbered::new("s", 1)]).await);
    assert!(seen.spans().is_empty(), "{:?}", seen.spans());
}
