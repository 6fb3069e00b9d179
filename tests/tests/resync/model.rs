//! A state, somebody who changes it and publishes the changes, and somebody who follows it. What happens when is
//! decided by the tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_bus_core::transport::Transport;
use event_bus_core::{ChannelKey, MemoryTransport, Message, Notice, Resync, ResyncError, Update};
use event_bus_tests::{Numbered, NumberedBus};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{sleep, timeout};

/// The version of each thing.
pub(crate) type Versions = BTreeMap<u8, u64>;

/// What may happen at any moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Nothing,
    /// A thing changes, and the change is published.
    Change(u8),
    /// It is published, and lost on its way.
    Lose(u8),
    /// It is published as something that does not decode.
    Garble(u8),
    Interrupt,
    Resume,
    /// For what is published from now on.
    Delay(u8),
    /// Everything arrives that is due.
    Settle,
    /// The fetch that runs now, or the next one, fails.
    FailFetch,
}

/// The changing side. Clones are the same world.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) memory: MemoryTransport,
    pub(crate) bus: NumberedBus,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    versions: Versions,
    changes: u64,
    /// What happens at the moments to come.
    plan: VecDeque<[Deed; 2]>,
    fetches: usize,
    to_fail: bool,
}

impl World {
    pub(crate) fn new(queue_messages: usize, plan: impl IntoIterator<Item = [Deed; 2]>) -> Self {
        let memory = MemoryTransport::new();
        let bus = NumberedBus::builder(memory.clone()).queue_messages(queue_messages).build().unwrap();
        let inner = Inner { plan: plan.into_iter().collect(), ..Inner::default() };
        Self { memory, bus, inner: Arc::new(Mutex::new(inner)) }
    }

    pub(crate) fn versions(&self) -> Versions {
        self.inner.lock().unwrap().versions.clone()
    }

    pub(crate) fn fetches(&self) -> usize {
        self.inner.lock().unwrap().fetches
    }

    /// What is planned next happens.
    pub(crate) async fn moment(&self) {
        let next = self.inner.lock().unwrap().plan.pop_front();
        for deed in next.into_iter().flatten() {
            self.happen(deed).await;
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.inner.lock().unwrap().plan.is_empty()
    }

    pub(crate) async fn happen(&self, deed: Deed) {
        match deed {
            Deed::Nothing => {}
            Deed::Change(thing) => self.publish(thing).await,
            Deed::Lose(thing) => {
                self.memory.drop_next(1);
                self.publish(thing).await;
            }
            Deed::Garble(thing) => {
                self.change(thing);
                let channel = self.bus.channel(&ChannelKey::new("k").unwrap());
                self.memory.publish(vec![Message::new(channel, "garbled")]).await.pop().unwrap().unwrap();
            }
            Deed::Interrupt => self.memory.interrupt(),
            Deed::Resume => self.memory.resume(),
            Deed::Delay(millis) => self.memory.delay(Duration::from_millis(millis.into())),
            Deed::Settle => sleep(Duration::from_millis(1)).await,
            Deed::FailFetch => self.inner.lock().unwrap().to_fail = true,
        }
    }

    async fn publish(&self, thing: u8) {
        let version = self.change(thing);
        self.bus.publish_to("k", &Numbered::new(&thing.to_string(), version)).await.unwrap();
    }

    /// The state changes before anything is published about it.
    fn change(&self, thing: u8) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        inner.changes += 1;
        let version = inner.changes;
        inner.versions.insert(thing, version);
        version
    }

    /// Reads the whole state. There is a moment before and one behind the reading.
    pub(crate) async fn fetch(self) -> Result<Versions, &'static str> {
        self.inner.lock().unwrap().fetches += 1;
        self.moment().await;
        let versions = self.versions();
        self.moment().await;
        let fails = std::mem::take(&mut self.inner.lock().unwrap().to_fail);
        if fails { Err("told to fail") } else { Ok(versions) }
    }
}

/// How the following side reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Each read is awaited until nothing more happens.
    Waiting,
    /// Each read is dropped if it is not ready at its first poll.
    Dropping,
}

type Fetching = BoxFuture<'static, Result<Versions, &'static str>>;
type Updates = Resync<Numbered, Box<dyn FnMut() -> Fetching + Send>, Fetching>;
type Read = Option<Result<Update<Versions, Numbered>, ResyncError<&'static str>>>;

/// The following side: keeps what it is told, and checks that it is told in order.
pub(crate) struct Follower {
    world: World,
    updates: Updates,
    patience: Patience,
    versions: Versions,
    is_owed_a_snapshot: bool,
    is_cut_off: bool,
    has_ended: bool,
    gaps: usize,
    failures: usize,
}

impl Follower {
    pub(crate) async fn listen(world: &World, patience: Patience) -> Self {
        let events = world.bus.listen("k").await.unwrap();
        let fetching = world.clone();
        let fetch: Box<dyn FnMut() -> Fetching + Send> = Box::new(move || fetching.clone().fetch().boxed());
        Self {
            world: world.clone(),
            updates: events.resync(fetch),
            patience,
            versions: Versions::new(),
            is_owed_a_snapshot: true,
            is_cut_off: false,
            has_ended: false,
            gaps: 0,
            failures: 0,
        }
    }

    /// Reads until nothing comes any more.
    pub(crate) async fn read(&mut self) {
        let (patience, most_silence) = match self.patience {
            Patience::Waiting => (Duration::from_millis(5), 1),
            Patience::Dropping => (Duration::ZERO, 5),
        };
        let mut silence = 0;
        while !self.has_ended && silence < most_silence {
            if let Ok(read) = timeout(patience, self.updates.recv()).await {
                self.apply(read);
                silence = 0;
            } else {
                silence += 1;
                sleep(Duration::from_millis(1)).await;
            }
        }
    }

    fn apply(&mut self, read: Read) {
        match read {
            Some(Ok(Update::Snapshot(versions))) => {
                assert!(self.is_owed_a_snapshot, "a snapshot for nothing");
                self.is_owed_a_snapshot = false;
                self.versions = versions;
            }
            Some(Ok(Update::Event(event))) => {
                assert!(!self.is_owed_a_snapshot || self.is_cut_off, "an event before its snapshot");
                self.versions.insert(event.source.parse().unwrap(), event.number);
            }
            Some(Ok(Update::Stale(notice))) => {
                self.gaps += 1;
                self.is_owed_a_snapshot = true;
                match notice {
                    Notice::Interrupted => self.is_cut_off = true,
                    Notice::Resumed { .. } => self.is_cut_off = false,
                    notice => assert!(!notice.is_final(), "{notice}"),
                }
            }
            Some(Err(ResyncError::Fetch("told to fail"))) => self.failures += 1,
            Some(Err(error)) => panic!("{error:?}"),
            None => self.has_ended = true,
        }
    }

    /// When all is quiet, what is held is the state; and so it is at the end.
    pub(crate) async fn finish(mut self) {
        self.world.memory.resume();
        self.world.memory.delay(Duration::ZERO);
        sleep(Duration::from_secs(1)).await;
        self.read().await;
        assert!(self.versions == self.world.versions(), "{:?} at rest", self.versions);
        assert!(self.world.fetches() <= 1 + self.gaps + self.failures, "a fetch for nothing");
        self.world.bus.close().await;
        self.read().await;
        assert!(self.has_ended && self.versions == self.world.versions(), "{:?} at the end", self.versions);
    }
}
