//! By which map messages go: the latest, if it is fresh enough, and a newer one where it proved wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep, timeout_at};

use super::nodes::Nodes;
use crate::topology::{Map, Topology};

/// A map that is older is renewed while it is used.
const FRESH: Duration = Duration::from_secs(1);

/// A map that is older is not used, while somebody tells a newer one. It gets so old only if nobody published, or if we were
/// stalled: then the master that it names may have been replaced meanwhile, and may take what is published to nobody.
const STALE: Duration = Duration::from_millis(1500);

/// So much time is enough to publish, where there is so much.
const MOST_TO_PUBLISH: Duration = Duration::from_millis(250);

pub(super) struct Way {
    topology: Arc<Topology>,
    nodes: Arc<Nodes>,
    is_renewed: Arc<AtomicBool>,
}

impl Way {
    pub(super) fn new(topology: Arc<Topology>, nodes: Arc<Nodes>) -> Self {
        Self { topology, nodes, is_renewed: Arc::default() }
    }

    /// The map as it is, without a word on its age.
    pub(super) fn known(&self) -> Option<Arc<Map>> {
        self.topology.latest()
    }

    /// A map that nobody has reason to doubt.
    pub(super) async fn fresh(&self, deadline: Instant) -> Result<Arc<Map>> {
        let now = Instant::now();
        if let Some(map) = self.topology.latest() {
            let age = now.saturating_duration_since(map.began());
            if age >= FRESH && age < STALE {
                self.renew();
            }
            if age < STALE {
                return Ok(map);
            }
        }
        Box::pin(self.newer_than(now.checked_sub(STALE).unwrap_or(now), deadline)).await
    }

    pub(super) async fn newest(&self, deadline: Instant) -> Result<Arc<Map>> {
        self.asked(Instant::now(), deadline).await
    }

    /// A map of after `since`, at which the one before proved wrong; or the one before, if nobody can be asked: sentinels may
    /// be down while their master is well.
    pub(super) async fn newer_than(&self, since: Instant, deadline: Instant) -> Result<Arc<Map>> {
        let answer = match self.known() {
            Some(_) => self.asked(since, deadline - time_to_publish(deadline)).await,
            None => self.asked(since, deadline).await,
        };
        answer.or_else(|error| self.known().ok_or(error))
    }

    /// Whoever else goes by the map should look again, too.
    pub(super) fn was_wrong(&self) {
        self.topology.hurry();
    }

    /// What the servers answered, if they did in time.
    async fn asked(&self, since: Instant, deadline: Instant) -> Result<Arc<Map>> {
        let answer = timeout_at(deadline, self.topology.newer_than(since)).await;
        let late = |_| Error::new(ErrorKind::NotConnected, "nobody told in time who serves what");
        let map = answer.map_err(late)??;
        self.nodes.follow(&map);
        Ok(map)
    }

    /// Has the map asked for anew while others go by the old one. One does it at a time.
    fn renew(&self) {
        if self.is_renewed.swap(true, Ordering::AcqRel) {
            return;
        }
        let renewing = Renewing(Arc::clone(&self.is_renewed));
        let (topology, nodes) = (Arc::clone(&self.topology), Arc::clone(&self.nodes));
        #[expect(clippy::disallowed_methods, reason = "ends within the patience for the servers")]
        tokio::spawn(async move {
            let _renewing = renewing;
            match topology.newer_than(Instant::now()).await {
                Ok(map) => nodes.follow(&map),
                Err(_) => sleep(FRESH).await, // who publishes finds out for himself
            }
        });
    }
}

/// What is left of the time until `deadline` for publishing by an older map, if nobody tells a newer one.
fn time_to_publish(deadline: Instant) -> Duration {
    MOST_TO_PUBLISH.min(deadline.saturating_duration_since(Instant::now()) / 2)
}

/// Ends with the task, also with one that never ran.
struct Renewing(Arc<AtomicBool>);

impl Drop for Renewing {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
