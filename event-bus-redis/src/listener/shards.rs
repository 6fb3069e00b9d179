//! Listening to a cluster's sharded channels: each at the node that owns its slot, and wherever that goes. Every node has a
//! listener of its own, which gives up what it does not serve; who is where is decided here, whenever the servers were asked.

mod places;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_bus_core::Result;
use event_bus_core::transport::{Backoff, End, Filter, Health, Inbox, Lease, StateBoard};
use futures_util::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::confirmation::{confirmed, runtime};
use super::screen::Whole;
use super::state::RUNTIME_ENDED;
use super::way::POLL;
use super::{Connection, Listener, topic};
use crate::config::RedisConfig;
use crate::topology::{Map, Topology};
use places::Places;

/// Between two times that the servers are asked, while somebody is not served: the first follow quickly, since most
/// changes are a matter of milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The guide ends when this and all leases are gone.
#[derive(Clone)]
pub(crate) struct Shards(Arc<Owner>);

/// Held by the transport and by every lease; closes when the last one is gone.
struct Owner(Arc<Shared>);

pub(super) struct Shared {
    config: Arc<RedisConfig>,
    topology: Arc<Topology>,
    places: Mutex<Places>,
    whole: Arc<Whole>,
}

impl Shards {
    pub(crate) fn new(config: Arc<RedisConfig>, topology: Arc<Topology>, board: StateBoard) -> Self {
        let whole = Whole::new(board);
        let places = Mutex::new(Places::new(Arc::clone(&config), Arc::clone(&topology), Arc::clone(&whole)));
        Self(Arc::new(Owner(Arc::new(Shared { config, topology, places, whole }))))
    }

    pub(crate) async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let shared = &self.0.0;
        let runtime = runtime()?;
        let name = topic(filter, shared.config.listening)?.name;
        ensure_guided(shared, &runtime);
        let (lease, confirmation) = self.0.want(&name, inbox);
        ensure_guided(shared, &runtime); // again: the one that ran may have ended in between
        if shared.lock(|places| places.needs_guide(&name)) {
            shared.topology.hurry();
        }
        let obstacle = || shared.lock(|places| places.obstacle(&name));
        confirmed(&shared.config, &name, lease, confirmation, obstacle).await
    }

    /// Every connection that serves somebody answers. Who is served by none has been told.
    pub(crate) async fn fence(&self) -> Result<()> {
        let nodes = self.0.0.lock(|places| places.serving());
        try_join_all(nodes.iter().map(Listener::fence)).await.map(drop)
    }

    pub(crate) fn connection(&self, channel: &str) -> Option<Connection> {
        self.0.0.node_of(channel).as_ref().map(Listener::connection)
    }

    pub(crate) fn distrust(&self, channel: &str, connection: Connection, why: &'static str) {
        if let Some(node) = self.0.0.node_of(channel) {
            node.distrust(connection, why); // not under the lock: it wakes whoever listens
        }
    }

    pub(crate) fn close(&self) {
        self.0.0.close();
    }

    pub(crate) fn report(&self, health: &mut Health) {
        let link = self.0.0.whole.link();
        self.0.0.lock(|places| places.report(health, link));
    }
}

impl Owner {
    /// The lease takes everything back.
    fn want(self: &Arc<Self>, name: &Arc<str>, inbox: Inbox) -> (Lease, oneshot::Receiver<Result<()>>) {
        let id = inbox.id();
        let confirmation = self.0.lock(|places| places.want(name, inbox));
        let (owner, name) = (Arc::clone(self), Arc::clone(name));
        (Lease::new(move || owner.0.lock(|places| places.unwant(&name, id))), confirmation)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    /// Changes who is where, and does after unlocking what must not be done before.
    fn lock<R>(&self, change: impl FnOnce(&mut Places) -> R) -> R {
        let (result, aftermath, is_news) = {
            let mut places = self.places();
            places.take_in();
            (change(&mut places), places.take_aftermath(), places.take_news())
        };
        if is_news {
            self.whole.show(0, || self.places().link()); // first: whoever is woken may look at it
        }
        drop(aftermath);
        result
    }

    /// The listener of the node that serves `channel`.
    fn node_of(&self, channel: &str) -> Option<Listener> {
        self.lock(|places| places.node_of(channel).cloned())
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        let inboxes = self.lock(Places::close);
        inboxes.iter().for_each(|inbox| inbox.end(End::Closed));
        self.whole.close();
        self.topology.hurry(); // the guide need not wait to learn of it
        self.topology.hurry_all(); // nor those that it replaced
    }
}

/// Starts the guide where there is none, or where the one there is stands still, since its runtime does.
fn ensure_guided(shared: &Arc<Shared>, runtime: &Handle) {
    let Some(number) = shared.lock(|places| places.need_guide(Instant::now())) else { return };
    shared.topology.hurry_all(); // the one that is replaced, if it lives: it would be woken in place of the new one
    // Not under the lock: a runtime that is shutting down drops the guide at once.
    let guide = Guide { shared: Arc::clone(shared), number };
    #[expect(clippy::disallowed_methods, reason = "ends with the listener; `Guide` tells whoever listens")]
    runtime.spawn(guide.run());
}

/// Dropped unfinished when its runtime ends: whoever listens would wait for ever, and is told.
struct Guide {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Guide {
    fn drop(&mut self) {
        let orphans = self.shared.lock(|places| places.guide_ended(self.number));
        orphans.iter().for_each(|inbox| inbox.end(End::Stopped(RUNTIME_ENDED.into())));
    }
}

impl Guide {
    async fn run(self) {
        let Shared { topology, .. } = &*self.shared;
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let runtime = Handle::current();
        while self.shared.lock(|places| places.is_guided_by(self.number, Instant::now())) {
            if self.shared.lock(Places::lets_guide_rest) {
                topology.hurried().await;
                continue;
            }
            match topology.newer_than(Instant::now()).await {
                Ok(map) => self.settle(&map, &runtime),
                Err(error) => self.shared.lock(|places| places.note_failure(&error)),
            }
            if self.shared.lock(|places| places.all_are_served()) {
                backoff.reset();
                sleep(FIRST_PAUSE).await; // in whatever hurry others are
                topology.news_within(POLL).await;
            } else {
                sleep(FIRST_PAUSE.max(backoff.delay())).await;
            }
        }
    }

    fn settle(&self, map: &Arc<Map>, runtime: &Handle) {
        let nodes = self.shared.lock(|places| {
            places.settle(map);
            places.nodes()
        });
        nodes.iter().for_each(|node| node.ensure_running(runtime));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_bus_core::transport::{Capabilities, Transport};
    use event_bus_core::{ChannelKey, Event, EventBus, KeyError, Message, Receipt};
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Serialize, Deserialize)]
    struct Number(u64);

    impl Event for Number {
        const BUS_NAME: &'static str = "n";

        fn channel_keys(&self) -> std::result::Result<Vec<ChannelKey>, KeyError> {
            Ok(Vec::new())
        }
    }

    struct Listening(Shards);

    impl Transport for Listening {
        async fn publish(&self, _: Vec<Message>) -> Vec<Result<Receipt>> {
            Vec::new()
        }

        async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
            self.0.subscribe(filter, inbox).await
        }

        async fn close(&self) {}

        fn capabilities(&self) -> Capabilities {
            Capabilities::default()
        }
    }

    async fn begins(listen: &mut (impl Future + Unpin)) {
        assert!(tokio::time::timeout(Duration::ZERO, listen).await.is_err(), "nobody confirms it");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_for_a_channel_that_nobody_serves_is_forgotten() {
        let config = Arc::new(RedisConfig::cluster([("127.0.0.1", 1)]).sharded());
        let shards = Shards::new(Arc::clone(&config), Topology::new(config), StateBoard::default());
        let bus = EventBus::<Number>::new(Listening(shards.clone()));
        let waiting = || shards.0.0.lock(|places| places.waiting("n/k"));
        let mut patient = Box::pin(bus.listen("k"));
        begins(&mut patient).await;
        for _ in 0..100 {
            begins(&mut Box::pin(bus.listen("k"))).await;
        }
        assert_eq!(waiting(), 1);
        drop(patient);
        assert_eq!(waiting(), 0);
    }
}
