//! What many patterns cost: the server's CPU per PUBLISH and our own per event, with one pattern, with a thousand that
//! are folded into one, and with a thousand that are not, since that was turned off or they would be dear to match here.
//! Each is measured on a server of its own, since one that had many patterns stays slow.
//!
//! `patterns [--quick]`. Ends with 1 if a PUBLISH costs the server more than three times as much with a thousand folded
//! patterns as with one, if the server has other patterns than it should, or if an event was lost or doubled.

use std::process::ExitCode;
use std::time::Duration;

use event_bus_benches::{Failure, runtime};
use event_bus_core::{KeyPattern, Subscription};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::{Numbered, NumberedBus, RedisServer};
use futures_util::FutureExt;

const USERS: usize = 1_000;
const MOST: f64 = 3.0;

/// How much of everything.
#[derive(Clone, Copy)]
struct Size {
    rounds: usize,
    publishes: usize,
}

fn main() -> ExitCode {
    let mut arguments = pico_args::Arguments::from_env();
    let size = if arguments.contains("--quick") {
        Size { rounds: 5, publishes: 20 * USERS }
    } else {
        Size { rounds: 9, publishes: 50 * USERS }
    };
    if let Some(unknown) = arguments.finish().first() {
        eprintln!("patterns: unknown argument {}: usage: patterns [--quick]", unknown.display());
        return ExitCode::from(2);
    }
    match runtime(false).and_then(|runtime| runtime.block_on(run(size))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("patterns: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(size: Size) -> Result<(), Failure> {
    println!(
        "PUBLISH in pipelines, to {USERS} channels in turn; medians of {} rounds after a warm-up\n",
        size.rounds
    );
    println!("{:<34} {:>9} {:>15} {:>15}", "", "patterns", "server, µs per", "we, µs per");
    println!("{:<34} {:>9} {:>15} {:>15}", "", "at server", "PUBLISH", "PUBLISH");
    let mut costs: Vec<Vec<Cost>> = CASES.iter().map(|_| Vec::new()).collect();
    for round in 0..=size.rounds {
        for (case, costs) in CASES.iter().zip(&mut costs) {
            let cost = measure(case, size.publishes).await?;
            if round > 0 {
                costs.push(cost); // the first was the warm-up
            }
        }
    }
    let mut medians = Vec::new();
    for (case, costs) in CASES.iter().zip(&costs) {
        let server = median(costs.iter().map(|cost| cost.server));
        let ours = median(costs.iter().map(|cost| cost.ours));
        let patterns = costs.first().map_or(0, |cost| cost.patterns);
        println!("{:<34} {patterns:>9} {server:>15.2} {ours:>15.2}", case.name);
        medians.push((case, server));
    }
    judge(&medians)
}

/// Folded against one, for events that somebody wants and for events that nobody does.
fn judge(medians: &[(&Case, f64)]) -> Result<(), Failure> {
    println!();
    let cost = |wanted: Listening, is_heard| {
        let found = medians.iter().find(|(case, _)| case.listening == wanted && case.is_heard == is_heard);
        found.map_or(f64::NAN, |(_, server)| *server)
    };
    let mut is_met = true;
    for (is_heard, what) in [(true, "that a pattern matches"), (false, "that none matches")] {
        let ratio = cost(Listening::Folded, is_heard) / cost(Listening::One, is_heard);
        println!("a thousand folded cost the server {ratio:.2} times as much as one, for events {what}");
        is_met &= ratio <= MOST; // not so, if it could not be measured
    }
    if is_met { Ok(()) } else { Err(format!("that is not at most {MOST} times").into()) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Listening {
    /// One listener to one pattern.
    One,
    /// One listener for each user, with the default settings.
    Folded,
    /// The same, with folding turned off.
    Apart,
    /// As many that end in wildcards and differ between them, with the default settings.
    InTheMiddle,
    /// As many whose ends have different lengths, with the default settings.
    OfManyLengths,
}

impl Listening {
    fn patterns(self) -> Vec<String> {
        let users = 0..USERS;
        match self {
            Self::One => vec!["user-*".to_owned()],
            Self::Folded | Self::Apart => users.map(|user| format!("user-{user}/*")).collect(),
            Self::InTheMiddle => users.map(|user| format!("*-{user}-*")).collect(),
            Self::OfManyLengths => users
                .map(|user| format!("{}/*/{}", "p".repeat(1 + user % 40), "s".repeat(1 + user / 40)))
                .collect(),
        }
    }

    /// How many there are at the server.
    fn at_server(self) -> u64 {
        if matches!(self, Self::One | Self::Folded) { 1 } else { USERS as u64 }
    }

    /// They take so long that fewer publishes do.
    fn is_slow(self) -> bool {
        !matches!(self, Self::One | Self::Folded)
    }
}

struct Case {
    name: &'static str,
    listening: Listening,
    /// Whether a pattern matches what is published.
    is_heard: bool,
}

const CASES: &[Case] = &[
    Case { name: "one pattern, matching", listening: Listening::One, is_heard: true },
    Case { name: "1,000 patterns, one matching", listening: Listening::Folded, is_heard: true },
    Case { name: "the same, not folded", listening: Listening::Apart, is_heard: true },
    Case { name: "one pattern, not matching", listening: Listening::One, is_heard: false },
    Case { name: "1,000 patterns, none matching", listening: Listening::Folded, is_heard: false },
    Case { name: "the same, not folded", listening: Listening::Apart, is_heard: false },
    Case { name: "1,000 of the shape *-1-*", listening: Listening::InTheMiddle, is_heard: false },
    Case { name: "1,000 with ends of many lengths", listening: Listening::OfManyLengths, is_heard: false },
];

struct Cost {
    patterns: u64,
    server: f64,
    ours: f64,
}

async fn measure(case: &Case, publishes: usize) -> Result<Cost, Failure> {
    let publishes = if case.listening.is_slow() { publishes / 5 } else { publishes };
    let server = RedisServer::start();
    let mut config = RedisConfig::from_url(server.url())?;
    if case.listening == Listening::Apart {
        config = config.fold_patterns_beyond(usize::MAX);
    }
    let redis = RedisTransport::connect(config).await?;
    let bus = NumberedBus::builder(redis).queue_messages(publishes + 1).queue_bytes(1 << 30).build()?;
    let mut listeners = listen(&bus, case.listening).await?;
    let patterns = settled(&server).await?;
    if patterns != case.listening.at_server() {
        return Err(format!("{}: {patterns} patterns at the server", case.name).into());
    }
    let expected = if case.is_heard { publishes } else { 0 };
    let mut last = bus.listen("last").await?;

    let (server_before, ours_before) = (server_cpu(&server)?, our_cpu()?);
    let url = server.url();
    let user = if case.is_heard { "user" } else { "nobody" };
    let flood = std::thread::spawn(move || flood(&url, user, publishes));
    receive(&mut last).await?; // everything before it has been delivered
    let server_after = server_cpu(&server)?;
    let heard = drain(&mut listeners)?;
    let ours_after = our_cpu()?;
    flood.join().map_err(|_| "the publisher failed")??;

    if heard != expected {
        return Err(format!("{}: {heard} events instead of {expected}", case.name).into());
    }
    let per_publish = |seconds: f64| seconds * 1e6 / to_f64(publishes);
    Ok(Cost {
        patterns,
        server: per_publish(server_after - server_before),
        ours: per_publish(ours_after - ours_before),
    })
}

async fn listen(bus: &NumberedBus, listening: Listening) -> Result<Vec<Subscription<Numbered>>, Failure> {
    let mut listeners = Vec::new();
    for pattern in listening.patterns() {
        listeners.push(bus.listen(KeyPattern::new(pattern)?).await?);
    }
    Ok(listeners)
}

/// How many patterns the server has once that no longer changes.
async fn settled(server: &RedisServer) -> Result<u64, Failure> {
    let mut before = None;
    loop {
        let now: u64 = redis::from_redis_value(server.command(&["PUBSUB", "NUMPAT"]))?;
        if before.replace(now) == Some(now) {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How many events there are, of all listeners, which must be in order and once each. All have arrived already.
fn drain(listeners: &mut [Subscription<Numbered>]) -> Result<usize, Failure> {
    let mut heard = 0;
    for events in listeners {
        let mut before = None;
        // Without tokio's budget, which would make it look empty.
        while let Some(number) = tokio::task::unconstrained(receive(events)).now_or_never() {
            let number = number?;
            if before.replace(number).is_some_and(|before| before >= number) {
                return Err(format!("{number} came late, or twice").into());
            }
            heard += 1;
        }
    }
    Ok(heard)
}

async fn receive(events: &mut Subscription<Numbered>) -> Result<u64, Failure> {
    match tokio::time::timeout(Duration::from_secs(60), events.recv()).await? {
        Some(Ok(event)) => Ok(event.number),
        other => Err(format!("{other:?} instead of an event").into()),
    }
}

/// Publishes from a thread of its own, in pipelines, and at last to the channel `last`.
fn flood(url: &str, user: &str, count: usize) -> Result<(), Failure> {
    let mut connection = redis::Client::open(url)?.get_connection()?;
    for first in (0..count).step_by(100) {
        let mut pipeline = redis::pipe();
        for number in first..count.min(first + 100) {
            let event = format!("{{\"payload\":{{\"source\":\"s\",\"number\":{number}}}}}");
            pipeline.publish(format!("numbered/{user}-{}/run", number % USERS), event).ignore();
        }
        pipeline.query::<()>(&mut connection)?;
    }
    let last = "{\"payload\":{\"source\":\"s\",\"number\":0}}";
    redis::cmd("PUBLISH").arg("numbered/last").arg(last).query::<()>(&mut connection)?;
    Ok(())
}

/// In seconds, by the server's own word.
fn server_cpu(server: &RedisServer) -> Result<f64, Failure> {
    let info: String = redis::from_redis_value(server.command(&["INFO", "cpu"]))?;
    let values = info.lines().filter_map(|line| line.split_once(':'));
    let ours = values.filter(|(name, _)| matches!(*name, "used_cpu_user" | "used_cpu_sys"));
    ours.map(|(_, value)| value.trim().parse::<f64>().map_err(Failure::from)).sum()
}

/// Of this thread, which does all but the publishing, in seconds. Linux tells.
fn our_cpu() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: u64 = text.split_whitespace().next().ok_or("no time")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn to_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
