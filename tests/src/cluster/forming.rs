//! How nodes become a cluster, and what they have to agree on to be one.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::options::ClusterOptions;
use super::relay::Relays;
use super::view::{SLOTS, Seen};
use super::{LOOK_AGAIN, Node, RedisCluster};
use crate::certificates::Certificates;
use crate::process::{GUARD, ServerProcess, need_version};

/// How long a node may think before it counts as one that does not answer.
const ANSWER: Duration = Duration::from_secs(1);

pub(super) fn form(options: ClusterOptions) -> RedisCluster {
    need_version(7, "a cluster of a test's own");
    assert!(options.masters > 0, "a cluster has masters");
    let relays = Relays::start(options.nodes());
    let certificates = options.tls.map(|_| Certificates::make());
    let start = |node| {
        let launch = |folder: &Path| options.launch(node, folder, &relays, certificates.as_ref());
        let server = ServerProcess::start(launch);
        let id = server.ask(Some(GUARD), super::PATIENCE, &["CLUSTER", "MYID"]);
        Node { id: id.expect("a node knows what it is called"), server }
    };
    let nodes = (0..options.nodes()).map(start).collect();
    let cluster = RedisCluster { nodes, options, relays, certificates };
    cluster.give_out_slots();
    cluster.introduce();
    cluster.appoint_replicas();
    cluster.wait("the cluster is in order", || cluster.check());
    cluster
}

impl RedisCluster {
    fn give_out_slots(&self) {
        let masters = self.options.masters;
        let first = |master: usize| usize::from(SLOTS) * master / masters;
        for master in 0..masters {
            let (begin, end) = (first(master).to_string(), (first(master + 1) - 1).to_string());
            let _: () = self.ask(master, &["CLUSTER", "ADDSLOTSRANGE", &begin, &end]);
        }
        for node in 0..self.nodes() {
            let epoch = (node + 1).to_string(); // or they would have to sort out who has which
            let _: () = self.ask(node, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
        }
    }

    /// Everybody to everybody, so that nobody waits for gossip.
    fn introduce(&self) {
        for node in 0..self.nodes() {
            for other in node + 1..self.nodes() {
                let (port, bus_port) =
                    (self.port(other).to_string(), self.options.bus_port(other, &self.relays).to_string());
                let _: () = self.ask(node, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port]);
            }
        }
        self.wait("all nodes know each other", || {
            let views = self.views();
            let is_complete = |view: &Vec<Seen>| view.len() == self.nodes() && view.iter().all(Seen::is_well);
            let complete = views.values().filter(|view| is_complete(view)).count();
            if complete == self.nodes() { Ok(()) } else { Err(format!("{complete} nodes know all")) }
        });
    }

    fn appoint_replicas(&self) {
        for node in 0..self.nodes() {
            if let Some(master) = self.options.first_master(node) {
                let _: () = self.ask(node, &["CLUSTER", "REPLICATE", self.id(master)]);
            }
        }
    }

    /// What is not as it should be among the nodes that run.
    pub(super) fn check(&self) -> Result<(), String> {
        let views = self.views();
        let running = (0..self.nodes()).filter(|node| self.nodes[*node].server.runs());
        let mut agreed = None;
        for node in running {
            let view = views.get(&node).ok_or_else(|| format!("node {node} does not answer"))?;
            let ours = self.places_of_running(node, view)?;
            match &agreed {
                Some(theirs) if *theirs != ours => return Err(format!("node {node} disagrees with others")),
                _ => agreed = Some(ours),
            }
            self.check_node(node)?;
        }
        Ok(())
    }

    /// Where the nodes that run are, as `node` sees it.
    fn places_of_running<'view>(
        &self,
        node: usize,
        view: &'view [Seen],
    ) -> Result<BTreeMap<&'view str, impl PartialEq + use<'view>>, String> {
        let runs = |id: &str| self.nodes.iter().any(|node| node.id == id && node.server.runs());
        let others = view.iter().filter(|seen| runs(&seen.id));
        if let Some(ill) = others.clone().find(|seen| !seen.is_well()) {
            return Err(format!("node {node} does not reach {}", ill.id));
        }
        let slots: usize = others.clone().map(Seen::slots).sum();
        if slots != usize::from(SLOTS) {
            return Err(format!("node {node} knows the owners of {slots} slots"));
        }
        Ok(others.map(|seen| (seen.id.as_str(), seen.place())).collect())
    }

    fn check_node(&self, node: usize) -> Result<(), String> {
        let server = &self.nodes[node].server;
        let ask = |words: &[&str]| {
            server.ask::<String>(Some(GUARD), ANSWER, words).map_err(|error| format!("node {node}: {error}"))
        };
        if !ask(&["CLUSTER", "INFO"])?.contains("cluster_state:ok") {
            return Err(format!("node {node} does not take the cluster for complete"));
        }
        if ask(&["INFO", "replication"])?.contains("master_link_status:down") {
            return Err(format!("node {node} has no link to its master"));
        }
        Ok(())
    }

    /// What each of the nodes that run sees, asked all at once.
    pub(super) fn views(&self) -> BTreeMap<usize, Vec<Seen>> {
        thread::scope(|scope| {
            let asked: Vec<_> =
                (0..self.nodes()).map(|node| (node, scope.spawn(move || self.view(node)))).collect();
            let answers = asked.into_iter().map(|(node, view)| (node, view.join().expect("no panic")));
            answers.filter_map(|(node, view)| Some((node, view?))).collect()
        })
    }

    pub(super) fn view(&self, node: usize) -> Option<Vec<Seen>> {
        let server = &self.nodes[node].server;
        let lines =
            server.runs().then(|| server.ask::<String>(Some(GUARD), ANSWER, &["CLUSTER", "NODES"]))?;
        lines.ok().map(|lines| Seen::all(&lines))
    }

    fn wait(&self, what: &str, check: impl Fn() -> Result<(), String>) {
        let deadline = Instant::now() + self.options.election();
        while let Err(problem) = check() {
            assert!(Instant::now() < deadline, "{what}: not yet, since {problem}");
            thread::sleep(LOOK_AGAIN);
        }
    }
}
