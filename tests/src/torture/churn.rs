//! Listeners that come and go all the time on the connection of those that are judged: nothing of theirs may be left, and
//! the others must not feel it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_bus_core::Subscription;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::event::{Stamped, StampedBus};
use super::listeners::{Filter, Way};
use super::site::Carrier;

const CHURNERS: u32 = 3;
/// On channels from this number on nobody publishes.
const DEAD_LINES: u32 = 1_000_000;

#[derive(Debug)]
pub(super) struct Churn {
    churners: JoinSet<Churned>,
    is_over: Arc<AtomicBool>,
}

/// How often somebody came and went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Churned {
    pub(super) listened: u64,
    pub(super) cancelled: u64,
    pub(super) refused: u64,
}

struct Churner {
    number: u32,
    bus: StampedBus,
    way: Way,
    random: fastrand::Rng,
    churned: Churned,
}

impl Churn {
    pub(super) fn start(carrier: &Carrier, way: Way, random: &mut fastrand::Rng) -> Self {
        let (mut churners, is_over) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for number in 0..CHURNERS {
            let bus = carrier.builder().build().expect("the defaults");
            let churner = Churner { number, bus, way, random: random.fork(), churned: Churned::default() };
            churners.spawn(churner.churn(Arc::clone(&is_over)));
        }
        Self { churners, is_over }
    }

    /// Returns when all have gone.
    pub(super) async fn stop(self) -> Churned {
        self.is_over.store(true, Ordering::Relaxed);
        let all = self.churners.join_all().await;
        all.into_iter().fold(Churned::default(), |sum, one| Churned {
            listened: sum.listened + one.listened,
            cancelled: sum.cancelled + one.cancelled,
            refused: sum.refused + one.refused,
        })
    }
}

impl Churner {
    async fn churn(mut self, is_over: Arc<AtomicBool>) -> Churned {
        while !is_over.load(Ordering::Relaxed) {
            let filter = self.filter();
            // Every third one is given up before the server can have answered, or just then.
            let patience = if self.random.u8(..3) == 0 {
                Duration::from_micros(self.random.u64(..2_000))
            } else {
                Duration::from_secs(60)
            };
            match timeout(patience, filter.listen(&self.bus, self.way)).await {
                Ok(Ok(events)) => self.listen_for_a_while(events).await,
                Ok(Err(_)) => self.churned.refused += 1, // the server was away for too long
                Err(_) => self.churned.cancelled += 1,
            }
            sleep(Duration::from_millis(self.random.u64(1..10))).await;
        }
        self.churned
    }

    /// What others listen to as well, or what nobody else does.
    fn filter(&mut self) -> Filter {
        match self.random.u8(..5) {
            0 => Filter::Line(self.random.u32(..self.way.channels)),
            1 => Filter::All,
            2 => Filter::EndingIn(self.random.u32(..10)),
            _ => Filter::Line(DEAD_LINES + self.number * 10 + self.random.u32(..10)),
        }
    }

    async fn listen_for_a_while(&mut self, mut events: Subscription<Stamped>) {
        self.churned.listened += 1;
        let a_while = Duration::from_millis(self.random.u64(..20));
        let _ = timeout(a_while, async { while events.recv().await.is_some() {} }).await;
        if self.random.u8(..8) == 0 {
            let _ = spawn_blocking(move || drop(events)).await;
        }
    }
}
