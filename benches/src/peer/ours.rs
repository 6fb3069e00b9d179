//! Ours, as it is: nothing of it switched off.

use std::sync::Arc;

use event_bus_core::Subscription;
use event_bus_examples::{ExecutionEvent, ExecutionEventBus};

use super::{ENDED, Listen, Publish, PublishMany, all_answered};
use crate::bench::{Bench, Failure};

/// In reports.
pub const NAME: &str = "ours";

/// A bus over a transport of its own.
#[derive(Clone, Debug)]
pub struct Ours {
    bench: Arc<Bench>,
    bus: ExecutionEventBus,
}

impl Ours {
    /// Connects.
    ///
    /// # Errors
    /// If that fails.
    pub async fn connect(bench: &Arc<Bench>) -> Result<Self, Failure> {
        Ok(Self { bench: Arc::clone(bench), bus: bench.bus().await? })
    }
}

impl Publish for Ours {
    const NAME: &'static str = NAME;

    async fn publish(&mut self) -> Result<(), Failure> {
        self.bus.publish_to(self.bench.key.clone(), &self.bench.event).await?;
        Ok(())
    }
}

impl PublishMany for Ours {
    const NAME: &'static str = NAME;

    async fn publish_many(&mut self, events: usize) -> Result<(), Failure> {
        let batch = std::iter::repeat_n(&self.bench.event, events);
        let answers = self.bus.publish_batch_to(self.bench.key.clone(), batch)?.await;
        all_answered(answers.len(), events)?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))?;
        Ok(())
    }
}

/// A subscription, on a transport of its own.
#[derive(Debug)]
pub struct OursListening(Subscription<ExecutionEvent>);

impl OursListening {
    /// Listens to a channel by its key.
    ///
    /// # Errors
    /// If that fails.
    pub async fn to(bench: &Bench, key: &str) -> Result<Self, Failure> {
        Ok(Self(bench.bus().await?.listen(key).await?))
    }
}

impl Listen for OursListening {
    const NAME: &'static str = NAME;

    async fn hear(&mut self, bench: &Bench, number: u64) -> Result<(), Failure> {
        bench.check(number, &*self.0.recv().await.ok_or(ENDED)??)
    }
}
