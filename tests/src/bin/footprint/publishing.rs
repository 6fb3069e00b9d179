//! Publishing to a server that stands still: what waits is bounded by what was asked for, everybody is told in time and
//! truly, and whoever gives up disturbs nobody.

use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use event_bus_core::{Bytes, Channel, Codec, CodecError, Envelope, ErrorKind, EventBus};
use event_bus_redis::{RedisConfig, RedisTransport};
use event_bus_tests::memory::{peak_kib, resident_kib};
use event_bus_tests::{PATIENCE, RedisServer, eventually};
use futures_util::StreamExt;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::{Failure, check};

const PUBLISHES: u64 = 20_000;
const BYTES: usize = 10_000;
const SMALL: usize = 8;
const IN_FLIGHT: usize = 4096;
/// One of so many is given up by its caller.
const GIVEN_UP: u64 = 10;
/// What a publish that waits may cost besides its message, with the task in which it waits.
const MOST_EACH: u64 = 8 * 1024;
/// Each message once, and those in flight twice more: in the command, and in what is being written.
const MOST_MESSAGES: u64 = BYTES as u64 * (PUBLISHES + 2 * IN_FLIGHT as u64);
/// The defaults.
const ANSWER: Duration = Duration::from_secs(2);
const PUBLISH: Duration = Duration::from_secs(5);
/// A busy machine.
const MARGIN: Duration = Duration::from_secs(5);
const AFTERWARDS: u64 = 5_000;
const LAST: u64 = u64::MAX;

/// An event that is large on the wire alone: what is measured is not its caller's.
#[derive(Debug, EventBus)]
#[bus(name = "large")]
struct Large {
    number: u64,
    wire_bytes: usize,
}

/// The number, and what is missing to so many bytes.
#[derive(Debug)]
struct Padded;

impl Codec<Large> for Padded {
    fn encode(&self, _: &Channel, envelope: &Envelope<&Large>) -> Result<Bytes, CodecError> {
        let mut wire = envelope.payload.number.to_be_bytes().to_vec();
        wire.resize(envelope.payload.wire_bytes, b'x');
        Ok(wire.into())
    }

    fn decode(&self, _: &Channel, wire: &Bytes) -> Result<Envelope<Large>, CodecError> {
        let number = number_of(wire).ok_or_else(|| CodecError::new("too short"))?;
        Ok(Envelope::new(Large { number, wire_bytes: wire.len() }))
    }
}

fn number_of(wire: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*wire.first_chunk()?))
}

/// What became of the publishes of one stall.
#[derive(Default)]
struct Outcomes {
    unknown: HashSet<u64>,
    not_sent: HashSet<u64>,
    given_up: HashSet<u64>,
    slowest: Duration,
}

pub(super) async fn publishing() -> Result<String, Failure> {
    let server = RedisServer::start();
    let config = RedisConfig::from_url(server.url())?.response_timeout(ANSWER).publish_timeout(PUBLISH);
    let redis = RedisTransport::connect(config.max_in_flight(IN_FLIGHT)).await?;
    let bus = LargeBus::with_codec(redis, Padded).build()?;
    bus.publish_to("k", &small(0)).await?;
    let before = resident_kib();
    stall(&server, &bus, 0..PUBLISHES, SMALL).await?;
    let each = peak_kib().saturating_sub(before) * 1024 / PUBLISHES;
    check(each < MOST_EACH, "a publish that waits costs less than 8 KiB besides its message", each)?;
    let told = stall(&server, &bus, PUBLISHES..2 * PUBLISHES, BYTES).await?;
    let grown = peak_kib().saturating_sub(before);
    let most = (MOST_MESSAGES + MOST_EACH * PUBLISHES) / 1024;
    check(grown < most, "what waits costs its messages, and those in flight twice more", grown)?;
    let before_more = peak_kib();
    stall(&server, &bus, 2 * PUBLISHES..3 * PUBLISHES, BYTES).await?;
    let more = peak_kib().saturating_sub(before_more);
    check(more < grown / 2, "another stall needs no memory of its own", more)?;
    Ok(format!(
        "{PUBLISHES} publishes of {BYTES} bytes to a stopped server: {told}; grown by {grown} KiB, and by {more} KiB more the \
         next time; a publish of {SMALL} bytes costs {each}"
    ))
}

/// One stall, and that everything works behind it.
async fn stall(
    server: &RedisServer,
    bus: &LargeBus,
    numbers: Range<u64>,
    bytes: usize,
) -> Result<String, Failure> {
    let hearing = hear(server).await?;
    server.pause();
    let outcomes = publish_all(bus, numbers, bytes).await?;
    server.resume();
    let resumed = Instant::now();
    bus.publish_to("again", &small(0)).await?;
    let again = resumed.elapsed();
    check(again < ANSWER + MARGIN, "it publishes again at once", format!("{again:?}"))?;
    check_answers(bus).await?;
    // Ours that publishes, perhaps ours that listens, the one that hears, and the one that asks.
    let clients = || format!("{:?}", server.command(&["CLIENT", "LIST"])).matches("laddr=").count();
    eventually("the connections from before are read to the end", || clients() <= 4).await;
    bus.publish_to("k", &small(LAST)).await?;
    let heard = timeout(PATIENCE, hearing).await???;
    let all: HashSet<u64> = heard.iter().copied().collect();
    check(all.len() == heard.len(), "nothing comes twice", heard.len() - all.len())?;
    let untrue = all.intersection(&outcomes.not_sent).count();
    check(untrue == 0, "what was told as not sent was not sent", untrue)?;
    let Outcomes { unknown, not_sent, given_up, slowest } = outcomes;
    let told = format!("{} unknown, {} not sent, {} given up", unknown.len(), not_sent.len(), given_up.len());
    check(slowest < PUBLISH + ANSWER + MARGIN, "all return in time", format!("{slowest:?}"))?;
    check(!unknown.is_empty() && !not_sent.is_empty(), "some were handed over and some were not", &told)?;
    check(
        unknown.len() <= IN_FLIGHT + given_up.len(),
        "no more are handed over than may be in flight",
        &told,
    )?;
    Ok(format!(
        "{told}, the slowest after {slowest:.1?}, {} published all the same; published again after {again:.1?}",
        all.len()
    ))
}

/// Publishes all at once, of which some callers give up before they are told; returns when the others have been.
async fn publish_all(bus: &LargeBus, numbers: Range<u64>, bytes: usize) -> Result<Outcomes, Failure> {
    let mut outcomes = Outcomes::default();
    let mut publishes = JoinSet::new();
    for number in numbers {
        let bus = bus.clone();
        publishes.spawn(async move {
            let begin = Instant::now();
            let patience = if number % GIVEN_UP == 0 { ANSWER / 2 } else { Duration::MAX };
            let event = Large { number, wire_bytes: bytes };
            let outcome = timeout(patience, bus.publish_to("k", &event)).await;
            (number, outcome.map(|outcome| outcome.map_err(|error| error.kind())), begin.elapsed())
        });
    }
    while let Some(outcome) = publishes.join_next().await {
        let (number, outcome, elapsed) = outcome?;
        outcomes.slowest = outcomes.slowest.max(elapsed);
        match outcome {
            Ok(Err(ErrorKind::OutcomeUnknown)) => outcomes.unknown.insert(number),
            Ok(Err(ErrorKind::NotSent)) => outcomes.not_sent.insert(number),
            Err(_given_up) => outcomes.given_up.insert(number),
            other => return Err(format!("{other:?} from a server that stands still").into()),
        };
    }
    Ok(outcomes)
}

/// More publishes at once than may be in flight, to a channel that somebody hears and one that nobody does: each gets its
/// own answer.
async fn check_answers(bus: &LargeBus) -> Result<(), Failure> {
    let heard = bus.listen("heard").await?;
    let mut publishes = JoinSet::new();
    for number in 0..AFTERWARDS {
        let bus = bus.clone();
        publishes.spawn(async move {
            let (key, receivers) = if number % 2 == 0 { ("heard", 1) } else { ("unheard", 0) };
            let receipt = bus.publish_to(key, &small(number)).await?;
            let found = (receipt.channel.key(), receipt.receivers);
            check(found == (key, Some(receivers)), "each publish gets its own answer", format!("{found:?}"))
        });
    }
    while let Some(outcome) = publishes.join_next().await {
        outcome??;
    }
    drop(heard);
    Ok(())
}

/// Hears past the library what is published, over the stall, up to the last.
async fn hear(server: &RedisServer) -> Result<JoinHandle<Result<Vec<u64>, Failure>>, Failure> {
    let mut listening = redis::Client::open(server.url())?.get_async_pubsub().await?;
    listening.subscribe("large/k").await?;
    #[expect(clippy::disallowed_methods, reason = "awaited by the one who asks")]
    Ok(tokio::spawn(async move {
        let mut messages = listening.on_message();
        let mut heard = Vec::new();
        while let Some(message) = messages.next().await {
            match number_of(message.get_payload_bytes()).ok_or("too short")? {
                LAST => return Ok(heard),
                number => heard.push(number),
            }
        }
        Err("the server hung up".into())
    }))
}

fn small(number: u64) -> Large {
    Large { number, wire_bytes: SMALL }
}
