//! How often something allocates: for programs whose allocator is a [`Heap`].

#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts what each thread allocates, anew or to become larger.
#[derive(Clone, Copy, Debug)]
pub struct Heap;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

impl Heap {
    /// How often this thread has allocated.
    #[must_use]
    pub fn allocations() -> u64 {
        COUNT.get()
    }

    fn count() {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: all is left to the system's allocator; the counter allocates nothing and needs no destructor.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Allocations of this thread for each of so many events that `work` publishes: once to warm up, then once counted.
pub async fn allocations_per_event(events: u32, mut work: impl AsyncFnMut()) -> f64 {
    work().await;
    let before = Heap::allocations();
    work().await;
    let count = u32::try_from(Heap::allocations() - before).expect("not so many");
    f64::from(count) / f64::from(events)
}
