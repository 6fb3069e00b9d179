//! fred: one client for everybody, its pipelines, and its subscriber.

use std::sync::Arc;

use fred::prelude::{Builder, Client, ClientLike, Config, PubsubInterface, Value};

use super::{Publish, PublishMany, all_answered};
use crate::bench::{Bench, Failure, encode};

/// In reports.
pub const NAME: &str = "fred";

/// A client.
#[derive(Clone)]
pub struct Fred {
    bench: Arc<Bench>,
    /// fred's own.
    pub client: Client,
}

impl Fred {
    /// Connects. Its queue of received messages has room for `messages`: the default of 32 loses most of a burst.
    ///
    /// # Errors
    /// If that fails.
    pub async fn connect(bench: &Arc<Bench>, messages: usize) -> Result<Self, Failure> {
        let mut builder = Builder::from_config(Config::from_url(&bench.url())?);
        builder.with_connection_config(|config| config.tcp.nodelay = Some(true));
        builder.with_performance_config(|config| config.broadcast_channel_capacity = messages);
        let client = builder.build()?;
        client.init().await?;
        Ok(Self { bench: Arc::clone(bench), client })
    }
}

impl Publish for Fred {
    const NAME: &'static str = NAME;

    async fn publish(&mut self) -> Result<(), Failure> {
        let wire = Value::Bytes(encode(&self.bench.event)?.into());
        self.client.publish::<u64, _, _>(&self.bench.channel, wire).await?;
        Ok(())
    }
}

impl PublishMany for Fred {
    const NAME: &'static str = NAME;

    async fn publish_many(&mut self, events: usize) -> Result<(), Failure> {
        let pipeline = self.client.pipeline();
        for _ in 0..events {
            let wire = Value::Bytes(encode(&self.bench.event)?.into());
            pipeline.publish::<(), _, _>(&self.bench.channel, wire).await?; // only queued
        }
        let answers: Vec<u64> = pipeline.all().await?;
        all_answered(answers.len(), events)
    }
}

impl std::fmt::Debug for Fred {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fred").finish_non_exhaustive()
    }
}
