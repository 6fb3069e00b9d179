//! The spans of the library that a thread makes, with their fields as text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use event_bus_tests::ask_every_thread;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<SeenSpan>>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct SeenSpan {
    pub(crate) name: &'static str,
    pub(crate) fields: BTreeMap<&'static str, String>,
    /// What its parent is called.
    pub(crate) parent: Option<&'static str>,
    pub(crate) has_ended: bool,
}

/// Where a span stands among those that were seen.
struct Place(usize);

impl Seen {
    /// Looks at what this thread makes up to `level`, until the guard is dropped.
    pub(crate) fn here(level: Level) -> (Self, DefaultGuard) {
        ask_every_thread();
        let seen = Self::default();
        let subscriber =
            tracing_subscriber::registry().with(LevelFilter::from_level(level)).with(seen.clone());
        (seen, tracing::subscriber::set_default(subscriber))
    }

    /// Looks at all that this thread makes, beside another collector.
    pub(crate) fn beside(other: impl Layer<Registry> + Send + Sync) -> (Self, DefaultGuard) {
        ask_every_thread();
        let seen = Self::default();
        let subscriber =
            tracing_subscriber::registry().with(other).with(seen.clone().with_filter(LevelFilter::DEBUG));
        (seen, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn spans(&self) -> Vec<SeenSpan> {
        self.0.lock().unwrap().clone()
    }

    /// The only ones so far that are called so.
    pub(crate) fn of(&self, name: &str) -> Vec<SeenSpan> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }

    pub(crate) fn only(&self, name: &str) -> SeenSpan {
        let mut spans = self.of(name);
        assert_eq!(spans.len(), 1, "{spans:#?}");
        spans.remove(0)
    }
}

impl SeenSpan {
    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if !span.metadata().target().starts_with("event_bus") {
            return;
        }
        let parent = span.parent().map(|parent| parent.name());
        let mut seen = SeenSpan { name: span.name(), parent, ..SeenSpan::default() };
        attributes.record(&mut seen);
        let mut spans = self.0.lock().unwrap();
        span.extensions_mut().insert(Place(spans.len()));
        spans.push(seen);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        self.change(id, &context, |span| record.record(span));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.change(&id, &context, |span| span.has_ended = true);
    }
}

impl Seen {
    fn change<S>(&self, id: &Id, context: &Context<'_, S>, change: impl FnOnce(&mut SeenSpan))
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let span = context.span(id).unwrap();
        if let Some(Place(at)) = span.extensions().get() {
            change(&mut self.0.lock().unwrap()[*at]);
        }
    }
}

impl Visit for SeenSpan {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}
