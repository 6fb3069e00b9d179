//! A `redis-server` of a test's own: on a free loopback port, in a folder of its own, gone when the guard is.

use std::path::Path;
use std::time::Duration;

pub use crate::process::free_port;
use crate::process::{Launch, ServerProcess, socket_in};

/// How long it may take to be connected: machines under test are busy.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    process: ServerProcess,
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
        Self { process: ServerProcess::start(|folder| launch(folder, settings)) }
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

fn launch(folder: &Path, settings: &[&str]) -> Launch {
    let port = free_port();
    let (own_port, dir, socket) =
        (port.to_string(), folder.display().to_string(), socket_in(folder).display().to_string());
    let own = ["--port", &own_port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let placed = ["--dir", &dir, "--unixsocket", &socket];
    let arguments = own.iter().chain(&placed).chain(settings).map(ToString::to_string).collect();
    Launch { port, arguments }
}
