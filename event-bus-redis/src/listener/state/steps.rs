//! What the task has to do next.

use event_bus_core::transport::Request;
use tokio::time::Instant;

use super::{Epoch, Phase, State, TaskId};

/// One thing for the task to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::listener) enum Step {
    Connect(Epoch),
    Ask(Epoch, Request),
    Ping(Epoch),
    /// Until then, or until something changes.
    Sleep(Instant),
    /// Until something changes.
    Park,
    Stop,
}

impl State {
    /// What to do next. Asking again without reporting gives the same answer, but for requests, which are given
    /// once.
    pub(in crate::listener) fn step(&mut self, task: TaskId, now: Instant) -> Step {
        if self.task != Some(task) {
            return Step::Stop;
        }
        let step = self.next_step(now);
        self.next_step_due = match &step {
            Step::Park => None,
            Step::Sleep(until) => Some(*until + self.longest_step),
            _ => Some(now + self.longest_step),
        };
        step
    }

    fn next_step(&mut self, now: Instant) -> Step {
        match self.phase {
            Phase::Closed => Step::Stop,
            Phase::Idle | Phase::Waiting { .. } if self.registry.wanted() == 0 => {
                self.is_failing = false;
                self.registry.sweep();
                self.enter(Phase::Idle, now);
                Step::Park
            }
            Phase::Waiting { until } if now < until => Step::Sleep(until),
            Phase::Idle | Phase::Waiting { .. } => {
                if let Some(until) = self.rest_of_node(now) {
                    self.is_failing = true;
                    self.enter(Phase::Waiting { until }, now);
                    return Step::Sleep(until);
                }
                self.registry.sweep();
                self.epoch.0 += 1;
                self.enter(Phase::Connecting, now);
                Step::Connect(self.epoch)
            }
            Phase::Connecting => Step::Connect(self.epoch),
            Phase::Live => self.step_while_live(now),
        }
    }

    fn step_while_live(&mut self, now: Instant) -> Step {
        if self.fences.is_asked() && !std::mem::replace(&mut self.pinged_for_a_fence, true) {
            return Step::Ping(self.epoch);
        }
        self.pinged_for_a_fence = false;
        let max = if self.one_by_one > 0 { 1 } else { self.chunk };
        let is_held = self.ask_not_before.is_some_and(|until| now < until);
        if !is_held && let Some(request) = self.registry.next_request(max) {
            let is_subscribe = matches!(request, Request::Subscribe(..));
            self.one_by_one = self.one_by_one.saturating_sub(usize::from(is_subscribe));
            return Step::Ask(self.epoch, request);
        }
        if self.fences.is_asked() {
            return Step::Ping(self.epoch);
        }
        let next_ping = self.last_answer.unwrap_or(now) + self.ping_interval;
        let next = self.ask_not_before.filter(|_| is_held).map_or(next_ping, |until| until.min(next_ping));
        if now >= next_ping { Step::Ping(self.epoch) } else { Step::Sleep(next) }
    }
}
