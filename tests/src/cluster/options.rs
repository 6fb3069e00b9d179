//! How a cluster is to be, and what its nodes are told.

use std::path::Path;
use std::time::Duration;

use super::relay::Relays;
use crate::certificates::{Certificates, ClientCertificates};
use crate::process::{GUARD, Launch, configuration, free_port, socket_in};

/// How a [cluster](super::RedisCluster) is to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClusterOptions {
    pub(super) masters: usize,
    pub(super) replicas: usize,
    node_timeout: Duration,
    full_coverage: bool,
    pub(super) has_direct_bus: bool,
    pub(super) tls: Option<ClientCertificates>,
    lines: Vec<String>,
}

impl Default for ClusterOptions {
    /// Three masters with a replica each.
    fn default() -> Self {
        let node_timeout = Duration::from_millis(1500); // Redis's own 15 s would make tests wait
        Self {
            masters: 3,
            replicas: 1,
            node_timeout,
            full_coverage: false,
            has_direct_bus: false,
            tls: None,
            lines: Vec::new(),
        }
    }
}

impl ClusterOptions {
    /// So many masters; 3 unless it is set. With fewer nobody can be elected.
    pub fn masters(mut self, masters: usize) -> Self {
        self.masters = masters;
        self
    }

    /// So many replicas for each master; 1 unless it is set.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// After how long a node that doesn't answer is given up by the others; 1.5 s unless it is set.
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// Whether all refuse to serve while some slots have no owner; they go on unless it is set.
    pub fn full_coverage(mut self, is_required: bool) -> Self {
        self.full_coverage = is_required;
        self
    }

    /// Its nodes reach each other without our relays, whose share of a flood is seen in measurements. None can be
    /// [isolated](super::RedisCluster::isolate) then.
    pub fn direct_bus(mut self) -> Self {
        self.has_direct_bus = true;
        self
    }

    /// Its nodes speak TLS with each other and, at the addresses that they announce, with clients. A plain port is open
    /// besides.
    pub fn tls(mut self, clients: ClientCertificates) -> Self {
        self.tls = Some(clients);
        self
    }

    /// One more line in the configuration of each node, such as `requirepass secret`. The guard has a user of its own, with
    /// which the replicas log in, too.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub(super) fn nodes(&self) -> usize {
        self.masters * (1 + self.replicas)
    }

    /// Whose replica `node` is at first.
    pub(super) fn first_master(&self, node: usize) -> Option<usize> {
        (node >= self.masters).then_some(node % self.masters)
    }

    /// The bus port of `node` that others are told.
    pub(super) fn bus_port(&self, node: usize, relays: &Relays) -> u16 {
        if self.has_direct_bus { relays.behind(node) } else { relays.port(node) }
    }

    /// How long an election may take on a busy machine: some rounds of it.
    pub(super) fn election(&self) -> Duration {
        crate::PATIENCE + self.node_timeout * 10
    }

    pub(super) fn launch(
        &self,
        node: usize,
        folder: &Path,
        relays: &Relays,
        certificates: Option<&Certificates>,
    ) -> Launch {
        let (port, bus_port) = (free_port(), free_port());
        relays.lead(node, bus_port);
        let (guard, password) = GUARD;
        let mut lines = vec![
            format!("port {port}"),
            format!("cluster-port {bus_port}"), // the usual port + 10000 may be somebody else's
            format!("cluster-announce-bus-port {}", self.bus_port(node, relays)),
            "cluster-announce-ip 127.0.0.1".to_owned(),
            "bind 127.0.0.1".to_owned(),
            format!("bind-source-addr {}", Relays::source(node)),
            format!("dir {}", folder.display()),
            format!("unixsocket {}", socket_in(folder).display()),
            "protected-mode no".to_owned(),
            "save \"\"".to_owned(),
            "appendonly no".to_owned(),
            "repl-diskless-sync yes".to_owned(),
            "repl-diskless-sync-delay 0".to_owned(), // 5 s, in which no replica can take over
            "cluster-enabled yes".to_owned(),
            format!("cluster-node-timeout {}", self.node_timeout.as_millis()),
            format!("cluster-require-full-coverage {}", if self.full_coverage { "yes" } else { "no" }),
            format!("user {guard} on >{password} ~* &* +@all"),
            format!("masteruser {guard}"),
            format!("masterauth {password}"),
        ];
        let tls_port = self.tls.zip(certificates).map(|(clients, certificates)| {
            let port = free_port();
            lines.extend([
                format!("tls-port {port}"),
                "tls-cluster yes".into(),
                "tls-replication yes".into(),
            ]);
            lines.extend(certificates.lines(clients));
            port
        });
        lines.extend(self.lines.iter().cloned());
        Launch { port, tls_port, arguments: vec![configuration(folder, &lines)] }
    }
}
