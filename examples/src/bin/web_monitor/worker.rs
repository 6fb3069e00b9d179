//! Simulated agent runs: what a platform's executor does. It writes each change down first and publishes it then, as `resync`
//! asks of whoever publishes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use event_bus_core::{Error, ErrorKind, Outbox, OutboxConfig, OutboxOverflow};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, run_events};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};

use crate::runs::Runs;

const TICK: Duration = Duration::from_millis(10);
/// What a machine can't keep up with is not worked off later: that would be ever more.
const BEHIND_AT_MOST: Duration = Duration::from_millis(100);
/// While Redis is away the work goes on, and the newest events count: what it led to is in the ledger.
const QUEUED_MESSAGES: usize = 4_000;

const USERS: [&str; 5] = ["ada", "barbara", "edsger", "grace", "tony"];
const GRAPHS: [(&str, &[&str]); 5] = [
    ("newsletter", &["fetch feeds", "rank", "summarize", "write", "send"]),
    ("lead-research", &["search", "open pages", "extract", "score", "enrich", "report"]),
    ("support-triage", &["read ticket", "classify", "draft answer", "review"]),
    ("invoice-reader", &["receive", "scan text", "match order", "book"]),
    (
        "video-to-blog",
        &["transcribe", "outline", "write", "illustrate", "check facts", "publish", "announce"],
    ),
];
/// One run in so many fails.
const FAILING: usize = 8;

/// What is true, whatever was heard of it: in earnest, the platform's database. Clones are the same ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Runs>>);

impl Ledger {
    pub(crate) fn write(&self, event: &ExecutionEvent) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).apply(event, now_ms);
    }

    pub(crate) fn runs(&self) -> Runs {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Works at `rate` events/s until it is dropped.
pub(crate) async fn work(bus: &ExecutionEventBus, ledger: &Ledger, rate: u32) -> Result<(), Error> {
    let settings =
        OutboxConfig::default().queue_messages(QUEUED_MESSAGES).overflow(OutboxOverflow::DropOldest);
    let outbox = bus.outbox(settings)?;
    let mut runs = vec![Vec::new(); at_once(rate)];
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = ticks.tick().await;
    let mut due = 1.0;
    loop {
        let now = ticks.tick().await;
        let behind = (now - last).min(BEHIND_AT_MOST);
        due += f64::from(rate) * behind.as_secs_f64();
        last = now;
        while due >= 1.0 {
            due -= 1.0;
            step(&mut runs, ledger, &outbox)?;
            yield_now().await; // listening and serving go on, too
        }
    }
}

/// The next event of one of the runs.
fn step(
    runs: &mut [Vec<ExecutionEvent>],
    ledger: &Ledger,
    outbox: &Outbox<ExecutionEvent>,
) -> Result<(), Error> {
    let run = &mut runs[fastrand::usize(..runs.len())];
    if run.is_empty() {
        *run = new_run();
    }
    if let Some(event) = run.pop() {
        ledger.write(&event);
        return match outbox.send(&event) {
            Err(error) if error.kind() == ErrorKind::QueueFull => Ok(()), // lost to listeners, who will fetch it
            result => result,
        };
    }
    Ok(())
}

/// All events of a run, the first one last.
fn new_run() -> Vec<ExecutionEvent> {
    let user = USERS[fastrand::usize(..USERS.len())];
    let (graph, nodes) = GRAPHS[fastrand::usize(..GRAPHS.len())];
    let failing = (fastrand::usize(..FAILING) == 0).then(|| nodes[fastrand::usize(..nodes.len())]);
    let id = format!("run-{:08x}", fastrand::u32(..)); // not that of another program on the same server
    let mut events = run_events(user, graph, &id, nodes, failing);
    events.reverse();
    events
}

/// So many runs at once that each takes some seconds, whatever the rate.
fn at_once(rate: u32) -> usize {
    usize::try_from(rate / 4).unwrap_or(usize::MAX).clamp(8, 200)
}
