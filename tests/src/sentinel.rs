//! A Redis master of a test's own with replicas under sentinels, on free loopback ports, gone when the guard is.

mod check;
mod options;

use std::thread;
use std::time::Duration;

use redis::FromRedisValue;
use tokio::time::{Instant, sleep};

use self::options::Launcher;
pub use self::options::SentinelOptions;
use crate::certificates::Certificates;
use crate::cluster::Election;
use crate::process::{GUARD, ServerProcess, need_version};
use crate::{PATIENCE, eventually_blocking};

/// How often is looked whether something has happened.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long a server may think before it counts as one that does not answer.
const ANSWER: Duration = Duration::from_secs(1);
/// A failover that was accepted and did not happen is asked for again after this.
const FAILOVER_ROUND: Duration = Duration::from_secs(6);

/// Running servers: a master, its replicas, and sentinels.
///
/// Nodes have numbers: 0 is the first master, then come the replicas. They keep them, whatever they become. Sentinels are
/// counted apart, and ask and tell each other more often than they do elsewhere: they know of changes in a second instead of
/// ten. Those verbs that only ask and act block for some milliseconds; those that wait are `async`.
#[derive(Debug)]
pub struct RedisSentinels {
    nodes: Vec<ServerProcess>,
    sentinels: Vec<ServerProcess>,
    options: SentinelOptions,
    certificates: Option<Certificates>,
}

impl RedisSentinels {
    /// Starts a master with two replicas under three sentinels, and waits until all know each other.
    ///
    /// # Panics
    /// If `redis-server` is missing, older than 7.0, or does not start: nothing can be tested then.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(SentinelOptions::default())
    }

    /// Starts servers that are as `options` say.
    ///
    /// # Panics
    /// As for [`start`](Self::start).
    #[must_use]
    pub fn start_with(options: SentinelOptions) -> Self {
        need_version(7, "a master under sentinels");
        let certificates = options.tls.map(|_| Certificates::make());
        let launcher = Launcher::new(&options, certificates.as_ref());
        let mut nodes = vec![ServerProcess::start(|folder| launcher.node(folder, None))];
        let master = nodes[0].announced_port();
        nodes.extend(
            (0..options.replicas).map(|_| ServerProcess::start(|folder| launcher.node(folder, Some(master)))),
        );
        for replica in &nodes[1..] {
            eventually_blocking("a replica follows", || has_link(replica));
        }
        let sentinel = |_| ServerProcess::start(|folder| launcher.sentinel(folder, master));
        let sentinels = (0..options.sentinels).map(sentinel).collect();
        let all = Self { nodes, sentinels, options, certificates };
        all.sentinels.iter().for_each(hurry);
        let deadline = Instant::now() + all.options.failover();
        while let Err(problem) = all.check() {
            assert!(Instant::now() < deadline, "the servers don't know each other: {problem}");
            thread::sleep(LOOK_AGAIN);
        }
        all
    }

    /// What the sentinels call the master.
    #[must_use]
    pub fn master_name(&self) -> &str {
        &self.options.name
    }

    /// How many nodes there are besides the sentinels, whether they run or not.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Where clients reach `node`: `127.0.0.1:port`, by TLS if it was started so.
    #[must_use]
    pub fn address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", self.nodes[node].announced_port())
    }

    /// The node at `address`, in the form of [`address`](Self::address).
    #[must_use]
    pub fn node_at(&self, address: &str) -> Option<usize> {
        (0..self.nodes()).find(|node| self.address(*node) == address)
    }

    /// The certificates of all nodes and sentinels, and those around them.
    ///
    /// # Panics
    /// If they were not started with TLS.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("servers that speak TLS")
    }

    /// Where clients reach each sentinel.
    #[must_use]
    pub fn sentinel_addresses(&self) -> Vec<String> {
        self.seeds().iter().map(|(host, port)| format!("{host}:{port}")).collect()
    }

    /// The same as a config wants them: each host and port.
    #[must_use]
    pub fn seeds(&self) -> Vec<(String, u16)> {
        let address = |sentinel: &ServerProcess| ("127.0.0.1".to_owned(), sentinel.announced_port());
        self.sentinels.iter().map(address).collect()
    }

    /// The URLs of the sentinels, without credentials.
    #[must_use]
    pub fn sentinel_urls(&self) -> Vec<String> {
        let scheme = if self.certificates.is_some() { "rediss" } else { "redis" };
        self.sentinel_addresses().iter().map(|address| format!("{scheme}://{address}")).collect()
    }

    /// The process of `node`.
    #[must_use]
    pub fn server(&self, node: usize) -> &ServerProcess {
        &self.nodes[node]
    }

    /// The process of a sentinel, which can be killed and stopped, too.
    #[must_use]
    pub fn sentinel(&self, sentinel: usize) -> &ServerProcess {
        &self.sentinels[sentinel]
    }

    /// Runs one command on `node` over a connection of its own, as a user who may do everything.
    ///
    /// # Panics
    /// If the node does not answer, or refuses.
    #[must_use]
    pub fn command(&self, node: usize, words: &[&str]) -> redis::Value {
        let answer = self.nodes[node].ask(Some(GUARD), PATIENCE, words);
        answer.unwrap_or_else(|error| panic!("node {node}: {words:?}: {error}"))
    }

    /// The same as anybody who needs no password, for what is done to the user that the servers log in as.
    ///
    /// # Panics
    /// If the node does not answer, or refuses.
    pub(crate) fn command_as_anybody(&self, node: usize, words: &[&str]) {
        let answer: redis::RedisResult<redis::Value> = self.nodes[node].ask(None, PATIENCE, words);
        let _ = answer.unwrap_or_else(|error| panic!("node {node}: {words:?}: {error}"));
    }

    /// Who is the master now, by the word of most of the sentinels that run.
    #[must_use]
    pub fn master(&self) -> Option<usize> {
        let running: Vec<_> = self.sentinels.iter().filter(|sentinel| sentinel.runs()).collect();
        let named: Vec<_> = running.iter().filter_map(|sentinel| self.master_of(sentinel)).collect();
        let votes = |node: &usize| named.iter().filter(|named| *named == node).count();
        (0..self.nodes()).find(|node| votes(node) * 2 > running.len())
    }

    /// Whether `node` itself says that it is a master. One that does not run says nothing.
    #[must_use]
    pub fn is_master(&self, node: usize) -> bool {
        replication(&self.nodes[node]).is_some_and(|told| told.contains("role:master"))
    }

    /// Kills `node` as a crash would, and waits until it is gone.
    pub fn kill(&self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts `node` again where it was, as the last sentinel that told it something has left it.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&self, node: usize) {
        self.nodes[node].restart();
    }

    /// Stops `node` from doing anything, without closing a connection.
    pub fn pause(&self, node: usize) {
        self.nodes[node].pause();
    }

    /// Lets `node` go on.
    pub fn resume(&self, node: usize) {
        self.nodes[node].resume();
    }

    /// Makes a sentinel put a replica in the place of the master, both running, and waits until most sentinels say so.
    ///
    /// # Panics
    /// If there is no master, or it stays.
    pub async fn failover(&self) -> Election {
        let old = self.master().expect("a master");
        let begin = Instant::now();
        let sentinel = self.sentinels.iter().find(|sentinel| sentinel.runs()).expect("a sentinel that runs");
        loop {
            let words = ["SENTINEL", "FAILOVER", self.master_name()];
            let is_to_be_asked = self.master_of(sentinel) == Some(old);
            // Refused while another one is under way, or no replica is good enough.
            let is_asked = is_to_be_asked && sentinel.ask::<()>(Some(GUARD), PATIENCE, &words).is_ok();
            let round = Instant::now() + if is_asked { FAILOVER_ROUND } else { LOOK_AGAIN * 10 };
            while Instant::now() < round {
                if let Some(election) = self.successor(old, begin) {
                    return election;
                }
                sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Waits until most sentinels that run name a master other than `old`, which takes itself for one.
    ///
    /// # Panics
    /// If they do not within a generous time.
    pub async fn switched(&self, old: usize) -> Election {
        let begin = Instant::now();
        loop {
            if let Some(election) = self.successor(old, begin) {
                return election;
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until all sentinels that run agree on the master, all replicas that run follow it, and all of them are well.
    ///
    /// # Panics
    /// If that is not so within a generous time.
    pub async fn settled(&self) {
        let deadline = Instant::now() + self.options.failover();
        while let Err(problem) = self.check() {
            assert!(Instant::now() < deadline, "the servers are not in order: {problem}");
            sleep(LOOK_AGAIN).await;
        }
    }

    fn successor(&self, old: usize, begin: Instant) -> Option<Election> {
        let took = begin.elapsed();
        assert!(took < self.options.failover(), "the master is no other than node {old} after {took:?}");
        let owner = self.master().filter(|owner| *owner != old && self.is_master(*owner))?;
        Some(Election { owner, took })
    }

    fn master_of(&self, sentinel: &ServerProcess) -> Option<usize> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master_name()];
        let (host, port): (String, u16) = asked(sentinel, &words)?;
        self.node_at(&format!("{host}:{port}"))
    }
}

/// Makes a sentinel ask and tell more often, and be beside itself for a shorter time after it was stopped. It waits for one
/// period until it pings a new master for the first time, and counts from the beginning until it calls it down: a period as
/// long as that is the end of every other master just after its election.
fn hurry(sentinel: &ServerProcess) {
    let periods =
        ["PING-PERIOD", "200", "INFO-PERIOD", "1000", "PUBLISH-PERIOD", "200", "TILT-PERIOD", "2000"];
    let _: () = sentinel
        .ask(Some(GUARD), PATIENCE, &[&["SENTINEL", "DEBUG"], &periods[..]].concat())
        .expect("a sentinel whose pace can be set");
}

fn has_link(replica: &ServerProcess) -> bool {
    replication(replica).is_some_and(|told| told.contains("master_link_status:up"))
}

fn replication(node: &ServerProcess) -> Option<String> {
    asked(node, &["INFO", "replication"])
}

fn asked<T: FromRedisValue>(server: &ServerProcess, words: &[&str]) -> Option<T> {
    server.runs().then(|| server.ask(Some(GUARD), ANSWER, words).ok())?
}
