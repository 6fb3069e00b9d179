//! What operators do to a running cluster: they move slots, make replicas take over, and remove nodes.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::view::Seen;
use super::{LOOK_AGAIN, RedisCluster};
use crate::PATIENCE;
use crate::process::GUARD;

/// A manual failover that was lost is given up by the server after 5 s.
const FAILOVER_ROUND: Duration = Duration::from_secs(6);

impl RedisCluster {
    /// Moves `slot` with its keys to the master `to`, while clients use it, and tells all masters.
    ///
    /// # Panics
    /// If the slot has no owner, or a node refuses.
    pub fn migrate_slot(&self, slot: u16, to: usize) {
        let from = self.owner(slot).expect("a slot that somebody owns");
        if from == to {
            return;
        }
        let name = slot.to_string();
        let set = |node, words: &[&str]| {
            let _: () = self.ask(node, &[&["CLUSTER", "SETSLOT", &name], words].concat());
        };
        set(to, &["IMPORTING", self.id(from)]); // before anybody can be sent there
        set(from, &["MIGRATING", self.id(to)]);
        self.move_keys(&name, from, to);
        set(to, &["NODE", self.id(to)]); // first: so it can't be lost with the old owner
        set(from, &["NODE", self.id(to)]);
        (0..self.nodes())
            .filter(|node| ![from, to].contains(node) && self.is_master(*node))
            .for_each(|node| set(node, &["NODE", self.id(to)]));
    }

    /// Gives `slot`, of which the owner is dead, to the master `to`, by the word of all masters that run.
    ///
    /// # Panics
    /// If a node refuses.
    pub fn seize(&self, slot: u16, to: usize) {
        let name = slot.to_string();
        for node in (0..self.nodes()).filter(|node| self.is_master(*node)) {
            let _: () = self.ask(node, &["CLUSTER", "SETSLOT", &name, "NODE", self.id(to)]);
        }
        let _: String = self.ask(to, &["CLUSTER", "BUMPEPOCH"]); // or the old owner would claim it back
    }

    /// Makes all other nodes that run forget `node`, which should not run, or not be part of it any more. A replica can't
    /// forget its own master.
    ///
    /// # Panics
    /// If a node refuses.
    pub fn forget(&self, node: usize) {
        for other in (0..self.nodes()).filter(|other| *other != node && self.nodes[*other].server.runs()) {
            let _: () = self.ask(other, &["CLUSTER", "FORGET", self.id(node)]);
        }
    }

    /// Makes `replica` take over from its master, both running, and waits until most nodes know.
    ///
    /// # Panics
    /// If it does not within a generous time.
    pub async fn failover_to(&self, replica: usize) {
        let deadline = Instant::now() + self.options.election();
        while !self.is_taken_over_by(replica) {
            assert!(Instant::now() < deadline, "node {replica} did not take over");
            // Refused while its link to the master is not up.
            let asked = self.nodes[replica].server.ask::<()>(Some(GUARD), PATIENCE, &["CLUSTER", "FAILOVER"]);
            let round = Instant::now() + if asked.is_ok() { FAILOVER_ROUND } else { LOOK_AGAIN * 10 };
            while Instant::now() < round.min(deadline) && !self.is_taken_over_by(replica) {
                sleep(LOOK_AGAIN).await;
            }
        }
    }

    fn move_keys(&self, slot: &str, from: usize, to: usize) {
        let port = self.port(to).to_string();
        let (user, password) = GUARD;
        loop {
            let keys: Vec<String> = self.ask(from, &["CLUSTER", "GETKEYSINSLOT", slot, "100"]);
            if keys.is_empty() {
                return;
            }
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000"];
            words.extend(["AUTH2", user, password, "KEYS"]);
            words.extend(keys.iter().map(String::as_str));
            let _: () = self.ask(from, &words);
        }
    }

    fn is_taken_over_by(&self, node: usize) -> bool {
        self.is_master(node) && {
            let views = self.views();
            let agree =
                |view: &&Vec<Seen>| view.iter().any(|seen| seen.id == self.id(node) && seen.is_master());
            views.values().filter(agree).count() * 2 > views.len()
        }
    }
}
