//! fred: one client for everybody, its pipelines, and its subscriber.

use std::sync::Arc;

use fred::prelude::{Builder, Client, ClientLike, Config, EventInterface, PubsubInterface, Value};
use fred::types::Message;
use tokio::sync::broadcast;

use super::{Listen, Publish, PublishMany, all_answered};
use crate::bench::{Bench, Failure, decode, encode};

/// In reports.
pub const NAME: &str = "fred";

/// What its queue of received messages holds: all that a sample brings, since the default of 32 loses most of it.
const MOST: usize = 1 << 16;

/// A client.
#[derive(Clone)]
pub struct Fred {
    bench: Arc<Bench>,
    client: Client,
}

impl Fred {
    /// Connects.
    ///
    /// # Errors
    /// If that fails.
    pub async fn connect(bench: &Arc<Bench>) -> Result<Self, Failure> {
        let mut builder = Builder::from_config(Config::from_url(&bench.url())?);
        builder.with_connection_config(|config| config.tcp.nodelay = Some(true));
        builder.with_performance_config(|config| config.broadcast_channel_capacity = MOST);
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

/// A client that is subscribed, and its queue.
pub struct FredListening {
    messages: broadcast::Receiver<Message>,
    _fred: Fred,
}

impl FredListening {
    /// Listens to a channel by its key.
    ///
    /// # Errors
    /// If that fails.
    pub async fn to(bench: &Arc<Bench>, key: &str) -> Result<Self, Failure> {
        let fred = Fred::connect(bench).await?;
        let messages = fred.client.message_rx();
        fred.client.subscribe(bench.channel_of(key)).await?;
        Ok(Self { messages, _fred: fred })
    }
}

impl Listen for FredListening {
    const NAME: &'static str = NAME;

    async fn hear(&mut self, bench: &Bench, number: u64) -> Result<(), Failure> {
        let message = self.messages.recv().await?;
        bench.check(number, &decode(message.value.as_bytes().ok_or("no bytes")?)?)
    }
}

impl std::fmt::Debug for FredListening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FredListening").finish_non_exhaustive()
    }
}
