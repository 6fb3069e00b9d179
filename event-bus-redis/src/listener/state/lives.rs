//! How connections and tasks begin and end, and who is told: everybody who listens, in the same moment from which on
//! the one that ended may not speak any more.

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::transport::Inbox;
use event_bus_core::{Error, ErrorKind};
use tokio::time::Instant;

use super::{Cause, ENDPOINT, Epoch, Phase, RUNTIME_ENDED, RUNTIME_STALLED, State, TaskId, not_connected};
use crate::error::closed;

/// A connection that lived this long has earned a fresh start of the backoff. One that a server cuts off again
/// and again, for example for its output buffer, has not.
pub(super) const STABLE: Duration = Duration::from_secs(5);

/// So many connections in a row may be lost before that, with patterns folded, before folding is taken for the cause.
const MOST_FLOODS: u32 = 2;

impl State {
    /// A number for a new task, if one is needed: there is none, or it stands still. Whoever listened through that
    /// one is told so.
    pub(in crate::listener) fn need_task(&mut self, now: Instant) -> Option<TaskId> {
        if self.phase == Phase::Closed || (self.task.is_some() && !self.is_stalled(now)) {
            return None;
        }
        self.lost(self.epoch, &Cause::new(RUNTIME_STALLED), now);
        self.tasks += 1;
        self.task = Some(TaskId(self.tasks));
        self.next_step_due = Some(now + self.longest_step);
        self.task
    }

    /// The connection is up. `false` if it is not wanted any more.
    pub(in crate::listener) fn connected(&mut self, epoch: Epoch, now: Instant) -> bool {
        if epoch != self.epoch || self.phase != Phase::Connecting {
            return false;
        }
        self.reconnects += u64::from(self.last_heard.is_some());
        self.last_heard = Some(now);
        self.last_answer = Some(now);
        self.one_by_one = 0;
        self.ask_not_before = None;
        self.is_failing = false;
        self.enter(Phase::Live, now);
        true
    }

    /// The connection could not be made, or is gone. Everybody is told in the same moment from which on the
    /// old connection may not deliver any more. `false` if that is no news.
    pub(in crate::listener) fn lost(&mut self, epoch: Epoch, cause: &Cause, now: Instant) -> bool {
        if epoch != self.epoch || !matches!(self.phase, Phase::Connecting | Phase::Live) {
            return false;
        }
        if self.phase == Phase::Live {
            self.judge_life(now.saturating_duration_since(self.since));
        }
        self.epoch.0 += 1;
        self.fences.refuse(not_connected);
        self.last_error = Some(Arc::clone(&cause.text));
        self.is_failing = true;
        self.registry.cut_off(ENDPOINT);
        if let Some(reason) = &cause.denied {
            self.waiters.refuse_all(|| Error::new(ErrorKind::Denied, reason.to_string()));
        }
        if cause.is_elsewhere {
            self.backoff.reset();
        }
        let until = now + self.backoff.delay();
        self.rest_until = Some(until);
        self.enter(Phase::Waiting { until }, now);
        self.give_up_all(now);
        true
    }

    /// The server may have cut us off for being sent a whole bus, which it can't say: then the next connection asks for
    /// no more than is listened to, and so do those after it, until one was stable.
    fn judge_life(&mut self, lived: Duration) {
        if lived >= STABLE {
            self.backoff.reset();
            self.floods = 0;
        } else if self.registry.is_flooded(ENDPOINT) {
            self.floods += 1;
        }
        self.registry.allow_folding(ENDPOINT, self.floods < MOST_FLOODS);
    }

    /// The connection ended by itself. While it is still being made, whoever makes it knows better why.
    pub(in crate::listener) fn hung_up(&mut self, epoch: Epoch, cause: &Cause, now: Instant) -> bool {
        self.phase == Phase::Live && self.lost(epoch, cause, now)
    }

    /// The next attempt need not wait any longer: it goes to another server than the one that failed, or as somebody else.
    /// Unless there was one since `epoch`.
    pub(in crate::listener) fn hasten(&mut self, epoch: Epoch, now: Instant) {
        if let Phase::Waiting { until } = &mut self.phase
            && self.epoch.0 <= epoch.0 + 1
        {
            *until = now.min(*until);
            self.rest_until = None;
        }
    }

    /// Nothing more is to be done, and nobody is told why: it was meant.
    pub(in crate::listener) fn close(&mut self) -> Vec<Inbox> {
        self.enter(Phase::Closed, Instant::now());
        self.epoch.0 += 1;
        self.waiters.refuse_all(closed);
        self.fences.refuse(closed);
        self.registry.inboxes().cloned().collect()
    }

    /// A task is gone. If that was the one, and it had not been told to stop, whoever listens has to be told, and
    /// is returned; the next one who listens starts another.
    pub(in crate::listener) fn task_ended(&mut self, task: TaskId) -> Vec<Inbox> {
        if self.task != Some(task) || self.phase == Phase::Closed {
            return Vec::new();
        }
        self.task = None;
        self.epoch.0 += 1;
        self.give_up_all(Instant::now());
        self.waiters.refuse_all(|| Error::new(ErrorKind::NotSubscribed, RUNTIME_ENDED));
        self.fences.refuse(not_connected);
        self.registry.cut_off(ENDPOINT);
        self.enter(Phase::Idle, Instant::now());
        self.registry.inboxes().cloned().collect()
    }

    /// Whether the task stands still, and with it everything that listens.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        self.next_step_due.is_some_and(|due| now > due)
    }
}
