//! The task of an outbox: publishes what is queued, one batch after the other, and tries again what surely was not sent.
//! One batch at a time: a second one would overtake what the first has to send again.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::coop;
use tokio::time::sleep;

use super::outcome::Outcome;
use super::parcel::Parcel;
use super::shared::{Next, Shared};
use crate::backoff::Backoff;
use crate::port::Port;

/// Whatever ends it, what it leaves behind is counted and told when it is dropped.
pub(super) struct Courier {
    shared: Arc<Shared>,
    port: Arc<Port>,
    batch: Vec<Parcel>,
    backoff: Backoff,
}

impl Courier {
    pub(super) fn new(shared: Arc<Shared>, port: Arc<Port>) -> Self {
        // The transport has waited itself before it gives up; this is for one that gives up at once.
        let backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        Self { shared, port, batch: Vec::new(), backoff }
    }

    /// Until there is nothing left after closing, or the time for it is over.
    pub(super) async fn run(self) {
        let shared = Arc::clone(&self.shared);
        let mut time_is_up = pin!(shared.time_is_up());
        let mut work = pin!(self.work());
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => time_is_up.as_mut().poll(cx),
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
        let messages = self.batch.iter().map(Parcel::message).collect();
        let results = self.port.publish(messages).await;
        let outcome = Outcome::of(self.batch.drain(..), results);
        let (is_failing, has_sent) = (outcome.is_failing(), outcome.sent > 0);
        self.shared.settle(outcome);
        if has_sent {
            self.backoff.reset();
        }
        if is_failing {
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
