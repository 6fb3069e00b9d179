//! What all sides share: one server, one realistic event and its bytes, and a flood that is nobody's.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use event_bus_core::{ChannelKey, Event};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use event_bus_redis::RedisTransport;
use event_bus_tests::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, ConnectionInfo, IntoConnectionInfo};
use tokio::runtime::{Builder, Runtime};

use crate::usage::{Probe, thread_cpu};

/// Whatever went wrong.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long to wait for what was sent, be it one message or a sample's, before it counts as lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How many messages go out together in a flood.
const CHUNK: u64 = 500;

/// One in so many events is compared as a whole; of the others, what tells it from another run's.
const COMPARED: u64 = 64;

/// The server, the event and its channel.
#[derive(Debug)]
pub struct Bench {
    server: RedisServer,
    /// Asks the server what it has done.
    pub probe: Probe,
    /// What is published.
    pub event: ExecutionEvent,
    /// Where to.
    pub key: ChannelKey,
    /// The same, as Redis knows it.
    pub channel: String,
    /// The event's message.
    pub wire: Vec<u8>,
}

impl Bench {
    /// Starts a server. It cuts nobody off who reads slowly, or slow peers could not be measured.
    ///
    /// # Errors
    /// If it does not work.
    pub fn start() -> Result<Arc<Self>, Failure> {
        let limits = ["--client-output-buffer-limit", "pubsub 0 0 0", "--maxclients", "12000"];
        let server = RedisServer::start_with(&limits);
        let event = run_events("user-1", "graph-1", "run-1", &["fetch"], None).pop().ok_or("no event")?;
        let key = event.channel_keys()?.pop().ok_or("no channel")?;
        let channel = format!("{}/{key}", ExecutionEvent::BUS_NAME);
        let probe = Probe::new(&redis::Client::open(server.url())?)?;
        let wire = encode(&event)?;
        Ok(Arc::new(Self { server, probe, event, key, channel, wire }))
    }

    /// The server's URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The server's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// A channel of the bus by its key, as Redis knows it.
    #[must_use]
    pub fn channel_of(&self, key: &str) -> String {
        format!("{}/{key}", ExecutionEvent::BUS_NAME)
    }

    /// How redis-rs connects.
    ///
    /// # Errors
    /// None that is known.
    pub fn connection_info(&self) -> Result<ConnectionInfo, Failure> {
        connection_info(&self.url())
    }

    /// A client of redis-rs.
    ///
    /// # Errors
    /// None that is known.
    pub fn client(&self) -> Result<redis::Client, Failure> {
        Ok(redis::Client::open(self.connection_info()?)?)
    }

    /// Ours.
    ///
    /// # Errors
    /// If it does not connect.
    pub async fn bus(&self) -> Result<ExecutionEventBus, Failure> {
        bus(&self.url()).await
    }

    /// Whether an event is the one that was published. `number` chooses those that are compared as a whole.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&self, number: u64, event: &ExecutionEvent) -> Result<(), Failure> {
        let is_it = if number.is_multiple_of(COMPARED) {
            *event == self.event
        } else {
            run_of(event).is_some_and(|run| Some(run) == run_of(&self.event))
        };
        if is_it { Ok(()) } else { Err("another event than was sent".into()) }
    }

    /// A connection of redis-rs, which waits for answers as long as ours does.
    ///
    /// # Errors
    /// If it does not connect.
    pub async fn multiplexed(&self) -> Result<MultiplexedConnection, Failure> {
        Ok(self.client()?.get_multiplexed_async_connection_with_config(&async_config()).await?)
    }

    /// Connects for a flood: the message `count` times, to each of `channels` in turn, beginning after the first `from`.
    ///
    /// # Errors
    /// If it does not connect.
    pub fn flood(&self, channels: Arc<[String]>, from: u64, count: u64) -> Result<Flood, Failure> {
        let from = usize::try_from(from % channels.len() as u64)?;
        let connection = self.client()?.get_connection()?;
        Ok(Flood { connection, wire: self.wire.clone(), channels, from, count })
    }
}

/// A flood that is about to begin.
pub struct Flood {
    connection: redis::Connection,
    wire: Vec<u8>,
    channels: Arc<[String]>,
    from: usize,
    count: u64,
}

impl Flood {
    /// Publishes from a thread of its own, in pipelines: faster than anybody decodes.
    #[must_use]
    pub fn begin(self) -> Flowing {
        Flowing(std::thread::spawn(move || self.flow()))
    }

    fn flow(self) -> Result<Duration, Failure> {
        let Self { mut connection, wire, channels, from, count } = self;
        let mut channels = channels.iter().cycle().skip(from);
        let mut left = count;
        while left > 0 {
            let chunk = left.min(CHUNK);
            let mut pipeline = redis::pipe();
            for channel in channels.by_ref().take(usize::try_from(chunk)?) {
                pipeline.publish(channel, &wire[..]).ignore();
            }
            pipeline.query::<()>(&mut connection)?;
            left -= chunk;
        }
        thread_cpu()
    }
}

impl std::fmt::Debug for Flood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flood").field("count", &self.count).finish_non_exhaustive()
    }
}

/// A flood that is under way.
#[derive(Debug)]
pub struct Flowing(JoinHandle<Result<Duration, Failure>>);

impl Flowing {
    /// Waits for its end, without letting anything else run on this thread meanwhile. Gives the CPU time that it took.
    ///
    /// # Errors
    /// If the flood failed.
    pub fn join(self) -> Result<Duration, Failure> {
        self.0.join().map_err(|_| "the flood failed")?
    }
}

/// How redis-rs connects to a server: with the socket options that ours sets, since it leaves `TCP_NODELAY` off.
pub(crate) fn connection_info(url: &str) -> Result<ConnectionInfo, Failure> {
    Ok(url.into_connection_info()?.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// How redis-rs waits: as long as ours does by default, since its own 500 ms would have it fail where ours does not.
pub(crate) fn async_config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(2)))
}

/// Ours, with queues in which a whole flood has room: who is measured for speed must lose nothing.
pub(crate) async fn bus(url: &str) -> Result<ExecutionEventBus, Failure> {
    let redis = RedisTransport::connect(url).await?;
    Ok(ExecutionEventBus::builder(redis).queue_messages(1_000_000).queue_bytes(1 << 30).build()?)
}

/// The message of an event, as a user of a bare client would write it.
pub(crate) fn encode<E: serde::Serialize>(event: &E) -> Result<Vec<u8>, Failure> {
    #[derive(serde::Serialize)]
    struct Wire<'a, E> {
        payload: &'a E,
    }
    Ok(serde_json::to_vec(&Wire { payload: event })?)
}

/// The event of a message, as a user of a bare client would read it.
pub(crate) fn decode(message: &[u8]) -> Result<ExecutionEvent, Failure> {
    #[derive(serde::Deserialize)]
    struct Wire {
        payload: ExecutionEvent,
    }
    let wire: Wire = serde_json::from_slice(message)?;
    Ok(wire.payload)
}

fn run_of(event: &ExecutionEvent) -> Option<&str> {
    match event {
        ExecutionEvent::GraphExecutionUpdate(run) => Some(&run.id),
        ExecutionEvent::NodeExecutionUpdate(_) => None,
    }
}

/// A runtime with one thread, or with one for each core.
///
/// # Errors
/// If the system gives no threads.
pub fn runtime(is_multi_thread: bool) -> Result<Runtime, Failure> {
    let mut builder =
        if is_multi_thread { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    Ok(builder.enable_all().build()?)
}
