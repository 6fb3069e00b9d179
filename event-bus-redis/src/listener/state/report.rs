//! How the listener is, for those who ask.

use std::sync::Arc;

use event_bus_core::transport::{Health, LinkHealth, LinkState};
use tokio::time::Instant;

use super::{Phase, RUNTIME_STALLED, State};

impl State {
    /// What keeps subscriptions from being confirmed at the moment.
    pub(in crate::listener) fn obstacle(&self) -> Option<Arc<str>> {
        let is_held = self.ask_not_before.is_some() && self.registry.confirmed() < self.registry.wanted();
        self.last_error.clone().filter(|_| self.is_failing || is_held)
    }

    pub(in crate::listener) fn link_state(&self) -> LinkState {
        match self.phase {
            Phase::Closed => LinkState::Closed,
            Phase::Live => LinkState::Connected,
            Phase::Idle => LinkState::Idle,
            Phase::Connecting | Phase::Waiting { .. } if self.is_failing => LinkState::Interrupted,
            Phase::Connecting | Phase::Waiting { .. } => LinkState::Connecting,
        }
    }

    /// The state, and why it is interrupted if it is.
    pub(in crate::listener) fn link(&self) -> (LinkState, Option<&Arc<str>>) {
        let state = self.link_state();
        (state, self.last_error.as_ref().filter(|_| state == LinkState::Interrupted))
    }

    /// Whether the [link](Self::link) has changed since this was last asked. Asked for every message, so it only compares.
    pub(in crate::listener) fn take_news(&mut self) -> bool {
        let (state, error) = self.link();
        if (state, error) == (self.told.0, self.told.1.as_ref()) {
            return false;
        }
        self.told = (state, error.cloned());
        true
    }

    /// How often the connection had to be made anew.
    pub(in crate::listener) fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Fills in what concerns listening.
    pub(in crate::listener) fn report(&self, health: &mut Health, now: Instant) {
        let mut listener = LinkHealth::default();
        let is_deaf = self.phase == Phase::Live && self.is_stalled(now);
        listener.state = if is_deaf { LinkState::Interrupted } else { self.link_state() };
        listener.in_state_for = now.saturating_duration_since(self.since);
        listener.last_error = if is_deaf { Some(RUNTIME_STALLED.into()) } else { self.last_error.clone() };
        listener.last_heard = self.last_heard.map(|heard| now.saturating_duration_since(heard));
        health.listener = listener;
        health.wanted = self.registry.wanted();
        health.confirmed = self.registry.confirmed();
        health.reconnects = self.reconnects;
    }
}
