//! Ours beside bare redis-rs, in turn, in one run, on a server of its own: publishing and listening with one
//! realistic event. What counts are the ratios; the rates are this machine's alone.
//!
//! `peers [--quick]`. Ends with 1 if a message was lost or did not decode.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use event_bus_benches::Pairs;
use event_bus_core::{ChannelKey, Event, Notice};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use event_bus_redis::RedisTransport;
use event_bus_tests::RedisServer;
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    pairs: usize,
    one_task: usize,
    many_tasks: usize,
    listened: usize,
}

const TASKS: usize = 64;

fn main() -> ExitCode {
    let mut arguments = pico_args::Arguments::from_env();
    let size = if arguments.contains("--quick") {
        Size { pairs: 5, one_task: 2_000, many_tasks: 20_000, listened: 20_000 }
    } else {
        Size { pairs: 11, one_task: 10_000, many_tasks: 100_000, listened: 100_000 }
    };
    if let Some(unknown) = arguments.finish().first() {
        eprintln!("peers: unknown argument {}: usage: peers [--quick]", unknown.display());
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(size))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(size: Size) -> Result<(), Failure> {
    let server = RedisServer::start();
    let bench = Bench::new(&server).await?;
    println!("ours beside bare redis-rs: one event of {} bytes, current-thread runtime,", bench.wire.len());
    println!(
        "{} interleaved pairs after a warm-up; medians, and the ratio's median and spread\n",
        size.pairs
    );
    println!("{:<34} {:>12} {:>12}   ratio", "", "ours/s", "redis-rs/s");
    for workload in [Workload::OneTask, Workload::ManyTasks, Workload::Listen] {
        let mut pairs = Pairs::default();
        for pair in 0..=size.pairs {
            let ours = bench.ours(workload, size).await?;
            let peer = bench.peer(workload, size).await?;
            if pair > 0 {
                pairs.push(ours, peer); // the first was the warm-up
            }
        }
        println!("{:<34} {:>12.0} {:>12.0}   {}", workload.name(), pairs.ours(), pairs.peer(), pairs.ratio());
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Workload {
    OneTask,
    ManyTasks,
    Listen,
}

impl Workload {
    fn name(self) -> &'static str {
        match self {
            Self::OneTask => "publish, awaited one by one",
            Self::ManyTasks => "publish, 64 tasks",
            Self::Listen => "listen, decoded",
        }
    }
}

struct Bench {
    bus: ExecutionEventBus,
    event: ExecutionEvent,
    key: ChannelKey,
    channel: String,
    wire: Vec<u8>,
    client: redis::Client,
    peer: MultiplexedConnection,
}

impl Bench {
    async fn new(server: &RedisServer) -> Result<Self, Failure> {
        let redis = RedisTransport::connect(server.url()).await?;
        let bus = ExecutionEventBus::builder(redis).queue_messages(1_000_000).queue_bytes(1 << 30).build()?;
        let event = run_events("user-1", "graph-1", "run-1", &["fetch"], None).pop().ok_or("no event")?;
        let key = event.channel_keys()?.pop().ok_or("no channel")?;
        let channel = bus.channel(&key).to_string();
        let wire = encode(&event)?;
        // The same socket options for both: redis-rs leaves TCP_NODELAY off.
        let info = redis::IntoConnectionInfo::into_connection_info(server.url())?;
        let info = info.set_tcp_settings(redis::io::tcp::TcpSettings::default().set_nodelay(true));
        let client = redis::Client::open(info)?;
        let peer = client.get_multiplexed_async_connection().await?;
        Ok(Self { bus, event, key, channel, wire, client, peer })
    }

    async fn ours(&self, workload: Workload, size: Size) -> Result<f64, Failure> {
        match workload {
            Workload::OneTask => {
                let started = Instant::now();
                for _ in 0..size.one_task {
                    self.bus.publish_to(self.key.clone(), &self.event).await?;
                }
                Ok(rate(size.one_task, started))
            }
            Workload::ManyTasks => {
                self.many_tasks(size, |bench| {
                    let (bus, key, event) = (bench.bus.clone(), bench.key.clone(), bench.event.clone());
                    async move {
                        for _ in 0..size.many_tasks / TASKS {
                            bus.publish_to(key.clone(), &event).await?;
                        }
                        Ok(())
                    }
                })
                .await
            }
            Workload::Listen => self.listen_ours(size.listened).await,
        }
    }

    async fn peer(&self, workload: Workload, size: Size) -> Result<f64, Failure> {
        match workload {
            Workload::OneTask => {
                let mut connection = self.peer.clone();
                let started = Instant::now();
                for _ in 0..size.one_task {
                    publish_bare(&mut connection, &self.channel, &self.event).await?;
                }
                Ok(rate(size.one_task, started))
            }
            Workload::ManyTasks => {
                self.many_tasks(size, |bench| {
                    let (mut connection, channel) = (bench.peer.clone(), bench.channel.clone());
                    let event = bench.event.clone();
                    async move {
                        for _ in 0..size.many_tasks / TASKS {
                            publish_bare(&mut connection, &channel, &event).await?;
                        }
                        Ok(())
                    }
                })
                .await
            }
            Workload::Listen => self.listen_peer(size.listened).await,
        }
    }

    async fn many_tasks<F>(&self, size: Size, task: impl Fn(&Self) -> F) -> Result<f64, Failure>
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..TASKS {
            tasks.spawn(task(self));
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        Ok(rate(size.many_tasks / TASKS * TASKS, started))
    }

    async fn listen_ours(&self, count: usize) -> Result<f64, Failure> {
        let mut events = self.bus.listen(&self.key).await?;
        let flood = self.flood(count);
        let started = Instant::now();
        for heard in 0..count {
            match tokio::time::timeout(Duration::from_secs(30), events.recv()).await? {
                Some(Ok(event)) if *event == self.event => {}
                Some(Err(Notice::Lagged { missed })) => return Err(format!("{missed} were missed").into()),
                other => return Err(format!("after {heard} events: {other:?}").into()),
            }
        }
        let rate = rate(count, started);
        flood.join().map_err(|_| "the publisher failed")??;
        Ok(rate)
    }

    async fn listen_peer(&self, count: usize) -> Result<f64, Failure> {
        #[derive(serde::Deserialize)]
        struct Wire {
            payload: ExecutionEvent,
        }
        let mut subscription = self.client.get_async_pubsub().await?;
        subscription.subscribe(&self.channel).await?;
        let flood = self.flood(count);
        let mut messages = subscription.on_message();
        let started = Instant::now();
        for _ in 0..count {
            let message =
                tokio::time::timeout(Duration::from_secs(30), messages.next()).await?.ok_or("it ended")?;
            let wire: Wire = serde_json::from_slice(message.get_payload_bytes())?;
            if wire.payload != self.event {
                return Err("another event than was sent".into());
            }
        }
        let rate = rate(count, started);
        flood.join().map_err(|_| "the publisher failed")??;
        Ok(rate)
    }

    /// Publishes from a thread of its own, in pipelines, faster than anybody decodes.
    fn flood(&self, count: usize) -> std::thread::JoinHandle<Result<(), Failure>> {
        let (client, channel, wire) = (self.client.clone(), self.channel.clone(), self.wire.clone());
        std::thread::spawn(move || {
            let mut connection = client.get_connection()?;
            let mut left = count;
            while left > 0 {
                let chunk = left.min(500);
                let mut pipeline = redis::pipe();
                for _ in 0..chunk {
                    pipeline.publish(&channel, &wire[..]).ignore();
                }
                pipeline.query::<()>(&mut connection)?;
                left -= chunk;
            }
            Ok(())
        })
    }
}

async fn publish_bare(
    connection: &mut MultiplexedConnection,
    channel: &str,
    event: &ExecutionEvent,
) -> Result<(), Failure> {
    let wire = encode(event)?;
    redis::cmd("PUBLISH").arg(channel).arg(wire).query_async::<u64>(connection).await?;
    Ok(())
}

fn encode(event: &ExecutionEvent) -> Result<Vec<u8>, Failure> {
    #[derive(serde::Serialize)]
    struct Wire<'a> {
        payload: &'a ExecutionEvent,
    }
    Ok(serde_json::to_vec(&Wire { payload: event })?)
}

fn rate(count: usize, started: Instant) -> f64 {
    let count = u32::try_from(count).map_or(f64::INFINITY, f64::from);
    count / started.elapsed().as_secs_f64()
}
