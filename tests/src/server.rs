//! A `redis-server` of a test's own: on a free loopback port, in a folder of its own, gone when the guard is.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long a server may take to start: machines under test are busy.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    folder: TempDir,
    settings: Vec<String>,
    process: Option<Child>,
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
        let mut last_log = String::new();
        for _ in 0..5 {
            let mut server = Self {
                port: free_port(),
                folder: tempfile::tempdir().expect("a temporary folder"),
                settings: settings.iter().map(ToString::to_string).collect(),
                process: None,
            };
            if server.launch() {
                return server;
            }
            last_log = server.log(); // most likely somebody else took the port meanwhile
        }
        panic!("redis-server does not start:\n{last_log}");
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The path of its unix socket.
    #[must_use]
    pub fn socket(&self) -> String {
        self.folder.path().join("redis.sock").display().to_string()
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.launch() {
            assert!(Instant::now() < deadline, "redis-server does not start again:\n{}", self.log());
        }
    }

    /// Stops it from doing anything, without closing a connection.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let pid = i32::try_from(process.id()).expect("a process id");
            kill(Pid::from_raw(pid), signal).expect("our own server can be signalled");
        }
    }

    /// Runs one command over a connection of its own and returns the answer's text.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> redis::Value {
        let client = redis::Client::open(self.url()).expect("our own URL");
        let mut connection =
            client.get_connection_with_timeout(START_TIMEOUT).expect("our own server answers");
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

    fn launch(&mut self) -> bool {
        let log = std::fs::File::create(self.folder.path().join("redis.log")).expect("a log file");
        let started = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(["--dir", &self.folder.path().display().to_string(), "--unixsocket", &self.socket()])
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn();
        match started {
            Ok(process) => self.process = Some(process),
            Err(error) => {
                panic!("redis-server can't be run ({error}): install Debian's package redis-server")
            }
        }
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if self.has_ended() {
                return false;
            }
            if self.answers() {
                return true;
            }
            sleep(Duration::from_millis(5));
        }
        self.kill();
        false
    }

    fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| !matches!(process.try_wait(), Ok(None)))
    }

    /// Any answer will do: a protected server refuses, but it is up.
    fn answers(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut first = [0];
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut first).is_ok()
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.resume();
        self.kill();
    }
}

/// A loopback port that was free a moment ago.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a local address").port()
}
