//! What becomes of a request, by the server's answer to it.

use std::sync::Arc;

use event_bus_core::transport::{Refusal, Request, Scope, Topic};
use event_bus_core::{Error, ErrorKind};
use tokio::time::Instant;

use super::{Epoch, State};

impl State {
    /// The server answered a request well. `false` if it has not confirmed every name of it.
    pub(in crate::listener) fn answered(&mut self, epoch: Epoch, request: &Request, now: Instant) -> bool {
        self.heard(epoch, now);
        if epoch != self.epoch {
            return true;
        }
        if self.ask_not_before.take().is_some() {
            self.backoff.reset();
        }
        self.registry.is_answered(request)
    }

    /// The server is not ready to subscribe to `names`: it is asked again, a little later; or another one, if there are.
    pub(in crate::listener) fn postponed(
        &mut self,
        epoch: Epoch,
        scope: Scope,
        names: &[Arc<str>],
        why: &str,
        now: Instant,
    ) {
        if epoch != self.epoch {
            return;
        }
        self.heard(epoch, now);
        self.last_error = Some(why.into());
        names.iter().for_each(|name| self.registry.unconfirm(scope, name));
        if self.gives_up {
            return self.give_up(scope, names, now);
        }
        self.ask_not_before = Some(now + self.backoff.delay());
    }

    /// The server answers with an error that is no matter of rights, and does not say that it will be another. A wide pattern is
    /// done without, so that nobody waits for it: `true`. Everything else is asked for again, as if it were postponed.
    pub(in crate::listener) fn failed(
        &mut self,
        epoch: Epoch,
        scope: Scope,
        names: &[Arc<str>],
        why: &str,
        now: Instant,
    ) -> bool {
        let is_wide = |name: &Arc<str>| self.registry.is_wide(&Topic { scope, name: Arc::clone(name) });
        if epoch != self.epoch || !names.iter().any(is_wide) {
            self.postponed(epoch, scope, names, why, now);
            return false;
        }
        self.heard(epoch, now);
        self.last_error = Some(why.into());
        let [name] = names else {
            self.ask_alone(scope, names);
            return false;
        };
        let live = self.registry.do_without(&Topic { scope, name: Arc::clone(name) });
        self.answer_live(&live.unwrap_or_default());
        true
    }

    /// The server won't unsubscribe from `names`: it goes on delivering what nobody wants.
    pub(in crate::listener) fn kept(&mut self, epoch: Epoch, scope: Scope, names: &[Arc<str>], now: Instant) {
        if epoch == self.epoch {
            self.heard(epoch, now);
            for name in names {
                let live = self.registry.keep(scope, name);
                self.answer_live(&live);
            }
        }
    }

    /// The server refuses to subscribe to `names`. Of several, each is asked for alone; a single one is refused
    /// for good: whoever waits for it gets an error of `kind`, and its listeners are returned, to be ended.
    pub(in crate::listener) fn refused(
        &mut self,
        epoch: Epoch,
        scope: Scope,
        names: &[Arc<str>],
        kind: ErrorKind,
        reason: &Arc<str>,
        now: Instant,
    ) -> Refusal {
        if epoch != self.epoch {
            return Refusal::default();
        }
        self.heard(epoch, now);
        let [name] = names else {
            self.ask_alone(scope, names);
            return Refusal::default();
        };
        let topic = Topic { scope, name: Arc::clone(name) };
        let refusal = self.registry.refuse(&topic);
        if refusal.is_denied {
            self.waiters.answer(&topic, || Err(Error::new(kind, reason.to_string())));
        }
        self.answer_live(&refusal.live);
        refusal
    }

    /// One of `names` is at fault: each is asked for by itself.
    fn ask_alone(&mut self, scope: Scope, names: &[Arc<str>]) {
        self.one_by_one = names.len();
        names.iter().for_each(|name| self.registry.unconfirm(scope, name));
    }
}
