//! Who is told of failures: one at a time, outside of all locks. Being told must not lead to being told: that would
//! have no end.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::config::OutboxConfig;
use super::parcel::Failed;
use super::report::OutboxFailure;

thread_local! {
    static IS_TELLING: Cell<bool> = const { Cell::new(false) };
}

/// `false` if who is told panicked.
pub(super) fn tell(config: &OutboxConfig, failures: Vec<Failed>) -> bool {
    let Some(on_failure) = &config.on_failure else { return true };
    let mut is_well = true;
    for failed in failures {
        let failure = OutboxFailure::from(failed);
        let outer = IS_TELLING.replace(true);
        is_well &= catch_unwind(AssertUnwindSafe(|| on_failure(failure))).is_ok();
        IS_TELLING.set(outer);
    }
    is_well
}

/// Whether this thread is telling somebody, of whichever outbox: then what is sent must drop nothing.
pub(super) fn is_telling() -> bool {
    IS_TELLING.get()
}
