//! How those are who are nowhere, and all together.

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::transport::{Health, LinkState};
use event_bus_core::{Error, ErrorKind};

use super::{Place, Places};
use crate::listener::Listener;
use crate::listener::screen::Link;
use crate::listener::state::Cause;
use crate::listener::waiters::Answer;

impl Places {
    /// How those are who are nowhere. Nodes tell by themselves how the others are.
    pub(in crate::listener::shards) fn link(&self) -> Link {
        if self.unserved == 0 {
            (LinkState::Idle, None)
        } else if self.cut_off > 0 {
            (LinkState::Interrupted, self.last_error.clone())
        } else {
            (LinkState::Connecting, None)
        }
    }

    /// Whether the [link](Self::link) has changed since this was last asked.
    pub(in crate::listener::shards) fn take_news(&mut self) -> bool {
        let link = self.link();
        let is_news = link != self.told;
        self.told = link;
        is_news
    }

    /// Nobody answered when the servers were asked.
    pub(in crate::listener::shards) fn note_failure(&mut self, error: &Error) {
        self.last_error = Some(Cause::of(error).text);
        if error.kind() != ErrorKind::Denied {
            return;
        }
        let text = error.to_string();
        for place in self.channels.values_mut() {
            if let Place::Nowhere(displaced) = place {
                let waiters = std::mem::take(&mut displaced.waiters).into_iter();
                let denied = || Err(Error::new(ErrorKind::Denied, text.clone()));
                self.after.answers.extend(waiters.map(|waiter| Answer::new(waiter, denied())));
            }
        }
    }

    pub(in crate::listener::shards) fn obstacle(&self, name: &str) -> Option<Arc<str>> {
        match self.channels.get(name) {
            Some(Place::At(address)) => self.nodes.get(address).and_then(Listener::obstacle),
            _ => Some(self.last_error.clone().unwrap_or_else(|| "no node is known to own the slot".into())),
        }
    }

    pub(in crate::listener::shards) fn report(&self, health: &mut Health, (state, error): Link) {
        let mut wanted = self.unserved;
        let (mut confirmed, mut reconnects) = (0, self.reconnects);
        let mut last_heard: Option<Duration> = None;
        let mut in_state_for: Option<Duration> = None;
        for node in self.nodes.values() {
            let part = node.health();
            wanted += part.wanted;
            confirmed += part.confirmed;
            reconnects += part.reconnects;
            last_heard = last_heard.into_iter().chain(part.listener.last_heard).min();
            if part.listener.state == state {
                in_state_for = in_state_for.into_iter().chain([part.listener.in_state_for]).max();
            }
        }
        health.listener.state = state;
        health.listener.in_state_for = in_state_for.unwrap_or_default();
        health.listener.last_heard = last_heard;
        health.listener.last_error = error.or_else(|| self.last_error.clone());
        (health.wanted, health.confirmed, health.reconnects) = (wanted, confirmed, reconnects);
    }
}
