//! Ten thousand listeners on channels of their own: how soon all are confirmed, and what each costs in memory. Each sample is
//! a process of its own, since only a fresh one shows by its growth what listeners take. A peer's connections take their time,
//! so they are fewer where it shall be over soon: what is compared is the rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use event_bus_core::{ChannelKey, Event};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use event_bus_redis::RedisTransport;
use event_bus_tests::memory::resident_kib;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use super::Setting;
use super::crowd::listen_to_all;
use crate::bench::{Failure, PATIENCE, connection_info, decode, encode};
use crate::contestant::{Contestant, Count, Sample};
use crate::limits::allow_open_files;
use crate::peer::{ours, redis_rs};
use crate::usage::{Meter, count as number, process_cpu};

/// The workload: the one in which memory is measured.
pub(crate) const NAME: &str = "channels";

/// The argument by which this program is told to be such a process.
pub const ARGUMENT: &str = "--listeners-of";

const OURS: u64 = 10_000;
const PEERS: u64 = 10_000;
const PEERS_QUICK: u64 = 1_000;

/// How many connections are on their way at once: more than a server's backlog would be put off by a second.
const AT_ONCE: usize = 128;

pub(super) fn prepare(setting: &Setting) -> Result<Vec<Contestant>, Failure> {
    let mut all = vec![side(setting, ours::NAME, OURS)];
    if setting.wants(redis_rs::NAME) {
        let peers = if setting.is_quick { PEERS_QUICK } else { PEERS };
        allow_open_files(peers + 500)?;
        all.push(side(setting, redis_rs::NAME, peers));
    }
    Ok(all)
}

fn side(setting: &Setting, name: &'static str, listeners: u64) -> Contestant {
    let bench = Arc::clone(&setting.bench);
    Contestant::new(name, Count::Fixed(listeners), move |count| {
        let bench = Arc::clone(&bench);
        async move {
            let meter = Meter::start(&bench.probe)?;
            let child = Command::new(std::env::current_exe()?)
                .args([ARGUMENT, name, &count.to_string(), &bench.url()])
                .kill_on_drop(true)
                .output();
            let output = child.await?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
            let told: Told = serde_json::from_slice(&output.stdout)?;
            let sample = meter.stop_with(count, told.time(), told.cpu())?;
            // The server's CPU would be that of the process's whole life, with the events after the confirmations.
            Ok(Sample { server: None, memory: Some(number(told.kib) * 1024.0 / number(count)), ..sample })
        }
    })
}

/// What such a process tells of the time until all were confirmed.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    seconds: f64,
    cpu: f64,
    kib: u64,
}

impl Told {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn cpu(&self) -> Duration {
        Duration::from_secs_f64(self.cpu)
    }
}

/// The process of a sample: `listeners` listeners of `name`, each of whom then hears one event. Gives what it has to tell.
///
/// # Errors
/// If somebody can't listen, or hears nothing, or something else.
pub async fn child(name: &str, listeners: u64, url: &str) -> Result<String, Failure> {
    let told = if name == ours::NAME {
        listen_ours(url, listeners).await?
    } else {
        listen_redis_rs(url, listeners).await?
    };
    Ok(serde_json::to_string(&told)?)
}

/// Made anew wherever they are needed, so that what listeners keep of them counts as theirs.
fn keys(number: u64) -> Result<Vec<ChannelKey>, Failure> {
    let keys = (0..number).map(|number| ChannelKey::new(format!("user-{number}")));
    Ok(keys.collect::<Result<_, _>>()?)
}

async fn listen_ours(url: &str, listeners: u64) -> Result<Told, Failure> {
    let bus = ExecutionEventBus::new(RedisTransport::connect(url).await?);
    let _connected = bus.listen("warm-up").await?;
    let before = Before::now()?;
    let filters = keys(listeners)?.into_iter().map(Into::into).collect();
    let mut subscriptions = listen_to_all(&bus, filters).await?;
    let told = before.until_now()?;
    let event = publish_to_all(url, &keys(listeners)?).await?;
    for subscription in &mut subscriptions {
        let heard = timeout(PATIENCE, subscription.recv()).await?.ok_or("it ended")??;
        is_it(&heard, &event)?;
    }
    Ok(told)
}

async fn listen_redis_rs(url: &str, listeners: u64) -> Result<Told, Failure> {
    allow_open_files(listeners + 100)?;
    let client = redis::Client::open(connection_info(url)?)?;
    let mut connected = client.get_async_pubsub().await?;
    connected.subscribe("warm-up").await?;
    let before = Before::now()?;
    let client = &client;
    let listening = keys(listeners)?.into_iter().map(|key| async move {
        let mut listener = client.get_async_pubsub().await?;
        listener.subscribe(channel(&key)).await?;
        Ok::<_, Failure>(listener)
    });
    let mut connected_listeners: Vec<_> =
        stream::iter(listening).buffer_unordered(AT_ONCE).try_collect().await?;
    let told = before.until_now()?;
    let event = publish_to_all(url, &keys(listeners)?).await?;
    for listener in &mut connected_listeners {
        let message = timeout(PATIENCE, listener.on_message().next()).await?.ok_or("it ended")?;
        is_it(&decode(message.get_payload_bytes())?, &event)?;
    }
    Ok(told)
}

async fn publish_to_all(url: &str, keys: &[ChannelKey]) -> Result<ExecutionEvent, Failure> {
    let event = run_events("user-1", "graph-1", "run-1", &[], None).pop().ok_or("no event")?;
    let wire = encode(&event)?;
    let mut connection =
        redis::Client::open(connection_info(url)?)?.get_multiplexed_async_connection().await?;
    for some in keys.chunks(100) {
        let mut pipeline = redis::pipe();
        for key in some {
            pipeline.publish(channel(key), &wire);
        }
        let heard: Vec<u64> = pipeline.query_async(&mut connection).await?;
        if heard.iter().any(|listeners| *listeners != 1) {
            return Err("somebody was confirmed and is not subscribed".into());
        }
    }
    Ok(event)
}

fn is_it(heard: &ExecutionEvent, event: &ExecutionEvent) -> Result<(), Failure> {
    if heard == event { Ok(()) } else { Err("another event than was sent".into()) }
}

fn channel(key: &ChannelKey) -> String {
    format!("{}/{key}", ExecutionEvent::BUS_NAME)
}

struct Before {
    kib: u64,
    cpu: Duration,
    started: Instant,
}

impl Before {
    fn now() -> Result<Self, Failure> {
        Ok(Self { kib: resident_kib(), cpu: process_cpu()?, started: Instant::now() })
    }

    fn until_now(&self) -> Result<Told, Failure> {
        let seconds = self.started.elapsed().as_secs_f64();
        let cpu = process_cpu()?.saturating_sub(self.cpu).as_secs_f64();
        Ok(Told { seconds, cpu, kib: resident_kib().saturating_sub(self.kib) })
    }
}
