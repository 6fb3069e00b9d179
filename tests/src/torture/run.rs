//! One run: server, publishers, listeners and faults together, from the first event to the farewell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use event_bus_core::Result;
use event_bus_core::transport::Transport;
use event_bus_redis::RedisTransport;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::check::Tolerance;
use super::faults::Site;
use super::listeners::{Common, listen, roles};
use super::options::Options;
use super::publishers::Publisher;
use super::record::{Clock, Fault, Ledger, Published, Stream, Time};
use super::{faults, publishers};

/// How long the listeners may take to read what is left, and to hear the farewell.
const FAREWELL: Duration = Duration::from_secs(10);

/// All that was written down.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) ledger: Ledger,
    pub(super) streams: Vec<Stream>,
    pub(super) faults: Vec<Fault>,
    /// How long faults were possible.
    pub(super) lasted: Time,
}

/// Runs once.
///
/// # Errors
/// If the server can't be used before anything was done to it.
pub(super) async fn record(options: &Options) -> Result<Recording> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut site = Site::start();
    let clock = Clock::start();
    let plan = faults::plan(options.faults.clone(), random.fork());
    let until = Duration::from_secs(options.seconds);

    let mut listening = Listening::start(options, &site.listeners.url(), clock, &mut random).await?;
    let publishing = Publishing::start(options, &site.publishers.url(), clock, &mut random).await?;
    let goodbye = publishers::connect(0, &site.publishers.url()).await?;
    let tortured = spawn_blocking(move || {
        let faults = faults::carry_out(&mut site, plan, clock, until);
        (faults, site)
    });
    let (faults, site) = tortured.await.expect("the faults are carried out");

    let calm = clock.now();
    listening.hear_again(calm).await;
    let ledger = publishing.stop().await;
    let streams = listening.stop(publishers::say_farewell(&goodbye, options.channels, clock)).await;
    drop(site);
    Ok(Recording { ledger, streams, faults, lasted: calm })
}

struct Publishing {
    publishers: JoinSet<Vec<Published>>,
    is_over: Arc<AtomicBool>,
}

impl Publishing {
    async fn start(options: &Options, url: &str, clock: Clock, random: &mut fastrand::Rng) -> Result<Self> {
        let (mut publishers, is_over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        let quiet = publishers::quiet_times(Duration::from_secs(options.seconds), random);
        for number in 0..options.publishers {
            let bus = publishers::connect(number, url).await?;
            let (random, channels) = (random.fork(), options.channels);
            let (quiet, is_over) = (Arc::clone(&quiet), Arc::clone(&is_over));
            let publisher = Publisher { number, bus, channels, clock, random, quiet, is_over };
            publishers.spawn(publisher.publish());
        }
        Ok(Self { publishers, is_over })
    }

    async fn stop(self) -> Ledger {
        self.is_over.store(true, Ordering::Relaxed);
        Ledger::of(self.publishers.join_all().await.concat())
    }
}

struct Listening {
    transport: RedisTransport,
    common: Arc<Common>,
    listeners: JoinSet<Stream>,
    heard_again: mpsc::Receiver<()>,
}

impl Listening {
    async fn start(options: &Options, url: &str, clock: Clock, random: &mut fastrand::Rng) -> Result<Self> {
        let transport = RedisTransport::connect(url).await?;
        let common = Arc::new(Common { clock, calm_micros: AtomicU64::new(u64::MAX) });
        let mut listeners = JoinSet::new();
        let (tell, heard_again) = mpsc::channel(1);
        for role in roles(options.listeners, options.channels, random) {
            let (transport, common, random) = (transport.clone(), Arc::clone(&common), random.fork());
            let tell = tell.clone();
            listeners.spawn(listen(role, transport, common, random, move || drop(tell)));
        }
        Ok(Self { transport, common, listeners, heard_again })
    }

    /// Waits until every listener has heard something that was published after `calm`, or patience ends.
    async fn hear_again(&mut self, calm: Time) {
        let micros = u64::try_from(calm.as_micros()).unwrap_or(u64::MAX);
        self.common.calm_micros.store(micros, Ordering::Relaxed);
        // Each drops its sender when it hears.
        let _ = timeout(Tolerance::default().hear_again, self.heard_again.recv()).await;
    }

    /// Lets the listeners read on until they have heard the farewell.
    async fn stop(mut self, farewell: impl Future<Output = ()>) -> Vec<Stream> {
        let mut streams = Vec::new();
        let all_end = async {
            while let Some(stream) = self.listeners.join_next().await {
                streams.push(stream.expect("a listener writes down what it hears"));
            }
        };
        let farewell = timeout(FAREWELL, farewell);
        let closing = async {
            let _ = farewell.await;
            self.transport.close().await; // whoever has not heard it by now ends incomplete
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = all_end => {}
            () = closing => {}
        }
        streams.sort_by(|one, other| one.name.cmp(&other.name));
        streams
    }
}
