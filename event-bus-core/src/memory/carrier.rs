//! The task that carries messages to their listeners, and the lock that it shares with everybody else.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::coop;
use tokio::time::timeout_at;

use super::state::{After, Parcel, State, Step};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::transport::{End, Health, Inbox, InboxId, Lease, LinkState, StateBoard, StateWatch, Topic};

/// How many messages may be on their way; further publishes wait.
pub(super) const IN_FLIGHT: usize = 1024;

/// How long anything may take: nothing takes long, but for faults that a test asked for, unless the runtime behind
/// it stands still.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Shared {
    guarded: Mutex<Guarded>,
    /// Reads the state under its own lock; so that one comes first.
    board: StateBoard,
}

#[derive(Default)]
struct Guarded {
    state: State,
    wire: Option<Arc<Wire>>,
}

/// What a carrying task has in common with those who give it something to do.
struct Wire {
    bell: Notify,
    room: Arc<Semaphore>,
}

impl Shared {
    /// Takes a message, and says how many topics get it.
    pub(super) async fn publish(self: &Arc<Self>, message: Arc<Message>) -> Result<u64> {
        let wire = self.wire(ErrorKind::NotSent)?;
        let room = in_time(wire.room()).await.unwrap_or_else(|| {
            let text = "no message on its way arrived in time: the delay is too long for so many, or the runtime of \
                        the in-memory transport does not run";
            Err(Error::new(ErrorKind::NotSent, text))
        })?;
        let parcel = Parcel::new(message, room);
        let topics =
            self.change_with(&wire, ErrorKind::NotSent, |state, after| state.publish(parcel, after))?;
        wire.bell.notify_one();
        topics
    }

    pub(super) async fn subscribe(self: &Arc<Self>, topic: Topic, inbox: Inbox) -> Result<Lease> {
        let wire = self.wire(ErrorKind::NotSubscribed)?;
        // Made before the first await: should this future be dropped, it takes back what has been done.
        let lease = self.lease(topic.clone(), inbox.id());
        let confirmation = self
            .change_with(&wire, ErrorKind::NotSubscribed, |state, after| state.join(&topic, inbox, after))?;
        wire.bell.notify_one();
        let confirmed = in_time(confirmation).await.ok_or_else(|| {
            let text = "the in-memory transport is interrupted, or its runtime does not run";
            Error::new(ErrorKind::NotSubscribed, text)
        })?;
        confirmed.map_err(|_| gone(ErrorKind::NotSubscribed))?;
        Ok(lease)
    }

    /// Waits until everything that was published before has arrived.
    pub(super) async fn fence(&self) -> Result<()> {
        let lost = || {
            Error::new(
                ErrorKind::NotConnected,
                "the in-memory transport is interrupted, delayed, or was closed",
            )
        };
        let (is_closed, under_way) = self.change_guarded(|guarded, _| {
            let wire = guarded.wire.clone().filter(|_| !guarded.state.is_closed);
            (guarded.state.is_closed, wire.map(|wire| (guarded.state.fence(), wire)))
        });
        match under_way {
            Some((answer, wire)) => {
                wire.bell.notify_one();
                in_time(answer).await.ok_or_else(lost)?.map_err(|_| lost())
            }
            None if is_closed => Err(lost()),
            None => Ok(()), // nobody carries, and nothing is on its way
        }
    }

    pub(super) fn watch(&self) -> StateWatch {
        self.board.watch()
    }

    /// Changes the state, and does after unlocking what must not be done before. Wakes who carries.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State, &mut After) -> R) -> R {
        let (result, wire) = self.change_guarded(|guarded, after| {
            let result = change(&mut guarded.state, after);
            (result, guarded.wire.clone())
        });
        if let Some(wire) = wire {
            wire.bell.notify_one();
        }
        result
    }

    pub(super) fn health(&self) -> Health {
        let guarded = self.lock();
        guarded.state.health(guarded.wire.is_some())
    }

    pub(super) fn end_all(&self, end: &End, for_good: bool) {
        let (wire, ended) = self.change_guarded(|guarded, after| {
            guarded.state.is_closed |= for_good;
            (guarded.wire.take(), guarded.state.end(after))
        });
        if let Some(wire) = wire {
            wire.room.close();
            wire.bell.notify_one();
        }
        ended.iter().for_each(|inbox| inbox.end(end.clone())); // runs leases, which lock again
    }

    /// The way to the listeners; its task is started where there is none.
    fn wire(self: &Arc<Self>, failure: ErrorKind) -> Result<Arc<Wire>> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::new(failure, "this needs a tokio runtime").with_source(error))?;
        let wire = Arc::new(Wire { bell: Notify::new(), room: Arc::new(Semaphore::new(IN_FLIGHT)) });
        {
            let mut guarded = self.lock();
            guarded.state.refuse_if_closed()?;
            if let Some(wire) = &guarded.wire {
                return Ok(Arc::clone(wire));
            }
            let before = guarded.links();
            guarded.wire = Some(Arc::clone(&wire));
            let now = guarded.links();
            guarded.state.note_links(before, now);
        }
        self.show();
        let carrier = Carrier { shared: Arc::downgrade(self), wire: Arc::clone(&wire) };
        // Not under the lock: a runtime that is shutting down drops the task, and so its carrier, at once.
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the transport; its carrier tells whoever listens"
        )]
        runtime.spawn(carrier.carry());
        Ok(wire)
    }

    fn lease(self: &Arc<Self>, topic: Topic, inbox: InboxId) -> Lease {
        let shared = Arc::clone(self);
        Lease::new(move || shared.change(|state, _| state.leave(&topic, inbox)))
    }

    /// Changes the state, unless it is not `wire` any more that carries.
    fn change_with<R>(
        &self,
        wire: &Arc<Wire>,
        failure: ErrorKind,
        change: impl FnOnce(&mut State, &mut After) -> R,
    ) -> Result<R> {
        let outcome = self.change_guarded(|guarded, after| match guarded.check(wire, failure) {
            Ok(()) => Ok(change(&mut guarded.state, after)),
            Err(error) => Err((error, change)), // which holds what must not be dropped under the lock
        });
        outcome.map_err(|(error, _)| error)
    }

    fn change_guarded<R>(&self, change: impl FnOnce(&mut Guarded, &mut After) -> R) -> R {
        let mut after = After::default();
        let (result, is_news) = {
            let mut guarded = self.lock();
            let before = guarded.links();
            let result = change(&mut guarded, &mut after);
            after.include(guarded.state.registry.take_aftermath());
            let now = guarded.links();
            if now != before {
                guarded.state.note_links(before, now);
            }
            (result, now != before)
        };
        if is_news {
            self.show();
        }
        after.carry_out();
        result
    }

    fn show(&self) {
        self.board.update(|shown| *shown = self.health().state());
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guarded {
    fn links(&self) -> (LinkState, LinkState) {
        self.state.links(self.wire.is_some())
    }

    fn check(&self, wire: &Arc<Wire>, failure: ErrorKind) -> Result<()> {
        self.state.refuse_if_closed()?;
        match &self.wire {
            Some(current) if Arc::ptr_eq(current, wire) => Ok(()),
            _ => Err(gone(failure)),
        }
    }
}

impl Drop for Shared {
    /// Nobody can use the transport any more: its task ends.
    fn drop(&mut self) {
        if let Some(wire) = &self.lock().wire {
            wire.bell.notify_one();
        }
    }
}

impl Wire {
    async fn room(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.map_err(|_| gone(ErrorKind::NotSent))
    }
}

/// Ends with the transport or with its runtime. Whoever still listens then would wait for ever: it tells them.
struct Carrier {
    shared: Weak<Shared>,
    wire: Arc<Wire>,
}

impl Carrier {
    async fn carry(self) {
        loop {
            match self.step() {
                Some(Step::Again) => coop::consume_budget().await,
                Some(Step::Wait) => self.wire.bell.notified().await,
                Some(Step::WaitUntil(due)) => {
                    let _ = timeout_at(due, self.wire.bell.notified()).await;
                }
                None => return,
            }
        }
    }

    /// `None` once the transport is gone or closed.
    fn step(&self) -> Option<Step> {
        let shared = self.shared.upgrade()?;
        shared.change_with(&self.wire, ErrorKind::Closed, State::step).ok()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade()
            && !shared.lock().state.is_closed
        {
            shared.end_all(&End::Stopped("the runtime of the in-memory transport ended".into()), false);
        }
    }
}

/// `None` if it takes too long: the runtime that carries the messages may exist and yet not run.
async fn in_time<T>(done: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, done).await.ok()
}

fn gone(kind: ErrorKind) -> Error {
    Error::new(kind, "the in-memory transport was closed, or its runtime ended, meanwhile")
}
