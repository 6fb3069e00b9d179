//! Servers that take long to start, lent from one test to the next that leaves them as they were. They end a moment
//! after the last test that runs at the time.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two tests nobody may hold one: so long is waited for the next test, before they end.
const BETWEEN_TESTS: Duration = Duration::from_millis(200);

/// Where those that nobody uses wait. Lives as long as one of them is lent, and a little longer.
#[derive(Debug)]
struct IdleOnes<T> {
    idle: Mutex<Vec<T>>,
    lent: AtomicUsize,
}

/// Lends what `start` makes.
#[derive(Debug)]
pub struct Lender<T> {
    idle_ones: Mutex<Weak<IdleOnes<T>>>,
    start: fn() -> T,
}

/// In one test's hands alone until it is dropped.
#[derive(Debug)]
pub struct Loan<T> {
    item: Option<T>,
    idle_ones: Arc<IdleOnes<T>>,
}

impl<T> Lender<T> {
    /// Nothing is started before it is needed.
    #[must_use]
    pub const fn new(start: fn() -> T) -> Self {
        Self { idle_ones: Mutex::new(Weak::new()), start }
    }

    /// One that nobody uses, or a new one.
    pub fn borrow(&self) -> Loan<T> {
        let idle_ones = {
            let mut known = self.idle_ones.lock().unwrap_or_else(PoisonError::into_inner);
            known.upgrade().unwrap_or_else(|| {
                let idle_ones = Arc::new(IdleOnes { idle: Mutex::default(), lent: AtomicUsize::new(0) });
                *known = Arc::downgrade(&idle_ones);
                idle_ones
            })
        };
        idle_ones.lent.fetch_add(1, Ordering::SeqCst);
        let idle = idle_ones.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Loan { item: Some(idle.unwrap_or_else(self.start)), idle_ones }
    }
}

impl<T> Deref for Loan<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("it is given back only when it is dropped")
    }
}

impl<T> Drop for Loan<T> {
    fn drop(&mut self) {
        // Whatever made a test panic, the next one should not find.
        if let Some(item) = self.item.take().filter(|_| !std::thread::panicking()) {
            self.idle_ones.idle.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        }
        self.idle_ones.lent.fetch_sub(1, Ordering::SeqCst);
        let deadline = Instant::now() + BETWEEN_TESTS;
        while self.idle_ones.lent.load(Ordering::SeqCst) == 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(1));
        }
    }
}
