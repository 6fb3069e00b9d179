//! Those who listen to a channel, while no server is known that serves it: on their way from one node to another.

use std::sync::Arc;

use event_bus_core::transport::{Aftermath, Audience, Inbox, InboxId};
use event_bus_core::{Error, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::waiters::{Answer, Waiter, prune};

#[derive(Debug)]
pub(super) struct Displaced {
    pub(super) name: Arc<str>,
    pub(super) audience: Audience,
    /// Who waits for the channel to be confirmed.
    pub(super) waiters: Vec<Waiter>,
    /// What was found out about the servers before then may be why.
    pub(super) since: Option<Instant>,
    pub(super) why: Option<Arc<str>>,
    /// Somebody has been told that he hears nothing.
    pub(super) is_cut_off: bool,
}

impl Displaced {
    /// Nobody wants it yet.
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            audience: Audience::default(),
            waiters: Vec::new(),
            since: None,
            why: None,
            is_cut_off: false,
        }
    }

    /// One more wants the channel. Resolved when a server has confirmed it.
    pub(super) fn want(&mut self, inbox: Inbox) -> oneshot::Receiver<Result<()>> {
        let (waiter, confirmation) = oneshot::channel();
        self.waiters.push(waiter);
        self.audience.join(inbox);
        confirmation
    }

    /// Who gave up waiting is among the answers that are returned.
    pub(super) fn unwant(&mut self, inbox: InboxId, aftermath: &mut Aftermath) -> Vec<Answer> {
        self.audience.leave(inbox, aftermath);
        prune(&mut self.waiters)
    }

    pub(super) fn merge(&mut self, other: Self, aftermath: &mut Aftermath) {
        self.audience.absorb(other.audience, aftermath);
        self.waiters.extend(other.waiters);
        self.since = self.since.max(other.since);
        self.why = self.why.take().or(other.why);
    }

    /// Nobody serves it any more: the answers for those who wait, and those who listened, to be ended.
    pub(super) fn give_up(self, error: impl Fn() -> Error) -> (Vec<Answer>, Vec<Inbox>) {
        let answers = self.waiters.into_iter().map(|waiter| Answer::new(waiter, Err(error()))).collect();
        (answers, self.audience.into_listening())
    }
}
