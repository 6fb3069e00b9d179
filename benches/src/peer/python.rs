//! The AutoGPT platform's publisher in Python, `benches/python/publish.py`: redis-py, pydantic, fastapi's encoder, orjson, one
//! awaited publish after the other, from one task or from several. Run by the Python that `scripts/test.sh` sets up, where there is one.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::bench::{Bench, Failure, PATIENCE};

/// In reports.
pub const NAME: &str = "python";

/// Names the Python to run.
const VARIABLE: &str = "EVENT_BUS_PYTHON";

/// In reports, with many tasks.
pub const NAME_OF_TASKS: &str = "python-64";

/// The program, waiting to be told how many to publish. It ends with this.
#[derive(Debug)]
pub struct Python {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

/// What it took, by Python's own clocks.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Took {
    seconds: f64,
    cpu: f64,
}

impl Took {
    /// From the first to the last.
    #[must_use]
    pub fn time(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// CPU of Python.
    #[must_use]
    pub fn cpu(self) -> Duration {
        Duration::from_secs_f64(self.cpu)
    }
}

impl Python {
    /// Starts it, and gives it the event.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start(bench: &Bench) -> Result<Self, Failure> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(interpreter())
            .arg("-B") // leaves no compiled files in the sources
            .arg(sources.join("python/publish.py"))
            .args([&bench.url(), &bench.key.to_string()])
            .env("PYTHONPATH", sources.with_file_name("tests").join("python"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let commands = process.stdin.take().ok_or("no pipe")?;
        let answers = BufReader::new(process.stdout.take().ok_or("no pipe")?).lines();
        let mut python = Self { commands, answers, _process: process };
        let event = serde_json::to_string(&bench.event)?;
        python.tell(&event).await?;
        Ok(python)
    }

    /// Has each of so many tasks publish so many.
    ///
    /// # Errors
    /// If it ended.
    pub async fn publish(&mut self, events: u64, tasks: u64) -> Result<Took, Failure> {
        self.tell(&format!("{events} {tasks}")).await?;
        let line = timeout(PATIENCE, self.answers.next_line()).await??;
        Ok(serde_json::from_str(&line.ok_or("it ended: see above")?)?)
    }

    async fn tell(&mut self, line: &str) -> Result<(), Failure> {
        self.commands.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }
}

/// Whether there is a Python to run.
///
/// # Errors
/// If one is named that is not there.
pub fn is_there() -> Result<bool, Failure> {
    let interpreter = interpreter();
    let is_there = interpreter.exists();
    if !is_there && std::env::var_os(VARIABLE).is_some() {
        return Err(format!("{VARIABLE} names {}, which is not there", interpreter.display()).into());
    }
    Ok(is_there)
}

fn interpreter() -> PathBuf {
    std::env::var_os(VARIABLE).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target/python/bin/python"),
        PathBuf::from,
    )
}
