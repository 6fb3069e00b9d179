//! The state of publishing, since when, and why it last failed: what health, logs and watchers are told.

mod fleet;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use event_bus_core::transport::{LinkHealth, LinkState, StateBoard};
use tokio::time::Instant;

pub(crate) use fleet::Fleet;

/// What the transport is called in spans and metrics.
pub(crate) const SYSTEM: &str = "redis";

#[derive(Debug)]
pub(crate) struct Status {
    inner: Mutex<Inner>,
    /// What `inner` says, to be asked at each publish.
    is_interrupted: AtomicBool,
    shown: Shown,
}

/// Where changes are shown.
#[derive(Debug)]
enum Shown {
    On(StateBoard),
    /// Together with those of others.
    Within(Weak<Fleet>),
}

#[derive(Debug)]
struct Inner {
    state: LinkState,
    since: Instant,
    last_error: Option<Arc<str>>,
}

impl Status {
    pub(crate) fn new(board: StateBoard) -> Self {
        Self::shown(Shown::On(board))
    }

    fn of_one_of(fleet: &Arc<Fleet>) -> Self {
        Self::shown(Shown::Within(Arc::downgrade(fleet)))
    }

    fn shown(shown: Shown) -> Self {
        let inner = Inner { state: LinkState::Idle, since: Instant::now(), last_error: None };
        Self { inner: Mutex::new(inner), is_interrupted: AtomicBool::new(false), shown }
    }

    /// Publishing failed, or connecting for it.
    pub(crate) fn interrupted(&self, error: &str) {
        let before = self.enter(LinkState::Interrupted, Some(error), |_| true);
        self.show();
        if before.is_some() {
            tracing::warn!(error, "publishing to redis was interrupted");
        }
    }

    /// A connection stands, unless one has been lost since `seen` were counted: it may have been this one.
    pub(crate) fn connected(&self, count: &AtomicU64, seen: u64) {
        let before = {
            let mut inner = self.lock();
            let before = if count.load(Ordering::Acquire) == seen {
                inner.enter(LinkState::Connected, None, |_| true)
            } else {
                inner.enter(LinkState::Idle, None, |now| now == LinkState::Connecting)
            };
            self.note(&inner);
            before
        };
        self.show();
        if before == Some(LinkState::Interrupted) {
            tracing::info!("publishing to redis again");
        }
    }

    /// The server has answered a publish: whichever connection failed before, publishing works.
    pub(crate) fn published(&self) {
        if !self.is_interrupted.load(Ordering::Relaxed) {
            return;
        }
        let before = self.enter(LinkState::Connected, None, |now| now == LinkState::Interrupted);
        self.show();
        if before.is_some() {
            tracing::info!("publishing to redis again");
        }
    }

    pub(crate) fn closed(&self) {
        self.enter(LinkState::Closed, None, |_| true);
        self.show();
    }

    /// Notes a state if it follows `before`.
    pub(crate) fn set_if(&self, before: LinkState, state: LinkState) {
        self.enter(state, None, |now| now == before);
        self.show();
    }

    /// A connection ended, and nothing has failed yet: whoever publishes next connects. Counted in the same step,
    /// so that whoever sees the state does not publish over what is gone.
    pub(crate) fn disconnected(&self, count: &AtomicU64) {
        {
            let mut inner = self.lock();
            inner.enter(LinkState::Idle, None, |now| now == LinkState::Connected);
            count.fetch_add(1, Ordering::Release);
        }
        self.show();
    }

    pub(crate) fn health(&self) -> LinkHealth {
        let inner = self.lock();
        let mut health = LinkHealth::default();
        health.state = inner.state;
        health.in_state_for = inner.since.elapsed();
        health.last_error.clone_from(&inner.last_error);
        health
    }

    /// Shows what is true now to those who watch; after every change, and not under the lock.
    fn show(&self) {
        match &self.shown {
            Shown::On(board) => board.update(|shown| {
                let inner = self.lock();
                shown.publisher = inner.state;
                let is_interrupted = inner.state == LinkState::Interrupted;
                shown.publisher_error = inner.last_error.clone().filter(|_| is_interrupted);
            }),
            Shown::Within(fleet) => {
                if let Some(fleet) = fleet.upgrade() {
                    fleet.show();
                }
            }
        }
    }

    /// The state before, if that was another one.
    fn enter(
        &self,
        state: LinkState,
        error: Option<&str>,
        may_follow: impl Fn(LinkState) -> bool,
    ) -> Option<LinkState> {
        let mut inner = self.lock();
        let before = inner.enter(state, error, may_follow);
        self.note(&inner);
        before
    }

    /// Under the lock, so that the last change is the last one noted.
    fn note(&self, inner: &Inner) {
        self.is_interrupted.store(inner.state == LinkState::Interrupted, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The state before, if that was another one.
    fn enter(
        &mut self,
        state: LinkState,
        error: Option<&str>,
        may_follow: impl Fn(LinkState) -> bool,
    ) -> Option<LinkState> {
        if let Some(error) = error {
            self.last_error = Some(error.into());
        }
        let before = self.state;
        if before == state || before == LinkState::Closed || !may_follow(before) {
            return None;
        }
        self.state = state;
        self.since = Instant::now();
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_ended_before_it_was_told_is_not_told_as_connected() {
        let board = StateBoard::default();
        let (status, count) = (Status::new(board.clone()), AtomicU64::new(0));
        status.set_if(LinkState::Idle, LinkState::Connecting);
        status.disconnected(&count);
        status.connected(&count, 0);
        assert_eq!(board.watch().current().publisher, LinkState::Idle);
        status.connected(&count, 1);
        assert_eq!(board.watch().current().publisher, LinkState::Connected);
    }

    #[test]
    fn whatever_failed_an_answered_publish_shows_that_publishing_works() {
        let board = StateBoard::default();
        let status = Status::new(board.clone());
        status.interrupted("no answer");
        assert_eq!(board.watch().current().publisher_error.as_deref(), Some("no answer"));
        status.published();
        assert_eq!(board.watch().current().publisher, LinkState::Connected);
        status.closed();
        status.interrupted("too late");
        assert_eq!(board.watch().current().publisher, LinkState::Closed, "closed is closed");
    }
}
