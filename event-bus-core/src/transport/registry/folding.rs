//! How listeners come to be served by a wider pattern, and back by their own: each switch at a moment from which on
//! the one carries all that the other did. Which patterns fold is decided in `fold.rs`.

use super::Registry;
use crate::transport::fold::Reconsidered;
use crate::transport::inbox::Inbox;
use crate::transport::topic::{Endpoint, Topic};

/// What comes of a refusal.
#[derive(Debug, Default)]
#[must_use = "whoever waits is to be answered, and whoever listened is to be ended"]
pub struct Refusal {
    /// Nobody may listen to the topic. `false` if a wider pattern serves those who want it, or may yet.
    pub is_denied: bool,
    /// Who listened to it, to be [ended](Inbox::end) outside of the lock under which the registry stands.
    pub listeners: Vec<Inbox>,
    /// It was a wide pattern, into which others were folded: each is asked for by itself from now on.
    pub is_unfolded: bool,
    /// Topics whose listeners are live from now on.
    pub live: Vec<Topic>,
}

impl Registry {
    /// The server does not let us subscribe to `topic`. Of a pattern that a wide one serves, or may yet, nobody is denied;
    /// and of a wide one only those who want it for itself.
    pub fn refuse(&mut self, topic: &Topic) -> Refusal {
        self.unconfirm(topic.scope, &topic.name);
        if let Some(wide) = self.folds.wide_one_for(topic) {
            self.carry(topic, self.server.is_subscribed(&wide));
            return Refusal::default();
        }
        let live = self.do_without(topic);
        let is_unfolded = live.is_some();
        let live = live.unwrap_or_default();
        Refusal { is_denied: true, listeners: self.evict(topic), is_unfolded, live }
    }

    /// Whether others are folded into `topic`, which can be [done without](Self::do_without).
    #[must_use]
    pub fn is_wide(&self, topic: &Topic) -> bool {
        self.folds.is_folded(topic)
    }

    /// The server does not take `topic`. If it is a wide pattern, those that were folded into it are asked for by
    /// themselves, until there is another connection; returns the ones that are live from now on. Whoever wants `topic` itself
    /// is not refused it: it is asked for again.
    pub fn do_without(&mut self, topic: &Topic) -> Option<Vec<Topic>> {
        if !self.folds.refuse(topic) {
            return None;
        }
        self.unconfirm(topic.scope, &topic.name);
        Some(self.unfold(topic))
    }

    /// Whether a wide pattern is confirmed, so that the server sends more than is listened to.
    #[must_use]
    pub fn is_flooded(&self, endpoint: Endpoint) -> bool {
        self.folds.wide_ones(endpoint).iter().any(|wide| self.server.is_subscribed(wide))
    }

    /// Whether patterns may be folded at `endpoint`; they may unless this has said that they may not. What is folded stays
    /// so until the connection is [cut off](Self::cut_off).
    pub fn allow_folding(&mut self, endpoint: Endpoint, is_allowed: bool) {
        self.folds.allow(endpoint, is_allowed);
    }

    /// Nothing is subscribed at `endpoint`: it is decided anew which patterns are folded there.
    pub(super) fn refold(&mut self, endpoint: Endpoint) {
        let Reconsidered { begins, ends } = self.folds.reconsider(endpoint);
        for wide in &ends {
            self.unfold(wide);
        }
        for wide in &begins {
            self.server.hold(wide);
        }
        for wide in self.folds.wide_ones(endpoint) {
            self.fold(&wide);
        }
    }

    /// Patterns are folded into `wide` from now on: all that there are if the server has confirmed it, which are
    /// returned; else those that are not on their way to being subscribed themselves.
    pub(super) fn fold(&mut self, wide: &Topic) -> Vec<Topic> {
        let patterns = self.folds.patterns_into(wide);
        let is_confirmed = !patterns.is_empty() && self.server.is_subscribed(wide);
        patterns.iter().for_each(|pattern| self.carry(pattern, is_confirmed));
        if is_confirmed { patterns } else { Vec::new() }
    }

    /// `pattern` is served by a wide one. What is subscribed for itself serves it until that is confirmed: both push
    /// from then on until the narrow one is let go, and inboxes take each publish once. Neither may be passed over: a switch
    /// may come between the two pushes of one publish, in either order.
    pub(super) fn carry(&mut self, pattern: &Topic, is_confirmed: bool) {
        let may_switch = is_confirmed || self.server.is_absent(pattern);
        let audience = self.audiences.get_mut(pattern.scope, &pattern.name).filter(|_| may_switch);
        if audience.is_some_and(|audience| !std::mem::replace(&mut audience.is_folded, true)) {
            self.server.release(pattern);
        }
        if is_confirmed {
            self.go_live(pattern);
        }
    }

    /// Each of the patterns that were folded into `wide` is subscribed for itself. Returns those that are already.
    pub(super) fn unfold(&mut self, wide: &Topic) -> Vec<Topic> {
        self.server.release(wide);
        let mut live = Vec::new();
        for pattern in self.folds.patterns_of(wide) {
            let audience = self.audiences.get_mut(pattern.scope, &pattern.name);
            if !audience.is_some_and(|audience| std::mem::take(&mut audience.is_folded)) {
                continue;
            }
            self.server.hold(&pattern);
            if self.server.is_subscribed(&pattern) {
                self.go_live(&pattern);
                live.push(pattern);
            }
        }
        live
    }
}
