//! What the listener knows and what it does next, without any IO: the task in `task.rs` carries out the steps
//! and reports what came of them; the connection in `link.rs` reports what the server pushed.

mod answers;
mod cause;
mod lives;
mod moves;
mod report;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::transport::{
    Aftermath, Backoff, Endpoint, Inbox, InboxId, LinkState, Registry, Scope, Topic, TopicKind,
};
use event_bus_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::displaced::Displaced;
use super::fences::Fences;
use super::run::{PushedMessage, Run};
use super::waiters::{Answer, Waiters};
use crate::config::RedisConfig;
use crate::error::closed;
pub(super) use cause::Cause;
pub(super) use steps::Step;

/// What listeners are told when the task is gone.
pub(super) const RUNTIME_ENDED: &str = "the tokio runtime that listened ended";

/// What they are told, and health, when the task stands still.
const RUNTIME_STALLED: &str = "the tokio runtime that listened does not run";

/// Numbers connections: only the newest may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(u64);

pub(super) const ENDPOINT: Endpoint = Endpoint(0);

pub(super) struct State {
    registry: Registry,
    /// What has come and is not delivered yet.
    run: Run,
    phase: Phase,
    epoch: Epoch,
    /// Who waits for the confirmation of a topic.
    waiters: Waiters,
    /// Who waits for a proof of life.
    fences: Fences,
    /// The last step was a ping for one of them: requests have their turn.
    pinged_for_a_fence: bool,
    backoff: Backoff,
    /// After a failure: until when nothing is tried, also if nobody wants anything in between.
    rest_until: Option<Instant>,
    ping_interval: Duration,
    /// How many names one request may carry.
    chunk: usize,
    last_heard: Option<Instant>,
    /// When the server last answered us: messages alone don't show that it still hears.
    last_answer: Option<Instant>,
    /// How many of the next names have to be asked for alone, since they were refused together.
    one_by_one: usize,
    /// The server is not ready for subscriptions: don't ask before then.
    ask_not_before: Option<Instant>,
    /// The task that carries out the steps, and when it has to ask for the next one at the latest: never, while
    /// there is nothing to do.
    task: Option<TaskId>,
    tasks: u64,
    next_step_due: Option<Instant>,
    longest_step: Duration,
    since: Instant,
    last_error: Option<Arc<str>>,
    /// The [link](Self::link) as it was last told to be news.
    told: (LinkState, Option<Arc<str>>),
    /// The last connection, or attempt at one, failed.
    is_failing: bool,
    reconnects: u64,
    /// One of several nodes: what it does not serve any more, another may.
    gives_up: bool,
    /// What it has given up and is not taken yet.
    displaced: Vec<Displaced>,
    /// How many connections in a row were lost soon, while a wide pattern brought more than is listened to.
    floods: u32,
}

/// Numbers tasks: only the newest may take steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Connecting,
    Live,
    /// Until the next attempt.
    Waiting {
        until: Instant,
    },
    Closed,
}

/// What else the server pushed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Push<'a> {
    Subscribed(TopicKind, &'a str),
    Unsubscribed(TopicKind, &'a str),
}

/// Dropped once the lock is released.
pub(super) type AfterState = (Vec<Answer>, Vec<Answer>, Aftermath);

impl State {
    /// A task that is overdue by `longest_step` belongs to a runtime that stands still.
    pub(super) fn new(
        registry: Registry,
        backoff: Backoff,
        config: &RedisConfig,
        longest_step: Duration,
    ) -> Self {
        Self {
            registry,
            run: Run::default(),
            phase: Phase::Idle,
            epoch: Epoch::default(),
            waiters: Waiters::default(),
            fences: Fences::default(),
            pinged_for_a_fence: false,
            backoff,
            rest_until: None,
            ping_interval: config.ping_interval,
            chunk: config.listening.most_names_of_a_command(),
            last_heard: None,
            last_answer: None,
            one_by_one: 0,
            ask_not_before: None,
            task: None,
            tasks: 0,
            next_step_due: None,
            longest_step,
            since: Instant::now(),
            last_error: None,
            told: (LinkState::Idle, None),
            is_failing: false,
            reconnects: 0,
            gives_up: false,
            displaced: Vec::new(),
            floods: 0,
        }
    }

    /// `inbox` wants `topic`. Resolved when the server has confirmed it; at once if it has already.
    pub(super) fn want(&mut self, topic: &Topic, inbox: Inbox) -> oneshot::Receiver<Result<()>> {
        let confirmation = self.waiters.wait(topic);
        if self.phase == Phase::Closed {
            self.waiters.answer(topic, || Err(closed()));
            return confirmation;
        }
        let live = self.registry.join(topic, inbox);
        self.answer_live(&live);
        if !live.contains(topic) {
            self.next_step_due.get_or_insert(Instant::now() + self.longest_step);
        }
        confirmation
    }

    fn answer_live(&mut self, topics: &[Topic]) {
        topics.iter().for_each(|topic| self.waiters.answer(topic, || Ok(())));
    }

    pub(super) fn unwant(&mut self, topic: &Topic, inbox: InboxId) {
        self.registry.leave(topic, inbox);
        self.waiters.prune(topic);
    }

    /// Resolved when the server has answered a ping that is sent from now on.
    pub(super) fn fence(&mut self) -> oneshot::Receiver<Result<()>> {
        let answer = self.fences.ask();
        if self.phase != Phase::Live {
            self.fences.refuse(not_connected);
        }
        answer
    }

    /// Whether `message` can be [held](Self::hold) without delivering before it what is held.
    pub(super) fn can_hold(&self, message: &PushedMessage<'_>) -> bool {
        self.run.takes(message)
    }

    /// The server pushed a message. It waits for those behind it, until [`deliver_held`](Self::deliver_held). Ignored unless it
    /// came over the connection that may speak.
    pub(super) fn hold(&mut self, epoch: Epoch, message: PushedMessage<'_>, now: impl FnOnce() -> Instant) {
        if epoch != self.epoch || self.phase != Phase::Live {
            return;
        }
        if self.run.is_empty() {
            self.last_heard = Some(now());
        }
        self.run.push(message);
    }

    /// Delivers the messages that are held. Before anything else changes: nothing may overtake them.
    pub(super) fn deliver_held(&mut self) {
        self.run.deliver(&mut self.registry);
    }

    /// The server pushed something else. Ignored unless it came over the connection that may speak.
    pub(super) fn pushed(&mut self, epoch: Epoch, push: Push<'_>, now: Instant) {
        if epoch != self.epoch || self.phase != Phase::Live {
            return;
        }
        self.last_heard = Some(now);
        match push {
            Push::Subscribed(kind, name) => {
                let live = self.registry.confirm(scope(kind), name);
                self.answer_live(&live);
            }
            Push::Unsubscribed(kind, name) => {
                let was_asked_to = self.registry.is_let_go(scope(kind), name);
                self.registry.unconfirm(scope(kind), name);
                if !was_asked_to {
                    self.give_up(scope(kind), &[name.into()], now); // whoever came meanwhile can stay otherwise
                }
            }
        }
    }

    /// A ping is sent now.
    pub(super) fn pinging(&mut self, epoch: Epoch) {
        if epoch == self.epoch {
            self.fences.send();
        }
    }

    /// The server answered a ping.
    pub(super) fn ponged(&mut self, epoch: Epoch, now: Instant) {
        if epoch == self.epoch {
            self.heard(epoch, now);
            self.fences.answer();
        }
    }

    /// The server answered.
    pub(super) fn heard(&mut self, epoch: Epoch, now: Instant) {
        if epoch == self.epoch {
            self.last_heard = Some(now);
            self.last_answer = Some(now);
        }
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn has_task(&self) -> bool {
        self.task.is_some()
    }

    /// There is a connection, or should be.
    pub(super) fn is_needed(&self) -> bool {
        self.registry.wanted() > 0
            && matches!(self.phase, Phase::Live | Phase::Connecting | Phase::Waiting { .. })
    }

    pub(super) fn last_heard(&self) -> Option<Instant> {
        self.last_heard
    }

    /// What to drop once the lock under which this stands is released.
    pub(super) fn take_aftermath(&mut self) -> AfterState {
        (self.waiters.take_answers(), self.fences.take_answers(), self.registry.take_aftermath())
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        let before = self.link_state();
        self.phase = phase;
        // An interruption with all its attempts is one state, and so is the life of a connection.
        if self.link_state() != before {
            self.since = now;
        }
    }
}

fn not_connected() -> Error {
    Error::new(ErrorKind::NotConnected, "there is no listening connection")
}

pub(super) fn scope(kind: TopicKind) -> Scope {
    Scope { endpoint: ENDPOINT, kind }
}

#[cfg(test)]
mod tests;
