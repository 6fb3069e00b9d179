//! The task of an outbox: publishes what is queued, one batch after the other, and tries again what surely was not sent.
//! One batch at a time: a second one would overtake what the first has to send again.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::coop;
use tokio::time::sleep;
use tracing::Instrument;

use super::journal::Journal;
use super::outcome::Outcome;
use super::parcel::Parcel;
use super::shared::{Next, Shared};
use crate::backoff::Backoff;
use crate::port::Port;
use crate::telemetry::{Sender, first_failure, note_size};

/// Whatever ends it, what it leaves behind is counted and told when it is dropped.
pub(super) struct Courier {
    shared: Arc<Shared>,
    port: Arc<Port>,
    batch: Vec<Parcel>,
    backoff: Backoff,
    journal: Journal,
}

impl Courier {
    pub(super) fn new(shared: Arc<Shared>, port: Arc<Port>) -> Self {
        // The transport has waited itself before it gives up; this is for one that gives up at once.
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        let journal = Journal::new(port.name().clone());
        Self { shared, port, batch: Vec::new(), backoff, journal }
    }

    /// Until there is nothing left after closing, or the time for it is over.
    pub(super) async fn run(self) {
        let shared = Arc::clone(&self.shared);
        let mut time_is_up = pin!(shared.time_is_up());
        let mut work = pin!(self.work());
        // The time first: the work may use up the budget that a timer needs.
        poll_fn(|cx| match time_is_up.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => work.as_mut().poll(cx),
        })
        .await;
    }

    async fn work(mut self) {
        loop {
            match self.shared.next(&mut self.batch) {
                Next::Publish => self.publish().await,
                Next::Wait => self.shared.rung().await,
                Next::End => return,
            }
        }
    }

    async fn publish(&mut self) {
        let telemetry = self.port.telemetry();
        let first = self.batch.first().map(|parcel| &parcel.channel);
        let attempt = telemetry.begin_publish(Sender::Outbox, self.batch.len(), first);
        if let [only] = &*self.batch {
            note_size(attempt.span(), only.payload.len());
        }
        let messages = self.batch.iter().map(Parcel::message).collect();
        let results = self.port.publish(messages).instrument(attempt.span().clone()).await;
        telemetry.end_publish(&attempt, first_failure(&results));
        drop(attempt);
        let outcome = Outcome::of(self.batch.drain(..), results);
        let has_sent = outcome.sent > 0;
        let is_to_pause = outcome.is_failing() || !has_sent;
        let lines = self.journal.note(&outcome);
        self.shared.settle(outcome);
        self.journal.write(lines);
        if has_sent {
            self.backoff.reset();
        }
        // Also where nothing is tried again: a login that is refused just now must not cost the whole queue.
        if is_to_pause {
            sleep(self.backoff.delay()).await;
        }
        coop::consume_budget().await; // with a transport that never waits, others get their turn
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.shared.end(std::mem::take(&mut self.batch));
    }
}
