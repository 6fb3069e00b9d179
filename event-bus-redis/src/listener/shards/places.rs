//! Who is served where. Does no IO: what it decides, the nodes' listeners carry out.

mod guide;
mod moves;
mod report;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_bus_core::transport::{Aftermath, Inbox, InboxId, LinkState, Topic, TopicKind};
use event_bus_core::{Error, ErrorKind, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::Listener;
use super::super::displaced::Displaced;
use super::super::screen::{Link, Screen, Whole};
use super::super::shared::Later;
use super::super::state::{State, scope};
use super::super::waiters::Answer;
use super::super::way::Exile;
use crate::config::{Address, RedisConfig};
use crate::error::closed;
use crate::topology::{Map, Topology};

/// By a map that is older nobody is placed: while the guide rests, another node may have taken over.
const FRESH: Duration = Duration::from_secs(2);

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
    /// It asks nobody until it is woken.
    guide_rests: bool,
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
            guide_rests: false,
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
                if let Some(map) = self.settled.clone().filter(|map| map.began().elapsed() < FRESH)
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
