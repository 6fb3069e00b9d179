//! What is logged on one thread.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

/// The lines that a thread logs.
#[derive(Clone, Debug, Default)]
pub struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    /// Collects what this thread logs until the guard is dropped.
    #[must_use]
    pub fn here() -> (Self, DefaultGuard) {
        let logged = Self::default();
        let writer = logged.clone();
        let collector = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
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
