//! What listening and publishing cost in memory, measured in a process of its own on a Redis of its own: `stopped-reader`
//! under a flood that one listener does not read, `churn` over ten thousand rounds of listening and dropping, `publishing`
//! to a server that stands still. Ends with 1 if it is too much, anything is left over, or anybody is told what is not true.

mod publishing;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use event_bus_core::{Any, Delivery, Notice, Subscription};
use event_bus_redis::RedisTransport;
use event_bus_tests::memory::resident_kib;
use event_bus_tests::{
    Numbered, NumberedBus, NumberedChannel, PATIENCE, RedisServer, SourceChannel, eventually,
};
use tokio::runtime::Handle;
use tokio::time::timeout;

const MESSAGES: u64 = 300_000;
const WARM_UP: u64 = 20_000;
/// Behind more, a busy machine would take longer than a ping may for its answer.
const MOST_BEHIND: u64 = 2_000;
const MOST_GROWTH: u64 = 16 * 1024;
const ROUNDS: u64 = 10_000;
const FIRST_ROUNDS: u64 = 1_000;
const MOST_LEAKED: u64 = 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let what = std::env::args().nth(1).unwrap_or_default();
    let outcome = match what.as_str() {
        "stopped-reader" => stopped_reader().await,
        "churn" => churn().await,
        "publishing" => publishing::publishing().await,
        _ => Err("usage: footprint stopped-reader | churn | publishing".into()),
    };
    match outcome {
        Ok(report) => {
            println!("footprint: {report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("footprint: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One listener stops while another reads on.
async fn stopped_reader() -> Result<String, Failure> {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await?);
    let flooded = bus.source(SourceChannel { source: "flood" });
    let mut stopped = flooded.listen().await?;
    let reader = flooded.listen().await?;
    let read = Arc::new(AtomicU64::new(0));
    let reading = read_all(reader, Arc::clone(&read));
    let flooding = async {
        flood(&server, 0..WARM_UP, &read).await?;
        let before = resident_kib();
        flood(&server, WARM_UP..MESSAGES, &read).await?;
        Ok(before)
    };
    let joined = tokio::try_join!(reading, flooding);
    let ((delivered, missed), before) = joined.inspect_err(|_| println!("{:?}", bus.health().listener))?;
    let after = resident_kib();
    check(delivered + missed == MESSAGES, "the reader was told of all", delivered + missed)?;
    let (kept, lost) = read_rest(&mut stopped).await?;
    check(kept + lost == MESSAGES, "the stopped one was told of all", kept + lost)?;
    let grown = after.saturating_sub(before);
    let report = format!(
        "{MESSAGES} messages of 700 bytes, {delivered} read at once, {kept} kept for the one who stopped, grown by {grown} KiB"
    );
    check(grown < MOST_GROWTH, "the process grows by less than 16 MiB", &report)?;
    Ok(report)
}

/// Publishes past the library, as fast as the one who reads can follow: a server cuts off who falls too far behind, which
/// is another test's business.
async fn flood(server: &RedisServer, numbers: std::ops::Range<u64>, read: &AtomicU64) -> Result<(), Failure> {
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let client = redis::Client::open(server.url())?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&patient).await?;
    let numbers: Vec<u64> = numbers.collect();
    for some in numbers.chunks(200) {
        let mut pipeline = redis::pipe();
        for number in some {
            let empty = format!(r#"{{"payload":{{"source":"","number":{number}}}}}"#);
            let source = "x".repeat(700 - empty.len());
            let wire = format!(r#"{{"payload":{{"source":"{source}","number":{number}}}}}"#);
            pipeline.publish("numbered/flood", wire).ignore();
        }
        pipeline.query_async::<()>(&mut connection).await?;
        let published = some.last().copied().unwrap_or_default();
        eventually("the reader follows", || published < read.load(Relaxed) + MOST_BEHIND).await;
    }
    Ok(())
}

async fn read_all(mut events: Subscription<Numbered>, read: Arc<AtomicU64>) -> Result<(u64, u64), Failure> {
    let (mut delivered, mut missed) = (0, 0);
    while delivered + missed < MESSAGES {
        count(events.recv().await, &mut delivered, &mut missed)?;
        read.store(delivered + missed, Relaxed);
    }
    Ok((delivered, missed))
}

/// What is left for one who did not read: a loss first, in one piece, and then the newest.
async fn read_rest(events: &mut Subscription<Numbered>) -> Result<(u64, u64), Failure> {
    let (mut delivered, mut missed) = (0, 0);
    count(events.recv().await, &mut delivered, &mut missed)?;
    check(missed > 0 && delivered == 0, "the loss is told first", missed)?;
    let told = missed;
    while let Ok(item) = timeout(Duration::from_millis(200), events.recv()).await {
        count(item, &mut delivered, &mut missed)?;
    }
    check(told == missed, "the loss is told once", missed)?;
    Ok((delivered, missed))
}

fn count(
    item: Option<Result<Delivery<Numbered>, Notice>>,
    delivered: &mut u64,
    missed: &mut u64,
) -> Result<(), Failure> {
    match item {
        Some(Ok(_)) => *delivered += 1,
        Some(Err(Notice::Lagged { missed: more })) => *missed += more,
        Some(Err(notice)) => return Err(notice.into()),
        None => return Err("the subscription ended".into()),
    }
    Ok(())
}

/// Listening and dropping, whole and half-way, here and on plain threads.
async fn churn() -> Result<String, Failure> {
    let server = RedisServer::start();
    let bus = NumberedBus::new(RedisTransport::connect(server.url()).await?);
    let mut steady = bus.source(SourceChannel { source: "steady" }).listen().await?;
    for round in 0..FIRST_ROUNDS {
        one_round(&bus, round).await?;
    }
    let before = level(&bus).await?;
    for round in FIRST_ROUNDS..ROUNDS {
        one_round(&bus, round).await?;
    }
    let after = level(&bus).await?;
    check(server.subscribers("numbered/steady") == 1, "the steady listener is still subscribed", "")?;
    let channels = format!("{:?}", server.command(&["PUBSUB", "CHANNELS"]));
    check(channels.matches("numbered/").count() == 1, "the server has no channel left", &channels)?;
    let patterns = format!("{:?}", server.command(&["PUBSUB", "NUMPAT"]));
    check(patterns == "Int(0)" || patterns == "int(0)", "the server has no pattern left", &patterns)?;
    let clients = format!("{:?}", server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]));
    check(clients.matches("id=").count() == 1, "there is one listening connection", &clients)?;
    check(after.tasks <= before.tasks, "tasks are level", after.tasks)?;
    let grown = after.kib.saturating_sub(before.kib);
    check(grown < MOST_LEAKED, "memory grows by less than 1 MiB", grown)?;
    bus.publish_to("steady", &Numbered::new("steady", 1)).await?;
    let heard = timeout(PATIENCE, steady.recv()).await?;
    check(matches!(heard, Some(Ok(_))), "the steady listener hears, and was told nothing", "")?;
    Ok(format!(
        "rounds {FIRST_ROUNDS} to {ROUNDS}: grown by {grown} KiB, {} tasks before and after",
        after.tasks
    ))
}

async fn one_round(bus: &NumberedBus, round: u64) -> Result<(), Failure> {
    let source = format!("s{}", round % 7);
    let exact = bus.source(SourceChannel { source: &source });
    let open = bus.numbered(NumberedChannel { source: &source, number: Any });
    match round % 5 {
        0 => drop(exact.listen().await?),
        1 => drop(open.listen().await?),
        2 => {
            let mut several = exact.listen().await?;
            several.add(&open).await?;
            several.remove(&exact)?;
        }
        3 => drop(timeout(Duration::from_micros(round % 300), exact.listen()).await),
        _ => {
            let listening = open.listen().await?;
            std::thread::spawn(move || drop(listening))
                .join()
                .map_err(|_| "dropping in a thread panicked")?;
        }
    }
    Ok(())
}

struct Level {
    kib: u64,
    tasks: usize,
}

async fn level(bus: &NumberedBus) -> Result<Level, Failure> {
    eventually("only the steady one is subscribed", || {
        let health = bus.health();
        (health.wanted, health.confirmed) == (1, 1)
    })
    .await;
    Ok(Level { kib: resident_kib(), tasks: Handle::current().metrics().num_alive_tasks() })
}

fn check(holds: bool, what: &str, found: impl std::fmt::Display) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("not true: {what} (found: {found})").into()) }
}
