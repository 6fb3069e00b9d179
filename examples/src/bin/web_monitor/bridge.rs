//! The one subscription behind all pages: whatever it gives goes to the board, and after a gap the state is fetched anew. This is
//! the library's `resync`; how the state is kept and shown is the board's business.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use event_bus_core::{Any, Error, ResyncError, Subscription, Update};
use event_bus_examples::{ExecutionEvent, ExecutionEventBus, GraphChannel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::board::Board;
use crate::runs::Runs;
use crate::worker::Ledger;

const BEAT: Duration = Duration::from_secs(1);
/// A flood of notices makes no flood of fetches.
const BETWEEN_FETCHES: Duration = Duration::from_millis(250);

/// Listens to all graphs of all users: each event comes once, although it is also on the channel of its run.
pub(crate) async fn listen(bus: &ExecutionEventBus) -> Result<Subscription<ExecutionEvent>, Error> {
    bus.graph(GraphChannel { user_id: Any, graph_id: Any }).listen().await
}

/// Tells the board all that `events` gives, until it ends. The truth is in the ledger, if the runs are ours.
pub(crate) async fn follow(events: Subscription<ExecutionEvent>, board: &Board, ledger: Option<Ledger>) {
    let mut updates = events.resync(fetching(ledger));
    while let Some(update) = updates.recv().await {
        match update {
            Ok(Update::Event(event)) => board.heard(event.event()),
            Ok(Update::Snapshot(truth)) => board.fetched(truth),
            Ok(Update::Stale(notice)) | Err(ResyncError::Ended(notice)) => board.told(&notice),
            Err(ResyncError::Fetch(never)) => match never {},
        }
    }
}

/// Tells pages once a second that they are still told, until it is dropped.
pub(crate) async fn beat(board: &Board) {
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = beats.tick().await;
    loop {
        let now = beats.tick().await;
        board.beat((now - last).as_secs_f64());
        last = now;
    }
}

/// How the state is fetched: out of the ledger here, out of a database elsewhere. Without either nothing is known.
fn fetching(ledger: Option<Ledger>) -> impl FnMut() -> Fetch {
    let mut earliest = Instant::now();
    move || {
        let (ledger, due) = (ledger.clone(), earliest);
        earliest = due.max(Instant::now()) + BETWEEN_FETCHES;
        Box::pin(async move {
            sleep_until(due).await;
            Ok(ledger.map(|ledger| ledger.runs()).unwrap_or_default())
        })
    }
}

type Fetch = std::pin::Pin<Box<dyn Future<Output = Result<Runs, Infallible>> + Send>>;
