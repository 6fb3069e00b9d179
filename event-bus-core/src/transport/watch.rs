//! The state of a transport, watched instead of asked for: what a transport shows it on, and what a watcher holds.
//! What the states mean stands in `health.rs`.

use tokio::sync::watch;

use super::health::TransportState;

/// Where a transport shows its state to whoever [watches](StateWatch). Clones are the same board.
///
/// ```
/// # use event_bus_core::transport::{LinkState, StateBoard};
/// let board = StateBoard::default();
/// let watch = board.watch();
/// board.update(|state| state.publisher = LinkState::Connected);
/// assert_eq!(watch.current().publisher, LinkState::Connected);
/// ```
#[derive(Clone, Debug, Default)]
pub struct StateBoard(watch::Sender<TransportState>);

impl StateBoard {
    /// A board that shows `state`.
    #[must_use]
    pub fn new(state: TransportState) -> Self {
        Self(watch::Sender::new(state))
    }

    /// Lets `update` write down what is true now, and tells watchers if that is another state.
    ///
    /// Updates run one after the other. So a transport never shows an old state last if it calls this after every
    /// change, without a lock of its own, and `update` reads anew what is true, under that lock.
    pub fn update(&self, update: impl FnOnce(&mut TransportState)) {
        self.0.send_if_modified(|shown| {
            let before = shown.clone();
            update(shown);
            *shown != before
        });
    }

    /// Watches this board.
    #[must_use]
    pub fn watch(&self) -> StateWatch {
        StateWatch::new(self.0.subscribe())
    }
}

/// Tells when the state of a transport changes. Clones watch on their own.
///
/// It does not keep the transport alive. A watcher that is slow costs nothing: it is told of the latest state,
/// not of each. What it is told is the state of connections: when listening is connected again, its subscriptions
/// still have to be confirmed, and each hears [`Resumed`](crate::Notice::Resumed) when it is. A change that nobody
/// carries out is not told: of a runtime that stands still, only [`health`](super::Transport::health) and
/// [`state`](super::Transport::state) know, when they are asked.
#[derive(Clone, Debug)]
pub struct StateWatch {
    shown: watch::Receiver<TransportState>,
    /// The last state that was told is one that stays.
    is_over: bool,
}

impl StateWatch {
    fn new(mut shown: watch::Receiver<TransportState>) -> Self {
        let is_over = shown.borrow_and_update().is_closed();
        Self { shown, is_over }
    }

    /// A watch that never changes, for a transport that does not tell.
    pub(super) fn still(state: TransportState) -> Self {
        let (_board, shown) = watch::channel(state);
        Self::new(shown)
    }

    /// The state as it was last shown.
    #[must_use]
    pub fn current(&self) -> TransportState {
        self.shown.borrow().clone()
    }

    /// Waits until the state has changed since this watch was made, or since the last change that it told, and
    /// tells what it is now. That may be the same again, if it changed back meanwhile. `None` once no change can
    /// come any more: the transport was closed, which is told first, or dropped, or does not tell at all.
    ///
    /// # Cancel safety
    /// Dropping the future loses no change: the next call tells it.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport, transport::{LinkState, Transport}};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings")]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let transport = MemoryTransport::new();
    /// let bus = PingBus::new(transport.clone());
    /// let mut watch = bus.watch_state();
    /// assert_eq!(watch.current().listener, LinkState::Idle);
    /// # let _pings = bus.listen("all").await?;
    /// # transport.close().await;
    ///
    /// while let Some(state) = watch.changed().await {
    ///     println!("publishing is {}, listening is {}", state.publisher, state.listener);
    ///     if let Some(why) = &state.listener_error {
    ///         println!("nothing is heard: {why}");
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn changed(&mut self) -> Option<TransportState> {
        if self.is_over {
            return None;
        }
        self.shown.changed().await.ok()?;
        let state = self.shown.borrow_and_update().clone();
        self.is_over = state.is_closed();
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::LinkState;

    fn set(board: &StateBoard, publisher: LinkState, listener: LinkState) {
        board.update(|state| (state.publisher, state.listener) = (publisher, listener));
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_of_the_latest_state_once() {
        let board = StateBoard::default();
        let mut watch = board.watch();
        set(&board, LinkState::Connecting, LinkState::Idle);
        set(&board, LinkState::Connected, LinkState::Idle);
        assert_eq!(watch.changed().await.unwrap().publisher, LinkState::Connected);
        set(&board, LinkState::Connected, LinkState::Idle); // no news
        drop(board);
        assert_eq!(watch.changed().await, None);
        assert_eq!(watch.current().publisher, LinkState::Connected);
    }

    #[tokio::test]
    async fn the_end_is_told_and_then_nothing() {
        let board = StateBoard::default();
        let mut watch = board.watch();
        set(&board, LinkState::Idle, LinkState::Closed);
        assert_eq!(watch.changed().await.unwrap().publisher, LinkState::Idle, "half of it is not the end");
        set(&board, LinkState::Closed, LinkState::Closed);
        assert_eq!(watch.changed().await.unwrap().publisher, LinkState::Closed);
        assert_eq!(watch.changed().await, None);
        assert_eq!(board.watch().changed().await, None, "who comes later need not wait for it");
    }

    #[tokio::test]
    async fn a_change_is_not_lost_to_a_dropped_wait() {
        let board = StateBoard::default();
        let mut watch = board.watch();
        assert!(futures_util::FutureExt::now_or_never(watch.changed()).is_none());
        set(&board, LinkState::Connected, LinkState::Idle);
        assert!(watch.changed().await.is_some());
    }
}
