//! The AutoGPT platform's bus in Python, as a program that a test commands: `tests/python/peer.py`, run by the
//! Python that `scripts/test.sh` sets up. What it validated or dropped is told here; nothing is judged.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use event_bus_core::Event;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{RedisCluster, RedisServer, within};

/// More than any test leaves unread; whoever reads the program's output must never wait for the test.
const UNREAD: usize = 100_000;

/// A Python service on a server, or on a cluster. It ends with this guard.
#[derive(Debug)]
pub struct PythonPeer {
    process: Child,
    commands: ChildStdin,
    answers: mpsc::Receiver<Value>,
    listeners: Arc<Listeners>,
}

type Listeners = Mutex<HashMap<usize, mpsc::Sender<Told>>>;

/// A Python reader, in `async for event in bus.listen_events(key)`.
#[derive(Debug)]
pub struct PythonListener(mpsc::Receiver<Told>);

/// What a reader tells.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Told {
    Heard(Heard),
    Ended { ended: String },
}

/// What redis-py handed to a reader.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Heard {
    /// redis-py's word for it: `message`, `pmessage` if a pattern matched, or `smessage` on a cluster.
    #[serde(rename = "type")]
    pub kind: String,
    /// The channel.
    pub channel: String,
    /// The message as received; no text if it only confirms a subscription.
    pub raw: Value,
    /// The event that pydantic made of it, spelled like [`exact`]; `None` if the reader dropped the message.
    pub event: Option<Value>,
}

impl PythonPeer {
    /// Starts a Python service with the platform's message limit.
    ///
    /// # Panics
    /// If the Python that `scripts/test.sh` sets up is missing: nothing can be tested then.
    #[must_use]
    pub fn start(redis: &RedisServer) -> Self {
        Self::launch("server", &address(redis), None)
    }

    /// Starts a Python service that publishes at most `max_bytes` bytes.
    ///
    /// # Panics
    /// As for [`start`](Self::start).
    #[must_use]
    pub fn start_with_limit(redis: &RedisServer, max_bytes: u64) -> Self {
        Self::launch("server", &address(redis), Some(max_bytes))
    }

    /// Starts a Python service that publishes and listens with sharded pub/sub, as the platform does on a cluster.
    ///
    /// # Panics
    /// As for [`start`](Self::start).
    #[must_use]
    pub fn start_on_cluster(redis: &RedisCluster) -> Self {
        Self::launch("cluster", &redis.address(0), None)
    }

    /// Publishes `event` to all of its channels, which Python chooses. Returns what was written to each; an event that
    /// Python can't write is lost, and nothing is written.
    ///
    /// # Panics
    /// If Python's model does not take the event.
    pub async fn publish<E: Event + Serialize>(&mut self, event: &E) -> Vec<String> {
        self.publish_text::<E>(&exact(event).to_string()).await
    }

    /// Publishes the event that Python reads in `event`: JSON, in which fields with defaults may be missing, and which
    /// may hold what only Python takes for JSON, such as `NaN`.
    ///
    /// # Panics
    /// As for [`publish`](Self::publish).
    pub async fn publish_text<E: Event>(&mut self, event: &str) -> Vec<String> {
        let event = event.replace('\n', " "); // a command is one line
        self.command(&format!(r#"{{"do":"publish","bus":"{}","event":{event}}}"#, E::BUS_NAME));
        serde_json::from_value(self.answer().await).expect("a list of messages")
    }

    /// Listens to `key` on the bus of `E`, by pattern if there is a `*` in it and Python has patterns. Returns when the
    /// server has confirmed.
    ///
    /// # Panics
    /// If it does not.
    pub async fn listen<E: Event>(&mut self, key: &str) -> PythonListener {
        let mut listener = self.begin_to_listen::<E>(key);
        let confirmation = listener.next().await;
        assert!(confirmation.kind.ends_with("subscribe"), "{confirmation:?}");
        listener
    }

    /// Listens to what Python refuses to listen to. Returns the name of its error.
    ///
    /// # Panics
    /// If it listens.
    pub async fn refuses<E: Event>(&mut self, key: &str) -> String {
        self.begin_to_listen::<E>(key).end().await
    }

    /// Whether Python finds the same value in two JSON texts: the same types of numbers, the same bits.
    ///
    /// # Panics
    /// If Python can't read them.
    pub async fn same(&mut self, left: &str, right: &str) -> bool {
        self.command(&json!({"do": "same", "left": left, "right": right}).to_string());
        self.answer().await == Value::Bool(true)
    }

    fn begin_to_listen<E: Event>(&mut self, key: &str) -> PythonListener {
        let (told, listener) = mpsc::channel(UNREAD);
        let number = {
            let mut listeners = self.listeners.lock().expect("no reader panicked");
            let number = listeners.len();
            listeners.insert(number, told);
            number
        };
        let command = json!({"do": "listen", "bus": E::BUS_NAME, "key": key, "listener": number});
        self.command(&command.to_string());
        PythonListener(listener)
    }

    fn launch(kind: &str, address: &str, max_bytes: Option<u64>) -> Self {
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python/peer.py");
        let mut process = Command::new(interpreter())
            .arg("-B") // leaves no compiled files in the sources
            .arg(program)
            .args([kind, address])
            .args(max_bytes.map(|bytes| bytes.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python that scripts/test.sh sets up can be run");
        let commands = process.stdin.take().expect("a pipe");
        let output = process.stdout.take().expect("a pipe");
        let (answer, answers) = mpsc::channel(UNREAD);
        let listeners = Arc::<Listeners>::default();
        thread::spawn({
            let listeners = Arc::clone(&listeners);
            move || hand_out(output, &answer, &listeners)
        });
        Self { process, commands, answers, listeners }
    }

    fn command(&mut self, line: &str) {
        writeln!(self.commands, "{line}").expect("the Python service runs; see above for why it ended");
    }

    async fn answer(&mut self) -> Value {
        let answer = within("an answer from Python", self.answers.recv()).await;
        answer.expect("the Python service runs; see above for why it ended")
    }
}

impl Drop for PythonPeer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl PythonListener {
    /// The next message, once it is there.
    ///
    /// # Panics
    /// If it does not come, or if the reader ended.
    pub async fn next(&mut self) -> Heard {
        match self.told("a message in Python").await {
            Told::Heard(heard) => heard,
            Told::Ended { ended } => panic!("the Python reader ended with {ended}"),
        }
    }

    /// The name of the error with which the reader ends, which it must do next.
    ///
    /// # Panics
    /// If it does not.
    pub async fn end(mut self) -> String {
        match self.told("the end of a Python reader").await {
            Told::Ended { ended } => ended,
            Told::Heard(heard) => panic!("{heard:?} instead of the end"),
        }
    }

    /// What was handed to the reader and not read yet; the name of its error if it ended with one.
    ///
    /// # Errors
    /// With that name.
    pub fn unread(&mut self) -> Result<Vec<Heard>, String> {
        let told = std::iter::from_fn(|| self.0.try_recv().ok());
        told.map(|told| match told {
            Told::Heard(heard) => Ok(heard),
            Told::Ended { ended } => Err(ended),
        })
        .collect()
    }

    async fn told(&mut self, what: &str) -> Told {
        let told = within(what, self.0.recv()).await;
        told.expect("the Python service listens; see above for why it ended")
    }
}

/// The value of `event` as JSON, with each float spelled by its bits, which no reader or writer of JSON can round.
///
/// # Panics
/// If it has no JSON.
#[must_use]
pub fn exact(event: &impl Serialize) -> Value {
    spelled(serde_json::to_value(event).expect("events have JSON"))
}

fn spelled(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            json!({"bits": format!("{:016x}", number.as_f64().unwrap_or_default().to_bits())})
        }
        Value::Array(values) => values.into_iter().map(spelled).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, spelled(value))).collect(),
        other => other,
    }
}

fn address(redis: &RedisServer) -> String {
    format!("127.0.0.1:{}", redis.port())
}

fn interpreter() -> PathBuf {
    let path = std::env::var_os("EVENT_BUS_PYTHON").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).with_file_name("target/python/bin/python"),
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "there is no Python at {}: run scripts/test.sh, which sets it up, or name one in EVENT_BUS_PYTHON",
        path.display()
    );
    path
}

/// Until the program ends; then whoever waits for something from it learns that.
fn hand_out(output: ChildStdout, answers: &mpsc::Sender<Value>, listeners: &Listeners) {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Line {
        Answer {
            answer: Value,
        },
        Told {
            listener: usize,
            #[serde(flatten)]
            told: Told,
        },
    }

    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match serde_json::from_str(&line).expect("a line as peer.py writes it") {
            Line::Answer { answer } => drop(answers.blocking_send(answer)),
            Line::Told { listener, told } => {
                let listener = listeners.lock().expect("no test panicked here").get(&listener).cloned();
                listener.map(|listener| listener.blocking_send(told));
            }
        }
    }
    listeners.lock().expect("no test panicked here").clear();
}
