//! Who is served where. Does no IO: what it decides, the nodes' listeners carry out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_bus_core::transport::{Aftermath, Health, Inbox, InboxId, LinkState, Topic, TopicKind};
use event_bus_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::Listener;
use super::super::displaced::Displaced;
use super::super::screen::{Link, Screen, Whole};
use super::super::shared::Later;
use super::super::state::{RUNTIME_ENDED, State, scope};
use super::super::waiters::Answer;
use super::super::way::Exile;
use crate::config::{Address, RedisConfig};
use crate::error::closed;
use crate::topology::{Map, Topology};

pub(super) struct Places {
    config: Arc<RedisConfig>,
    whole: Arc<Whole>,
    limbo: Arc<Limbo>,
    channels: HashMap<Arc<str>, Place>,
    nodes: HashMap<Address, Listener>,
    /// How many nodes there have been.
    numbers: u64,
    /// How many channels are nowhere, and of how many of them somebody has been told that he hears nothing.
    unserved: usize,
    cut_off: usize,
    /// Of nodes that are gone.
    reconnects: u64,
    /// What was last done, for all who are somewhere.
    settled: Option<Arc<Map>>,
    last_error: Option<Arc<str>>,
    /// The [link](Self::link) as it was last told to be news.
    told: Link,
    guide: Option<u64>,
    guides: u64,
    /// The guide has to come again by then; never, while nobody wants anything.
    guide_due: Option<Instant>,
    is_closed: bool,
    after: AfterUnlocking,
}

enum Place {
    At(Address),
    Nowhere(Displaced),
}

impl Place {
    fn is_cut_off(&self) -> bool {
        matches!(self, Self::Nowhere(displaced) if displaced.is_cut_off)
    }
}

/// Dropped after unlocking.
#[derive(Default)]
pub(super) struct AfterUnlocking {
    aftermath: Aftermath,
    answers: Vec<Answer>,
    nodes: Vec<Later>,
    gone: Vec<Listener>,
}

/// Where nodes put what they don't serve any more.
struct Limbo {
    displaced: Mutex<Vec<Displaced>>,
    topology: Arc<Topology>,
}

impl Exile for Limbo {
    fn take_in(&self, displaced: Vec<Displaced>) {
        self.displaced.lock().unwrap_or_else(PoisonError::into_inner).extend(displaced);
    }

    fn hurry(&self) {
        self.topology.hurry();
    }
}

impl Places {
    pub(super) fn new(config: Arc<RedisConfig>, topology: Arc<Topology>, whole: Arc<Whole>) -> Self {
        Self {
            config,
            whole,
            limbo: Arc::new(Limbo { displaced: Mutex::default(), topology }),
            channels: HashMap::new(),
            nodes: HashMap::new(),
            numbers: 0,
            unserved: 0,
            cut_off: 0,
            reconnects: 0,
            settled: None,
            last_error: None,
            told: (LinkState::Idle, None),
            guide: None,
            guides: 0,
            guide_due: None,
            is_closed: false,
            after: AfterUnlocking::default(),
        }
    }

    /// `inbox` wants the channel. Resolved when a node has confirmed it.
    pub(super) fn want(&mut self, name: &Arc<str>, inbox: Inbox) -> oneshot::Receiver<Result<()>> {
        if self.is_closed {
            let (waiter, confirmation) = oneshot::channel();
            self.after.answers.push(Answer::new(waiter, Err(closed())));
            return confirmation;
        }
        let due = self.due_of_guide(Instant::now());
        self.guide_due.get_or_insert(due);
        match self.channels.get_mut(name) {
            Some(Place::At(address)) => {
                let address = address.clone();
                self.at_node(&address, |state| state.want(&topic(name), inbox))
            }
            Some(Place::Nowhere(displaced)) => displaced.want(inbox),
            None => {
                let mut displaced = Displaced::new(Arc::clone(name));
                let confirmation = displaced.want(inbox);
                self.put_nowhere(displaced);
                if let Some(map) = self.settled.clone()
                    && let Some(owner) = map.owner(name).filter(|owner| self.nodes.contains_key(*owner))
                {
                    self.put_at(name, owner);
                }
                confirmation
            }
        }
    }

    /// Puts the channel there, and returns where it was.
    fn put(&mut self, name: Arc<str>, place: Place) -> Option<Place> {
        self.unserved += usize::from(matches!(place, Place::Nowhere(_)));
        self.cut_off += usize::from(place.is_cut_off());
        let before = self.channels.insert(name, place);
        self.uncount(before.as_ref());
        before
    }

    fn remove(&mut self, name: &str) -> Option<Place> {
        let before = self.channels.remove(name);
        self.uncount(before.as_ref());
        before
    }

    fn uncount(&mut self, gone: Option<&Place>) {
        self.unserved -= usize::from(matches!(gone, Some(Place::Nowhere(_))));
        self.cut_off -= usize::from(gone.is_some_and(Place::is_cut_off));
    }

    pub(super) fn unwant(&mut self, name: &Arc<str>, inbox: InboxId) {
        if let Some(Place::At(address)) = self.channels.get(name) {
            let address = address.clone();
            let is_wanted = self.at_node(&address, |state| {
                state.unwant(&topic(name), inbox);
                state.is_wanted(&topic(name))
            });
            if is_wanted {
                return;
            }
            self.take_in(); // it may just have been given up there
        }
        match self.channels.get_mut(name) {
            Some(Place::Nowhere(displaced)) => {
                let gone = displaced.unwant(inbox, &mut self.after.aftermath);
                self.after.answers.extend(gone);
                if !displaced.audience.is_empty() {
                    return;
                }
            }
            Some(Place::At(_)) => {}
            None => return,
        }
        if let Some(Place::Nowhere(displaced)) = self.remove(name) {
            self.forget(displaced);
        }
    }

    /// All who listened have left; whoever waits has given up.
    fn forget(&mut self, displaced: Displaced) {
        let (answers, _) =
            displaced.give_up(|| Error::new(ErrorKind::NotSubscribed, "nobody listens any more"));
        self.after.answers.extend(answers);
    }

    /// What nodes have given up is nowhere.
    pub(super) fn take_in(&mut self) {
        let displaced =
            std::mem::take(&mut *self.limbo.displaced.lock().unwrap_or_else(PoisonError::into_inner));
        for displaced in displaced {
            self.put_nowhere(displaced);
        }
    }

    fn put_nowhere(&mut self, mut displaced: Displaced) {
        let name = Arc::clone(&displaced.name);
        match self.remove(&name) {
            Some(Place::Nowhere(others)) => {
                displaced.merge(others, &mut self.after.aftermath);
            }
            // Some have come to want it there since it was given up there.
            Some(Place::At(address)) => {
                if let Some(others) = self.part_with(&name, &address) {
                    displaced.merge(others, &mut self.after.aftermath);
                }
            }
            None => {}
        }
        if displaced.audience.is_empty() {
            return self.forget(displaced);
        }
        self.last_error = displaced.why.clone().or(self.last_error.take());
        displaced.is_cut_off = displaced.audience.is_cut_off();
        self.put(name, Place::Nowhere(displaced));
    }

    fn part_with(&mut self, name: &Arc<str>, address: &Address) -> Option<Displaced> {
        self.at_node(address, |state| state.part_with(&topic(name), Instant::now()))
    }

    fn put_at(&mut self, name: &Arc<str>, address: &Address) {
        let Some(Place::Nowhere(displaced)) = self.put(Arc::clone(name), Place::At(address.clone())) else {
            return;
        };
        self.at_node(address, |state| state.take_over(&topic(name), displaced));
    }

    /// Everybody goes where his channel is served, by what was found out.
    pub(super) fn settle(&mut self, map: &Arc<Map>) {
        if self.is_closed {
            return;
        }
        let is_news = self.settled.as_ref().is_none_or(|settled| !settled.is_alike(map));
        if is_news || self.unserved > 0 {
            for (name, owner) in self.moves(map) {
                if let Some(Place::At(address)) = self.channels.get(&name) {
                    let address = address.clone();
                    if let Some(mut displaced) = self.part_with(&name, &address) {
                        displaced.since = None; // this map is why
                        self.put_nowhere(displaced);
                    }
                }
                if let Some(owner) = owner {
                    self.put_at(&name, &owner);
                }
            }
        }
        self.settled = Some(Arc::clone(map));
        self.let_idle_nodes_go(map);
    }

    /// Whether the guide is needed for the channel: nobody serves it, or nobody carries out what its node decides.
    pub(super) fn needs_guide(&self, name: &str) -> bool {
        self.node_of(name).is_none_or(|node| !node.has_task())
    }

    /// Who is not where he should be, and where that is if anywhere.
    fn moves(&self, map: &Map) -> Vec<(Arc<str>, Option<Address>)> {
        let is_wrong = |(name, place): (&Arc<str>, &Place)| {
            let owner = map.owner(name);
            let is_right = match place {
                Place::At(address) => Some(address) == owner,
                Place::Nowhere(displaced) => {
                    owner.is_none() || displaced.since.is_some_and(|since| map.began() < since)
                }
            };
            (!is_right).then(|| (Arc::clone(name), owner.cloned()))
        };
        self.channels.iter().filter_map(is_wrong).collect()
    }

    fn let_idle_nodes_go(&mut self, map: &Map) {
        let is_idle = |(address, node): (&Address, &Listener)| {
            (node.wanted_and_confirmed().0 == 0 && !map.is_owner(address)).then(|| address.clone())
        };
        let idle: Vec<Address> = self.nodes.iter().filter_map(is_idle).collect();
        let nodes = &mut self.nodes;
        let gone: Vec<Listener> = idle.iter().filter_map(|address| nodes.remove(address)).collect();
        self.reconnects += gone.iter().map(|node| node.health().reconnects).sum::<u64>();
        self.after.gone.extend(gone);
    }

    /// At the listener of a node, which is made if there is none.
    fn at_node<R>(&mut self, address: &Address, change: impl FnOnce(&mut State) -> R) -> R {
        if !self.nodes.contains_key(address) {
            self.numbers += 1;
            let screen = Screen::Part(Arc::clone(&self.whole), self.numbers);
            let exile: Arc<dyn Exile> = Arc::clone(&self.limbo) as _;
            let config = self.config.at_master(address.clone(), true);
            self.nodes.insert(address.clone(), Listener::of_node(Arc::new(config), exile, screen));
        }
        let (result, later) = self.nodes[address].change_later(change);
        self.after.nodes.push(later);
        result
    }

    /// Those that serve somebody.
    pub(super) fn serving(&self) -> Vec<Listener> {
        self.nodes.values().filter(|node| node.wanted_and_confirmed().1 > 0).cloned().collect()
    }

    pub(super) fn nodes(&self) -> Vec<Listener> {
        self.nodes.values().cloned().collect()
    }

    /// Every channel has a node that has confirmed it.
    pub(super) fn all_are_served(&self) -> bool {
        let is_done = |node: &Listener| {
            let (wanted, confirmed) = node.wanted_and_confirmed();
            wanted == confirmed
        };
        self.unserved == 0 && self.nodes.values().all(is_done)
    }

    pub(super) fn node_of(&self, channel: &str) -> Option<&Listener> {
        match self.channels.get(channel)? {
            Place::At(address) => self.nodes.get(address),
            Place::Nowhere(_) => None,
        }
    }

    /// How those are who are nowhere. Nodes tell by themselves how the others are.
    pub(super) fn link(&self) -> Link {
        if self.unserved == 0 {
            (LinkState::Idle, None)
        } else if self.cut_off > 0 {
            (LinkState::Interrupted, self.last_error.clone())
        } else {
            (LinkState::Connecting, None)
        }
    }

    /// Whether the [link](Self::link) has changed since this was last asked.
    pub(super) fn take_news(&mut self) -> bool {
        let link = self.link();
        let is_news = link != self.told;
        self.told = link;
        is_news
    }

    /// Nobody answered when the servers were asked.
    pub(super) fn note_failure(&mut self, error: &Error) {
        self.last_error = Some(super::super::state::Cause::of(error).text);
        if error.kind() != ErrorKind::Denied {
            return;
        }
        let text = error.to_string();
        for place in self.channels.values_mut() {
            if let Place::Nowhere(displaced) = place {
                let waiters = std::mem::take(&mut displaced.waiters).into_iter();
                let denied = || Err(Error::new(ErrorKind::Denied, text.clone()));
                self.after.answers.extend(waiters.map(|waiter| Answer::new(waiter, denied())));
            }
        }
    }

    pub(super) fn obstacle(&self, name: &str) -> Option<Arc<str>> {
        match self.channels.get(name) {
            Some(Place::At(address)) => self.nodes.get(address).and_then(Listener::obstacle),
            _ => Some(self.last_error.clone().unwrap_or_else(|| "no node is known to own the slot".into())),
        }
    }

    pub(super) fn report(&self, health: &mut Health, (state, error): Link) {
        let mut wanted = self.unserved;
        let (mut confirmed, mut reconnects) = (0, self.reconnects);
        let mut last_heard: Option<Duration> = None;
        let mut in_state_for: Option<Duration> = None;
        for node in self.nodes.values() {
            let part = node.health();
            wanted += part.wanted;
            confirmed += part.confirmed;
            reconnects += part.reconnects;
            last_heard = last_heard.into_iter().chain(part.listener.last_heard).min();
            if part.listener.state == state {
                in_state_for = in_state_for.into_iter().chain([part.listener.in_state_for]).max();
            }
        }
        health.listener.state = state;
        health.listener.in_state_for = in_state_for.unwrap_or_default();
        health.listener.last_heard = last_heard;
        health.listener.last_error = error.or_else(|| self.last_error.clone());
        (health.wanted, health.confirmed, health.reconnects) = (wanted, confirmed, reconnects);
    }

    /// A number for a new guide, if one is needed: there is none, or it stands still.
    pub(super) fn need_guide(&mut self, now: Instant) -> Option<u64> {
        if self.is_closed || (self.guide.is_some() && self.guide_due.is_none_or(|due| now <= due)) {
            return None;
        }
        self.guides += 1;
        self.guide = Some(self.guides);
        self.expect_guide(now);
        self.guide
    }

    /// Nobody wants anything.
    pub(super) fn is_idle(&self) -> bool {
        self.channels.is_empty()
    }

    pub(super) fn is_guided_by(&mut self, number: u64, now: Instant) -> bool {
        self.expect_guide(now);
        !self.is_closed && self.guide == Some(number)
    }

    fn expect_guide(&mut self, now: Instant) {
        self.guide_due = (!self.is_idle()).then_some(self.due_of_guide(now));
    }

    fn due_of_guide(&self, now: Instant) -> Instant {
        now + 2 * self.config.patience() + self.config.connect_timeout
    }

    /// Its runtime has ended. If it was the one, nobody is served any more: those who listened are returned.
    pub(super) fn guide_ended(&mut self, number: u64) -> Vec<Inbox> {
        if self.is_closed || self.guide != Some(number) {
            return Vec::new();
        }
        self.guide = None;
        self.take_in();
        self.end_all(|| Error::new(ErrorKind::NotSubscribed, RUNTIME_ENDED))
    }

    /// Those who listened are returned.
    pub(super) fn close(&mut self) -> Vec<Inbox> {
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

    /// How many wait for a channel that nobody serves.
    #[cfg(test)]
    pub(super) fn waiting(&self, name: &str) -> usize {
        match self.channels.get(name) {
            Some(Place::Nowhere(displaced)) => displaced.waiters.len(),
            _ => 0,
        }
    }

    pub(super) fn take_aftermath(&mut self) -> AfterUnlocking {
        std::mem::take(&mut self.after)
    }
}

fn topic(name: &Arc<str>) -> Topic {
    Topic { scope: scope(TopicKind::ShardChannel), name: Arc::clone(name) }
}
