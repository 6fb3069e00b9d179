//! What the in-memory "server" knows: who listens, what is on its way to whom, and which faults hold. Changed under
//! one lock, so it does no IO, awaits nothing and runs nothing foreign.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::faults::Faults;
use super::recording::Tape;
use crate::error::{Error, ErrorKind, Result};
use crate::glob;
use crate::message::Message;
use crate::transport::{
    Aftermath, End, Endpoint, Filter, Health, Inbox, InboxId, LinkState, Registry, Request, Scope, Topic,
    TopicKind,
};

#[derive(Default)]
pub(super) struct State {
    pub(super) registry: Registry,
    pub(super) faults: Faults,
    pub(super) is_closed: bool,
    /// In the order of publishing, and so of arrival: what is due waits for what stands before it.
    on_the_way: VecDeque<Frame>,
    /// Listens that wait for their confirmation.
    unconfirmed: Vec<oneshot::Sender<()>>,
    tapes: BTreeMap<u64, Arc<Tape>>,
    next_tape: u64,
    /// Since when publishing, and listening, are in the state in which they are.
    since: Option<(Instant, Instant)>,
    last_error: Option<Arc<str>>,
}

/// A message, and the room that it takes among those that may be on their way.
pub(super) struct Parcel {
    message: Arc<Message>,
    _room: OwnedSemaphorePermit,
}

/// What stands between the "server" and its listeners.
struct Frame {
    due: Instant,
    cargo: Cargo,
}

enum Cargo {
    /// A message for those who listened when it was published.
    Message { parcel: Parcel, to: Vec<Inbox>, is_lost: bool },
    /// An answer to who asked whether what was published before has arrived.
    Fence(oneshot::Sender<()>),
}

/// What the one who carries messages does next.
pub(super) enum Step {
    /// Look again: something was done, and more may be to do.
    Again,
    WaitUntil(Instant),
    Wait,
}

/// What is collected under the lock, and done once it is released. What is in it may be foreign: wakers, and the
/// destructors of events.
#[derive(Default)]
#[must_use = "carry it out once the lock is released"]
pub(super) struct After {
    of_registry: Aftermath,
    of_arrivals: Aftermath,
    confirmed: Vec<oneshot::Sender<()>>,
    never_confirmed: Vec<oneshot::Sender<()>>,
    /// Their subscriptions end as soon as somebody says so; until then they would be counted as listeners.
    overflowed: Vec<Inbox>,
    /// Messages that are done with, and who was to get them.
    over: Vec<(Parcel, Vec<Inbox>)>,
}

impl Parcel {
    pub(super) fn new(message: Arc<Message>, room: OwnedSemaphorePermit) -> Self {
        Self { message, _room: room }
    }
}

impl State {
    pub(super) fn refuse_if_closed(&self) -> Result<()> {
        if self.is_closed {
            return Err(Error::new(ErrorKind::Closed, "the in-memory transport was closed"));
        }
        Ok(())
    }

    /// Takes a message, and says how many topics get it.
    pub(super) fn publish(&mut self, parcel: Parcel, after: &mut After) -> Result<u64> {
        let failed = |kind| Err(Error::new(kind, "the in-memory transport was told to fail"));
        match self.faults.failure() {
            None => Ok(self.send(parcel, after)),
            Some(kind @ ErrorKind::OutcomeUnknown) => {
                self.send(parcel, after);
                failed(kind)
            }
            Some(kind) => {
                after.over.push((parcel, Vec::new()));
                failed(kind)
            }
        }
    }

    fn send(&mut self, parcel: Parcel, after: &mut After) -> u64 {
        self.tapes.values().for_each(|tape| tape.write(Arc::clone(&parcel.message)));
        let (topics, to) = self.route(parcel.message.channel().as_str());
        let is_lost = self.faults.loses();
        if to.is_empty() {
            after.over.push((parcel, to));
        } else {
            self.dispatch(Cargo::Message { parcel, to, is_lost });
        }
        topics
    }

    /// The receiver hears when everything that was published before has arrived; never, if that is lost.
    pub(super) fn fence(&mut self) -> oneshot::Receiver<()> {
        let (fence, answer) = oneshot::channel();
        if !self.faults.is_interrupted() {
            self.dispatch(Cargo::Fence(fence));
        }
        answer
    }

    fn dispatch(&mut self, cargo: Cargo) {
        let due = self.faults.arrival();
        self.on_the_way.push_back(Frame { due, cargo });
    }

    /// Who gets a message on `channel`, each once however many of its topics match, and how many topics these are.
    fn route(&self, channel: &str) -> (u64, Vec<Inbox>) {
        let exact = std::iter::once((CHANNELS, channel));
        let patterns = self
            .registry
            .names(PATTERNS)
            .filter(|name| glob::matches(name.as_bytes(), channel.as_bytes()))
            .map(|name| (PATTERNS, name));
        let mut topics = 0;
        let mut inboxes: Vec<Inbox> = Vec::new();
        for (scope, name) in exact.chain(patterns) {
            let before = inboxes.len();
            let listeners = self.registry.listeners(scope, name);
            inboxes.extend(listeners.filter(|inbox| inbox.wants(channel)).cloned());
            topics += u64::from(inboxes.len() > before);
        }
        inboxes.sort_unstable_by_key(Inbox::id);
        inboxes.dedup_by(|inbox, earlier| inbox.is_queue_of(earlier));
        (topics, inboxes)
    }

    /// The receiver hears when everything published from then on goes to `inbox`.
    pub(super) fn join(&mut self, topic: &Topic, inbox: Inbox, after: &mut After) -> oneshot::Receiver<()> {
        let (confirmed, confirmation) = oneshot::channel();
        if self.registry.join(topic, inbox).contains(topic) {
            after.confirmed.push(confirmed); // from here on it is told whatever happens
        } else {
            self.unconfirmed.push(confirmed);
        }
        confirmation
    }

    pub(super) fn leave(&mut self, topic: &Topic, inbox: InboxId) {
        self.registry.leave(topic, inbox);
        self.settle();
    }

    /// Confirms who waits for it, or lets the next message arrive.
    pub(super) fn step(&mut self, after: &mut After) -> Step {
        if !self.unconfirmed.is_empty() && !self.faults.is_interrupted() {
            self.settle();
            after.confirmed.append(&mut self.unconfirmed);
            return Step::Again;
        }
        self.arrive(after)
    }

    fn arrive(&mut self, after: &mut After) -> Step {
        match self.on_the_way.front() {
            None => return Step::Wait,
            Some(next) if next.due > Instant::now() => return Step::WaitUntil(next.due),
            Some(_) => {}
        }
        match self.on_the_way.pop_front().map(|frame| frame.cargo) {
            None => return Step::Wait,
            Some(Cargo::Fence(fence)) => after.confirmed.push(fence),
            Some(Cargo::Message { parcel, to, is_lost }) => {
                for inbox in &to {
                    if is_lost {
                        inbox.interrupt_into(&mut after.of_arrivals);
                        inbox.resume_into(&mut after.of_arrivals);
                    } else if !inbox
                        .deliver_into(std::slice::from_ref(&parcel.message), &mut after.of_arrivals)
                    {
                        after.overflowed.push(inbox.clone());
                    }
                }
                after.over.push((parcel, to));
            }
        }
        Step::Again
    }

    /// What is on its way never arrives.
    fn lose_all(&mut self, after: &mut After) {
        for frame in self.on_the_way.drain(..) {
            match frame.cargo {
                Cargo::Message { parcel, to, .. } => after.over.push((parcel, to)),
                Cargo::Fence(fence) => after.never_confirmed.push(fence),
            }
        }
    }

    /// What is due arrives first: it was published before, and so the order is the same whoever runs when.
    pub(super) fn interrupt(&mut self, after: &mut After) {
        while matches!(self.arrive(after), Step::Again) {}
        if self.is_closed || !self.faults.interrupt() {
            return;
        }
        self.lose_all(after);
        self.registry.cut_off(ENDPOINT);
        self.settle();
    }

    /// Whether there was an interruption.
    pub(super) fn resume(&mut self) -> bool {
        let was_interrupted = self.faults.resume();
        if was_interrupted {
            self.settle();
        }
        was_interrupted
    }

    /// Grants whatever the registry asks for, unless nothing can be asked for.
    fn settle(&mut self) {
        if self.faults.is_interrupted() {
            return self.registry.sweep();
        }
        while let Some(request) = self.registry.next_request(usize::MAX) {
            match request {
                Request::Subscribe(scope, names) => {
                    for name in names {
                        self.registry.confirm(scope, &name);
                    }
                }
                Request::Unsubscribe(scope, names) => {
                    for name in names {
                        self.registry.unconfirm(scope, &name);
                    }
                }
            }
        }
    }

    /// What is due arrives, and then nothing any more, and nobody is confirmed. Returns who listened.
    pub(super) fn end(&mut self, after: &mut After) -> Vec<Inbox> {
        while matches!(self.arrive(after), Step::Again) {}
        self.lose_all(after);
        after.never_confirmed.append(&mut self.unconfirmed);
        self.registry.inboxes().cloned().collect()
    }

    pub(super) fn start_tape(&mut self, tape: Arc<Tape>) -> u64 {
        let number = self.next_tape;
        self.next_tape += 1;
        self.tapes.insert(number, tape);
        number
    }

    pub(super) fn stop_tape(&mut self, number: u64) -> Option<Arc<Tape>> {
        self.tapes.remove(&number)
    }

    /// The states of publishing and of listening.
    pub(super) fn links(&self, is_carrying: bool) -> (LinkState, LinkState) {
        let link = match (self.is_closed, is_carrying) {
            (true, _) => LinkState::Closed,
            (false, true) => LinkState::Connected,
            (false, false) => LinkState::Idle,
        };
        let is_interrupted = self.faults.is_interrupted() && !self.is_closed;
        (link, if is_interrupted { LinkState::Interrupted } else { link })
    }

    /// The states were others, and have just become these.
    pub(super) fn note_links(&mut self, before: (LinkState, LinkState), now: (LinkState, LinkState)) {
        let moment = Instant::now();
        let (publisher, listener) = self.since.unwrap_or((moment, moment));
        self.since = Some((
            if before.0 == now.0 { publisher } else { moment },
            if before.1 == now.1 { listener } else { moment },
        ));
        if now.1 == LinkState::Interrupted {
            self.last_error = Some("the in-memory transport was interrupted".into());
        }
    }

    pub(super) fn health(&self, is_carrying: bool) -> Health {
        let mut health = Health::default();
        (health.publisher.state, health.listener.state) = self.links(is_carrying);
        if let Some((publisher, listener)) = self.since {
            health.publisher.in_state_for = publisher.elapsed();
            health.listener.in_state_for = listener.elapsed();
        }
        health.listener.last_error.clone_from(&self.last_error);
        health.wanted = self.registry.wanted();
        health.confirmed = self.registry.confirmed();
        health.reconnects = self.faults.healed();
        health
    }
}

impl After {
    pub(super) fn include(&mut self, of_registry: Aftermath) {
        self.of_registry = of_registry;
    }

    /// Not to be called under a lock.
    pub(super) fn carry_out(self) {
        drop((self.of_registry, self.of_arrivals));
        for confirmed in self.confirmed {
            let _ = confirmed.send(()); // a listen that was dropped meanwhile has taken everything back
        }
        self.overflowed.iter().for_each(|inbox| inbox.end(End::Overflowed));
        drop((self.never_confirmed, self.over));
    }
}

const ENDPOINT: Endpoint = Endpoint(0);
const CHANNELS: Scope = Scope { endpoint: ENDPOINT, kind: TopicKind::Channel };
const PATTERNS: Scope = Scope { endpoint: ENDPOINT, kind: TopicKind::Pattern };

pub(super) fn topic(filter: Filter) -> Topic {
    match filter {
        Filter::Channel(channel) => Topic { scope: CHANNELS, name: channel.as_str().into() },
        Filter::Pattern(pattern) => Topic { scope: PATTERNS, name: pattern },
    }
}
