//! A Redis Cluster of a test's own on free loopback ports, gone when the guard is. Its nodes can be killed, stopped, promoted
//! and cut off from each other, and slots moved, as it happens to real ones.

mod changes;
mod forming;
mod options;
mod relay;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use redis::FromRedisValue;
use tokio::time::{Instant, sleep};

pub use self::options::ClusterOptions;
use self::relay::Relays;
use crate::PATIENCE;
use crate::certificates::Certificates;
use crate::process::{GUARD, ServerProcess};

/// How often is looked whether something has happened.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running cluster.
///
/// Nodes have numbers: first the masters, then the replicas, the first replicas of all masters before the second ones. They
/// keep them, whatever they become. All verbs take `&self`, so an `Arc` of it can be used from tasks. Those that only ask and
/// act block for some milliseconds; those that wait for the cluster are `async`.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Node>,
    options: ClusterOptions,
    relays: Relays,
    certificates: Option<Certificates>,
}

#[derive(Debug)]
struct Node {
    id: String,
    server: ServerProcess,
}

/// Somebody else has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Election {
    /// Which node.
    pub owner: usize,
    /// How long was waited for it, until most others knew.
    pub took: Duration,
}

impl RedisCluster {
    /// Starts three masters with a replica each, and waits until all is in order.
    ///
    /// # Panics
    /// If `redis-server` is missing, older than 7.0, or does not start: nothing can be tested then.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(ClusterOptions::default())
    }

    /// Starts a cluster that is as `options` say.
    ///
    /// # Panics
    /// As for [`start`](Self::start).
    #[must_use]
    pub fn start_with(options: ClusterOptions) -> Self {
        forming::form(options)
    }

    /// How many nodes there are, whether they run or not.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Where clients reach `node`: `127.0.0.1:port`, by TLS if the cluster was started so.
    #[must_use]
    pub fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.port(node))
    }

    /// The addresses of all nodes, by number.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        (0..self.nodes()).map(|node| self.address(node)).collect()
    }

    /// The same as a config wants them: each host and port.
    #[must_use]
    pub fn seeds(&self) -> Vec<(String, u16)> {
        (0..self.nodes()).map(|node| ("127.0.0.1".to_owned(), self.port(node))).collect()
    }

    /// The URL of `node`, without credentials.
    #[must_use]
    pub fn url(&self, node: usize) -> String {
        format!("{}://{}", if self.certificates.is_some() { "rediss" } else { "redis" }, self.address(node))
    }

    /// The certificates of its nodes, and those around them.
    ///
    /// # Panics
    /// If it was not started with TLS.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("a cluster that speaks TLS")
    }

    /// The node at `address`, in the form of [`address`](Self::address).
    #[must_use]
    pub fn node_at(&self, address: &str) -> Option<usize> {
        (0..self.nodes()).find(|node| self.address(*node) == address)
    }

    /// What the cluster calls `node`.
    #[must_use]
    pub fn id(&self, node: usize) -> &str {
        &self.nodes[node].id
    }

    /// The process of `node`.
    #[must_use]
    pub fn server(&self, node: usize) -> &ServerProcess {
        &self.nodes[node].server
    }

    /// Runs one command on `node` over a connection of its own, as a user who may do everything.
    ///
    /// # Panics
    /// If the node does not answer, or refuses.
    #[must_use]
    pub fn command(&self, node: usize, words: &[&str]) -> redis::Value {
        self.ask(node, words)
    }

    /// The slot of a key or channel, by the servers' word.
    ///
    /// # Panics
    /// If no node runs.
    #[must_use]
    pub fn slot(&self, channel: &str) -> u16 {
        self.ask(self.a_running_node(), &["CLUSTER", "KEYSLOT", channel])
    }

    /// A channel in a slot of `node`'s.
    ///
    /// # Panics
    /// If it has none.
    #[must_use]
    pub fn channel_of(&self, node: usize) -> String {
        let mut channels = (0..10_000).map(|number| format!("channel-{number}"));
        channels.find(|channel| self.owner_of(channel) == Some(node)).expect("a master of some slots")
    }

    /// Who owns the slot of `channel` now; see [`owner`](Self::owner).
    ///
    /// # Panics
    /// If no node runs.
    #[must_use]
    pub fn owner_of(&self, channel: &str) -> Option<usize> {
        self.owner(self.slot(channel))
    }

    /// Who owns `slot` now, by the view of most of the nodes that run.
    #[must_use]
    pub fn owner(&self, slot: u16) -> Option<usize> {
        self.owners(&[slot])[0]
    }

    /// The same for several slots, by what the nodes are asked once.
    #[must_use]
    pub fn owners(&self, slots: &[u16]) -> Vec<Option<usize>> {
        let views = self.views();
        let owner = |slot: &u16| {
            let named = views.values().filter_map(|view| {
                let owner = view.iter().find(|seen| seen.owns(*slot))?;
                self.nodes.iter().position(|node| node.id == owner.id)
            });
            let mut votes = BTreeMap::<usize, usize>::new();
            named.for_each(|owner| *votes.entry(owner).or_default() += 1);
            let (owner, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
            (count * 2 > views.len()).then_some(owner)
        };
        slots.iter().map(owner).collect()
    }

    /// Whether `node` itself says that it is a master. One that does not run says nothing.
    #[must_use]
    pub fn is_master(&self, node: usize) -> bool {
        self.view(node).is_some_and(|view| view.iter().any(|seen| seen.is_myself() && seen.is_master()))
    }

    /// The replicas of `master`, by its own word.
    #[must_use]
    pub fn replicas(&self, master: usize) -> Vec<usize> {
        let view = self.view(master).unwrap_or_default();
        let are_its = |id: &str| {
            view.iter().any(|seen| seen.id == id && seen.master.as_deref() == Some(self.id(master)))
        };
        (0..self.nodes()).filter(|node| are_its(self.id(*node))).collect()
    }

    /// Kills `node` as a crash would, and waits until it is gone.
    pub fn kill(&self, node: usize) {
        self.nodes[node].server.kill();
    }

    /// Starts `node` again where it was, with what it knew of the cluster.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&self, node: usize) {
        self.nodes[node].server.restart();
    }

    /// Stops `node` from doing anything, without closing a connection.
    pub fn pause(&self, node: usize) {
        self.nodes[node].server.pause();
    }

    /// Lets `node` go on.
    pub fn resume(&self, node: usize) {
        self.nodes[node].server.resume();
    }

    /// Cuts `node` off from the cluster bus: it and the others hear nothing of each other, while clients reach all of them. (A
    /// replica goes on copying from its master, until it is promoted.) Several nodes can be isolated, each for itself.
    ///
    /// # Panics
    /// If its bus is [direct](ClusterOptions::direct_bus).
    pub fn isolate(&self, node: usize) {
        assert!(!self.options.has_direct_bus, "a direct bus can't be cut");
        self.relays.isolate(node, true);
    }

    /// Cuts the cluster bus between two nodes, for the cluster's life: they hear nothing of each other, and the others of both.
    ///
    /// # Panics
    /// If its bus is [direct](ClusterOptions::direct_bus).
    pub fn estrange(&self, one: usize, other: usize) {
        assert!(!self.options.has_direct_bus, "a direct bus can't be cut");
        self.relays.estrange(one, other);
    }

    /// Lets `node` and the others hear each other again.
    pub fn heal(&self, node: usize) {
        self.relays.isolate(node, false);
    }

    /// Waits until `slot` has an owner other than `old`, by the view of most nodes that run, and by its own.
    ///
    /// # Panics
    /// If nobody is elected within a generous time.
    pub async fn elected(&self, slot: u16, old: usize) -> Election {
        let begin = Instant::now();
        loop {
            if let Some(owner) = self.owner(slot).filter(|owner| *owner != old && self.is_master(*owner)) {
                return Election { owner, took: begin.elapsed() };
            }
            let waited = begin.elapsed();
            assert!(
                waited < self.options.election(),
                "nobody but node {old} owns slot {slot} after {waited:?}"
            );
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until all nodes that run agree on everything, all slots have an owner among them, and all replicas' links are up.
    ///
    /// # Panics
    /// If that is not so within a generous time.
    pub async fn settled(&self) {
        let deadline = Instant::now() + self.options.election();
        while let Err(problem) = self.check() {
            assert!(Instant::now() < deadline, "the cluster is not in order: {problem}");
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The port of `node` that the cluster knows.
    fn port(&self, node: usize) -> u16 {
        self.nodes[node].server.announced_port()
    }

    fn a_running_node(&self) -> usize {
        self.nodes.iter().position(|node| node.server.runs()).expect("a node that runs")
    }

    fn ask<T: FromRedisValue>(&self, node: usize, words: &[&str]) -> T {
        let answer = self.nodes[node].server.ask(Some(GUARD), PATIENCE, words);
        answer.unwrap_or_else(|error| panic!("node {node}: {words:?}: {error}"))
    }
}
