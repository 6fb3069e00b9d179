//! Listening: one task that owns the connection, carries out what the state machine decides, and never gives up.
//! This file is the door: subscribing, closing, and what the task, the connection and the subscriptions share.

mod link;
mod state;
mod task;
mod waiters;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_bus_core::transport::{Backoff, End, Filter, Health, Inbox, Lease, LinkState, Topic, TopicKind};
use event_bus_core::{Error, ErrorKind, Result};
use redis::RedisError;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use crate::config::RedisConfig;
use crate::error::{Failure, harmless};
use link::Ear;
use state::{Cause, Epoch, Push, State, scope};
use task::Task;

/// The listening half of the transport. The task ends when this and all leases are gone.
pub(crate) struct Listener(Arc<Owner>);

/// Held by the transport and by every lease; closes when the last one is gone.
struct Owner(Arc<Shared>);

/// What the task, the connection and the subscriptions share. A plain mutex, so that dropping a subscription is
/// one synchronous step that works anywhere; nothing is awaited under it, and nothing foreign runs.
struct Shared {
    config: Arc<RedisConfig>,
    state: Mutex<State>,
    /// Something has changed: the task should ask for its next step.
    nudge: Notify,
}

const RUNTIME_ENDED: &str = "the tokio runtime that listened ended";

/// How many times the response time-out an answer may take, as long as there are other signs of life.
const MOST_PATIENCE: u32 = 5;

impl Listener {
    pub(crate) fn new(config: Arc<RedisConfig>) -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        // Late answers are waited for once more if we were stalled ourselves.
        let longest_step =
            config.connect_timeout * 2 + config.response_timeout * (MOST_PATIENCE + 1) + config.ping_interval;
        let state = Mutex::new(State::new(backoff, config.ping_interval, longest_step));
        Self(Arc::new(Owner(Arc::new(Shared { config, state, nudge: Notify::new() }))))
    }

    pub(crate) async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let shared = &self.0.0;
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::NotSubscribed, "listening needs a tokio runtime").with_source(error)
        })?;
        let name = filter.to_string();
        let topic = topic(filter)?;
        shared.ensure_running(&runtime);
        let (lease, confirmation) = self.0.want(topic, inbox);
        shared.ensure_running(&runtime); // again: the one that ran may have ended in between
        shared.nudge.notify_one();
        match timeout(shared.config.listen_timeout, confirmation).await {
            Ok(Ok(confirmed)) => confirmed.map(|()| lease),
            Ok(Err(_)) => Err(Error::new(ErrorKind::NotSubscribed, RUNTIME_ENDED)),
            Err(_) => Err(shared.not_confirmed(&name)),
        }
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }

    pub(crate) fn report(&self, health: &mut Health) {
        self.0.0.change(|state| state.report(health, Instant::now()));
    }
}

impl Owner {
    /// The lease takes everything back.
    fn want(self: &Arc<Self>, topic: Topic, inbox: Inbox) -> (Lease, oneshot::Receiver<Result<()>>) {
        let id = inbox.id();
        let confirmation = self.0.change(|state| state.want(&topic, inbox));
        let owner = Arc::clone(self);
        let lease = Lease::new(move || {
            owner.0.change(|state| state.unwant(&topic, id));
            owner.0.nudge.notify_one();
        });
        (lease, confirmation)
    }

    fn close(&self) {
        let inboxes = self.0.change(State::close);
        inboxes.iter().for_each(|inbox| inbox.end(End::Closed));
        self.0.nudge.notify_one();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Changes the state, and does after unlocking what must not be done before.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, aftermath) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (change(&mut state), state.take_aftermath())
        };
        drop(aftermath);
        result
    }

    /// Starts the task where there is none, or where the one there is stands still, since its runtime does.
    fn ensure_running(self: &Arc<Self>, runtime: &Handle) {
        let id = self.change(|state| state.need_task(Instant::now()));
        if let Some(id) = id {
            self.nudge.notify_waiters(); // one that stands still must not stand in line before the new one
            // Not under the lock: a runtime that is shutting down drops the task at once.
            let task = Task { shared: Arc::clone(self), id };
            #[expect(
                clippy::disallowed_methods,
                reason = "ends with the listener; `Task` tells whoever listens"
            )]
            runtime.spawn(task.run());
        }
    }

    fn not_confirmed(&self, name: &str) -> Error {
        let text = format!(
            "redis at {} did not confirm the subscription to {name} within {:?}",
            self.config.server(),
            self.config.listen_timeout
        );
        let error = Error::new(ErrorKind::NotSubscribed, text);
        match self.change(|state| state.obstacle()) {
            Some(obstacle) => error.with_source(obstacle.to_string()),
            None => error,
        }
    }

    fn lost(&self, epoch: Epoch, cause: &Cause) {
        self.note_loss(cause, |state| state.lost(epoch, cause, Instant::now()));
    }

    fn note_loss(&self, cause: &Cause, lose: impl FnOnce(&mut State) -> bool) {
        let (before, is_news) = self.change(|state| (state.link_state(), lose(state)));
        if is_news && before != LinkState::Interrupted {
            tracing::warn!(
                server = self.config.server(),
                cause = &*cause.text,
                "listening to redis was interrupted"
            );
        }
        self.nudge.notify_one();
    }

    fn cause(&self, error: &RedisError) -> Cause {
        let denied = (Failure::of(error) == Failure::Denied).then(|| {
            format!("redis at {} refuses the login of user {:?}", self.config.server(), self.config.user())
                .into()
        });
        Cause { text: harmless(error).into(), denied }
    }
}

impl Ear for Shared {
    fn pushed(&self, epoch: Epoch, push: Push<'_>) {
        let is_message = matches!(push, Push::Message { .. });
        self.change(|state| state.pushed(epoch, push, Instant::now()));
        if !is_message {
            self.nudge.notify_one();
        }
    }

    fn hung_up(&self, epoch: Epoch) {
        let cause = Cause::new("the connection ended");
        self.note_loss(&cause, |state| state.hung_up(epoch, &cause, Instant::now()));
    }
}

fn topic(filter: Filter) -> Result<Topic> {
    match filter {
        Filter::Channel(channel) => {
            Ok(Topic { scope: scope(TopicKind::Channel), name: channel.as_str().into() })
        }
        Filter::Pattern(pattern) => Ok(Topic { scope: scope(TopicKind::Pattern), name: pattern }),
        other => Err(Error::new(ErrorKind::Unsupported, format!("redis can't listen to {other}"))),
    }
}
