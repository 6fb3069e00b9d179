//! The states of the publishers to several servers, as one. Which servers these are, is not decided here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_bus_core::transport::{LinkHealth, LinkState, StateBoard};
use tokio::time::Instant;

use super::Status;

#[derive(Debug)]
pub(crate) struct Fleet {
    inner: Mutex<Inner>,
    board: StateBoard,
}

#[derive(Debug)]
struct Inner {
    /// Of the servers in use.
    all: Vec<Arc<Status>>,
    /// Why there is nobody to publish to, or not for all.
    astray: Option<Arc<str>>,
    is_closed: bool,
    state: LinkState,
    since: Instant,
    last_error: Option<Arc<str>>,
}

impl Fleet {
    pub(crate) fn new(board: StateBoard) -> Arc<Self> {
        let (state, since) = (LinkState::Idle, Instant::now());
        let inner = Inner { all: Vec::new(), astray: None, is_closed: false, state, since, last_error: None };
        Arc::new(Self { inner: Mutex::new(inner), board })
    }

    /// One more server is in use.
    pub(crate) fn join(self: &Arc<Self>) -> Arc<Status> {
        let status = Arc::new(Status::of_one_of(self));
        self.lock().all.push(Arc::clone(&status));
        status
    }

    /// A server is not in use any more: how it does counts no more.
    pub(crate) fn leave(&self, status: &Arc<Status>) {
        self.lock().all.retain(|one| !Arc::ptr_eq(one, status));
        self.show();
    }

    /// There is nobody to publish to, or there is again: to be [shown](Self::show) then. Whether that changes anything.
    pub(crate) fn astray(&self, error: Option<&str>) -> bool {
        let mut inner = self.lock();
        let was_astray = std::mem::replace(&mut inner.astray, error.map(Into::into)).is_some();
        was_astray != error.is_some()
    }

    pub(crate) fn closed(&self) {
        self.lock().is_closed = true;
        self.show();
    }

    pub(crate) fn health(&self) -> LinkHealth {
        let mut inner = self.lock();
        inner.look_again();
        let mut health = LinkHealth::default();
        health.state = inner.state;
        health.in_state_for = inner.since.elapsed();
        health.last_error.clone_from(&inner.last_error);
        health
    }

    /// Shows what is true now to those who watch; after every change, and not under a lock.
    pub(crate) fn show(&self) {
        self.board.update(|shown| {
            let mut inner = self.lock();
            inner.look_again();
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
    fn look_again(&mut self) {
        let all: Vec<LinkHealth> = self.all.iter().map(|status| status.health()).collect();
        let is_any = |state| all.iter().any(|health| health.state == state);
        let state = if self.is_closed {
            LinkState::Closed
        } else if self.astray.is_some() || is_any(LinkState::Interrupted) {
            LinkState::Interrupted
        } else if is_any(LinkState::Connected) {
            LinkState::Connected
        } else if is_any(LinkState::Connecting) {
            LinkState::Connecting
        } else {
            LinkState::Idle
        };
        if state == LinkState::Interrupted {
            let failing = all.iter().find(|health| health.state == LinkState::Interrupted);
            let error = self.astray.clone().or_else(|| failing.and_then(|health| health.last_error.clone()));
            self.last_error = error.or(self.last_error.take());
        }
        if state != self.state {
            self.state = state;
            self.since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    fn connect(status: &Status) {
        status.set_if(LinkState::Idle, LinkState::Connecting);
        status.connected(&AtomicU64::new(0), 0);
    }

    #[test]
    fn one_server_that_fails_is_told_until_it_works_again_or_is_left() {
        let board = StateBoard::default();
        let fleet = Fleet::new(board.clone());
        let (one, two) = (fleet.join(), fleet.join());
        let shown = || board.watch().current();
        assert_eq!(shown().publisher, LinkState::Idle);
        one.set_if(LinkState::Idle, LinkState::Connecting);
        assert_eq!(shown().publisher, LinkState::Connecting);
        connect(&one);
        connect(&two);
        assert_eq!(shown().publisher, LinkState::Connected);
        one.interrupted("gone");
        assert_eq!(shown().publisher, LinkState::Interrupted);
        assert_eq!(shown().publisher_error.as_deref(), Some("gone"));
        one.published();
        assert_eq!((shown().publisher, shown().publisher_error), (LinkState::Connected, None));
        one.interrupted("gone for good");
        fleet.leave(&one);
        one.closed();
        assert_eq!(shown().publisher, LinkState::Connected);
        assert_eq!(fleet.health().last_error.as_deref(), Some("gone for good"), "kept for health");
        fleet.closed();
        two.interrupted("too late");
        assert_eq!(shown().publisher, LinkState::Closed, "closed is closed");
    }

    #[test]
    fn that_nobody_is_to_be_found_is_an_interruption() {
        let board = StateBoard::default();
        let fleet = Fleet::new(board.clone());
        assert!(fleet.astray(Some("nobody serves it")));
        fleet.show();
        assert_eq!(board.watch().current().publisher_error.as_deref(), Some("nobody serves it"));
        assert!(fleet.astray(None));
        fleet.show();
        assert_eq!(board.watch().current().publisher, LinkState::Idle);
    }
}
