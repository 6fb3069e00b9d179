//! What the handles of an outbox share with its task: the queue behind its lock, who waits for what, and who is told of
//! failures. Nothing foreign runs under the lock.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::config::{OutboxConfig, OutboxOverflow};
use super::outcome::Outcome;
use super::parcel::{Failed, Parcel};
use super::queue::Queue;
use super::report::OutboxReport;
use super::told::{is_telling, tell};
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::port::{Drain, Port};
use crate::transport::BoxFuture;

pub(super) struct Shared {
    port: Arc<Port>,
    config: OutboxConfig,
    state: Mutex<State>,
    /// For the task: there is something to publish, or nothing more is going to come.
    bell: Notify,
    /// For the task: the time for what is left has begun.
    closing: Notify,
    /// For all others: something has an outcome.
    news: Notify,
    /// Whose turn it is among those who wait for room: one after the other, in their order.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    phase: Phase,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    #[default]
    Open,
    /// What is held is still published, until then.
    Draining(Instant),
    /// Nothing more is published, and somebody is still being told so.
    Ending,
    Ended,
}

/// What there is for the task to do.
pub(super) enum Next {
    Publish,
    Wait,
    End,
}

impl Shared {
    pub(super) fn new(port: Arc<Port>, config: OutboxConfig) -> Self {
        let (bell, closing, news) = (Notify::new(), Notify::new(), Notify::new());
        let (state, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { port, config, state, bell, closing, news, turn }
    }

    /// Queues all of `messages` or none.
    pub(super) fn add(&self, messages: &[Message]) -> Result<()> {
        // What is sent by who is being told of a drop must not drop the next.
        let overflow = if is_telling() { OutboxOverflow::Refuse } else { self.config.overflow };
        if self.try_add(messages, overflow)? { Ok(()) } else { Err(self.full()) }
    }

    /// As [`add`](Self::add), once there is room. Nothing is dropped for it.
    pub(super) async fn add_when_room(&self, messages: &[Message]) -> Result<()> {
        let _turn = self.turn.lock().await; // spends budget: who sends in a loop lets the task publish meanwhile
        loop {
            let mut news = pin!(self.news.notified());
            news.as_mut().enable(); // from here on no room is missed
            if self.try_add(messages, OutboxOverflow::Refuse)? {
                return Ok(());
            }
            news.await;
        }
    }

    /// `false` if there is no room.
    fn try_add(&self, messages: &[Message], overflow: OutboxOverflow) -> Result<bool> {
        let added = {
            let mut state = self.lock();
            if !matches!(state.phase, Phase::Open) {
                return Err(Error::new(
                    ErrorKind::Closed,
                    "the outbox was closed, or the runtime that it ran on has ended",
                ));
            }
            state.queue.add(messages, overflow, &self.config)
        };
        let Some(added) = added else { return Ok(false) };
        if added.was_idle {
            self.bell.notify_one();
        }
        if !added.dropped.is_empty() {
            self.tell_dropped(added.dropped);
        }
        if added.is_first_drop {
            tracing::warn!(bus = %self.port.name(), "an outbox is full and drops its oldest events");
        }
        Ok(true)
    }

    fn tell_dropped(&self, dropped: Vec<Parcel>) {
        let Some(first) = dropped.first().map(|parcel| parcel.position) else { return };
        let failed: Vec<_> =
            dropped.into_iter().map(|parcel| Failed { parcel, error: self.full() }).collect();
        self.count(0, &failed);
        let is_well = tell(&self.config, failed);
        self.lock().queue.told(first);
        self.news.notify_waiters();
        log_panic(is_well);
    }

    /// Counts for metrics what has an outcome now. How they failed.
    fn count(&self, sent: u64, failed: &[Failed]) -> Vec<ErrorKind> {
        let telemetry = self.port.telemetry();
        telemetry.meters().count_sent(sent);
        let kinds: Vec<ErrorKind> = failed.iter().map(|failed| failed.error.kind()).collect();
        kinds.iter().for_each(|kind| telemetry.count_failed(*kind, 1));
        kinds
    }

    fn full(&self) -> Error {
        let OutboxConfig { messages, bytes, .. } = self.config;
        let text = format!("the outbox is full: it holds {messages} messages or {bytes} bytes");
        Error::new(ErrorKind::QueueFull, text)
    }

    /// Moves what goes out next to `batch`, which is empty.
    pub(super) fn next(&self, batch: &mut Vec<Parcel>) -> Next {
        let mut state = self.lock();
        state.queue.take(batch, &self.config);
        match state.phase {
            _ if !batch.is_empty() => Next::Publish,
            Phase::Open => Next::Wait,
            Phase::Draining(_) | Phase::Ending | Phase::Ended => Next::End,
        }
    }

    /// Returns when there may be something to do.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// What became of the batch that was under way. Who is told of failures is told before a flush returns.
    pub(super) fn settle(&self, mut outcome: Outcome) {
        let failed = std::mem::take(&mut outcome.failed);
        let kinds = self.count(outcome.sent, &failed);
        let is_well = tell(&self.config, failed);
        self.lock().queue.settle(&mut outcome, &kinds);
        self.news.notify_waiters();
        log_panic(is_well);
    }

    /// The task is gone: with it `under_way`, and what nobody is going to publish any more.
    pub(super) fn end(&self, under_way: Vec<Parcel>) {
        let (waiting, why) = {
            let mut state = self.lock();
            let why = match std::mem::replace(&mut state.phase, Phase::Ending) {
                Phase::Draining(_) => "the time for it after closing was over",
                Phase::Open | Phase::Ending | Phase::Ended => "the runtime of the outbox has ended",
            };
            (state.queue.give_up(), why)
        };
        let under_way = under_way.into_iter().map(|parcel| (parcel, ErrorKind::OutcomeUnknown));
        let waiting = waiting.into_iter().map(|parcel| (parcel, ErrorKind::NotSent));
        let failed: Vec<Failed> = under_way.chain(waiting).map(|left| given_up(left, why)).collect();
        let kinds = self.count(0, &failed);
        let first = failed.first().map(|failed| failed.error.to_string());
        let is_well = tell(&self.config, failed);
        {
            let mut state = self.lock();
            state.queue.settle(&mut Outcome::default(), &kinds);
            state.phase = Phase::Ended;
        }
        self.news.notify_waiters();
        if let Some(error) = first {
            let (bus, lost) = (self.port.name(), kinds.len());
            tracing::warn!(%bus, lost, error, "an outbox has ended before everything was published");
        }
        log_panic(is_well);
    }

    /// Returns when the time is over that is left after closing.
    pub(super) async fn time_is_up(&self) {
        loop {
            let phase = self.lock().phase;
            match phase {
                Phase::Open => self.closing.notified().await,
                Phase::Draining(until) => return sleep_until(until).await,
                Phase::Ending | Phase::Ended => return,
            }
        }
    }

    /// Returns when everything that was sent before has an outcome.
    pub(super) async fn flushed(&self) {
        let end = self.lock().queue.end();
        self.until(|state| state.queue.is_settled(end)).await;
    }

    pub(super) fn report(&self) -> OutboxReport {
        self.lock().queue.report()
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let mut news = pin!(self.news.notified());
            news.as_mut().enable(); // from here on nothing is missed
            if condition(&self.lock()) {
                return;
            }
            news.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drain for Shared {
    fn close(&self) {
        {
            let mut state = self.lock();
            if !matches!(state.phase, Phase::Open) {
                return;
            }
            state.phase = Phase::Draining(Deadline::after(self.config.drain_within).at());
        }
        self.closing.notify_one();
        self.bell.notify_one();
        self.news.notify_waiters();
    }

    fn drained(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.until(|state| matches!(state.phase, Phase::Ended)))
    }
}

fn given_up((parcel, kind): (Parcel, ErrorKind), why: &str) -> Failed {
    let channel = &parcel.channel;
    let what = match kind {
        ErrorKind::OutcomeUnknown => "may or may not have been published",
        _ => "was not published",
    };
    let error =
        Error::new(kind, format!("the event for {channel} {what}: {why}")).with_channel(channel.clone());
    Failed { parcel, error }
}

fn log_panic(is_well: bool) {
    if !is_well {
        tracing::error!("what is told of failures of an outbox panicked");
    }
}
