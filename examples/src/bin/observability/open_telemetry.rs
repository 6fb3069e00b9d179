//! OpenTelemetry behind the bus's trace context: a few lines to copy, so that the library needs none of its crates.

use std::collections::HashMap;

use event_bus_core::{TraceContext, TracePropagator};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Passes on the trace that `tracing-opentelemetry` keeps of a span, and makes a handler part of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenTelemetry;

impl TracePropagator for OpenTelemetry {
    fn inject(&self, span: &Span) -> Option<TraceContext> {
        let mut headers = HashMap::new();
        TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
        let context = TraceContext::new(headers.remove("traceparent")?)?;
        Some(context.with_tracestate(headers.remove("tracestate").unwrap_or_default()))
    }

    fn extract(&self, span: &Span, context: &TraceContext) {
        let mut headers = HashMap::from([("traceparent".to_owned(), context.traceparent().to_owned())]);
        if let Some(tracestate) = context.tracestate() {
            headers.insert("tracestate".to_owned(), tracestate.to_owned());
        }
        // As its parent, so that one trace shows the whole way. Where handlers run within spans of your own, a link says more:
        // `span.add_link(remote.span().span_context().clone())`.
        let remote = TraceContextPropagator::new().extract(&headers);
        let _ = span.set_parent(remote); // where spans go elsewhere, there is nothing to tie
    }
}
