//! One node of several: what it does not serve any more is given up, to be taken over where it is served.

use std::sync::Arc;

use event_bus_core::transport::{Scope, Topic};
use tokio::time::Instant;

use super::{Displaced, Phase, State};

impl State {
    /// A node that gives up what it can't serve, instead of asking for it again and again.
    pub(in crate::listener) fn of_node(mut self) -> Self {
        self.gives_up = true;
        self
    }

    /// Nobody is to be served here with the channel `topic` any more: those who are, are told, and returned.
    pub(in crate::listener) fn part_with(&mut self, topic: &Topic, now: Instant) -> Option<Displaced> {
        let audience = self.registry.part_with(topic)?;
        let waiters = self.waiters.take(topic);
        let why = self.last_error.clone().filter(|_| self.is_failing);
        Some(Displaced {
            name: Arc::clone(&topic.name),
            audience,
            waiters,
            since: Some(now),
            why,
            is_cut_off: false,
        })
    }

    /// Serves those who want the channel `topic` from now on.
    pub(in crate::listener) fn take_over(&mut self, topic: &Topic, displaced: Displaced) {
        if self.phase == Phase::Closed {
            return self.displaced.push(displaced);
        }
        self.is_failing |= self.phase != Phase::Live && displaced.audience.is_cut_off();
        let is_live = self.registry.take_over(topic, displaced.audience);
        self.waiters.put(topic, displaced.waiters);
        if is_live {
            self.answer_live(std::slice::from_ref(topic));
        } else {
            self.next_step_due.get_or_insert(Instant::now() + self.longest_step);
        }
    }

    pub(in crate::listener) fn is_wanted(&self, topic: &Topic) -> bool {
        self.registry.is_wanted(topic.scope, &topic.name)
    }

    pub(in crate::listener) fn wanted_and_confirmed(&self) -> (usize, usize) {
        (self.registry.wanted(), self.registry.confirmed())
    }

    /// Another node may serve these.
    pub(super) fn give_up(&mut self, scope: Scope, names: &[Arc<str>], now: Instant) {
        if self.gives_up {
            let topics = names.iter().map(|name| Topic { scope, name: Arc::clone(name) });
            let displaced: Vec<_> = topics.filter_map(|topic| self.part_with(&topic, now)).collect();
            self.displaced.extend(displaced);
        }
    }

    /// What was given up at a node that failed comes back at once, as long as no other serves it: that must not make it be
    /// tried again at once.
    pub(super) fn rest_of_node(&self, now: Instant) -> Option<Instant> {
        self.rest_until.filter(|until| self.gives_up && now < *until)
    }

    pub(super) fn give_up_all(&mut self, now: Instant) {
        if self.gives_up {
            for Topic { scope, name } in self.registry.topics() {
                self.give_up(scope, &[name], now);
            }
        }
    }

    /// What was given up since this was last asked.
    pub(in crate::listener) fn take_displaced(&mut self) -> Vec<Displaced> {
        std::mem::take(&mut self.displaced)
    }
}
