//! What a sample costs: time, CPU of this process and of the server, memory.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::bench::Failure;
use crate::contestant::Sample;

/// Asks the server what it has done.
pub struct Probe(Mutex<redis::Connection>);

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Server {
    cpu: f64,
    publishes: u64,
}

impl Probe {
    /// Over a connection of its own.
    ///
    /// # Errors
    /// If the server can't be reached.
    pub fn new(client: &redis::Client) -> Result<Self, Failure> {
        Ok(Self(Mutex::new(client.get_connection()?)))
    }

    /// The server's version.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn version(&self) -> Result<String, Failure> {
        Ok(field(&self.info("server")?, "redis_version:").unwrap_or_default().to_owned())
    }

    fn read(&self) -> Result<Server, Failure> {
        let cpu = self.info("cpu")?;
        let seconds = |name| field(&cpu, name).and_then(|value| value.parse::<f64>().ok());
        let user = seconds("used_cpu_user:").ok_or("the server does not tell its CPU time")?;
        let system = seconds("used_cpu_sys:").ok_or("the server does not tell its CPU time")?;
        let commands = self.info("commandstats")?;
        let publishes = field(&commands, "cmdstat_publish:calls=")
            .and_then(|value| value.split(',').next()?.parse().ok())
            .unwrap_or(0);
        Ok(Server { cpu: user + system, publishes })
    }

    fn info(&self, section: &str) -> Result<String, Failure> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(redis::cmd("INFO").arg(section).query(&mut *connection)?)
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Runs while a sample is taken.
#[derive(Debug)]
pub struct Meter<'a> {
    probe: &'a Probe,
    server: Server,
    client: Duration,
    started: Instant,
}

impl<'a> Meter<'a> {
    /// From now on.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn start(probe: &'a Probe) -> Result<Self, Failure> {
        let server = probe.read()?;
        Ok(Self { probe, server, client: process_cpu()?, started: Instant::now() })
    }

    /// Until now, for `messages`, each of which was published once.
    ///
    /// # Errors
    /// If the server was given another number of messages.
    pub fn stop(self, messages: u64) -> Result<Sample, Failure> {
        self.stop_heard(messages, messages, Duration::ZERO)
    }

    /// Until now, for `heard` deliveries of `published` messages. `elsewhere` is CPU of this process that is nobody's, such
    /// as a flooding thread's.
    ///
    /// # Errors
    /// As for [`stop`](Self::stop).
    pub fn stop_heard(self, heard: u64, published: u64, elsewhere: Duration) -> Result<Sample, Failure> {
        let took = self.started.elapsed();
        let client = process_cpu()?.saturating_sub(self.client + elsewhere);
        self.finish(heard, published, took, client)
    }

    /// As [`stop`](Self::stop), for another process, which has told its times. That process published and did no more.
    ///
    /// # Errors
    /// As for [`stop`](Self::stop).
    pub fn stop_with(self, messages: u64, took: Duration, client: Duration) -> Result<Sample, Failure> {
        self.finish(messages, messages, took, client)
    }

    fn finish(self, heard: u64, published: u64, took: Duration, client: Duration) -> Result<Sample, Failure> {
        let server = self.probe.read()?;
        let reached = server.publishes - self.server.publishes;
        if reached != published {
            return Err(format!("{published} were to be published and {reached} reached the server").into());
        }
        let each = |seconds: f64| seconds * 1e6 / count(heard);
        Ok(Sample {
            value: count(heard) / took.as_secs_f64(),
            client: each(client.as_secs_f64()),
            server: Some(each(server.cpu - self.server.cpu)),
            memory: None,
        })
    }
}

/// As a number to reckon with.
pub(crate) fn count(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// The CPU time of the thread that asks. Linux alone tells it (as it tells the memory in `/proc`).
pub(crate) fn thread_cpu() -> Result<Duration, Failure> {
    cpu(UsageWho::RUSAGE_THREAD)
}

/// The CPU time of this process.
pub(crate) fn process_cpu() -> Result<Duration, Failure> {
    cpu(UsageWho::RUSAGE_SELF)
}

fn cpu(who: UsageWho) -> Result<Duration, Failure> {
    let usage = getrusage(who)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}
