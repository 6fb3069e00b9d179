//! Which servers there are and which of them serves what: asked for when it is needed, at once by one for all who need it.
//! What the answers mean is decided without IO, in `nodes.rs` and `sentinels.rs`.

mod ask;
mod map;
mod nodes;
mod sentinels;
mod slot;

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep};

use crate::config::{RedisConfig, Servers};
use crate::error::{Failed, with_source};
use ask::Desk;
pub(crate) use map::Map;
pub(crate) use slot::hash_tag;

/// Shared by all who publish and listen through one transport.
pub(crate) struct Topology {
    desk: Mutex<Answers>,
    latest: watch::Sender<Option<Arc<Map>>>,
    hurry: Arc<Notify>,
}

struct Answers {
    desk: Desk,
    /// The last failure, and of what time its question was.
    failed: Option<(Instant, Failed)>,
}

impl Topology {
    pub(crate) fn new(config: Arc<RedisConfig>) -> Arc<Self> {
        let hurry = Arc::new(Notify::new());
        let desk = Mutex::new(Answers { desk: Desk::new(config, Arc::clone(&hurry)), failed: None });
        Arc::new(Self { desk, latest: watch::Sender::new(None), hurry })
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
        let mut answers = self.desk.lock().await;
        if let Some(map) = self.latest_since(since) {
            return Ok(map); // another one has just asked
        }
        if let Some((began, failed)) = &answers.failed
            && *began >= since
        {
            return Err(failed.clone().into());
        }
        let began = Instant::now();
        match answers.desk.map(began).await {
            Ok(map) => {
                let map = Arc::new(map);
                self.latest.send_replace(Some(Arc::clone(&map)));
                Ok(map)
            }
            Err(error) => {
                answers.failed = Some((began, Failed::from(&error)));
                Err(error)
            }
        }
    }

    /// Something is not as the last map says: whoever [waits](Self::news_within) to ask again should not wait longer.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
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
fn unreachable(config: &RedisConfig, first: Option<Error>) -> Error {
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
