//! A `redis-server` of a test's own: on a free loopback port, in a folder of its own, gone when the guard is.

use std::path::Path;
use std::time::Duration;

use crate::certificates::{Certificates, ClientCertificates};
pub use crate::process::free_port;
use crate::process::{Launch, ServerProcess, socket_in};

/// How long it may take to be connected: machines under test are busy.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    process: ServerProcess,
    certificates: Option<Certificates>,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// If `redis-server` is missing or does not start: nothing can be tested then.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with settings such as `["--requirepass", "secret"]`.
    ///
    /// # Panics
    /// As for [`start`](Self::start).
    #[must_use]
    pub fn start_with(settings: &[&str]) -> Self {
        let process = ServerProcess::start(|folder| launch(folder, settings, None));
        Self { process, certificates: None }
    }

    /// Starts a server that speaks TLS on a port of its own, besides the plain one.
    ///
    /// # Panics
    /// As for [`start`](Self::start), or if the server was built without TLS.
    #[must_use]
    pub fn start_tls(clients: ClientCertificates) -> Self {
        Self::start_tls_with(clients, &[])
    }

    /// Starts such a server with [settings](Self::start_with).
    ///
    /// # Panics
    /// As for [`start_tls`](Self::start_tls).
    #[must_use]
    pub fn start_tls_with(clients: ClientCertificates, settings: &[&str]) -> Self {
        let certificates = Certificates::make();
        let tls = certificates.settings(clients);
        let tls: Vec<String> =
            tls.into_iter().flat_map(|(name, value)| [format!("--{name}"), value]).collect();
        let tls: Vec<&str> = tls.iter().map(String::as_str).collect();
        let settings = [&tls, settings].concat();
        let process = ServerProcess::start(|folder| launch(folder, &settings, Some(free_port())));
        Self { process, certificates: Some(certificates) }
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.process.port()
    }

    /// The number of its process while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Its URL, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Its URL for TLS, without credentials.
    ///
    /// # Panics
    /// If it was not started with TLS, as for its [certificates](Self::certificates).
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.process.tls_port().expect("a server that speaks TLS"))
    }

    /// Its certificate, and those around it.
    ///
    /// # Panics
    /// If it was not started with TLS.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("a server that speaks TLS")
    }

    /// The path of its unix socket.
    #[must_use]
    pub fn socket(&self) -> String {
        socket_in(self.process.folder()).display().to_string()
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.process.restart();
    }

    /// Kills it and starts another one in its place, on the same port, with more settings, such as
    /// `["--maxclients", "10"]`.
    ///
    /// # Panics
    /// If it does not start.
    pub fn replace(&mut self, more: &[&str]) {
        self.process.replace(more);
    }

    /// Stops it from doing anything, without closing a connection.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Runs one command over a connection of its own and returns the answer's text.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).expect("our own URL");
        let mut connection =
            client.get_connection_with_timeout(CONNECT_TIMEOUT).expect("our own server answers");
        let (name, arguments) = words.split_first().expect("a command");
        redis::cmd(name).arg(arguments).query(&mut connection).expect("the command is right")
    }

    /// How many clients are subscribed to `channel`, by the server's word.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn subscribers(&self, channel: &str) -> u64 {
        let (_, count): (String, u64) =
            redis::from_redis_value(self.command(&["PUBSUB", "NUMSUB", channel])).expect("a count");
        count
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn launch(folder: &Path, settings: &[&str], tls_port: Option<u16>) -> Launch {
    let port = free_port();
    let (own_port, dir, socket) =
        (port.to_string(), folder.display().to_string(), socket_in(folder).display().to_string());
    let own = ["--port", &own_port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let placed = ["--dir", &dir, "--unixsocket", &socket];
    let arguments = own.iter().chain(&placed).chain(settings).map(ToString::to_string);
    let tls = tls_port.map(|port| ["--tls-port".to_owned(), port.to_string()]);
    Launch { port, tls_port, arguments: arguments.chain(tls.into_iter().flatten()).collect() }
}
