//! What `sequenced(true)` costs: the same bus with numbers and without, in turn, in one run, on a server of its own; and
//! what a number costs on the wire and in a listener's memory. What counts are the ratios; the rates are this machine's
//! alone.
//!
//! `sequencing [--quick]`. Ends with 1 if a message was lost or did not decode.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use event_bus_benches::{Failure, Pairs, runtime};
use event_bus_core::transport::Transport;
use event_bus_core::{ChannelKey, MemoryTransport, Message};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use event_bus_redis::RedisTransport;
use event_bus_tests::RedisServer;
use event_bus_tests::memory::resident_kib;

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    pairs: usize,
    one_task: usize,
    many_tasks: usize,
    batched: usize,
    listened: usize,
}

const TASKS: usize = 64;
const BATCH: usize = 100;
/// As many as one subscription follows.
const PUBLISHERS: usize = 4_000;
const SUBSCRIPTIONS: usize = 50;

fn main() -> ExitCode {
    let mut arguments = pico_args::Arguments::from_env();
    let size = if arguments.contains("--quick") {
        Size { pairs: 5, one_task: 2_000, many_tasks: 20_000, batched: 20_000, listened: 20_000 }
    } else {
        Size { pairs: 11, one_task: 10_000, many_tasks: 100_000, batched: 100_000, listened: 100_000 }
    };
    if let Some(unknown) = arguments.finish().first() {
        eprintln!("sequencing: unknown argument {}: usage: sequencing [--quick]", unknown.display());
        return ExitCode::from(2);
    }
    match runtime(false).and_then(|runtime| runtime.block_on(run(size))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sequencing: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(size: Size) -> Result<(), Failure> {
    let event = run_events("user-1", "graph-1", "run-1", &["fetch"], None).pop().ok_or("no event")?;
    let per_publisher = memory_per_publisher(&event).await?; // first: what comes later leaves free memory behind
    let [plain, first] = [wire(&event, false).await?, wire(&event, true).await?];
    println!("a sequenced bus beside one that is not: one event of {plain} bytes, current-thread runtime,");
    println!(
        "{} interleaved pairs after a warm-up; medians, and the ratio's median and spread\n",
        size.pairs
    );
    println!("{:<44} {:>12} {:>12}   ratio", "", "sequenced/s", "plain/s");
    // It would cut off a listener that decodes more slowly than the flood comes.
    let server = RedisServer::start_with(&["--client-output-buffer-limit", "pubsub", "0", "0", "0"]);
    let redis = RedisTransport::connect(server.url()).await?;
    let sequenced = Bench::new(&server, &redis, &event, true)?;
    let plain_bus = Bench::new(&server, &redis, &event, false)?;
    for workload in Workload::ALL {
        let mut pairs = Pairs::default();
        for pair in 0..=size.pairs {
            let (with, without) = if pair % 2 == 0 {
                let with = sequenced.rate(workload, size).await?;
                (with, plain_bus.rate(workload, size).await?)
            } else {
                let without = plain_bus.rate(workload, size).await?;
                (sequenced.rate(workload, size).await?, without)
            };
            if pair > 0 {
                pairs.push(with, without); // the first was the warm-up
            }
        }
        println!("{:<44} {:>12.0} {:>12.0}   {}", workload.name(), pairs.ours(), pairs.peer(), pairs.ratio());
    }
    println!("\non the wire: {} bytes for the first number, and one for each further digit", first - plain);
    println!("a listener's memory: {per_publisher:.0} bytes for each publisher that it follows on a channel");
    Ok(())
}

#[derive(Clone, Copy)]
enum Workload {
    OneTask,
    Apart,
    Together,
    Batch,
    Listen,
}

impl Workload {
    const ALL: [Self; 5] = [Self::OneTask, Self::Apart, Self::Together, Self::Batch, Self::Listen];

    fn name(self) -> &'static str {
        match self {
            Self::OneTask => "publish, awaited one by one",
            Self::Apart => "publish, 64 tasks, a channel each",
            Self::Together => "publish, 64 tasks on one channel",
            Self::Batch => "publish in batches of 100, one channel",
            Self::Listen => "listen, decoded and followed",
        }
    }
}

struct Bench {
    bus: ExecutionEventBus,
    event: ExecutionEvent,
    url: String,
    is_sequenced: bool,
}

impl Bench {
    fn new(
        server: &RedisServer,
        redis: &RedisTransport,
        event: &ExecutionEvent,
        is_sequenced: bool,
    ) -> Result<Self, Failure> {
        let builder = ExecutionEventBus::builder(redis.clone()).sequenced(is_sequenced);
        let bus = builder.queue_messages(1_000_000).queue_bytes(1 << 30).build()?;
        Ok(Self { bus, event: event.clone(), url: server.url(), is_sequenced })
    }

    /// Messages a second.
    async fn rate(&self, workload: Workload, size: Size) -> Result<f64, Failure> {
        match workload {
            Workload::OneTask => {
                let key = ChannelKey::new("one")?;
                let started = Instant::now();
                for _ in 0..size.one_task {
                    self.bus.publish_to(key.clone(), &self.event).await?;
                }
                Ok(rate(size.one_task, started))
            }
            Workload::Apart => self.many_tasks(size.many_tasks, |task| format!("task-{task}")).await,
            Workload::Together => self.many_tasks(size.many_tasks, |_| "together".to_owned()).await,
            Workload::Batch => {
                let started = Instant::now();
                for _ in 0..size.batched / BATCH {
                    let batch = std::iter::repeat_n(&self.event, BATCH);
                    for result in self.bus.publish_batch_to("batch", batch)?.await {
                        result?;
                    }
                }
                Ok(rate(size.batched / BATCH * BATCH, started))
            }
            Workload::Listen => self.listen(size.listened).await,
        }
    }

    async fn many_tasks(&self, count: usize, key: impl Fn(usize) -> String) -> Result<f64, Failure> {
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..TASKS {
            let (bus, event, key) = (self.bus.clone(), self.event.clone(), ChannelKey::new(key(task))?);
            tasks.spawn(async move {
                for _ in 0..count / TASKS {
                    bus.publish_to(key.clone(), &event).await?;
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            outcome??;
        }
        Ok(rate(count / TASKS * TASKS, started))
    }

    /// Listening is the same on either bus: what differs is whether the messages have numbers.
    async fn listen(&self, count: usize) -> Result<f64, Failure> {
        let mut events = self.bus.listen("listened").await?;
        let flood = self.flood(count)?;
        let started = Instant::now();
        for heard in 0..count {
            match tokio::time::timeout(Duration::from_secs(30), events.recv()).await? {
                Some(Ok(event)) if *event == self.event => {}
                other => return Err(format!("after {heard} events: {other:?}").into()),
            }
        }
        let rate = rate(count, started);
        flood.join().map_err(|_| "the publisher failed")??;
        Ok(rate)
    }

    /// Publishes from a thread of its own, in pipelines, faster than anybody decodes.
    fn flood(&self, count: usize) -> Result<std::thread::JoinHandle<Result<(), Failure>>, Failure> {
        let client = redis::Client::open(self.url.as_str())?;
        let channel = self.bus.channel(&ChannelKey::new("listened")?).to_string();
        let (plain, is_sequenced) = (serde_json::to_string(&self.event)?, self.is_sequenced);
        Ok(std::thread::spawn(move || {
            let mut connection = client.get_connection()?;
            let numbers: Vec<usize> = (1..=count).collect();
            for some in numbers.chunks(500) {
                let mut pipeline = redis::pipe();
                for number in some {
                    pipeline.publish(&channel, envelope(&plain, is_sequenced.then_some(*number))).ignore();
                }
                pipeline.query::<()>(&mut connection)?;
            }
            Ok(())
        }))
    }
}

/// A message as a bus writes it.
fn envelope(event: &str, number: Option<usize>) -> String {
    match number {
        Some(number) => {
            format!(r#"{{"payload":{event},"headers":{{"publisher":"0123456789abcdef","seq":"{number}"}}}}"#)
        }
        None => format!(r#"{{"payload":{event}}}"#),
    }
}

/// The length of the message that carries `event`.
async fn wire(event: &ExecutionEvent, is_sequenced: bool) -> Result<usize, Failure> {
    let memory = MemoryTransport::new();
    let recording = memory.record();
    let bus = ExecutionEventBus::builder(memory).sequenced(is_sequenced).build()?;
    bus.publish_to("k", event).await?;
    Ok(recording.messages().last().ok_or("nothing was published")?.payload().len())
}

/// By how much the process grows when many subscriptions hear from many publishers that number their events, less what it
/// grows by when nobody numbers.
async fn memory_per_publisher(event: &ExecutionEvent) -> Result<f64, Failure> {
    let event = serde_json::to_string(event)?;
    let mut grown = [0; 2];
    for (is_sequenced, grown) in [false, true].into_iter().zip(&mut grown) {
        let memory = MemoryTransport::new();
        let bus = ExecutionEventBus::builder(memory.clone()).queue_messages(10).build()?;
        let mut listeners = Vec::new();
        for _ in 0..SUBSCRIPTIONS {
            listeners.push(bus.listen("k").await?);
        }
        let before = resident_kib();
        for publisher in 0..PUBLISHERS {
            let wire = envelope(&event, is_sequenced.then_some(1));
            let wire = wire.replace("0123456789abcdef", &format!("{publisher:016x}"));
            let channel = bus.channel(&ChannelKey::new("k")?);
            memory.publish(vec![Message::new(channel, wire)]).await.pop().ok_or("no outcome")??;
            for events in &mut listeners {
                events.recv().await.ok_or("it ended")??;
            }
        }
        *grown = resident_kib().saturating_sub(before);
    }
    let [plain, numbered] = grown;
    let bytes = u32::try_from(numbered.saturating_sub(plain) * 1024)?;
    Ok(f64::from(bytes) / f64::from(u32::try_from(PUBLISHERS * SUBSCRIPTIONS)?))
}

fn rate(count: usize, started: Instant) -> f64 {
    let count = u32::try_from(count).map_or(f64::INFINITY, f64::from);
    count / started.elapsed().as_secs_f64()
}
