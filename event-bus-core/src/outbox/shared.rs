//! What the handles of an outbox share with its task: the queue behind its lock, who waits for what, and who is told of
//! failures. Nothing foreign runs under the lock.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::coop;
use tokio::time::{Instant, sleep_until};

use super::config::OutboxConfig;
use super::outcome::Outcome;
use super::parcel::{Failed, Parcel};
use super::queue::Queue;
use super::report::{OutboxFailure, OutboxReport};
use crate::channel::BusName;
use crate::deadline::Deadline;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::port::Drain;

pub(super) struct Shared {
    bus: BusName,
    config: OutboxConfig,
    state: Mutex<State>,
    /// For the task: there is something to publish, or nothing more is going to come.
    bell: Notify,
    /// For the task: the time for what is left has begun.
    closing: Notify,
    /// For all others: something has an outcome.
    news: Notify,
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
    Ended,
}

/// What there is for the task to do.
pub(super) enum Next {
    Publish,
    Wait,
    End,
}

impl Shared {
    pub(super) fn new(bus: BusName, config: OutboxConfig) -> Self {
        let (bell, closing, news) = (Notify::new(), Notify::new(), Notify::new());
        Self { bus, config, state: Mutex::default(), bell, closing, news }
    }

    /// Queues all of `messages` or none.
    pub(super) fn add(&self, messages: &[Message]) -> Result<()> {
        let added = {
            let mut state = self.lock();
            if !matches!(state.phase, Phase::Open) {
                return Err(Error::new(
                    ErrorKind::Closed,
                    "the outbox was closed, or the runtime that it ran on has ended",
                ));
            }
            state.queue.add(messages, &self.config)?
        };
        if added.was_idle {
            self.bell.notify_one();
        }
        if added.is_first_drop {
            tracing::warn!(bus = %self.bus, "an outbox is full and drops its oldest events");
        }
        if !added.dropped.is_empty() {
            self.news.notify_waiters();
            self.tell(added.dropped);
        }
        Ok(())
    }

    /// As [`add`](Self::add), once there is room.
    pub(super) async fn add_when_room(&self, messages: &[Message]) -> Result<()> {
        coop::consume_budget().await; // who sends in a loop lets the task publish meanwhile
        match self.add(messages) {
            Err(error) if error.kind() == ErrorKind::QueueFull => {}
            done => return done,
        }
        loop {
            let mut news = pin!(self.news.notified());
            news.as_mut().enable(); // from here on no room is missed
            match self.add(messages) {
                Err(error) if error.kind() == ErrorKind::QueueFull => news.await,
                done => return done,
            }
        }
    }

    /// Moves what goes out next to `batch`, which is empty.
    pub(super) fn next(&self, batch: &mut Vec<Parcel>) -> Next {
        let mut state = self.lock();
        state.queue.take(batch, &self.config);
        match state.phase {
            _ if !batch.is_empty() => Next::Publish,
            Phase::Open => Next::Wait,
            Phase::Draining(_) | Phase::Ended => Next::End,
        }
    }

    /// Returns when there may be something to do.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// What became of the batch that was under way. Who is told of failures is told before a flush returns.
    pub(super) fn settle(&self, mut outcome: Outcome) {
        let failed = std::mem::take(&mut outcome.failed);
        let kinds: Vec<ErrorKind> = failed.iter().map(|failed| failed.error.kind()).collect();
        self.log(&outcome, &failed);
        self.tell(failed);
        self.lock().queue.settle(&mut outcome, &kinds);
        self.news.notify_waiters();
    }

    /// The task is gone: with it `under_way`, and what nobody is going to publish any more.
    pub(super) fn end(&self, under_way: Vec<Parcel>) {
        let failed = {
            let mut state = self.lock();
            let why = match std::mem::replace(&mut state.phase, Phase::Ended) {
                Phase::Draining(_) => "the time for it after closing was over",
                Phase::Open | Phase::Ended => "the runtime of the outbox has ended",
            };
            let under_way = under_way.into_iter().map(|parcel| (parcel, ErrorKind::OutcomeUnknown));
            let waiting = state.queue.give_up().into_iter().map(|parcel| (parcel, ErrorKind::NotSent));
            let failed: Vec<Failed> = under_way.chain(waiting).map(|left| given_up(left, why)).collect();
            let kinds: Vec<ErrorKind> = failed.iter().map(|failed| failed.error.kind()).collect();
            state.queue.settle(&mut Outcome::default(), &kinds);
            failed
        };
        if let Some(Failed { error, .. }) = failed.first() {
            let (bus, lost) = (&self.bus, failed.len());
            tracing::warn!(%bus, lost, %error, "an outbox has ended before everything was published");
        }
        self.tell(failed);
        self.news.notify_waiters();
    }

    /// Returns when the time is over that is left after closing.
    pub(super) async fn time_is_up(&self) {
        loop {
            let phase = self.lock().phase;
            match phase {
                Phase::Open => self.closing.notified().await,
                Phase::Draining(until) => return sleep_until(until).await,
                Phase::Ended => return,
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

    /// Only what is new: not that it still fails, and not that another event fails so.
    fn log(&self, outcome: &Outcome, failed: &[Failed]) {
        let (was_failing, first) = {
            let queue = &self.lock().queue;
            let is_first = |failed: &&Failed| queue.is_new_failure(failed.error.kind());
            (queue.is_failing(), failed.iter().find(is_first))
        };
        let bus = &self.bus;
        if let Some(Failed { error, .. }) = first {
            let kind = error.kind();
            tracing::warn!(%bus, ?kind, %error, "an outbox could not publish an event: the first failure of this kind");
        }
        match (was_failing, &outcome.trouble) {
            (false, Some(error)) => tracing::warn!(%bus, error, "an outbox can't publish, and tries again"),
            (true, None) => tracing::info!(%bus, "an outbox publishes again"),
            _ => {}
        }
    }

    fn tell(&self, failures: Vec<Failed>) {
        let Some(on_failure) = &self.config.on_failure else { return };
        for failed in failures {
            let failure = OutboxFailure::from(failed);
            if catch_unwind(AssertUnwindSafe(|| on_failure(failure))).is_err() {
                tracing::error!("what is told of failures of an outbox panicked");
            }
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

    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
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
