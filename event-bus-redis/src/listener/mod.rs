//! Listening: one task that owns the connection, carries out what the state machine decides, and never gives up.

mod link;
mod state;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_bus_core::transport::{
    Backoff, End, Filter, Health, Inbox, Lease, LinkState, Request, Topic, TopicKind,
};
use event_bus_core::{Error, ErrorKind, Result};
use redis::RedisError;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::config::RedisConfig;
use crate::error::Failure;
use link::{Ear, Link};
use state::{Cause, Epoch, Push, State, Step, scope};

/// The listening half of the transport. The task ends when this and all leases are gone.
pub(crate) struct Listener(Arc<Owner>);

/// Held by the transport and by every lease; closes when the last one is gone.
struct Owner(Arc<Shared>);

/// What the task, the connection and the subscriptions share. A plain mutex, so that dropping a subscription is
/// one synchronous step that works anywhere; nothing is awaited under it.
struct Shared {
    config: Arc<RedisConfig>,
    state: Mutex<State>,
    /// Something has changed: the task should ask for its next step.
    nudge: Notify,
    is_running: AtomicBool,
}

impl Listener {
    pub(crate) fn new(config: Arc<RedisConfig>) -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        let state = Mutex::new(State::new(backoff, config.ping_interval));
        let shared = Shared { config, state, nudge: Notify::new(), is_running: AtomicBool::new(false) };
        Self(Arc::new(Owner(Arc::new(shared))))
    }

    pub(crate) async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let shared = &self.0.0;
        let name = filter.to_string();
        let topic = topic(filter)?;
        let id = inbox.id();
        let confirmation = shared.lock().want(&topic, inbox);
        let lease = {
            let owner = Arc::clone(&self.0);
            Lease::new(move || {
                owner.0.lock().unwant(&topic, id);
                owner.0.nudge.notify_one();
            })
        };
        shared.ensure_running()?;
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
        self.0.0.lock().report(health, Instant::now());
    }
}

const RUNTIME_ENDED: &str = "the tokio runtime that listened ended";

impl Owner {
    fn close(&self) {
        let inboxes = self.0.lock().close();
        inboxes.iter().for_each(|inbox| inbox.end(End::Closed)); // runs leases, which lock again
        self.0.nudge.notify_one();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ensure_running(self: &Arc<Self>) -> Result<()> {
        let runtime = Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::NotSubscribed, "listening needs a tokio runtime").with_source(error)
        })?;
        if !self.is_running.swap(true, Ordering::SeqCst) {
            #[expect(
                clippy::disallowed_methods,
                reason = "ends with the listener; `Task` tells whoever listens"
            )]
            runtime.spawn(run(Task(Arc::clone(self))));
        }
        Ok(())
    }

    fn not_confirmed(&self, name: &str) -> Error {
        let state = self.lock();
        let text = format!(
            "redis at {} did not confirm the subscription to {name} within {:?}",
            self.config.server(),
            self.config.listen_timeout
        );
        let error = Error::new(ErrorKind::NotSubscribed, text);
        match state.last_error() {
            Some(last) if state.link_state() == LinkState::Interrupted => error.with_source(last.to_string()),
            _ => error,
        }
    }

    fn lost(&self, epoch: Epoch, cause: &Cause) {
        self.note_loss(cause, |state| state.lost(epoch, cause, Instant::now()));
    }

    fn note_loss(&self, cause: &Cause, lose: impl FnOnce(&mut State) -> bool) {
        let (before, is_news) = {
            let mut state = self.lock();
            (state.link_state(), lose(&mut state))
        };
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
        Cause { text: error.to_string().into(), denied }
    }
}

impl Ear for Shared {
    fn pushed(&self, epoch: Epoch, push: Push<'_>) {
        let is_message = matches!(push, Push::Message { .. });
        self.lock().pushed(epoch, push, Instant::now());
        if !is_message {
            self.nudge.notify_one();
        }
    }

    fn hung_up(&self, epoch: Epoch) {
        let cause = Cause::new("the connection ended");
        self.note_loss(&cause, |state| state.hung_up(epoch, &cause, Instant::now()));
    }
}

/// The running task. Dropped unfinished when its runtime ends: whoever listens would wait for ever.
struct Task(Arc<Shared>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::SeqCst);
        let orphans = self.0.lock().orphaned();
        orphans.iter().for_each(|inbox| inbox.end(End::Stopped(RUNTIME_ENDED.into())));
    }
}

async fn run(task: Task) {
    let shared = &task.0;
    let mut link = None;
    loop {
        let step = shared.lock().step(Instant::now());
        match (step, &link) {
            (Step::Stop, _) => return,
            (Step::Park, _) => shared.nudge.notified().await,
            (Step::Sleep(until), _) => {
                tokio::select! {
                    () = shared.nudge.notified() => {}
                    () = sleep_until(until) => {}
                }
            }
            (Step::Connect(epoch), _) => {
                link = connect(shared, epoch).await;
            }
            (Step::Ask(epoch, request), Some(link)) => ask(shared, link, epoch, request).await,
            (Step::Ping(epoch), Some(link)) => ping(shared, link, epoch).await,
            (Step::Ask(epoch, _) | Step::Ping(epoch), None) => {
                shared.lost(epoch, &Cause::new("there is no connection"));
            }
        }
        if shared.lock().link_state() != LinkState::Connected {
            link = None; // hangs up: an old connection must not go on receiving
        }
    }
}

async fn connect(shared: &Arc<Shared>, epoch: Epoch) -> Option<Link> {
    let ear: Arc<dyn Ear> = Arc::clone(shared) as _;
    let config = &shared.config;
    // redis-rs has a time-out of its own for this; name resolution and login are not all within it.
    let opened = timeout(config.connect_timeout * 2, Link::open(config, epoch, ear)).await;
    let cause = match opened {
        Ok(Ok(link)) => {
            let is_wanted = {
                let mut state = shared.lock();
                let was_interrupted = state.link_state() == LinkState::Interrupted;
                let is_wanted = state.connected(epoch, Instant::now());
                is_wanted.then_some(was_interrupted)
            };
            if is_wanted == Some(true) {
                tracing::info!(server = config.server(), "listening to redis again");
            }
            return is_wanted.map(|_| link);
        }
        Ok(Err(error)) => shared.cause(&error),
        Err(_) => Cause::new("connecting took too long"),
    };
    shared.lost(epoch, &cause);
    None
}

async fn ask(shared: &Shared, link: &Link, epoch: Epoch, request: Request) {
    match patiently(shared, link.ask(&request)).await {
        Some(Ok(())) => shared.lock().heard(epoch, Instant::now()),
        Some(Err(error))
            if Failure::of(&error) == Failure::Denied
                && let Request::Subscribe(scope, names) = &request =>
        {
            let user = shared.config.user();
            let reason = format!("redis does not let user {user:?} listen to {}", names.join(" or "));
            let reason: Arc<str> = reason.into();
            let refused = {
                let mut state = shared.lock();
                state.heard(epoch, Instant::now());
                state.refused(*scope, names, &reason)
            };
            refused.iter().for_each(|inbox| inbox.end(End::Denied(Arc::clone(&reason))));
        }
        Some(Err(error)) => shared.lost(epoch, &shared.cause(&error)),
        None => shared.lost(epoch, &Cause::new("no answer to a subscription")),
    }
}

async fn ping(shared: &Shared, link: &Link, epoch: Epoch) {
    match patiently(shared, link.ping(fastrand::u64(..))).await {
        Some(Ok(true)) => shared.lock().heard(epoch, Instant::now()),
        Some(Ok(false)) => shared.lost(epoch, &Cause::new("answers are out of step")),
        Some(Err(error)) => shared.lost(epoch, &shared.cause(&error)),
        None => shared.lost(epoch, &Cause::new("no answer to a ping")),
    }
}

/// Waits for an answer while there are signs of life. Behind a backlog of messages an answer may take long, and
/// then every message is a sign; and a deadline that is noticed late shows that we were stalled, not the server.
async fn patiently<T>(shared: &Shared, answer: impl Future<Output = T>) -> Option<T> {
    let patience = shared.config.response_timeout;
    let mut answer = std::pin::pin!(answer);
    let mut deadline = Instant::now() + patience;
    let end_of_patience = Instant::now() + patience * 5;
    loop {
        if let Ok(answer) = timeout_at(deadline, &mut answer).await {
            return Some(answer);
        }
        let now = Instant::now();
        let next = match shared.lock().last_heard() {
            _ if now > deadline + patience / 2 => now + patience,
            Some(heard) => (heard + patience).min(end_of_patience),
            None => now,
        };
        if next <= now {
            return None;
        }
        deadline = next;
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
