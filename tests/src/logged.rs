//! What is logged on one thread.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing::subscriber::DefaultGuard;
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
