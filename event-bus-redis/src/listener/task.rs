//! The running task: carries out what the state machine decides, over one connection, and reports what came of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use event_bus_core::ErrorKind;
use event_bus_core::transport::{End, LinkState, Request, Scope, TopicKind, count_reconnects};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::link::{Ear, Link};
use super::logins::Logins;
use super::lookout::Lookout;
use super::shared::Shared;
use super::state::{Cause, Epoch, RUNTIME_ENDED, State, Step, TaskId};
use crate::error::{Failure, connect_error, harmless, not_sharded};
use crate::rights;
use crate::status::SYSTEM;

/// So many answers in a row may be others' until the connection is given up.
const MOST_DISPLACED: usize = 8;
/// Before it is tried again whether answers are in step: the one that is missing is on its way.
const OUT_OF_STEP: Duration = Duration::from_millis(5);

/// Starts the task where there is none, or where the one there is stands still, since its runtime does.
pub(super) fn ensure_running(shared: &Arc<Shared>, runtime: &Handle) {
    start(shared, runtime, shared.change(|state| state.need_task(Instant::now())));
}

/// Starts the task that is [needed](super::state::State::need_task), if one is.
pub(super) fn start(shared: &Arc<Shared>, runtime: &Handle, needed: Option<TaskId>) {
    if let Some(id) = needed {
        shared.nudge.notify_waiters(); // one that stands still must not stand in line before the new one
        // Not under the lock: a runtime that is shutting down drops the task at once.
        let task = Task { shared: Arc::clone(shared), id };
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the listener; `Task` tells whoever listens"
        )]
        runtime.spawn(task.run());
    }
}

/// Dropped unfinished when its runtime ends: whoever listens would wait for ever, and is told.
struct Task {
    shared: Arc<Shared>,
    id: TaskId,
}

impl Drop for Task {
    fn drop(&mut self) {
        let orphans = self.shared.change(|state| state.task_ended(self.id));
        orphans.iter().for_each(|inbox| inbox.end(End::Stopped(RUNTIME_ENDED.into())));
    }
}

impl Task {
    async fn run(self) {
        let shared = &self.shared;
        let _lookout = Lookout::over(shared);
        let mut logins = Logins::of(&shared.config);
        let mut link = None;
        loop {
            let step = shared.change(|state| state.step(self.id, Instant::now()));
            match (step, &link) {
                // The nudge may have been meant for the task that has taken over.
                (Step::Stop, _) => return shared.nudge.notify_one(),
                (Step::Park, _) => shared.nudge.notified().await,
                (Step::Sleep(until), _) => {
                    tokio::select! {
                        () = shared.nudge.notified() => {}
                        () = sleep_until(until) => {}
                        () = logins.renewed(), if link.is_none() => shared.hasten(shared.peek(State::epoch)),
                    }
                }
                (Step::Connect(epoch), _) => {
                    logins.try_newest();
                    link = connect(shared, epoch).await;
                }
                (Step::Ask(epoch, request), Some(link)) => ask(shared, link, epoch, request).await,
                (Step::Ping(epoch), Some(link)) => ping(shared, link, epoch).await,
                (Step::Ask(epoch, _) | Step::Ping(epoch), None) => {
                    shared.lost(epoch, &Cause::new("there is no connection"));
                }
            }
            if shared.change(|state| state.link_state()) != LinkState::Connected {
                link = None; // hangs up: an old connection must not go on receiving
            }
        }
    }
}

async fn connect(shared: &Arc<Shared>, epoch: Epoch) -> Option<Link> {
    match open(shared, epoch).await {
        Ok(link) => {
            let (was_interrupted, is_wanted, anew) = shared.change(|state| {
                let was_interrupted = state.link_state() == LinkState::Interrupted;
                let before = state.reconnects();
                let is_wanted = state.connected(epoch, Instant::now());
                (was_interrupted, is_wanted, state.reconnects() - before)
            });
            count_reconnects(SYSTEM, anew);
            if was_interrupted && is_wanted {
                tracing::info!(server = shared.config.server(), "listening to redis again");
            }
            is_wanted.then_some(link)
        }
        Err(cause) => {
            shared.lost(epoch, &cause);
            None
        }
    }
}

async fn open(shared: &Arc<Shared>, epoch: Epoch) -> Result<Link, Cause> {
    let config = shared.way.find(&shared.config).await.map_err(|error| Cause::of(&error))?;
    let ear: Arc<dyn Ear> = Arc::clone(shared) as _;
    tokio::select! {
        link = Link::open(&config, epoch, ear) => link.map_err(|error| Cause::of(&connect_error(&config, &error))),
        () = shared.way.is_wrong() => Err(Cause::elsewhere("another server is the right one now")),
    }
}

async fn ask(shared: &Shared, link: &Link, epoch: Epoch, request: Request) {
    let error = match patiently(shared, link.ask(&request)).await {
        Some(Ok(())) => {
            // Truth is the push that names a channel. A good answer without it is somebody else's.
            let is_confirmed = || shared.change(|state| state.answered(epoch, &request, Instant::now()));
            let is_told = is_confirmed() || (fence(shared, link).await.is_ok() && is_confirmed());
            if !is_told {
                shared.lost(epoch, &Cause::new("a confirmation is missing"));
            }
            return;
        }
        Some(Err(error)) => error,
        None => return shared.lost(epoch, &Cause::new("no answer to a subscription")),
    };
    let failure = Failure::of(&error);
    match request {
        _ if !failure.is_answer() => shared.lost(epoch, &shared.cause(&error)),
        Request::Subscribe(scope, names) if failure == Failure::Denied => {
            let reason = rights::to_listen(&shared.config.user(), scope.kind, &names);
            refused(shared, epoch, (scope, &names), ErrorKind::Denied, reason.into());
        }
        Request::Subscribe(scope, names)
            if failure == Failure::Unknown && scope.kind == TopicKind::ShardChannel =>
        {
            let reason = not_sharded(&shared.config.server(), "SSUBSCRIBE");
            refused(shared, epoch, (scope, &names), ErrorKind::Unsupported, reason.into());
        }
        Request::Subscribe(scope, names) if failure == Failure::NotNow => {
            let why = harmless(&error);
            shared.change(|state| state.postponed(epoch, scope, &names, &why, Instant::now()));
        }
        Request::Subscribe(scope, names) => {
            let why = harmless(&error);
            if shared.change(|state| state.failed(epoch, scope, &names, &why, Instant::now())) {
                warn_of_unfolding(shared, &names.join(" or "));
            }
        }
        Request::Unsubscribe(scope, names) => {
            shared.change(|state| state.kept(epoch, scope, &names, Instant::now()));
        }
    }
}

/// For good: whoever waits gets an error of `kind`, and whoever listened is told why it ends.
fn refused(
    shared: &Shared,
    epoch: Epoch,
    (scope, names): (Scope, &[Arc<str>]),
    kind: ErrorKind,
    reason: Arc<str>,
) {
    let refusal = shared.change(|state| state.refused(epoch, scope, names, kind, &reason, Instant::now()));
    let end = match kind {
        ErrorKind::Denied => End::Denied(reason),
        _ => End::Stopped(reason),
    };
    refusal.listeners.iter().for_each(|inbox| inbox.end(end.clone()));
    if refusal.is_unfolded {
        warn_of_unfolding(shared, &names.join(" or "));
    }
}

fn warn_of_unfolding(shared: &Shared, pattern: &str) {
    tracing::warn!(
        server = shared.config.server(),
        user = &*shared.config.user(),
        pattern,
        "redis refuses the pattern for a whole bus: all of the bus's patterns are subscribed, which slows the server down"
    );
}

async fn ping(shared: &Shared, link: &Link, epoch: Epoch) {
    shared.change(|state| state.pinging(epoch));
    match fence(shared, link).await {
        Ok(()) => shared.change(|state| state.ponged(epoch, Instant::now())),
        Err(cause) => shared.lost(epoch, &cause),
    }
}

/// Until a ping is answered by its own answer: then everything that was asked before has been answered. What a server says
/// without being asked, since a slot has moved, is taken for an answer by redis-rs, and the real one comes a little later.
async fn fence(shared: &Shared, link: &Link) -> Result<(), Cause> {
    for _ in 0..MOST_DISPLACED {
        match patiently(shared, link.ping(fastrand::u64(..))).await {
            Some(Ok(true)) => return Ok(()),
            Some(Ok(false)) => sleep(OUT_OF_STEP).await,
            // To say no is to be alive: a server that loads, or a user without the right to ping, still delivers.
            Some(Err(error)) if Failure::of(&error).is_answer() => return Ok(()),
            Some(Err(error)) => return Err(shared.cause(&error)),
            None => return Err(Cause::new("no answer to a ping")),
        }
    }
    Err(Cause::new("answers are out of step"))
}

/// Waits for an answer while there are signs of life. Behind a backlog of messages an answer may take long, and
/// then every message is a sign; but not for ever, for a connection may be dead in the other direction. And a
/// deadline that is noticed late shows that we were stalled, not the server.
async fn patiently<T>(shared: &Shared, answer: impl Future<Output = T>) -> Option<T> {
    let patience = shared.config.response_timeout;
    let mut answer = std::pin::pin!(answer);
    let mut deadline = Instant::now() + patience;
    let mut end_of_patience = Instant::now() + shared.config.patience();
    loop {
        if let Ok(answer) = timeout_at(deadline, &mut answer).await {
            return Some(answer);
        }
        let now = Instant::now();
        let stalled = now.saturating_duration_since(deadline);
        if stalled > patience / 2 {
            end_of_patience += stalled;
        }
        let next = match shared.change(|state| state.last_heard()) {
            _ if stalled > patience / 2 && now < end_of_patience => now + patience,
            Some(heard) => (heard + patience).min(end_of_patience),
            None => now,
        };
        if next <= now {
            return None;
        }
        deadline = next;
    }
}
