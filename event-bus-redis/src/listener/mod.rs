//! Listening: one task that owns the connection, carries out what the state machine decides, and never gives up.
//! This file is the door: subscribing and closing.

mod any;
mod breathing;
mod confirmation;
mod displaced;
mod fences;
mod link;
mod logins;
mod lookout;
mod run;
mod screen;
mod shards;
mod shared;
mod socket;
mod state;
mod task;
mod waiters;
mod way;

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::transport::{
    Backoff, End, Filter, Health, Inbox, Lease, Registry, StateBoard, Topic, TopicKind,
};
use event_bus_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::config::{Listening, RedisConfig};
use crate::topology::Topology;
pub(crate) use any::AnyListener;
use confirmation::{confirmed, runtime};
use screen::Screen;
use shards::Shards;
use shared::{Later, Shared};
use state::{Cause, Epoch, RUNTIME_ENDED, State, TaskId, scope};
use task::{ensure_running, start};
use way::{Aim, Exile, Found, Way};

/// The listening half of the transport. The task ends when this and all leases are gone.
#[derive(Clone)]
pub(crate) struct Listener(Arc<Owner>);

/// One of the listening connections that there have been.
#[derive(Clone, Copy)]
pub(crate) struct Connection(Epoch);

/// Held by the transport and by every lease; closes when the last one is gone.
struct Owner(Arc<Shared>);

impl Listener {
    /// To the one server that the config names.
    pub(crate) fn new(config: Arc<RedisConfig>, board: StateBoard) -> Self {
        Self::with(config, Way::Fixed, Screen::Own(board), |state| state)
    }

    /// To the master of sentinels, or to one node of a cluster for all.
    pub(crate) fn found(config: Arc<RedisConfig>, topology: Arc<Topology>, board: StateBoard) -> Self {
        let aim = if config.is_cluster() { Aim::Member } else { Aim::Master };
        let way = Way::Found(Found::new(aim, topology));
        Self::with(config, way, Screen::Own(board), |state| state)
    }

    /// To one of several nodes, which serves a part of the channels.
    fn of_node(config: Arc<RedisConfig>, exile: Arc<dyn Exile>, screen: Screen) -> Self {
        Self::with(config, Way::Node(exile), screen, State::of_node)
    }

    fn with(config: Arc<RedisConfig>, way: Way, screen: Screen, adapt: impl FnOnce(State) -> State) -> Self {
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        // Late answers are waited for once more if we were stalled ourselves.
        let longest_step = config.connect_timeout * 3
            + config.patience() * 2
            + config.response_timeout
            + config.ping_interval;
        let registry = Registry::folding_beyond(config.fold_patterns_beyond);
        let state = adapt(State::new(registry, backoff, &config, longest_step));
        Self(Arc::new(Owner(Arc::new(Shared::new(config, way, state, screen)))))
    }

    pub(crate) async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let shared = &self.0.0;
        let runtime = runtime()?;
        let topic = topic(filter, shared.config.listening)?;
        let name = Arc::clone(&topic.name);
        let (lease, task, confirmation) = self.0.want(topic, inbox);
        start(shared, &runtime, task);
        shared.nudge.notify_one();
        let obstacle = || shared.peek(State::obstacle);
        confirmed(&shared.config, &name, lease, confirmation, obstacle).await
    }

    pub(crate) async fn fence(&self) -> Result<()> {
        let shared = &self.0.0;
        let answer = shared.change(State::fence);
        shared.nudge.notify_one();
        match timeout(shared.config.listen_timeout, answer).await {
            Ok(answered) => {
                answered.unwrap_or_else(|_| Err(Error::new(ErrorKind::NotConnected, RUNTIME_ENDED)))
            }
            Err(_) => Err(Error::new(ErrorKind::NotConnected, "the listening connection gives no answer")),
        }
    }

    /// The connection that delivers now, or the next one.
    pub(crate) fn connection(&self) -> Connection {
        Connection(self.0.0.peek(State::epoch))
    }

    /// `connection` does not deliver: it is made anew, if it is still the one.
    pub(crate) fn distrust(&self, Connection(epoch): Connection, why: &'static str) {
        self.0.0.lost(epoch, &Cause::new(why));
    }

    pub(crate) fn close(&self) {
        self.0.close();
    }

    fn ensure_running(&self, runtime: &Handle) {
        if self.wanted_and_confirmed().0 > 0 {
            ensure_running(&self.0.0, runtime);
        }
    }

    fn change_later<R>(&self, change: impl FnOnce(&mut State) -> R) -> (R, Later) {
        self.0.0.change_later(change)
    }

    fn wanted_and_confirmed(&self) -> (usize, usize) {
        self.0.0.peek(State::wanted_and_confirmed)
    }

    fn has_task(&self) -> bool {
        self.0.0.peek(State::has_task)
    }

    fn obstacle(&self) -> Option<Arc<str>> {
        self.0.0.peek(State::obstacle)
    }

    fn health(&self) -> Health {
        let mut health = Health::default();
        self.report(&mut health);
        health
    }

    pub(crate) fn report(&self, health: &mut Health) {
        self.0.0.peek(|state| state.report(health, Instant::now()));
    }
}

impl Owner {
    /// The lease takes everything back. A task that is needed for it is to be [started](start).
    fn want(
        self: &Arc<Self>,
        topic: Topic,
        inbox: Inbox,
    ) -> (Lease, Option<TaskId>, oneshot::Receiver<Result<()>>) {
        let id = inbox.id();
        let (task, confirmation) =
            self.0.change(|state| (state.need_task(Instant::now()), state.want(&topic, inbox)));
        let owner = Arc::clone(self);
        let lease = Lease::new(move || {
            owner.0.change(|state| state.unwant(&topic, id));
            owner.0.nudge.notify_one();
        });
        (lease, task, confirmation)
    }

    fn close(&self) {
        let inboxes = self.0.change(State::close);
        inboxes.iter().for_each(|inbox| inbox.end(End::Closed));
        self.0.nudge.notify_one();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

fn topic(filter: Filter, listening: Listening) -> Result<Topic> {
    let unsupported = |text: String| Err(Error::new(ErrorKind::Unsupported, text));
    match filter {
        Filter::Channel(channel) => {
            Ok(Topic { scope: scope(listening.channel_kind()), name: channel.as_str().into() })
        }
        Filter::Pattern(pattern) => match listening {
            Listening::Classic => Ok(Topic { scope: scope(TopicKind::Pattern), name: pattern }),
            Listening::Sharded => unsupported(format!(
                "sharded pub/sub has no patterns: listen to the channels that {pattern} is to match, or with `Listening::Classic`"
            )),
        },
        other => unsupported(format!("redis can't listen to {other}")),
    }
}
