//! redis-rs, bare: one multiplexed connection for everybody, and its pipelines.

use std::sync::Arc;

use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSub};

use super::{ENDED, Listen, Publish, PublishMany, all_answered};
use crate::bench::{Bench, Failure, decode, encode};

/// In reports.
pub const NAME: &str = "redis-rs";

/// A multiplexed connection.
#[derive(Clone, Debug)]
pub struct RedisRs {
    bench: Arc<Bench>,
    connection: MultiplexedConnection,
}

impl RedisRs {
    /// Connects.
    ///
    /// # Errors
    /// If that fails.
    pub async fn connect(bench: &Arc<Bench>) -> Result<Self, Failure> {
        let connection = bench.multiplexed().await?;
        Ok(Self { bench: Arc::clone(bench), connection })
    }
}

impl Publish for RedisRs {
    const NAME: &'static str = NAME;

    async fn publish(&mut self) -> Result<(), Failure> {
        let wire = encode(&self.bench.event)?;
        redis::cmd("PUBLISH")
            .arg(&self.bench.channel)
            .arg(wire)
            .query_async::<u64>(&mut self.connection)
            .await?;
        Ok(())
    }
}

impl PublishMany for RedisRs {
    const NAME: &'static str = NAME;

    async fn publish_many(&mut self, events: usize) -> Result<(), Failure> {
        let mut pipeline = redis::Pipeline::with_capacity(events);
        for _ in 0..events {
            pipeline.publish(&self.bench.channel, encode(&self.bench.event)?);
        }
        let answers: Vec<u64> = pipeline.query_async(&mut self.connection).await?;
        all_answered(answers.len(), events)
    }
}

/// Its pub/sub connection; messages are decoded with `from_slice`.
pub struct RedisRsListening(PubSub);

impl RedisRsListening {
    /// Listens to a channel by its key.
    ///
    /// # Errors
    /// If that fails.
    pub async fn to(bench: &Bench, key: &str) -> Result<Self, Failure> {
        let mut listener = bench.client()?.get_async_pubsub().await?;
        listener.subscribe(bench.channel_of(key)).await?;
        Ok(Self(listener))
    }
}

impl Listen for RedisRsListening {
    const NAME: &'static str = NAME;

    async fn hear(&mut self, bench: &Bench, number: u64) -> Result<(), Failure> {
        let message = self.0.on_message().next().await.ok_or(ENDED)?;
        bench.check(number, &decode(message.get_payload_bytes())?)
    }
}

impl std::fmt::Debug for RedisRsListening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisRsListening").finish_non_exhaustive()
    }
}
