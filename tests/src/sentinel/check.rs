//! Whether a master, its replicas and its sentinels know of each other what there is to know.

use std::collections::BTreeMap;

use redis::FromRedisValue;

use super::{RedisSentinels, asked, has_link};
use crate::process::ServerProcess;

/// What a sentinel says of somebody.
type Described = BTreeMap<String, String>;

impl RedisSentinels {
    /// What is not as it should be among the servers that run.
    pub(super) fn check(&self) -> Result<(), String> {
        let master = self.master().ok_or("the sentinels name no master")?;
        for (number, sentinel) in self.sentinels.iter().enumerate().filter(|(_, sentinel)| sentinel.runs()) {
            self.check_master(sentinel, master)
                .and_then(|()| self.check_replicas(sentinel, master))
                .and_then(|()| self.check_others(sentinel))
                .map_err(|problem| format!("sentinel {number} {problem}"))?;
        }
        let mut replicas = (0..self.nodes()).filter(|node| *node != master && self.nodes[*node].runs());
        match replicas.find(|replica| !has_link(&self.nodes[*replica])) {
            Some(replica) => Err(format!("node {replica} follows no master")),
            None => Ok(()),
        }
    }

    fn check_master(&self, sentinel: &ServerProcess, master: usize) -> Result<(), String> {
        let told: Described = self.told(sentinel, "MASTER")?;
        if told.get("port") != Some(&self.nodes[master].announced_port().to_string())
            || told["flags"] != "master"
        {
            return Err(format!("names a master with {} at {}", told["flags"], told["port"]));
        }
        Ok(())
    }

    fn check_replicas(&self, sentinel: &ServerProcess, master: usize) -> Result<(), String> {
        let told: Vec<Described> = self.told(sentinel, "REPLICAS")?;
        let master_port = self.nodes[master].announced_port().to_string();
        for (number, node) in self.nodes.iter().enumerate() {
            let port = node.announced_port().to_string();
            let is_well = |told: &Described| {
                told["port"] == port
                    && told["flags"] == "slave"
                    && told.get("master-port") == Some(&master_port)
                    && told.get("master-link-status").is_some_and(|status| status == "ok")
            };
            if number != master && node.runs() && !told.iter().any(is_well) {
                return Err(format!("does not see node {number} follow"));
            }
        }
        Ok(())
    }

    fn check_others(&self, sentinel: &ServerProcess) -> Result<(), String> {
        let told: Vec<Described> = self.told(sentinel, "SENTINELS")?;
        let well = |port: u16| {
            told.iter().any(|told| told["port"] == port.to_string() && told["flags"] == "sentinel")
        };
        let mut others =
            self.sentinels.iter().filter(|other| other.runs() && other.port() != sentinel.port());
        match others.find(|other| !well(other.announced_port())) {
            Some(other) => Err(format!("does not know the one at {}", other.announced_port())),
            None => Ok(()),
        }
    }

    fn told<T: FromRedisValue>(&self, sentinel: &ServerProcess, what: &str) -> Result<T, String> {
        asked(sentinel, &["SENTINEL", what, self.master_name()]).ok_or_else(|| "does not answer".to_owned())
    }
}
