//! The web monitor as a program, and clients that read its stream as a browser does.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;

use event_bus_tests::{PATIENCE, eventually_blocking, within};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{TcpSocket, TcpStream};

/// Cargo has built it by the time it is needed: this tells where.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "-q", "-p", "event-bus-examples", "--bin", "web_monitor", "--message-format=json"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs
        .next_back()
        .unwrap_or_else(|| panic!("the web monitor: {}", String::from_utf8_lossy(&output.stderr)))
});

fn command(arguments: &[&str], redis_url: Option<&str>) -> Command {
    let mut command = Command::new(&*PROGRAM);
    command.args(arguments).env_remove("REDIS_URL").stdin(Stdio::null());
    if let Some(url) = redis_url {
        command.env("REDIS_URL", url);
    }
    command
}

/// Runs it where it is to end by itself.
pub(crate) fn run(arguments: &[&str], redis_url: Option<&str>) -> Output {
    command(arguments, redis_url).output().expect("it was built")
}

/// A running monitor, killed with its guard.
pub(crate) struct Monitor {
    child: Child,
    pub(crate) port: u16,
}

impl Monitor {
    /// Starts it on a free port and returns when it serves.
    pub(crate) fn start(arguments: &[&str], redis_url: Option<&str>) -> Self {
        Self::start_on("0", arguments, redis_url)
    }

    /// Starts it on this port.
    pub(crate) fn start_on(port: &str, arguments: &[&str], redis_url: Option<&str>) -> Self {
        let mut command = command(arguments, redis_url);
        let mut child = command.args(["--port", port]).stdout(Stdio::piped()).spawn().expect("it was built");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let mut monitor = Self { child, port: 0 };
        BufReader::new(stdout).read_line(&mut line).expect("it says where it serves");
        let (_, rest) = line.split_once("http://127.0.0.1:").unwrap_or_else(|| panic!("it said {line:?}"));
        let (port, _) = rest.split_once(' ').expect("a port, and a hint");
        monitor.port = port.parse().expect("a port");
        monitor
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Presses ctrl-c, and returns how it ended.
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("our own child can be signalled");
        let mut status = None;
        eventually_blocking("the monitor ends", || {
            status = self.child.try_wait().expect("our own child");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// What it answers: the status line, and the body.
    pub(crate) async fn get(&self, path: &str, host: &str) -> (String, String) {
        let mut stream = request(self.port, path, host, None).await;
        let mut answer = String::new();
        within("an answer", stream.read_to_string(&mut answer)).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
    }

    /// Opens the stream as a browser does.
    pub(crate) async fn listen(&self) -> Listener {
        Listener { stream: request(self.port, "/events", "127.0.0.1", None).await }
    }

    /// As a browser for which the system keeps only so many bytes.
    pub(crate) async fn listen_with_buffer(&self, bytes: u32) -> Listener {
        Listener { stream: request(self.port, "/events", "127.0.0.1", Some(bytes)).await }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In HTTP/1.0 a body comes as it is and ends with the connection.
async fn request(port: u16, path: &str, host: &str, buffer: Option<u32>) -> AsyncBufReader<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).expect("a size of buffer");
    }
    let address = ([127, 0, 0, 1], port).into();
    let mut stream = within("the monitor answers", socket.connect(address)).await.expect("it serves");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it takes a request");
    AsyncBufReader::with_capacity(1024, stream)
}

/// A client that reads the stream.
pub(crate) struct Listener {
    stream: AsyncBufReader<TcpStream>,
}

impl Listener {
    /// The name and the data of the next message; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            if within("a message", self.stream.read_line(&mut line)).await.expect("text") == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                event.trim_end().clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some((name, serde_json::from_str(data).expect("JSON")));
            }
        }
    }

    /// Reads until a message of this name comes.
    pub(crate) async fn until(&mut self, wanted: &str) -> Value {
        let deadline = std::time::Instant::now() + PATIENCE;
        while let Some((name, data)) = self.next().await {
            if name == wanted {
                return data;
            }
            assert!(std::time::Instant::now() < deadline, "no {wanted} within {PATIENCE:?}");
        }
        panic!("the stream ended before {wanted}");
    }
}
