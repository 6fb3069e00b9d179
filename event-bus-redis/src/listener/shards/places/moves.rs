//! Who goes where, when it was found out who serves what.

use std::sync::Arc;

use super::{Place, Places};
use crate::config::Address;
use crate::listener::Listener;
use crate::topology::Map;

impl Places {
    /// Everybody goes where his channel is served, by what was found out.
    pub(in crate::listener::shards) fn settle(&mut self, map: &Arc<Map>) {
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
}
