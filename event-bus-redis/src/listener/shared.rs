//! What the task, the connection and the subscriptions share: the state, under its lock, and the nudge that says that
//! it has changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_bus_core::transport::LinkState;
use redis::RedisError;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::link::Ear;
use super::run::PushedMessage;
use super::screen::Screen;
use super::state::{AfterState, Cause, Epoch, Push, State};
use super::way::Way;
use crate::config::RedisConfig;
use crate::error::{Failure, connect_error, harmless};

/// A plain mutex, so that dropping a subscription is one synchronous step that works anywhere; nothing is awaited
/// under it, and nothing foreign runs.
pub(super) struct Shared {
    pub(super) config: Arc<RedisConfig>,
    pub(super) way: Way,
    state: Mutex<State>,
    screen: Screen,
    /// Something has changed: the task should ask for its next step.
    pub(super) nudge: Notify,
}

impl Shared {
    pub(super) fn new(config: Arc<RedisConfig>, way: Way, state: State, screen: Screen) -> Self {
        Self { config, way, state: Mutex::new(state), screen, nudge: Notify::new() }
    }

    /// Changes the state, and does after unlocking what must not be done before. What has been pushed by now is delivered.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, aftermath, is_news) = self.change_now(change);
        if is_news {
            self.show(); // first: whoever is woken may look at it
        }
        drop(aftermath);
        result
    }

    /// The same under a lock of the caller's, who drops what is to be done afterwards when he has unlocked it.
    pub(super) fn change_later<R>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> R) -> (R, Later) {
        let (result, aftermath, is_news) = self.change_now(change);
        (result, Later { shared: Arc::clone(self), is_news, _aftermath: aftermath })
    }

    /// What is so now. Changes nothing, and so wakes nobody.
    pub(super) fn peek<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.lock())
    }

    fn change_now<R>(&self, change: impl FnOnce(&mut State) -> R) -> (R, AfterState, bool) {
        let mut state = self.lock();
        state.deliver_held();
        let result = change(&mut state);
        self.exile(&mut state);
        (result, state.take_aftermath(), state.take_news())
    }

    /// Under the lock, so that nobody is found to be nowhere.
    fn exile(&self, state: &mut State) {
        let Some(exile) = self.way.exile() else { return };
        let displaced = state.take_displaced();
        if !displaced.is_empty() {
            exile.take_in(displaced);
            exile.hurry();
        }
    }

    /// Shows what is true now to those who watch; after every change, and not under the lock.
    fn show(&self) {
        self.screen.show(|| {
            let state = self.lock();
            let (link, error) = state.link();
            (link, error.cloned())
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lost(&self, epoch: Epoch, cause: &Cause) {
        self.note_loss(cause, |state| state.lost(epoch, cause, Instant::now()));
    }

    /// Another server is known than the one that failed in `epoch`, or another login.
    pub(super) fn hasten(&self, epoch: Epoch) {
        self.change(|state| state.hasten(epoch, Instant::now()));
        self.nudge.notify_one();
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
        self.way.note_loss();
    }

    pub(super) fn cause(&self, error: &RedisError) -> Cause {
        let denied = (Failure::of(error) == Failure::Denied)
            .then(|| connect_error(&self.config, error).to_string().into());
        Cause::new(harmless(error)).with_denial(denied)
    }
}

/// What is to be done after unlocking, when it is dropped.
pub(super) struct Later {
    shared: Arc<Shared>,
    is_news: bool,
    /// Dropped last: whoever is woken may look at what is shown.
    _aftermath: AfterState,
}

impl Drop for Later {
    fn drop(&mut self) {
        if self.is_news {
            self.shared.show();
        }
        self.shared.nudge.notify_one();
    }
}

impl Ear for Shared {
    fn message(&self, epoch: Epoch, message: PushedMessage<'_>) {
        let aftermath = {
            let mut state = self.lock();
            let is_next_run = !state.can_hold(&message);
            if is_next_run {
                state.deliver_held();
            }
            state.hold(epoch, message, Instant::now);
            is_next_run.then(|| state.take_aftermath())
        };
        drop(aftermath);
    }

    fn pushed(&self, epoch: Epoch, push: Push<'_>) {
        self.change(|state| state.pushed(epoch, push, Instant::now()));
        self.nudge.notify_one();
    }

    fn caught_up(&self) {
        self.change(|_| {});
    }

    fn hung_up(&self, epoch: Epoch) {
        let cause = Cause::new("the connection ended");
        self.note_loss(&cause, |state| state.hung_up(epoch, &cause, Instant::now()));
    }
}
