//! Servers that take long to start, lent from one test to the next that leaves them as they were. They end with the last
//! test that runs at the time.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Where those that nobody uses wait. Lives as long as one of them is lent.
#[derive(Debug)]
struct Shelf<T>(Mutex<Vec<T>>);

/// Lends what `start` makes.
#[derive(Debug)]
pub struct Lender<T> {
    shelf: Mutex<Weak<Shelf<T>>>,
    start: fn() -> T,
}

/// In one test's hands alone until it is dropped.
#[derive(Debug)]
pub struct Lent<T> {
    item: Option<T>,
    shelf: Arc<Shelf<T>>,
}

impl<T> Lender<T> {
    /// Nothing is started before it is needed.
    #[must_use]
    pub const fn new(start: fn() -> T) -> Self {
        Self { shelf: Mutex::new(Weak::new()), start }
    }

    /// One that nobody uses, or a new one.
    pub fn lend(&self) -> Lent<T> {
        let shelf = {
            let mut known = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
            known.upgrade().unwrap_or_else(|| {
                let shelf = Arc::new(Shelf(Mutex::default()));
                *known = Arc::downgrade(&shelf);
                shelf
            })
        };
        let idle = shelf.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { item: Some(idle.unwrap_or_else(self.start)), shelf }
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("it is given back only when it is dropped")
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        // Whatever made a test panic, the next one should not find.
        if let Some(item) = self.item.take().filter(|_| !std::thread::panicking()) {
            self.shelf.0.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        }
    }
}
