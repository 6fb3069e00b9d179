//! rustis: one multiplexed client for everybody, its pipelines, and its subscriber. It sets `TCP_NODELAY` by itself.

use std::sync::Arc;

use futures_util::StreamExt;
use rustis::client::{Client, Config, IntoConfig, PubSubStream};
use rustis::commands::PubSubCommands;
use rustis::resp::{BulkString, cmd};

use super::{ENDED, Listen, Publish, PublishMany, all_answered};
use crate::bench::{Bench, Failure, decode, encode};

/// In reports.
pub const NAME: &str = "rustis";

/// A client.
#[derive(Clone)]
pub struct Rustis {
    bench: Arc<Bench>,
    client: Client,
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

/// A subscription on a client of its own.
pub struct RustisListening(PubSubStream);

impl RustisListening {
    /// Listens to a channel by its key.
    ///
    /// # Errors
    /// If that fails.
    pub async fn to(bench: &Arc<Bench>, key: &str) -> Result<Self, Failure> {
        let rustis = Rustis::connect(bench).await?;
        Ok(Self(rustis.client.subscribe(bench.channel_of(key)).await?))
    }
}

impl Listen for RustisListening {
    const NAME: &'static str = NAME;

    async fn hear(&mut self, bench: &Bench, number: u64) -> Result<(), Failure> {
        let message = self.0.next().await.ok_or(ENDED)??;
        bench.check(number, &decode(message.payload())?)
    }
}

impl std::fmt::Debug for RustisListening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RustisListening").finish_non_exhaustive()
    }
}
