//! An outbox beside pipelines of 100 of bare redis-rs, in turn, in one run, on a server of its own: one task publishes one
//! realistic event many times. What counts is the ratio; the rates are this machine's alone.
//!
//! `outbox [--quick]`. Ends with 1 if anything was not published.

use std::process::ExitCode;
use std::time::Instant;

use event_bus_benches::Pairs;
use event_bus_core::{ChannelKey, Event, Outbox, OutboxConfig};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use event_bus_redis::RedisTransport;
use event_bus_tests::RedisServer;
use redis::aio::MultiplexedConnection;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PIPELINE: usize = 100;

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    pairs: usize,
    events: usize,
}

fn main() -> ExitCode {
    let mut arguments = pico_args::Arguments::from_env();
    let size = if arguments.contains("--quick") {
        Size { pairs: 5, events: 20_000 }
    } else {
        Size { pairs: 11, events: 100_000 }
    };
    if let Some(unknown) = arguments.finish().first() {
        eprintln!("outbox: unknown argument {}: usage: outbox [--quick]", unknown.display());
        return ExitCode::from(2);
    }
    match run_all(size) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("outbox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(size: Size) -> Result<(), Failure> {
    println!(
        "an outbox beside redis-rs pipelines of {PIPELINE}, from one task; {} interleaved pairs\n",
        size.pairs
    );
    println!("{:<24} {:>12} {:>12}   ratio", "runtime", "ours/s", "redis-rs/s");
    let current_thread = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    print("current thread", &current_thread.block_on(run(size))?);
    let two_workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    print("two workers", &two_workers.block_on(run(size))?);
    Ok(())
}

fn print(runtime: &str, pairs: &Pairs) {
    println!("{runtime:<24} {:>12.0} {:>12.0}   {}", pairs.ours(), pairs.peer(), pairs.ratio());
}

async fn run(size: Size) -> Result<Pairs, Failure> {
    let server = RedisServer::start();
    let bus = ExecutionEventBus::new(RedisTransport::connect(server.url()).await?);
    let outbox = bus.outbox(OutboxConfig::default())?;
    let event = run_events("user-1", "graph-1", "run-1", &["fetch"], None).pop().ok_or("no event")?;
    let key = event.channel_keys()?.pop().ok_or("no channel")?;
    let channel = bus.channel(&key).to_string();
    // The same socket options for both: redis-rs leaves TCP_NODELAY off.
    let info = redis::IntoConnectionInfo::into_connection_info(server.url())?;
    let info = info.set_tcp_settings(redis::io::tcp::TcpSettings::default().set_nodelay(true));
    let connection = redis::Client::open(info)?.get_multiplexed_async_connection().await?;
    let mut pairs = Pairs::default();
    for pair in 0..=size.pairs {
        let ours = ours(&outbox, &key, &event, size.events).await?;
        let peer = peer(connection.clone(), &channel, &event, size.events).await?;
        if pair > 0 {
            pairs.push(ours, peer); // the first was the warm-up
        }
    }
    Ok(pairs)
}

async fn ours(
    outbox: &Outbox<ExecutionEvent>,
    key: &ChannelKey,
    event: &ExecutionEvent,
    count: usize,
) -> Result<f64, Failure> {
    let before = outbox.report().sent;
    let started = Instant::now();
    for _ in 0..count {
        outbox.send_to_when_room(key, event).await?;
    }
    let report = outbox.flush().await;
    let rate = rate(count, started);
    if report.sent - before != count as u64 {
        return Err(format!("not everything was published: {report:?}").into());
    }
    Ok(rate)
}

async fn peer(
    mut connection: MultiplexedConnection,
    channel: &str,
    event: &ExecutionEvent,
    count: usize,
) -> Result<f64, Failure> {
    let started = Instant::now();
    let mut left = count;
    while left > 0 {
        let mut pipeline = redis::Pipeline::with_capacity(PIPELINE);
        for _ in 0..left.min(PIPELINE) {
            pipeline.publish(channel, encode(event)?);
        }
        let answers: Vec<u64> = pipeline.query_async(&mut connection).await?;
        left -= answers.len();
    }
    Ok(rate(count, started))
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
