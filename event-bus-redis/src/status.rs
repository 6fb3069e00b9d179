//! The state of publishing, since when, and why it last failed: what health, logs and watchers are told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_bus_core::transport::{LinkHealth, LinkState, StateBoard};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Status {
    inner: Mutex<Inner>,
    board: StateBoard,
}

#[derive(Debug)]
struct Inner {
    state: LinkState,
    since: Instant,
    last_error: Option<Arc<str>>,
}

impl Status {
    pub(crate) fn new(board: StateBoard) -> Self {
        let inner = Inner { state: LinkState::Idle, since: Instant::now(), last_error: None };
        Self { inner: Mutex::new(inner), board }
    }

    /// Notes a state, and logs it if it is a change. `Closed` stays.
    pub(crate) fn set(&self, state: LinkState, error: Option<&str>) {
        let before = self.lock().enter(state, error, |_| true);
        self.show();
        match (before, state) {
            (Some(_), LinkState::Interrupted) => {
                tracing::warn!(error = error.unwrap_or_default(), "publishing to redis was interrupted");
            }
            (Some(LinkState::Interrupted), LinkState::Connected) => {
                tracing::info!("publishing to redis again");
            }
            _ => {}
        }
    }

    /// Notes a state if it follows `before`.
    pub(crate) fn set_if(&self, before: LinkState, state: LinkState) {
        self.lock().enter(state, None, |now| now == before);
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
        self.board.update(|shown| {
            let inner = self.lock();
            let is_interrupted = inner.state == LinkState::Interrupted;
            shown.publisher = inner.state;
            shown.publisher_error = inner.last_error.clone().filter(|_| is_interrupted);
        });
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
