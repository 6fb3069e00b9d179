//! What is measured of one bus, through the `metrics` facade: names, labels and handles. What counts, and when, is not
//! decided here. Without the feature `metrics`, `no_meters.rs` stands in this place and measures nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use smallvec::SmallVec;

// Where OpenTelemetry has a name for it, it has that one.
const SENT: &str = "messaging.client.sent.messages";
const CONSUMED: &str = "messaging.client.consumed.messages";
const OPERATION: &str = "messaging.client.operation.duration";
const PROCESS: &str = "messaging.process.duration";
const MISSED: &str = "event_bus.missed";
const QUEUED: &str = "event_bus.inbox.messages";
const DECODE: &str = "event_bus.decode.duration";
/// The type of an error that has no counter of its own, by OpenTelemetry's conventions.
const OTHER: &str = "_OTHER";
const RECONNECTS: &str = "event_bus.reconnects";

/// The handles of one bus, made once. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Meters(Option<Arc<Handles>>);

struct Handles {
    labels: [Label; 2],
    sent: Counter,
    /// By the type of the error.
    failed: Vec<(&'static str, Counter)>,
    publish: Histogram,
    consumed: Counter,
    /// By the cause.
    missed: Vec<(&'static str, Counter)>,
    queued: Gauge,
    decode: Histogram,
    process: Histogram,
}

/// By how much the queues of each bus have grown: collected under a lock, and measured after it.
#[derive(Default)]
pub(crate) struct Growth(SmallVec<[(Arc<Handles>, isize); 1]>);

impl Growth {
    pub(crate) fn add(&mut self, meters: &Meters, change: isize) {
        let Some(handles) = meters.0.as_ref().filter(|_| change != 0) else { return };
        match self.0.last_mut() {
            Some((last, sum)) if Arc::ptr_eq(last, handles) => *sum += change, // mostly all are of one bus
            _ => self.0.push((Arc::clone(handles), change)),
        }
    }

    pub(crate) fn settle(&mut self) {
        self.0.drain(..).for_each(|(handles, change)| handles.queue(change));
    }
}

/// When something began that is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start(Instant);

impl Start {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

impl Meters {
    /// Whether anything is measured at all.
    pub(crate) const ARE_REAL: bool = true;

    /// Of nothing.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Of the bus whose channels are `destination`, on a transport called `system`, with the recorder of this moment. What can
    /// happen is there from the beginning, as 0.
    pub(crate) fn new(
        system: &'static str,
        destination: &str,
        error_types: &[&'static str],
        causes: &[&'static str],
    ) -> Self {
        describe();
        count_reconnects(system, 0); // so that it is seen before it happens
        let labels = [
            Label::from_static_parts("messaging.system", system),
            Label::new("messaging.destination.template", destination.to_owned()),
        ];
        let with = |more: &[(&'static str, &'static str)]| -> Vec<Label> {
            let more = more.iter().map(|(name, value)| Label::from_static_parts(name, value));
            labels.iter().cloned().chain(more).collect()
        };
        let publish = ("messaging.operation.name", "publish");
        let failed = |error: &&'static str| (*error, counter!(SENT, with(&[publish, ("error.type", error)])));
        let missed = |cause: &&'static str| (*cause, counter!(MISSED, with(&[("cause", cause)])));
        Self(Some(Arc::new(Handles {
            sent: counter!(SENT, with(&[publish])),
            failed: error_types.iter().chain(&[OTHER]).map(failed).collect(),
            publish: histogram!(OPERATION, with(&[publish])),
            consumed: counter!(CONSUMED, with(&[("messaging.operation.name", "receive")])),
            missed: causes.iter().map(missed).collect(),
            queued: gauge!(QUEUED, with(&[])),
            decode: histogram!(DECODE, with(&[])),
            process: histogram!(PROCESS, with(&[("messaging.operation.name", "process")])),
            labels,
        })))
    }

    pub(crate) fn count_sent(&self, messages: u64) {
        if let Some(handles) = &self.0 {
            handles.sent.increment(messages);
        }
    }

    pub(crate) fn count_failed(&self, error_type: &'static str, messages: usize) {
        if let Some(handles) = &self.0 {
            let counter = named(&handles.failed, error_type).or_else(|| named(&handles.failed, OTHER));
            increment(counter, messages as u64);
        }
    }

    pub(crate) fn count_consumed(&self) {
        if let Some(handles) = &self.0 {
            handles.consumed.increment(1);
        }
    }

    pub(crate) fn count_missed(&self, cause: &'static str, many: u64) {
        if let Some(handles) = &self.0 {
            increment(named(&handles.missed, cause), many);
        }
    }

    /// So many more messages wait to be read, or fewer.
    pub(crate) fn queue(&self, change: isize) {
        if let Some(handles) = &self.0 {
            handles.queue(change);
        }
    }

    pub(crate) fn time_decode(&self, start: Start) {
        if let Some(handles) = &self.0 {
            handles.decode.record(start.seconds());
        }
    }

    pub(crate) fn time_publish(&self, start: Start, error_type: Option<&'static str>) {
        let Some(handles) = &self.0 else { return };
        match error_type {
            None => handles.publish.record(start.seconds()),
            Some(error_type) => handles.time_failure(OPERATION, "publish", error_type, start),
        }
    }

    pub(crate) fn time_process(&self, start: Start, error_type: Option<&'static str>) {
        let Some(handles) = &self.0 else { return };
        match error_type {
            None => handles.process.record(start.seconds()),
            Some(error_type) => handles.time_failure(PROCESS, "process", error_type, start),
        }
    }
}

impl Handles {
    #[expect(clippy::cast_precision_loss, reason = "no queue holds 2^52 messages")]
    fn queue(&self, change: isize) {
        self.queued.increment(change as f64);
    }

    /// Looked up, since it is rare: a histogram that stands there empty for each kind of failure is only in the way.
    #[cold]
    fn time_failure(
        &self,
        name: &'static str,
        operation: &'static str,
        error_type: &'static str,
        start: Start,
    ) {
        let mut labels = self.labels.to_vec();
        labels.push(Label::from_static_parts("messaging.operation.name", operation));
        labels.push(Label::from_static_parts("error.type", error_type));
        histogram!(name, labels).record(start.seconds());
    }
}

fn named<'a>(counters: &'a [(&'static str, Counter)], wanted: &str) -> Option<&'a Counter> {
    counters.iter().find(|(name, _)| *name == wanted).map(|(_, counter)| counter)
}

fn increment(counter: Option<&Counter>, many: u64) {
    if let Some(counter) = counter {
        counter.increment(many);
    }
}

/// Counts for metrics that a transport's listening connection was made anew, for transports: `system` is what the transport
/// is [called](crate::transport::Transport::system). Does nothing without the feature `metrics`. Not to be called under a lock:
/// the recorder is foreign code.
///
/// ```
/// event_bus_core::transport::count_reconnects("redis", 1);
/// ```
pub fn count_reconnects(system: &'static str, reconnects: u64) {
    counter!(RECONNECTS, "messaging.system" => system).increment(reconnects);
}

/// For the recorder of this moment; saying it again changes nothing.
fn describe() {
    describe_counter!(SENT, Unit::Count, "Messages that were published, or with an error.type failed to be.");
    describe_histogram!(
        OPERATION,
        Unit::Seconds,
        "How long a publish took, from encoding to the server's answer."
    );
    describe_counter!(CONSUMED, Unit::Count, "Events that subscriptions have handed out.");
    describe_histogram!(PROCESS, Unit::Seconds, "How long a subscriber's handler took.");
    describe_counter!(
        MISSED,
        Unit::Count,
        "What subscriptions have told to be missed, in messages; for the cause interrupted, in interruptions."
    );
    describe_gauge!(QUEUED, Unit::Count, "Messages that wait in the queues of subscriptions.");
    describe_histogram!(DECODE, Unit::Seconds, "How long decoding a message took.");
    describe_counter!(RECONNECTS, Unit::Count, "How often a listening connection was made anew.");
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters")
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self::none()
    }
}
