//! Whether somebody carries out what is decided, and what becomes of all when nobody does any more.

use event_bus_core::transport::Inbox;
use event_bus_core::{Error, ErrorKind};
use tokio::time::Instant;

use super::{Place, Places};
use crate::error::closed;
use crate::listener::state::{RUNTIME_ENDED, State};

impl Places {
    /// A number for a new guide, if one is needed: there is none, or it stands still.
    pub(in crate::listener::shards) fn need_guide(&mut self, now: Instant) -> Option<u64> {
        if self.is_closed || (self.guide.is_some() && self.guide_due.is_none_or(|due| now <= due)) {
            return None;
        }
        self.guides += 1;
        self.guide = Some(self.guides);
        self.expect_guide(now);
        self.guide
    }

    /// Whether the guide is to be woken for the channel: nobody serves it, or nobody carries out what its node decides, or nobody asks
    /// whether that node is still the right one.
    pub(in crate::listener::shards) fn needs_guide(&self, name: &str) -> bool {
        self.guide_rests || self.node_of(name).is_none_or(|node| !node.has_task())
    }

    /// The guide looks whether it has anything to do: not if nobody wants anything, until it is woken.
    pub(in crate::listener::shards) fn lets_guide_rest(&mut self) -> bool {
        self.guide_rests = self.is_idle();
        self.guide_rests
    }

    fn is_idle(&self) -> bool {
        self.channels.is_empty()
    }

    pub(in crate::listener::shards) fn is_guided_by(&mut self, number: u64, now: Instant) -> bool {
        self.expect_guide(now);
        !self.is_closed && self.guide == Some(number)
    }

    fn expect_guide(&mut self, now: Instant) {
        self.guide_due = (!self.is_idle()).then_some(self.due_of_guide(now));
    }

    pub(super) fn due_of_guide(&self, now: Instant) -> Instant {
        now + 2 * self.config.patience() + self.config.connect_timeout
    }

    /// Its runtime has ended. If it was the one, nobody is served any more: those who listened are returned.
    pub(in crate::listener::shards) fn guide_ended(&mut self, number: u64) -> Vec<Inbox> {
        if self.is_closed || self.guide != Some(number) {
            return Vec::new();
        }
        self.guide = None;
        self.take_in();
        self.end_all(|| Error::new(ErrorKind::NotSubscribed, RUNTIME_ENDED))
    }

    /// Those who listened are returned.
    pub(in crate::listener::shards) fn close(&mut self) -> Vec<Inbox> {
        if std::mem::replace(&mut self.is_closed, true) {
            return Vec::new();
        }
        let mut listening = Vec::new();
        for (_, node) in self.nodes.drain() {
            // Not parted with: nobody is to be told of an interruption that was meant.
            let (inboxes, later) = node.change_later(State::close);
            listening.extend(inboxes);
            self.after.nodes.push(later);
            self.after.gone.push(node);
        }
        self.take_in(); // a node may have given up something until it was closed
        listening.extend(self.end_all(closed));
        listening
    }

    fn end_all(&mut self, error: impl Fn() -> Error) -> Vec<Inbox> {
        let mut listening = Vec::new();
        let places: Vec<_> = self.channels.drain().collect();
        (self.unserved, self.cut_off) = (0, 0);
        for (name, place) in places {
            let displaced = match place {
                Place::At(address) if self.nodes.contains_key(&address) => self.part_with(&name, &address),
                Place::At(_) => None,
                Place::Nowhere(displaced) => Some(displaced),
            };
            if let Some(displaced) = displaced {
                let (answers, inboxes) = displaced.give_up(&error);
                self.after.answers.extend(answers);
                listening.extend(inboxes);
            }
        }
        listening
    }
}
