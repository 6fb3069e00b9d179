//! Which servers there are and which of them serves what: asked for when it is needed, at once by one for all who need it.
//! What the answers mean is decided without IO, in `nodes.rs` and `sentinels.rs`.

mod ask;
mod map;
mod nodes;
mod rests;
mod sentinels;
mod slot;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::config::{Address, RedisConfig, Servers};
use crate::error::{Failed, closed, with_source};
use ask::Desk;
pub(crate) use map::Map;
pub(crate) use slot::hash_tag;

/// Shared by all who publish and listen through one transport.
pub(crate) struct Topology {
    config: Arc<RedisConfig>,
    /// Exchanged if whoever asks stands still, with its runtime.
    desk: std::sync::Mutex<Arc<Mutex<Answers>>>,
    /// The server that is asked every time.
    always: std::sync::Mutex<Option<Address>>,
    latest: watch::Sender<Option<Arc<Map>>>,
    hurry: Arc<Notify>,
    is_closed: AtomicBool,
}

struct Answers {
    desk: Desk,
    /// The last failure, and of what time its question was.
    failed: Option<(Instant, Failed)>,
}

/// Longer than any question takes.
const LONGEST_QUESTION: Duration = Duration::from_secs(2);

impl Answers {
    /// That go on from `latest`.
    fn after(latest: Option<&Map>, config: &Arc<RedisConfig>, hurry: &Arc<Notify>) -> Arc<Mutex<Self>> {
        let desk = Desk::new(Arc::clone(config), Arc::clone(hurry), latest);
        Arc::new(Mutex::new(Self { desk, failed: None }))
    }
}

impl Topology {
    pub(crate) fn new(config: Arc<RedisConfig>) -> Arc<Self> {
        let hurry = Arc::new(Notify::new());
        let desk = std::sync::Mutex::new(Answers::after(None, &config, &hurry));
        let (always, latest) = (std::sync::Mutex::default(), watch::Sender::new(None));
        Arc::new(Self { config, desk, always, latest, hurry, is_closed: AtomicBool::new(false) })
    }

    /// Nobody is asked any more, and the connections for it end; those of a question that is under way end with it.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.hang_up();
    }

    /// Unless somebody is asking, who does it himself afterwards.
    fn hang_up(&self) {
        if let Ok(mut answers) = self.desk().try_lock() {
            answers.desk.hang_up();
        }
    }

    /// From now on `address` is among those that are asked, however many there are.
    pub(crate) fn keep_asking(&self, address: Address) {
        *self.always.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// The map as it was last found out.
    pub(crate) fn latest(&self) -> Option<Arc<Map>> {
        self.latest.borrow().clone()
    }

    /// A map that was asked for at `since` or later; asks if there is none.
    pub(crate) async fn newer_than(self: &Arc<Self>, since: Instant) -> Result<Arc<Map>> {
        if let Some(map) = self.latest_since(since) {
            return Ok(map);
        }
        // In a task of its own: one who is impatient must not make all others start from the beginning.
        let topology = Arc::clone(self);
        #[expect(clippy::disallowed_methods, reason = "ends within the patience for the servers")]
        let asking = tokio::spawn(async move { topology.ask(since).await });
        asking.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::NotConnected, "the tokio runtime that asks for the servers is ending"))
        })
    }

    fn latest_since(&self, since: Instant) -> Option<Arc<Map>> {
        self.latest().filter(|map| map.began() >= since)
    }

    async fn ask(&self, since: Instant) -> Result<Arc<Map>> {
        let desk = self.desk();
        let Ok(mut answers) = timeout(LONGEST_QUESTION, desk.lock()).await else {
            return Box::pin(self.ask_at_another_desk(&desk, since)).await;
        };
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        if let Some(map) = self.latest_since(since) {
            return Ok(map); // another one has just asked
        }
        if let Some((began, failed)) = &answers.failed
            && *began >= since
        {
            return Err(failed.clone().into());
        }
        let began = Instant::now();
        let always = self.always.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let latest = self.latest();
        let answer = match answers.desk.map(began, always.as_ref(), latest.as_deref()).await {
            Ok(map) => Ok(self.tell(Arc::new(map))),
            Err(error) => {
                answers.failed = Some((began, Failed::from(&error)));
                Err(error)
            }
        };
        drop(answers); // first: whoever closed in the meantime could not get at it
        if self.is_closed.load(Ordering::SeqCst) {
            self.hang_up();
        }
        answer
    }

    /// The newest map: another one than `map` where somebody stood still, and comes with what was true then.
    fn tell(&self, map: Arc<Map>) -> Arc<Map> {
        self.latest.send_if_modified(|latest| {
            let is_newer = latest.as_ref().is_none_or(|latest| latest.began() < map.began());
            if is_newer {
                *latest = Some(Arc::clone(&map));
            }
            is_newer
        });
        self.latest().unwrap_or(map)
    }

    fn desk(&self) -> Arc<Mutex<Answers>> {
        Arc::clone(&self.desk.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever asks at `silent` is on a runtime that nobody drives.
    async fn ask_at_another_desk(&self, silent: &Arc<Mutex<Answers>>, since: Instant) -> Result<Arc<Map>> {
        {
            let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(&desk, silent) {
                *desk = Answers::after(self.latest().as_deref(), &self.config, &self.hurry);
            }
        }
        self.ask(since).await
    }

    /// Something is not as the last map says: whoever [waits](Self::news_within) to ask again should not wait longer.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// As [`hurry`](Self::hurry), to all who wait just now, and nobody else.
    pub(crate) fn hurry_all(&self) {
        self.hurry.notify_waiters();
    }

    /// Waits until somebody is in a [hurry](Self::hurry).
    pub(crate) async fn hurried(&self) {
        self.hurry.notified().await;
    }

    /// Waits until somebody has asked anew, or is in a [hurry](Self::hurry), or for `pause`.
    pub(crate) async fn news_within(&self, pause: Duration) {
        let mut latest = self.latest.subscribe();
        tokio::select! {
            _ = latest.changed() => {}
            () = self.hurry.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// None of the servers that are known has an answer.
fn unreachable(config: &RedisConfig, errors: Vec<Error>) -> Error {
    let gravest = errors.iter().position(|error| error.kind() == ErrorKind::Denied).unwrap_or(0);
    let first = errors.into_iter().nth(gravest);
    let kind = first.as_ref().map_or(ErrorKind::NotConnected, |error| match error.kind() {
        kind @ (ErrorKind::Denied | ErrorKind::Unsupported) => kind,
        _ => ErrorKind::NotConnected,
    });
    let text = match config.servers() {
        Servers::Sentinel(name, _) => format!("no sentinel names a master called {name:?}"),
        _ => format!("no node tells who owns which slot in {}", config.server()),
    };
    let error = Error::new(kind, text);
    match first {
        Some(first) => error.with_source(with_source(&first)),
        None => error,
    }
}
