//! Waiting for something to become true, instead of sleeping and hoping.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long anything in a test may take before it counts as failed: generous, since it is only waited for in vain
/// once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The result of `future`, which must come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(PATIENCE, future).await else {
        panic!("{what}: did not happen within {PATIENCE:?}");
    };
    value
}

/// As [`eventually`], on a thread of one's own.
pub fn eventually_blocking(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: did not become true within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Returns when `condition` holds, which it must.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: did not become true within {PATIENCE:?}");
        sleep(Duration::from_millis(5)).await;
    }
}
