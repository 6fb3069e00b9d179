//! Servers that take long to start, lent from one test to the next that leaves them as they were. They end with the last
//! test that runs at the time.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Where those that nobody uses wait. Lives as long as one of them is lent.
#[derive(Debug)]
struct IdleOnes<T>(Mutex<Vec<T>>);

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
                let idle_ones = Arc::new(IdleOnes(Mutex::default()));
                *known = Arc::downgrade(&idle_ones);
                idle_ones
            })
        };
        let idle = idle_ones.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
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
            self.idle_ones.0.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        }
    }
}
