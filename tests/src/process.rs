//! A server process in a folder of its own, which ends with its guard, whatever else goes wrong. What it serves is the
//! business of the guards above.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::{Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo, RedisConnectionInfo, RedisResult};
use tempfile::TempDir;

/// How long a server may take to start: machines under test are busy.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often other ports are tried where somebody else was quicker.
const ATTEMPTS: usize = 10;
/// Below the ports that connections of other programs are given, which would be in the way of a restart.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Who the guards are to their servers, and the servers to each other: whatever users and passwords a test sets are not in
/// the way.
pub(crate) const GUARD: (&str, &str) = ("guard", "guard");

/// A server's process, which can be killed, stopped and started again.
#[derive(Debug)]
pub struct ServerProcess {
    folder: TempDir,
    port: u16,
    tls_port: Option<u16>,
    arguments: Vec<String>,
    state: Mutex<State>,
}

/// How to start a server: the ports that are its own, and what it is called with. It must open the socket of its folder.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) port: u16,
    pub(crate) tls_port: Option<u16>,
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    child: Option<Child>,
    is_paused: bool,
}

impl ServerProcess {
    /// Starts a server as `prepare` says, in a folder that it is given, and waits until it answers. Where a port was
    /// taken meanwhile, it is prepared anew.
    pub(crate) fn start(prepare: impl Fn(&Path) -> Launch) -> Self {
        for attempt in 1.. {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let Launch { port, tls_port, arguments } = prepare(folder.path());
            let server = Self { folder, port, tls_port, arguments, state: Mutex::default() };
            let Err(problem) = server.launch() else { return server };
            let log = server.log();
            let port_is_taken = log.to_lowercase().contains("address already in use");
            assert!(port_is_taken && attempt < ATTEMPTS, "{}redis-server {problem}:\n{log}", hint(&log));
        }
        unreachable!("the last attempt returns or panics")
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its port for TLS, if it speaks it.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    /// The port that others are told: the one for TLS, if it speaks it.
    pub(crate) fn announced_port(&self) -> u16 {
        self.tls_port.unwrap_or(self.port)
    }

    /// The number of its process while there is one.
    ///
    /// # Panics
    /// If a thread panicked while it started or killed this server, as all of these.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.state().child.as_ref().map(Child::id)
    }

    /// Whether it neither has ended nor is paused.
    #[must_use]
    pub fn runs(&self) -> bool {
        let mut state = self.state();
        !state.has_ended() && !state.is_paused
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub fn kill(&self) {
        self.state().kill();
    }

    /// Has it end in good order, and waits until it is gone.
    ///
    /// # Panics
    /// If it stays.
    pub fn stop(&self) {
        let mut state = self.state();
        state.signal(Signal::SIGTERM);
        let deadline = Instant::now() + START_TIMEOUT;
        while !state.has_ended() {
            assert!(Instant::now() < deadline, "redis-server does not end:\n{}", self.log());
            sleep(Duration::from_millis(5));
        }
        state.is_paused = false;
    }

    /// Starts it again on the same ports, with what it has written to its folder.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&self) {
        self.kill();
        let deadline = Instant::now() + START_TIMEOUT;
        while let Err(problem) = self.launch() {
            assert!(Instant::now() < deadline, "redis-server {problem} again:\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    /// Starts another one in its place, which is told `more` besides.
    ///
    /// # Panics
    /// If it does not start.
    pub(crate) fn replace(&mut self, more: &[&str]) {
        self.arguments.extend(more.iter().map(ToString::to_string));
        self.restart();
    }

    /// Stops it from doing anything, without closing a connection.
    pub fn pause(&self) {
        let mut state = self.state();
        state.signal(Signal::SIGSTOP);
        state.is_paused = true;
    }

    /// Lets it go on.
    pub fn resume(&self) {
        let mut state = self.state();
        state.signal(Signal::SIGCONT);
        state.is_paused = false;
    }

    /// What it has logged since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Asks it over its unix socket, as `user` if one is given, for no longer than `patience`.
    pub(crate) fn ask<T: FromRedisValue>(
        &self,
        user: Option<(&str, &str)>,
        patience: Duration,
        words: &[&str],
    ) -> RedisResult<T> {
        let mut login = RedisConnectionInfo::default();
        if let Some((name, password)) = user {
            login = login.set_username(name).set_password(password);
        }
        let address = ConnectionAddr::Unix(socket_in(self.folder()));
        let client = Client::open(address.into_connection_info()?.set_redis_settings(login))?;
        let mut connection = client.get_connection_with_timeout(patience)?;
        connection.set_read_timeout(Some(patience))?;
        connection.set_write_timeout(Some(patience))?;
        let (name, arguments) = words.split_first().expect("a command");
        redis::cmd(name).arg(arguments).query(&mut connection)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked with this server in its hands")
    }

    fn launch(&self) -> Result<(), &'static str> {
        let mut state = self.state();
        let log = File::create(self.folder.path().join("redis.log")).expect("a log file");
        let started = Command::new("redis-server")
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn();
        state.child = Some(started.unwrap_or_else(|error| panic!("{}", no_server(&error))));
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if state.has_ended() {
                return Err("does not start");
            }
            if self.answers() {
                return Ok(());
            }
            sleep(Duration::from_millis(5));
        }
        state.kill();
        Err("does not answer")
    }

    /// Any answer will do: a protected server refuses, but it is up. Its socket is nobody else's, as its port may be; it
    /// is served only when all ports are.
    fn answers(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(socket_in(self.folder())) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let mut first = [0];
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut first).is_ok()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        state.unwrap_or_else(std::sync::PoisonError::into_inner).kill();
    }
}

impl State {
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // a stopped process dies of it, too
            let _ = child.wait();
        }
        self.is_paused = false;
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let pid = i32::try_from(child.id()).expect("a process id");
            kill(Pid::from_raw(pid), signal).expect("our own server can be signalled");
        }
    }

    /// What has ended is forgotten: its number may be somebody else's.
    fn has_ended(&mut self) -> bool {
        if self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            return false;
        }
        self.child = None;
        true
    }
}

/// Where a server with this folder has its unix socket.
pub(crate) fn socket_in(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

/// Writes a configuration file for a server with this folder. Returns its path.
pub(crate) fn configuration(folder: &Path, lines: &[String]) -> String {
    let path = folder.join("redis.conf");
    fs::write(&path, lines.join("\n") + "\n").expect("a folder of our own can be written to");
    path.display().to_string()
}

/// Panics unless the installed server is of this major version or a newer one.
pub(crate) fn need_version(needed: u32, what: &str) {
    let version = Command::new("redis-server").arg("--version").output();
    let version = version.unwrap_or_else(|error| panic!("{}", no_server(&error)));
    let version = String::from_utf8_lossy(&version.stdout);
    assert!(
        major(&version).is_some_and(|major| major >= needed),
        "{what} needs redis-server {needed} or newer, and the installed one is: {}",
        version.trim()
    );
}

fn major(version: &str) -> Option<u32> {
    let (_, number) = version.split_once(" v=")?;
    number.split('.').next()?.parse().ok()
}

/// A loopback port that was free a moment ago.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(1000);
    ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}

fn no_server(error: &std::io::Error) -> String {
    format!("redis-server can't be run ({error}): install Debian's package redis-server")
}

/// What is to be known before reading a log that speaks of something missing.
fn hint(log: &str) -> &'static str {
    let is_unknown = log.contains("Bad directive or wrong number of arguments") && log.contains("tls-");
    if is_unknown { "this redis-server was built without TLS; " } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn launch(folder: &Path, port: u16) -> Launch {
        let lines = [
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.display()),
            format!("unixsocket {}", socket_in(folder).display()),
            "save \"\"".to_owned(),
        ];
        Launch { port, tls_port: None, arguments: vec![configuration(folder, &lines)] }
    }

    #[test]
    fn a_port_that_somebody_took_meanwhile_is_given_up_for_another() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = taken.local_addr().map(|address| (taken, address.port())).unwrap();
        let attempts = Cell::new(0);
        let server = ServerProcess::start(|folder| {
            attempts.set(attempts.get() + 1);
            launch(folder, if attempts.get() < 3 { taken.1 } else { free_port() })
        });
        assert!(attempts.get() >= 3 && server.port() != taken.1);
        assert!(server.ask::<String>(None, START_TIMEOUT, &["PING"]).is_ok());
    }

    #[test]
    fn a_server_stops_and_starts_whatever_happened_to_it() {
        let server = ServerProcess::start(|folder| launch(folder, free_port()));
        let first = server.pid().unwrap();
        server.pause();
        assert!(!server.runs());
        server.resume();
        assert!(server.runs());
        server.stop();
        assert!(!server.runs() && server.pid().is_none());
        server.restart();
        assert!(server.runs() && server.pid() != Some(first));
        server.pause();
        server.kill();
        server.resume(); // there is none
        assert!(!server.runs());
    }

    #[test]
    fn what_is_missing_is_said_in_a_sentence() {
        assert_eq!(major("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc"), Some(7));
        assert_eq!(major("Valkey server v=8.1.0 sha=0"), Some(8));
        assert_eq!(major("something else"), None);
        let log = "'tls-port \"1\"'\nBad directive or wrong number of arguments";
        assert_eq!(hint(log), "this redis-server was built without TLS; ");
        assert_eq!(hint("'no-such-setting'\nBad directive or wrong number of arguments"), "");
        let newer = std::panic::catch_unwind(|| need_version(1000, "a test of tomorrow"));
        let said = *newer.unwrap_err().downcast::<String>().unwrap();
        assert!(said.starts_with("a test of tomorrow needs redis-server 1000 or newer"), "{said}");
    }
}
