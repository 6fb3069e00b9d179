//! What surrounds an event's values: keys beside it, headers, fields that nobody set.

use event_bus_core::{
    Bytes, Channel, Codec, CodecError, Envelope, EventBus, Json, TraceContext, TracePropagator,
};
use event_bus_examples::{CredentialsChanged, ExecutionEvent};
use event_bus_tests::python::exact;

use crate::pair::{Pair, delivery};

fn event() -> CredentialsChanged {
    CredentialsChanged { user_id: "user-1".into(), provider: "github".into() }
}

#[tokio::test]
async fn unknown_keys_are_ignored_on_both_sides_and_of_two_payloads_the_last_counts() {
    let mut pair = Pair::start().await;
    let mut in_python = pair.python.listen::<CredentialsChanged>("all").await;
    let mut in_rust = pair.bus::<CredentialsChanged>().listen("all").await.unwrap();
    for wire in [
        r#"{"version":2,"payload":{"user_id":"user-1","provider":"github"},"more":[{"payload":1}]}"#,
        r#"{"payload":{"user_id":"user-1","more":{"a":[]},"provider":"github"}}"#,
        r#" { "payload" : { "provider" : "github" , "user_id" : "user-1" } } "#,
        r#"{"payload":{"user_id":"user-2","provider":"x"},"payload":{"user_id":"user-1","provider":"github"}}"#,
    ] {
        pair.publish_raw("creds_changed/all", wire);
        assert_eq!(in_python.next().await.event, Some(exact(&event())), "{wire}");
        assert_eq!(delivery(&mut in_rust).await.event(), &event(), "{wire}");
    }
}

#[tokio::test]
async fn headers_beside_the_payload_are_heard_by_rust_and_ignored_by_python() {
    /// The default codec, with a header on every message.
    struct Traced;

    impl Codec<CredentialsChanged> for Traced {
        fn encode(
            &self,
            channel: &Channel,
            envelope: &Envelope<&CredentialsChanged>,
        ) -> Result<Bytes, CodecError> {
            let mut envelope = Envelope { payload: envelope.payload, headers: envelope.headers.clone() };
            envelope.headers.insert("traceparent", "00-1-2-01");
            Json.encode(channel, &envelope)
        }

        fn decode(
            &self,
            channel: &Channel,
            wire: &Bytes,
        ) -> Result<Envelope<CredentialsChanged>, CodecError> {
            Json.decode(channel, wire)
        }
    }

    let mut pair = Pair::start().await;
    let bus = EventBus::<CredentialsChanged>::with_codec(pair.redis.clone(), Traced).build().unwrap();
    let mut in_python = pair.python.listen::<CredentialsChanged>("all").await;
    let mut in_rust = bus.listen("all").await.unwrap();
    bus.publish(&event()).await.unwrap();

    let heard = in_python.next().await;
    assert_eq!(
        heard.raw,
        r#"{"payload":{"user_id":"user-1","provider":"github"},"headers":{"traceparent":"00-1-2-01"}}"#
    );
    assert_eq!(heard.event, Some(exact(&event())));
    assert_eq!(delivery(&mut in_rust).await.headers().get("traceparent"), Some("00-1-2-01"));
    pair.python.publish(&event()).await;
    assert!(delivery(&mut in_rust).await.headers().is_empty(), "Python writes none");
}

#[tokio::test]
async fn trace_context_is_heard_by_rust_and_ignored_by_python() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// Publishes all in one trace.
    struct OneTrace;

    impl TracePropagator for OneTrace {
        fn inject(&self, _: &tracing::Span) -> Option<TraceContext> {
            TraceContext::new(TRACE).map(|context| context.with_tracestate("vendor=1"))
        }

        fn extract(&self, _: &tracing::Span, _: &TraceContext) {}
    }

    let mut pair = Pair::start().await;
    let bus =
        EventBus::<CredentialsChanged>::builder(pair.redis.clone()).trace_context(OneTrace).build().unwrap();
    let mut in_python = pair.python.listen::<CredentialsChanged>("all").await;
    let mut in_rust = bus.listen("all").await.unwrap();
    bus.publish(&event()).await.unwrap();

    let heard = in_python.next().await;
    let headers = format!(r#""headers":{{"traceparent":"{TRACE}","tracestate":"vendor=1"}}"#);
    assert_eq!(heard.raw, format!(r#"{{"payload":{{"user_id":"user-1","provider":"github"}},{headers}}}"#));
    assert_eq!(heard.event, Some(exact(&event())), "Python reads the same event");
    let context = delivery(&mut in_rust).await.trace_context().unwrap();
    assert_eq!((context.traceparent(), context.tracestate()), (TRACE, Some("vendor=1")));
    pair.python.publish(&event()).await;
    assert_eq!(delivery(&mut in_rust).await.trace_context(), None, "Python writes none");
}

#[tokio::test]
async fn fields_that_nobody_set_are_written_by_both_sides() {
    let mut pair = Pair::start().await;
    let mut in_rust = pair.bus::<ExecutionEvent>().listen("{u/g}/all").await.unwrap();
    let mut in_python = pair.python.listen::<ExecutionEvent>("{u/g}/all").await;
    let required_alone = r#"{
        "event_type":"graph_execution_update","id":"r","user_id":"u","graph_id":"g","graph_version":1,"inputs":{},
        "credential_inputs":null,"nodes_input_masks":null,"preset_id":null,"status":"RUNNING","stats":{},"outputs":{}
    }"#;
    let written = pair.python.publish_text::<ExecutionEvent>(required_alone).await;
    for default in [
        r#""started_at":null,"ended_at":null,"is_shared":false,"share_token":null,"is_dry_run":false"#,
        r#""stats":{"cost":0,"duration":0.0,"#,
        r#""correctness_score":null}"#,
    ] {
        assert!(written[0].contains(default), "{}", written[0]);
    }
    in_python.next().await;
    pair.bus().publish(delivery(&mut in_rust).await.event()).await.unwrap();
    let again = in_python.next().await.raw;
    assert!(pair.python.same(again.as_str().unwrap(), &written[0]).await, "{again}");
}
