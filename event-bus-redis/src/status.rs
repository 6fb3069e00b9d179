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
        let mut inner = self.lock();
        let before = inner.state;
        if let Some(error) = error {
            inner.last_error = Some(error.into());
        }
        if before == state || before == LinkState::Closed {
            return;
        }
        inner.state = state;
        inner.since = Instant::now();
        drop(inner);
        match (state, error) {
            (LinkState::Interrupted, Some(error)) => {
                tracing::warn!(error, "publishing to redis was interrupted");
            }
            (LinkState::Connected, _) if before == LinkState::Interrupted => {
                tracing::info!("publishing to redis again");
            }
            _ => tracing::debug!(%state, "publishing to redis"),
        }
    }

    pub(crate) fn set_if(&self, before: LinkState, state: LinkState) {
        let is_before = self.lock().state == before;
        if is_before {
            self.set(state, None);
        }
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
