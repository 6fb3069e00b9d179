//! Publishers that go on whatever happens, each awaiting one publish after the other, and keep books.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use event_bus_tests::{NumberedBus, eventually, within};
use tokio::task::JoinHandle;

use crate::ears::Books;
use crate::event;

/// The numbers of one publisher are below those of the next.
pub(crate) const EACH: u64 = 1_000_000;

pub(crate) struct Traffic {
    is_over: Arc<AtomicBool>,
    acked: Vec<Arc<AtomicU64>>,
    publishers: Vec<JoinHandle<Account>>,
}

/// What one publisher has to tell.
pub(crate) struct Account {
    pub(crate) key: String,
    pub(crate) books: Books,
    pub(crate) longest: Duration,
    /// The first of each kind.
    pub(crate) errors: Vec<String>,
}

impl Traffic {
    /// One publisher for each key.
    pub(crate) fn start(bus: &NumberedBus, keys: &[String]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let acked: Vec<_> = keys.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
        let publishers = (0..).zip(keys).zip(&acked).map(|((index, key), acked)| {
            let (bus, key) = (bus.clone(), key.clone());
            let (is_over, acked) = (Arc::clone(&is_over), Arc::clone(acked));
            tokio::spawn(async move {
                let mut account =
                    Account { key, books: Books::default(), longest: Duration::ZERO, errors: Vec::new() };
                let mut number = index * EACH;
                while !is_over.load(Ordering::Relaxed) {
                    account.publish(&bus, number, &acked).await;
                    number += 1;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                account
            })
        });
        let publishers = publishers.collect();
        Self { is_over, acked, publishers }
    }

    /// Waits until each publisher has had `more` events acknowledged.
    pub(crate) async fn acked(&self, more: u64) {
        let count = || self.acked.iter().map(|acked| acked.load(Ordering::Relaxed));
        let wanted: Vec<u64> = count().map(|count| count + more).collect();
        eventually("all publish", || count().zip(&wanted).all(|(count, wanted)| count >= *wanted)).await;
    }

    pub(crate) async fn end(self) -> Vec<Account> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut accounts = Vec::new();
        for publisher in self.publishers {
            accounts.push(within("an end", publisher).await.unwrap());
        }
        accounts
    }
}

impl Account {
    async fn publish(&mut self, bus: &NumberedBus, number: u64, acked: &AtomicU64) {
        let started = Instant::now();
        let outcome = bus.publish_to(&*self.key, &event(number)).await;
        self.longest = self.longest.max(started.elapsed());
        self.books.note(number, &outcome);
        match outcome {
            Ok(_) => {
                acked.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) if self.errors.len() < 5 => self.errors.push(format!("{error:?}")),
            Err(_) => {}
        }
    }

    /// Checks the books against what was heard, and tells them.
    pub(crate) fn check(&self, heard: &[u64]) {
        self.books.check(heard);
        let Books { acked, unknown, not_sent } = &self.books;
        println!(
            "{}: {} published = {} acked + {} unknown + {} not sent; {} acked and not heard; longest {:?}; {:#?}",
            self.key,
            self.books.published(),
            acked.len(),
            unknown.len(),
            not_sent.len(),
            self.books.lost(heard),
            self.longest,
            self.errors
        );
    }
}
