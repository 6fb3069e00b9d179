//! rustis: one multiplexed client for everybody, its pipelines, and its subscriber. It sets `TCP_NODELAY` by itself.

use std::sync::Arc;

use rustis::client::{Client, Config, IntoConfig};
use rustis::commands::PubSubCommands;
use rustis::resp::{BulkString, cmd};

use super::{Publish, PublishMany, all_answered};
use crate::bench::{Bench, Failure, encode};

/// In reports.
pub const NAME: &str = "rustis";

/// A client.
#[derive(Clone)]
pub struct Rustis {
    bench: Arc<Bench>,
    /// rustis's own.
    pub client: Client,
}

impl Rustis {
    /// Connects, without the limits by which it would drop what a flood brings.
    ///
    /// # Errors
    /// If that fails.
    pub async fn connect(bench: &Arc<Bench>) -> Result<Self, Failure> {
        let mut config: Config = bench.url().into_config()?;
        config.no_delay = true;
        config.backpressure.max_queued_bytes = 0;
        config.backpressure.max_pubsub_bytes = 0;
        Ok(Self { bench: Arc::clone(bench), client: Client::connect(config).await? })
    }
}

impl Publish for Rustis {
    const NAME: &'static str = NAME;

    async fn publish(&mut self) -> Result<(), Failure> {
        let wire = BulkString::new(encode(&self.bench.event)?);
        self.client.publish(&self.bench.channel, wire).await?;
        Ok(())
    }
}

impl PublishMany for Rustis {
    const NAME: &'static str = NAME;

    async fn publish_many(&mut self, events: usize) -> Result<(), Failure> {
        let mut pipeline = self.client.create_pipeline();
        for _ in 0..events {
            let wire = BulkString::new(encode(&self.bench.event)?);
            pipeline.queue_command(cmd("PUBLISH").arg(&self.bench.channel).arg(wire));
        }
        let answers: Vec<u64> = pipeline.execute().await?;
        all_answered(answers.len(), events)
    }
}

impl std::fmt::Debug for Rustis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rustis").finish_non_exhaustive()
    }
}
