//! The state of one direction, since when, and why it last failed: what health and logs are made of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_bus_core::transport::{LinkHealth, LinkState};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Status(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    state: LinkState,
    since: Instant,
    last_error: Option<Arc<str>>,
}

impl Status {
    pub(crate) fn new(state: LinkState) -> Self {
        Self(Mutex::new(Inner { state, since: Instant::now(), last_error: None }))
    }

    /// Notes a state, and logs it if it is a change. `Closed` stays.
    pub(crate) fn set(&self, state: LinkState, error: Option<&str>) {
        let before = self.enter(state, error, |_| true);
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
        self.enter(state, None, |now| now == before);
    }

    /// The state before, if that was another one.
    fn enter(
        &self,
        state: LinkState,
        error: Option<&str>,
        may_follow: impl Fn(LinkState) -> bool,
    ) -> Option<LinkState> {
        let mut inner = self.lock();
        if let Some(error) = error {
            inner.last_error = Some(error.into());
        }
        let before = inner.state;
        if before == state || before == LinkState::Closed || !may_follow(before) {
            return None;
        }
        inner.state = state;
        inner.since = Instant::now();
        Some(before)
    }

    pub(crate) fn health(&self) -> LinkHealth {
        let inner = self.lock();
        let mut health = LinkHealth::default();
        health.state = inner.state;
        health.in_state_for = inner.since.elapsed();
        health.last_error.clone_from(&inner.last_error);
        health
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
