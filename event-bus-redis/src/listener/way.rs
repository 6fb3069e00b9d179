//! To which server a listening connection goes, and when it is there no more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::displaced::Displaced;
use super::shared::Shared;
use super::state::Cause;
use crate::config::{Address, RedisConfig};
use crate::topology::{Map, Topology};

/// How often it is asked whether the server is still the right one. A ping does not tell: one that was deposed, or is cut
/// off from the others, answers it.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// Not more often than this, in whatever hurry.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

pub(super) enum Way {
    /// To the one that the config names.
    Fixed,
    /// To one that is found whenever it is needed, by what it has to be.
    Found(Aim, Arc<Topology>, Current),
    /// To one of several nodes; what it does not serve is given to whoever knows the others.
    Node(Arc<dyn Exile>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// The only one that is published to.
    Master,
    /// Any one, since all pass on what is published to any.
    Member,
}

/// Where a connection was made to, or tried, last.
#[derive(Default)]
pub(super) struct Current(Mutex<Option<Address>>);

/// Takes in what a node does not serve any more.
pub(super) trait Exile: Send + Sync {
    /// Called under the node's lock: nothing else may be locked for it but by itself.
    fn take_in(&self, displaced: Vec<Displaced>);
    /// What is known of the servers may be out of date.
    fn hurry(&self);
}

impl Way {
    /// The server to connect to now.
    pub(super) async fn find(&self, config: &RedisConfig) -> Result<RedisConfig> {
        let Self::Found(aim, topology, current) = self else { return Ok(config.clone()) };
        let map = topology.newer_than(Instant::now()).await?;
        let address = aim.choose(&map, current.get().as_ref()).cloned().ok_or_else(|| {
            let text = format!("no server of {} is in touch with the others", config.server());
            Error::new(ErrorKind::NotConnected, text)
        })?;
        current.set(address.clone());
        Ok(config.at_master(address, *aim == Aim::Master))
    }

    /// What a loss means for the others who look for servers.
    pub(super) fn note_loss(&self) {
        if let Self::Node(exile) = self {
            exile.hurry();
        }
    }

    pub(super) fn exile(&self) -> Option<&dyn Exile> {
        match self {
            Self::Node(exile) => Some(&**exile),
            Self::Fixed | Self::Found(..) => None,
        }
    }
}

impl Aim {
    /// Another one than the last, if there is one: it was lost.
    fn choose<'a>(self, map: &'a Map, last: Option<&Address>) -> Option<&'a Address> {
        match self {
            Self::Master => map.owner(""),
            Self::Member => {
                let others: Vec<&Address> =
                    map.members().iter().filter(|address| Some(*address) != last).collect();
                fastrand::choice(others).or_else(|| map.members().first())
            }
        }
    }

    /// Why `address` is not the right one any more, if so.
    fn fault_of(self, map: &Map, address: &Address) -> Option<&'static str> {
        match self {
            Self::Master if !map.is_owner(address) => Some("another server is the master now"),
            Self::Member if !map.members().contains(address) => {
                Some("the node is out of touch with its cluster, or does not answer")
            }
            _ => None,
        }
    }
}

impl Current {
    fn get(&self) -> Option<Address> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, address: Address) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

/// Leaves the server when it is not the right one any more. Ends when it is dropped.
pub(super) struct Lookout(Option<AbortHandle>);

impl Lookout {
    pub(super) fn over(shared: &Arc<Shared>) -> Self {
        let Way::Found(..) = shared.way else { return Self(None) };
        #[expect(clippy::disallowed_methods, reason = "ends with the lookout")]
        let task = tokio::spawn(watch(Arc::clone(shared)));
        Self(Some(task.abort_handle()))
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn watch(shared: Arc<Shared>) {
    let Way::Found(aim, topology, current) = &shared.way else { return };
    loop {
        let epoch = shared.change(|state| state.live_epoch());
        let address = current.get();
        if let Some((epoch, address)) = epoch.zip(address)
            // That nobody answers proves nothing: the connection itself is tested by pings.
            && let Ok(map) = topology.newer_than(Instant::now()).await
            && let Some(fault) = aim.fault_of(&map, &address)
        {
            shared.lost(epoch, &Cause::new(fault));
        }
        sleep(LEAST_PAUSE).await;
        topology.news_within(POLL).await;
    }
}
