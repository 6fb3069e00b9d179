//! One run: server, publishers, listeners and faults together, from the first event to the farewell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use event_bus_core::Result;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::check::{Case, Tolerance};
use super::churn::{Churn, Churned};
use super::flood::Flooder;
use super::listeners::{Common, listen, roles};
use super::options::{Options, PubSub};
use super::plan::plan;
use super::publishers::{Publisher, Voice};
use super::record::{Clock, Fault, Ledger, Published, Stream, Time};
use super::remains::{self, Memory};
use super::site::{Carrier, Site};
use super::{faults, publishers};
use crate::memory::resident_kib;

/// How long the listeners may take to read what is left, and to hear the farewell.
const FAREWELL: Duration = Duration::from_secs(10);

/// All that was written down.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) is_several: bool,
    pub(super) is_line_by_line: bool,
    pub(super) is_sequenced: bool,
    pub(super) ledger: Ledger,
    pub(super) streams: Vec<Stream>,
    pub(super) faults: Vec<Fault>,
    /// How long faults were possible.
    pub(super) lasted: Time,
    /// Who came and went meanwhile.
    pub(super) churned: Option<Churned>,
    pub(super) memory: Memory,
    /// How many channels and patterns nobody listened to any more, and are still subscribed.
    pub(super) left_subscribed: usize,
}

impl Recording {
    pub(super) fn case(&self) -> Case<'_> {
        let Self { ledger, faults, is_several, is_line_by_line, is_sequenced, .. } = self;
        Case {
            ledger,
            faults,
            tolerance: Tolerance::default(),
            is_several: *is_several,
            is_line_by_line: *is_line_by_line,
            is_sequenced: *is_sequenced,
        }
    }
}

/// Runs once.
///
/// # Errors
/// If the server can't be used before anything was done to it.
pub(super) async fn record(options: &Options) -> Result<Recording> {
    let mut random = fastrand::Rng::with_seed(options.seed);
    let mut site = Site::start(options.medium, options.delivery, options.channels, options.has_login());
    let clock = Clock::start();
    let plan = plan(options.faults.clone(), random.fork());
    let until = Duration::from_secs(options.seconds);

    let mut listening = Listening::start(options, site.listening().await?, clock, &mut random);
    let churn = options.has_churn.then(|| Churn::start(&listening.carrier, options.way(), &mut random));
    let publishing = Publishing::start(options, &site, clock, &mut random).await?;
    let goodbye = site.publishing(0).await?.bus(false); // which nobody misses by a number
    let mut flooder = Flooder::new(options, &site.publishing(0).await?, clock, &mut random);
    let tortured = spawn_blocking(move || {
        let faults = faults::carry_out(&mut site, &mut flooder, plan, clock, until);
        (faults, site, flooder)
    });
    let (tortured, half_way) = tokio::join!(tortured, resident_after(until / 2));
    let (faults, site, flooder) = tortured.expect("the faults are carried out");

    let lasted = clock.now();
    let churned = if let Some(churn) = churn { Some(churn.stop().await) } else { None };
    listening.hear_enough(lasted).await;
    let memory = Memory { half_way, at_end: resident_kib() };
    let mut published = publishing.stop(flooder).await;
    let farewell = publishers::say_farewell(&goodbye, options.channels, clock, &mut published);
    let streams = listening.stop(farewell).await;
    let left_subscribed = remains::subscriptions(&listening.carrier, &site).await;
    listening.carrier.close().await;
    Ok(Recording {
        is_several: options.medium.is_several(),
        is_line_by_line: options.medium.is_several() || options.delivery == PubSub::Sharded,
        is_sequenced: options.is_sequenced,
        ledger: Ledger::of(published),
        streams,
        faults,
        lasted,
        churned,
        memory,
        left_subscribed,
    })
}

async fn resident_after(time: Duration) -> u64 {
    sleep(time).await;
    resident_kib()
}

struct Publishing {
    publishers: JoinSet<Vec<Published>>,
    is_over: Arc<AtomicBool>,
}

impl Publishing {
    async fn start(options: &Options, site: &Site, clock: Clock, random: &mut fastrand::Rng) -> Result<Self> {
        let (mut publishers, is_over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        let quiet = publishers::quiet_times(Duration::from_secs(options.seconds), random);
        for number in 0..options.publishers {
            let bus = site.publishing(number).await?.bus(options.is_sequenced);
            let voice =
                Voice::new(number, bus, site.lines_of(number, options.channels), clock, random.fork());
            let (quiet, is_over) = (Arc::clone(&quiet), Arc::clone(&is_over));
            publishers.spawn(Publisher { voice, quiet, is_over }.publish());
        }
        Ok(Self { publishers, is_over })
    }

    async fn stop(self, flooder: Flooder) -> Vec<Published> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut published = self.publishers.join_all().await.concat();
        published.extend(flooder.published().await);
        published
    }
}

struct Listening {
    carrier: Carrier,
    common: Arc<Common>,
    listeners: JoinSet<Stream>,
    heard_enough: mpsc::Receiver<()>,
}

impl Listening {
    fn start(options: &Options, carrier: Carrier, clock: Clock, random: &mut fastrand::Rng) -> Self {
        let common = Arc::new(Common { clock, calm_micros: AtomicU64::new(u64::MAX) });
        let mut listeners = JoinSet::new();
        let (tell, heard_enough) = mpsc::channel(1);
        for role in roles(options.listeners, options.way(), random) {
            let (carrier, common, random) = (carrier.clone(), Arc::clone(&common), random.fork());
            let tell = tell.clone();
            listeners.spawn(listen(role, carrier, common, random, move || drop(tell)));
        }
        Self { carrier, common, listeners, heard_enough }
    }

    /// Waits until every listener has heard something that was published after `calm`, and enough to be judged (it may
    /// have joined while nothing came), or patience ends.
    async fn hear_enough(&mut self, calm: Time) {
        let micros = u64::try_from(calm.as_micros()).unwrap_or(u64::MAX);
        self.common.calm_micros.store(micros, Ordering::Relaxed);
        // Each drops its sender when it has.
        let _ = timeout(Tolerance::default().hear_again, self.heard_enough.recv()).await;
    }

    /// Lets the listeners read on until they have heard the farewell.
    async fn stop(&mut self, farewell: impl Future<Output = ()>) -> Vec<Stream> {
        let mut streams = Vec::new();
        let all_end = async {
            while let Some(stream) = self.listeners.join_next().await {
                streams.push(stream.expect("a listener writes down what it hears"));
            }
        };
        let farewell = timeout(FAREWELL, farewell);
        let closing = async {
            let _ = farewell.await;
            self.carrier.close().await; // whoever has not heard it by now ends incomplete
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
