//! One side of a workload, ours or a peer's: something that can be run again and again, and what one run tells.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::bench::Failure;

/// What one run tells, per message where that makes sense.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// In the workload's [`Unit`](crate::Unit).
    pub value: f64,
    /// Microseconds of CPU of the client for each message.
    pub client: f64,
    /// Microseconds of CPU of the server for each message, where that can be told.
    pub server: Option<f64>,
    /// Bytes of the client's memory for each listener, where that is measured.
    pub memory: Option<f64>,
}

/// How many messages a run is given.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// As many of these as fill the time of a sample.
    Steps(u64),
    /// This many.
    Fixed(u64),
}

/// One side of a workload.
pub struct Contestant {
    /// Who it is.
    pub name: &'static str,
    /// How many messages a run is given.
    pub count: Count,
    /// How many messages a sample has at least.
    pub least: u64,
    run: Box<dyn FnMut(u64) -> BoxFuture<'static, Result<Sample, Failure>> + Send>,
}

impl Contestant {
    /// One that takes a sample by `run`, over as many messages as it is given.
    pub fn new<F>(name: &'static str, count: Count, mut run: impl FnMut(u64) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Sample, Failure>> + Send + 'static,
    {
        Self { name, count, least: 0, run: Box::new(move |count| run(count).boxed()) }
    }

    /// With at least so many messages in a sample: with fewer, what comes once in a sample would count.
    #[must_use]
    pub fn at_least(self, least: u64) -> Self {
        Self { least, ..self }
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// If a message was lost or changed, or something does not work.
    pub async fn run(&mut self, count: u64) -> Result<Sample, Failure> {
        (self.run)(count).await.map_err(|error| format!("{}: {error}", self.name).into())
    }
}

impl std::fmt::Debug for Contestant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contestant").field("name", &self.name).finish_non_exhaustive()
    }
}
