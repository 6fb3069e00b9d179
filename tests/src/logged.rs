//! What is logged on one thread.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::FmtSpan;

/// The lines that a thread logs.
#[derive(Clone, Debug, Default)]
pub struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    /// Collects what this thread logs until the guard is dropped.
    #[must_use]
    pub fn here() -> (Self, DefaultGuard) {
        Self::up_to(Level::INFO, FmtSpan::NONE)
    }

    /// Collects all that this thread logs at any level until the guard is dropped, with a line for each beginning and end of
    /// a span.
    #[must_use]
    pub fn everything() -> (Self, DefaultGuard) {
        Self::up_to(Level::TRACE, FmtSpan::NEW | FmtSpan::CLOSE)
    }

    fn up_to(level: Level, spans: FmtSpan) -> (Self, DefaultGuard) {
        ask_every_thread();
        let logged = Self::default();
        let writer = logged.clone();
        let collector = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_span_events(spans)
            .with_writer(move || writer.clone());
        (logged, tracing::subscriber::set_default(collector.finish()))
    }

    /// What has come so far, without line ends.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text =
            String::from_utf8(self.0.lock().expect("no writer panics").clone()).expect("the log is text");
        text.lines().map(str::to_owned).collect()
    }
}

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets collectors of single threads see all that their threads log; to be called before one is set. While there is one collector
/// in a process, `tracing` asks only the thread that comes upon a line of code first whether anybody wants it, and keeps
/// the answer for all: a test that looks at nothing silences that line for another one that does. From two on it asks all
/// collectors, and as long as one of them can't say, each thread each time.
pub fn ask_every_thread() {
    static TWO: OnceLock<[Dispatch; 2]> = OnceLock::new();
    TWO.get_or_init(|| [Dispatch::new(Undecided), Dispatch::new(Undecided)]);
}

/// Collects nothing, and can't say so beforehand.
struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::OFF) // the others decide
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say() {
        tracing::info!("said");
    }

    #[test]
    fn a_thread_that_looks_at_nothing_silences_no_line_for_another_one() {
        let (logged, _guard) = Logged::here();
        std::thread::spawn(say).join().unwrap(); // the first to come upon that line
        say();
        assert_eq!(logged.lines().len(), 1);
    }
}
