//! Several servers that are tortured: a cluster, or a master under sentinels; who serves which channel there, and who is
//! listened to. What is done to them stands in `upheavals.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use event_bus_redis::RedisConfig;
use tokio::runtime::Handle;

use super::login::{Login, Operated};
use super::options::{Medium, PubSub};
use super::record::Lines;
use crate::{ClusterOptions, RedisCluster, RedisSentinels};

/// A node is given up by the others after this. In half of it they give up a connection on which no answer comes, and what was
/// on its way there is lost without a word.
pub(super) const NODE_TIMEOUT: Duration = Duration::from_secs(3);
/// So a listener has to notice a node that stands still sooner than that, as it does with the defaults of both.
const PING_INTERVAL: Duration = Duration::from_millis(300);
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(1100);
/// What a listener surely notices, on a busy machine.
pub(super) const NOTICED: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Several {
    pub(super) servers: Servers,
    pub(super) delivery: PubSub,
    /// The slots of the channels, by number.
    slots: Vec<u16>,
    pub(super) login: Option<Login>,
    pub(super) runtime: Handle,
}

#[derive(Debug)]
pub(super) enum Servers {
    Cluster(RedisCluster),
    Sentinels(RedisSentinels),
}

impl Several {
    /// Blocks its thread for some seconds.
    pub(super) fn start(
        medium: Medium,
        delivery: PubSub,
        channels: u32,
        has_login: bool,
        runtime: Handle,
    ) -> Self {
        let (servers, slots) = if medium == Medium::Sentinel {
            (Servers::Sentinels(RedisSentinels::start()), vec![0; channels as usize])
        } else {
            let cluster = RedisCluster::start_with(ClusterOptions::default().node_timeout(NODE_TIMEOUT));
            let slots = (0..channels).map(|line| cluster.slot(&full_name(line))).collect();
            (Servers::Cluster(cluster), slots)
        };
        let several = Self { servers, delivery, slots, login: None, runtime };
        let login = has_login.then(|| Login::at(&several));
        Self { login, ..several }
    }

    pub(super) fn config(&self) -> RedisConfig {
        let config = match &self.servers {
            Servers::Cluster(cluster) => RedisConfig::cluster(cluster.seeds()),
            Servers::Sentinels(servers) => RedisConfig::sentinel(servers.master_name(), servers.seeds()),
        };
        let config = match self.delivery {
            PubSub::Classic => config,
            PubSub::Sharded => config.sharded(),
        };
        match &self.login {
            Some(login) => login.of(config),
            None => config,
        }
    }

    pub(super) fn listening_config(&self) -> RedisConfig {
        self.config().ping_interval(PING_INTERVAL).response_timeout(RESPONSE_TIMEOUT)
    }

    pub(super) fn nodes(&self) -> usize {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.nodes(),
            Servers::Sentinels(servers) => servers.nodes(),
        }
    }

    /// Who serves channel `line` now.
    pub(super) fn owner(&self, line: u32) -> Option<usize> {
        self.owners_of(&[self.slot(line)])[0]
    }

    pub(super) fn slot(&self, line: u32) -> u16 {
        self.slots[line as usize]
    }

    fn owners_of(&self, slots: &[u16]) -> Vec<Option<usize>> {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.owners(slots),
            Servers::Sentinels(servers) => {
                let master = servers.master().filter(|master| servers.is_master(*master));
                vec![master; slots.len()]
            }
        }
    }

    /// The nodes that serve some channel, and which.
    pub(super) fn masters(&self) -> BTreeMap<usize, Vec<u32>> {
        let mut masters: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for (line, owner) in (0..).zip(self.owners_of(&self.slots)) {
            owner.into_iter().for_each(|owner| masters.entry(owner).or_default().push(line));
        }
        masters
    }

    pub(super) fn lines_of(&self, node: usize) -> Vec<u32> {
        self.masters().remove(&node).unwrap_or_default()
    }

    /// The one node over which everything is heard, if there is such a one, and somebody listens.
    pub(super) fn listened(&self) -> Option<usize> {
        match (&self.servers, self.delivery) {
            (Servers::Cluster(_), PubSub::Sharded) => None,
            _ => (0..self.nodes()).find(|node| self.subscribed_at(*node) > 0),
        }
    }

    /// Whether the one who is listened to is to be asked for, and not those who serve a channel.
    pub(super) fn is_heard_over_any(&self) -> bool {
        matches!((&self.servers, self.delivery), (Servers::Cluster(_), PubSub::Classic))
    }

    /// The channels of which a listener may be told when something happens to `node`, and whether he surely is.
    pub(super) fn told_of(&self, node: usize) -> (Lines, bool) {
        if !self.is_heard_over_any() {
            return (self.lines_of(node).into_iter().collect(), true);
        }
        match self.listened() {
            Some(listened) if listened != node => (Lines::NONE, false),
            listened => (Lines::ALL, listened.is_some()), // perhaps, if nobody is listened to just now
        }
    }

    /// How many channels and patterns clients are subscribed to.
    pub(super) fn subscribed(&self) -> usize {
        (0..self.nodes()).map(|node| self.subscribed_at(node)).sum()
    }

    fn subscribed_at(&self, node: usize) -> usize {
        let count = |words: &[&str]| -> usize {
            let names: Vec<String> = redis::from_redis_value(self.command(node, words)).expect("names");
            names.len()
        };
        let patterns: usize =
            redis::from_redis_value(self.command(node, &["PUBSUB", "NUMPAT"])).expect("a number");
        let channels = count(&["PUBSUB", "CHANNELS", "torture/*"]);
        channels + count(&["PUBSUB", "SHARDCHANNELS", "torture/*"]) + patterns
    }

    pub(super) fn command(&self, node: usize, words: &[&str]) -> redis::Value {
        match &self.servers {
            Servers::Cluster(cluster) => cluster.command(node, words),
            Servers::Sentinels(servers) => servers.command(node, words),
        }
    }
}

impl Operated for Several {
    fn everywhere(&self, words: &[&str]) {
        for node in 0..self.nodes() {
            let _answer = self.command(node, words);
        }
    }

    fn remember_users(&self) {
        self.everywhere(&["CONFIG", "REWRITE"]);
    }
}

fn full_name(line: u32) -> String {
    format!("torture/line/{line}")
}
