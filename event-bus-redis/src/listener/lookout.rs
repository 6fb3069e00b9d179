//! A task that leaves the server when it is not the right one any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::shared::Shared;
use super::state::{Cause, State};
use super::way::{POLL, Way};

/// Not more often than this, in whatever hurry.
const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// Ends when it is dropped.
pub(super) struct Lookout(Option<AbortHandle>);

impl Lookout {
    pub(super) fn over(shared: &Arc<Shared>) -> Self {
        let Way::Found(_) = shared.way else { return Self(None) };
        #[expect(clippy::disallowed_methods, reason = "ends with the lookout")]
        let task = tokio::spawn(watch(Arc::clone(shared)));
        Self(Some(task.abort_handle()))
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

async fn watch(shared: Arc<Shared>) {
    let Way::Found(found) = &shared.way else { return };
    loop {
        let epoch = shared.peek(State::epoch);
        if shared.peek(State::is_needed)
            && let Some(fault) = found.fault().await
        {
            found.note_wrong();
            shared.lost(epoch, &Cause::elsewhere(fault));
            shared.hasten(epoch);
        }
        sleep(LEAST_PAUSE).await;
        found.news_within(POLL).await;
    }
}
