//! Publishing over a few shared lanes: which lane takes what, what is tried again, and until when. Taking a
//! connection out of the pool per publish would cost a round trip each and keep the server from working in batches.

mod once;

use std::sync::Arc;

use event_bus_core::transport::{LinkHealth, StateBoard};
use event_bus_core::{Channel, Error, ErrorKind, Message, Receipt, Result};
use futures_util::future::BoxFuture;
use redis::{RedisError, RedisResult, Value};
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until};

use crate::batch::{Batch, Command, Share, only, receipt};
use crate::both_kinds;
use crate::config::RedisConfig;
use crate::error::{Failure, connect_error, harmless, not_sharded};
use crate::lane::{Lane, Open, Source};
use crate::pace::{Next, Pace};
use crate::permits::Permits;
use crate::status::Status;
use crate::topology::hash_tag;

pub(crate) struct Publisher {
    config: Arc<RedisConfig>,
    source: Arc<Source>,
    lanes: Box<[Lane]>,
    permits: Permits,
    status: Arc<Status>,
}

/// What it takes to send one message by the only lane, where all of it is there.
struct Ready<'a> {
    command: Command,
    lane: &'a Lane,
    open: Open,
    permit: SemaphorePermit<'a>,
}

impl Publisher {
    pub(crate) fn new(config: Arc<RedisConfig>, board: StateBoard) -> Self {
        Self::told_by(config, Arc::new(Status::new(board)))
    }

    /// One of several.
    pub(crate) fn told_by(config: Arc<RedisConfig>, status: Arc<Status>) -> Self {
        let source = Source::new(Arc::clone(&config), Arc::clone(&status));
        let lanes = (0..config.lanes).map(|_| Lane::new(Arc::clone(&config), Arc::clone(&source))).collect();
        let permits = Permits::new(config.max_in_flight);
        Self { config, source, lanes, permits, status }
    }

    /// Opens every lane and waits for an answer on each; that it is no refusal of the login, and that the server has the
    /// commands that will be needed, is all that counts.
    pub(crate) async fn connect(&self) -> Result<()> {
        let deadline = Instant::now() + self.config.connect_timeout + self.config.response_timeout;
        for lane in &self.lanes {
            let mut open = lane.open(deadline).await?;
            let answer = redis::cmd("PING").query_async::<Value>(&mut open.connection).await;
            if let Err(error) = answer {
                let may_publish = Failure::of(&error).is_answer() && !matches!(error.code(), Some("NOAUTH"));
                if !may_publish {
                    return Err(connect_error(&self.config, &error));
                }
            }
            self.find_commands(&mut open).await?;
        }
        Ok(())
    }

    /// Without its arguments a command does nothing, and needs no right: that they are missing is told first.
    async fn find_commands(&self, open: &mut Open) -> Result<()> {
        for command in self.config.sharded_commands() {
            let answer = redis::cmd(command).query_async::<Value>(&mut open.connection).await;
            if let Err(error) = answer
                && Failure::of(&error) == Failure::Unknown
            {
                let text = not_sharded(&self.config.server(), command);
                return Err(Error::new(ErrorKind::Unsupported, text).with_source(harmless(&error)));
            }
        }
        Ok(())
    }

    pub(crate) async fn publish(&self, mut messages: Vec<Message>) -> Vec<Result<Receipt>> {
        if messages.len() == 1
            && let Some(ready) = self.ready()
            && let Some(message) = messages.pop()
        {
            return vec![self.publish_ready(ready, message).await];
        }
        self.publish_list(messages).await
    }

    /// One message: what nearly every publish is, and mostly with nothing to wait for but the answer.
    pub(crate) async fn publish_one(&self, message: Message) -> Result<Receipt> {
        // What is seldom done stands apart: the kernel runs between two publishes, and code has to come into the cache again.
        match self.ready() {
            Some(ready) => self.publish_ready(ready, message).await,
            None => self.publish_list_of_one(message).await,
        }
    }

    async fn publish_ready(&self, mut ready: Ready<'_>, message: Message) -> Result<Receipt> {
        let now = Instant::now();
        let deadline = now + self.config.publish_timeout;
        let unanswered = ready.lane.sends(now);
        let command = ready.command.of(message.channel(), message.payload());
        let answer = ready.open.connection.send_packed_command(&command).await;
        unanswered.over();
        match answer {
            Ok(Value::Int(receivers)) => {
                self.status.published();
                Ok(receipt(message.channel(), receivers))
            }
            answer => self.publish_again(ready, message, answer, deadline).await,
        }
    }

    fn ready(&self) -> Option<Ready<'_>> {
        let command = Command::of_all(self.config.publishing)?;
        let [lane] = &*self.lanes else { return None };
        let open = lane.current()?;
        Some(Ready { command, lane, open, permit: self.permits.at_once()? })
    }

    /// Where there is something to wait for, a lane to choose, or two commands to send.
    #[inline(never)]
    fn publish_list_of_one(&self, message: Message) -> BoxFuture<'_, Result<Receipt>> {
        Box::pin(async move { only(self.publish_list(vec![message]).await) })
    }

    async fn publish_list(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        let publish_with = |command, messages| self.publish_with(command, messages);
        both_kinds::publish(self.config.publishing, messages, publish_with).await
    }

    /// After a first attempt that did not succeed.
    #[cold]
    fn publish_again<'a>(
        &'a self,
        ready: Ready<'a>,
        message: Message,
        answer: RedisResult<Value>,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Receipt>> {
        let Ready { command, lane, open, permit } = ready;
        let mut batch = Batch::new(vec![message], command);
        self.note(lane, &open, &mut batch, answer.map(Some));
        drop(permit);
        Box::pin(async move { only(self.try_again(lane, batch, deadline).await) })
    }

    pub(crate) async fn publish_with(
        &self,
        command: Command,
        messages: Vec<Message>,
    ) -> Vec<Result<Receipt>> {
        let deadline = Instant::now() + self.config.publish_timeout;
        match &*self.lanes {
            [lane] => Box::pin(self.publish_on(lane, command, messages, deadline)).await,
            lanes => Box::pin(self.publish_on_all(lanes, command, messages, deadline)).await,
        }
    }

    /// Each message on its lane, all lanes at once.
    async fn publish_on_all(
        &self,
        lanes: &[Lane],
        command: Command,
        messages: Vec<Message>,
        deadline: Instant,
    ) -> Vec<Result<Receipt>> {
        let lane_of = |channel: &Channel| lane_number(channel.as_str(), lanes.len());
        let shares = Share::of(messages.into_iter().enumerate(), lane_of);
        Share::each(shares, |lane, messages| self.publish_on(&lanes[lane], command, messages, deadline)).await
    }

    async fn publish_on(
        &self,
        lane: &Lane,
        command: Command,
        messages: Vec<Message>,
        deadline: Instant,
    ) -> Vec<Result<Receipt>> {
        if messages.is_empty() {
            return Vec::new(); // an empty pipeline is an error to redis-rs
        }
        let mut batch = Batch::new(messages, command);
        self.attempt(lane, &mut batch, deadline).await;
        if batch.progress.left() == 0 {
            return batch.progress.into_results();
        }
        Box::pin(self.try_again(lane, batch, deadline)).await
    }

    /// After a first attempt, tries again what surely did not run, until the deadline or as often as allowed.
    async fn try_again(&self, lane: &Lane, mut batch: Batch, deadline: Instant) -> Vec<Result<Receipt>> {
        let Self { config, .. } = self;
        let mut pace = Pace::new(deadline, config.publish_timeout, config.publish_attempts);
        while batch.progress.left() > 0 {
            let next =
                if batch.progress.is_hopeless() { pace.last() } else { pace.next(Instant::now(), false) };
            match next {
                Next::Again(at) => sleep_until(at).await,
                Next::GiveUp(attempts, within) => {
                    batch.progress.give_up(attempts, within);
                    break;
                }
            }
            self.attempt(lane, &mut batch, deadline).await;
        }
        batch.progress.into_results()
    }

    async fn attempt(&self, lane: &Lane, batch: &mut Batch, deadline: Instant) {
        let _permits = match self.permits.take(batch.progress.left(), deadline).await {
            Ok(permits) => permits,
            Err(error) => return batch.progress.note_unsent(error),
        };
        match lane.open(deadline).await {
            Ok(mut open) => {
                let unanswered = lane.sends(Instant::now());
                let outcome = batch.send(&mut open.connection).await;
                unanswered.over();
                self.note(lane, &open, batch, outcome);
            }
            Err(error) => batch.progress.note_unsent(error),
        }
    }

    /// What came of sending the batch over `open`.
    fn note(
        &self,
        lane: &Lane,
        open: &Open,
        batch: &mut Batch,
        outcome: std::result::Result<impl IntoIterator<Item = Value>, RedisError>,
    ) {
        match outcome {
            Ok(answers) => {
                self.status.published();
                let is_in_step = batch.note(answers, &self.config);
                if !is_in_step {
                    lane.discard(open);
                }
            }
            Err(error) => {
                // One that failed late says nothing of the connection that has replaced it.
                if lane.discard(open) {
                    let server = self.config.server();
                    self.status.interrupted(&format!("redis at {server}: {}", harmless(&error)));
                }
                batch.note_unknown(&error, &self.config);
            }
        }
    }

    pub(crate) fn close(&self) {
        self.source.close();
        self.permits.close();
        self.lanes.iter().for_each(Lane::close);
        self.status.closed();
    }

    pub(crate) fn health(&self) -> LinkHealth {
        self.status.health()
    }
}

/// The hash tag, else the channel, chooses, so that the channels of one event share a lane and a round trip.
fn lane_number(channel: &str, lanes: usize) -> usize {
    let hash = hash_tag(channel).bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % lanes as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::lane_number;

    #[test]
    fn channels_with_one_hash_tag_share_a_lane() {
        let lanes: Vec<usize> = (0..100).map(|n| lane_number(&format!("b/{{user-{n}}}/all"), 4)).collect();
        assert!((0..100).all(|n| lanes[n] == lane_number(&format!("b/{{user-{n}}}/exec/run"), 4)));
        assert!((0..4).all(|lane| lanes.contains(&lane)), "every lane is used");
    }
}
