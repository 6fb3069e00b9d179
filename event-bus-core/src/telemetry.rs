//! What one bus lets others see of its work: the spans of publishing and processing, the trace context that travels with a
//! message, and what is measured. The names are those of OpenTelemetry's conventions for messaging.

use std::fmt;
use std::sync::Arc;

use tracing::field::Empty;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::{Level, Span};

use crate::channel::{BusName, Channel};
use crate::codec::Headers;
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::meters::{Meters, Start};
use crate::receipt::Receipt;
use crate::tally::CAUSES;
use crate::trace_context::TracePropagator;

/// The target of all spans, to be turned on or off by.
const SPANS: &str = "event_bus::span";

pub(crate) struct Telemetry {
    system: &'static str,
    /// The channels of the bus as one: `orders/{key}`.
    destination: Box<str>,
    /// What its spans are called.
    publish: Box<str>,
    process: Box<str>,
    propagator: Option<Arc<dyn TracePropagator>>,
    meters: Meters,
}

/// Something under way, of which others may want to know how long it took and how it ended.
#[derive(Debug)]
pub(crate) struct Attempt {
    span: Span,
    start: Start,
}

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sender {
    /// In the span that the messages come from.
    Caller,
    /// Later, for others.
    Outbox,
}

impl Telemetry {
    pub(crate) fn new(
        bus: &BusName,
        system: &'static str,
        propagator: Option<Arc<dyn TracePropagator>>,
    ) -> Self {
        let destination = format!("{bus}/{{key}}").into_boxed_str();
        let (publish, process) = (format!("publish {destination}"), format!("process {destination}"));
        let meters =
            Meters::new(system, &destination, &ErrorKind::OF_PUBLISHING.map(ErrorKind::error_type), &CAUSES);
        Self { system, destination, publish: publish.into(), process: process.into(), propagator, meters }
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Whether a publish has to look for its span and its trace at all: by the level of the most talkative collector, which is
    /// one number. So what nobody looks at costs no more than that.
    #[inline]
    pub(crate) fn may_be_watched(&self) -> bool {
        self.propagator.is_some() || has_spans()
    }

    /// Begins to publish what goes out together: so many messages, or 0 if that is not known yet.
    pub(crate) fn begin_publish(
        &self,
        sender: Sender,
        messages: usize,
        channel: Option<&Channel>,
    ) -> Attempt {
        Attempt { span: self.publish_span(sender, messages, channel), start: Start::now() }
    }

    /// A span for publishing so many messages, the first or only one of them to `channel`.
    pub(crate) fn publish_span(&self, sender: Sender, messages: usize, channel: Option<&Channel>) -> Span {
        tracing::debug_span!(
            target: SPANS,
            "publish",
            otel.name = &*self.publish,
            otel.kind = self.publish_kind(sender),
            otel.status_code = Empty,
            messaging.system = self.system,
            messaging.operation.name = "publish",
            messaging.operation.type = "send",
            messaging.destination.name = channel.filter(|_| messages == 1).map(Channel::as_str),
            messaging.destination.template = &*self.destination,
            messaging.message.envelope.size = Empty,
            messaging.batch.message_count = (messages > 1).then_some(messages),
            error.type = Empty,
        )
    }

    /// A span is a producer's if the bus lets its context travel.
    fn publish_kind(&self, sender: Sender) -> &'static str {
        match sender {
            Sender::Caller if self.propagator.is_some() => "producer",
            Sender::Caller | Sender::Outbox => "client",
        }
    }

    /// The headers with which a message travels that is published in `span`. To be called where the caller's span is the current one.
    #[inline]
    pub(crate) fn headers(&self, span: &Span) -> Headers {
        self.propagator.as_deref().map(|propagator| inject(propagator, span)).unwrap_or_default()
    }

    /// Measures what became of an event that went out by itself.
    #[inline]
    pub(crate) fn measure_publish(
        &self,
        channels: usize,
        start: Start,
        published: std::result::Result<&[Receipt], &Error>,
    ) {
        if Meters::ARE_REAL {
            self.count_published(channels, published);
            self.meters.time_publish(start, published.err().map(|error| error.kind().error_type()));
        }
    }

    /// Counts what became of an event for so many channels.
    pub(crate) fn count_published(
        &self,
        channels: usize,
        published: std::result::Result<&[Receipt], &Error>,
    ) {
        match published {
            Ok(receipts) => self.meters.count_sent(receipts.len() as u64),
            Err(error) if error.outcomes().is_empty() => self.count_failed(error.kind(), channels),
            Err(error) => error.outcomes().iter().for_each(|outcome| match outcome {
                Ok(_) => self.meters.count_sent(1),
                Err(error) => self.count_failed(error.kind(), 1),
            }),
        }
    }

    pub(crate) fn count_failed(&self, kind: ErrorKind, messages: usize) {
        self.meters.count_failed(kind.error_type(), messages);
    }

    /// What went out together has arrived, with an error of this kind if one failed.
    pub(crate) fn end_publish(&self, attempt: &Attempt, failed: Option<ErrorKind>) {
        let error_type = failed.map(ErrorKind::error_type);
        note_failure(&attempt.span, error_type);
        self.meters.time_publish(attempt.start, error_type);
    }

    /// Begins to process what was received; `None` stands for it where [nobody looks](has_spans).
    pub(crate) fn begin_process<E: Event>(&self, delivery: Option<&Delivery<E>>) -> Attempt {
        let span = delivery.map_or_else(Span::none, |delivery| self.process_span(delivery));
        Attempt { span, start: Start::now() }
    }

    pub(crate) fn end_process(&self, attempt: &Attempt, error_type: Option<&'static str>) {
        note_failure(&attempt.span, error_type);
        self.meters.time_process(attempt.start, error_type);
    }

    /// A span for processing what was received, tied to where that was published.
    pub(crate) fn process_span<E: Event, P: ?Sized>(&self, delivery: &Delivery<E, P>) -> Span {
        let span = tracing::debug_span!(
            target: SPANS,
            "process",
            otel.name = &*self.process,
            otel.kind = "consumer",
            otel.status_code = Empty,
            messaging.system = self.system,
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = delivery.channel().as_str(),
            messaging.destination.template = &*self.destination,
            messaging.message.envelope.size = delivery.raw().len(),
            error.type = Empty,
        );
        if let Some(propagator) = &self.propagator
            && !span.is_disabled()
            && let Some(context) = delivery.trace_context()
        {
            propagator.extract(&span, &context);
        }
        span
    }
}

fn inject(propagator: &dyn TracePropagator, span: &Span) -> Headers {
    let mut headers = Headers::default();
    let of_publish = if span.is_disabled() { None } else { propagator.inject(span) };
    // Where only others look at ours, which their filters allow, the propagator's collector knows the caller's alone.
    let context = of_publish.or_else(|| propagator.inject(&Span::current()));
    if let Some(context) = context {
        context.write(&mut headers);
    }
    headers
}

impl Attempt {
    pub(crate) fn span(&self) -> &Span {
        &self.span
    }
}

/// Whether any collector of this process takes spans as fine as ours.
#[inline]
pub(crate) fn has_spans() -> bool {
    Level::DEBUG <= STATIC_MAX_LEVEL && Level::DEBUG <= LevelFilter::current()
}

/// How large the only message of a publish is.
pub(crate) fn note_size(span: &Span, bytes: usize) {
    if !span.is_disabled() {
        span.record("messaging.message.envelope.size", bytes);
    }
}

/// So many messages go out together.
pub(crate) fn note_batch(span: &Span, messages: usize) {
    if !span.is_disabled() {
        span.record("messaging.batch.message_count", messages);
    }
}

pub(crate) fn note_failure(span: &Span, error_type: Option<&'static str>) {
    if let Some(error_type) = error_type
        && !span.is_disabled()
    {
        span.record("error.type", error_type);
        span.record("otel.status_code", "ERROR");
    }
}

/// The kind of the first of them that failed.
pub(crate) fn first_failure<'a, T: 'a>(
    results: impl IntoIterator<Item = &'a Result<T>>,
) -> Option<ErrorKind> {
    results.into_iter().find_map(|result| result.as_ref().err().map(Error::kind))
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("system", &self.system)
            .field("carries_context", &self.propagator.is_some())
            .finish_non_exhaustive()
    }
}
