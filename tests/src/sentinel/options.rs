//! How a master under sentinels is to be, and what its servers are told.

use std::path::Path;
use std::time::Duration;

use crate::certificates::{Certificates, ClientCertificates};
use crate::process::{GUARD, Launch, configuration, free_port, socket_in};

/// How a [master under sentinels](super::RedisSentinels) is to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct SentinelOptions {
    pub(super) replicas: usize,
    pub(super) sentinels: usize,
    pub(super) name: String,
    down_after: Duration,
    failover_timeout: Duration,
    pub(super) tls: Option<ClientCertificates>,
    lines: Vec<String>,
    sentinel_lines: Vec<String>,
}

impl Default for SentinelOptions {
    /// A master called `main` with two replicas, under three sentinels.
    fn default() -> Self {
        Self {
            replicas: 2,
            sentinels: 3,
            name: "main".to_owned(),
            down_after: Duration::from_secs(1), // Redis's own 30 s, and 3 minutes, would make tests wait
            failover_timeout: Duration::from_secs(5),
            tls: None,
            lines: Vec::new(),
            sentinel_lines: Vec::new(),
        }
    }
}

impl SentinelOptions {
    /// So many replicas; 2 unless it is set.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// So many sentinels, of which most must agree; 3 unless it is set.
    pub fn sentinels(mut self, sentinels: usize) -> Self {
        self.sentinels = sentinels;
        self
    }

    /// What the sentinels call the master; `main` unless it is set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// After how long a server that doesn't answer is down; 1 s unless it is set.
    pub fn down_after(mut self, time: Duration) -> Self {
        self.down_after = time;
        self
    }

    /// After how long a failover that gets stuck is tried again (twice this, for the same master); 5 s unless it is set.
    pub fn failover_timeout(mut self, time: Duration) -> Self {
        self.failover_timeout = time;
        self
    }

    /// The password that clients need at the master and its replicas; none unless it is set.
    pub fn password(self, password: &str) -> Self {
        self.line(format!("requirepass {password}"))
    }

    /// The password that clients need at the sentinels; none unless it is set.
    pub fn sentinel_password(self, password: &str) -> Self {
        self.sentinel_line(format!("requirepass {password}"))
    }

    /// All of them speak TLS with each other and, at the addresses that they announce, with clients. A plain port is open
    /// besides.
    pub fn tls(mut self, clients: ClientCertificates) -> Self {
        self.tls = Some(clients);
        self
    }

    /// One more line in the configuration of the master and its replicas. The guard has a user of its own there, with which
    /// replicas and sentinels log in, too.
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// One more line in the configuration of the sentinels, where it is the same.
    pub fn sentinel_line(mut self, line: impl Into<String>) -> Self {
        self.sentinel_lines.push(line.into());
        self
    }

    /// How long a failover may take on a busy machine: some rounds of it.
    pub(super) fn failover(&self) -> Duration {
        crate::PATIENCE + self.down_after * 5 + self.failover_timeout * 5
    }
}

/// What each of the servers is started with.
pub(super) struct Launcher<'a> {
    options: &'a SentinelOptions,
    tls: Option<(ClientCertificates, &'a Certificates)>,
}

impl<'a> Launcher<'a> {
    pub(super) fn new(options: &'a SentinelOptions, certificates: Option<&'a Certificates>) -> Self {
        Self { options, tls: options.tls.zip(certificates) }
    }

    /// A master, or a replica of the one at `master`.
    pub(super) fn node(&self, folder: &Path, master: Option<u16>) -> Launch {
        let (guard, password) = GUARD;
        let own = [
            "save \"\"".to_owned(),
            "appendonly no".to_owned(),
            "repl-diskless-sync yes".to_owned(),
            "repl-diskless-sync-delay 0".to_owned(), // 5 s, in which no replica can take over
            format!("masteruser {guard}"),
            format!("masterauth {password}"),
        ];
        let master = master.map(|port| format!("replicaof 127.0.0.1 {port}"));
        self.launch(folder, own.into_iter().chain(master).chain(self.options.lines.iter().cloned()), &[])
    }

    pub(super) fn sentinel(&self, folder: &Path, master: u16) -> Launch {
        let (guard, password) = GUARD;
        let SentinelOptions { name, down_after, failover_timeout, sentinel_lines, .. } = self.options;
        let own = [
            format!("sentinel sentinel-user {guard}"),
            format!("sentinel sentinel-pass {password}"),
            format!("sentinel monitor {name} 127.0.0.1 {master} {}", self.options.sentinels / 2 + 1),
            format!("sentinel auth-user {name} {guard}"),
            format!("sentinel auth-pass {name} {password}"),
            format!("sentinel down-after-milliseconds {name} {}", down_after.as_millis()),
            format!("sentinel failover-timeout {name} {}", failover_timeout.as_millis()),
        ];
        self.launch(folder, own.into_iter().chain(sentinel_lines.iter().cloned()), &["--sentinel"])
    }

    fn launch(&self, folder: &Path, own: impl Iterator<Item = String>, options: &[&str]) -> Launch {
        let port = free_port();
        let (guard, password) = GUARD;
        let mut lines = vec![
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.display()),
            format!("unixsocket {}", socket_in(folder).display()),
            "protected-mode no".to_owned(),
            format!("user {guard} on >{password} ~* &* +@all"),
        ];
        let tls_port = self.tls.map(|(clients, certificates)| {
            let port = free_port();
            // What is told to others is the port for TLS then, and others are reached by TLS, sentinels too.
            lines.extend([format!("tls-port {port}"), "tls-replication yes".to_owned()]);
            lines.extend(certificates.lines(clients));
            port
        });
        lines.extend(own);
        let mut arguments = vec![configuration(folder, &lines)];
        arguments.extend(options.iter().map(ToString::to_string));
        Launch { port, tls_port, arguments }
    }
}
