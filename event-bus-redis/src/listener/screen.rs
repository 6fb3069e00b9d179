//! Where a listener shows its state: on a board of its own, or as a part of a whole that shows one state for all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use event_bus_core::transport::{LinkState, StateBoard};

/// A state, and why it is interrupted if it is.
pub(super) type Link = (LinkState, Option<Arc<str>>);

pub(super) enum Screen {
    Own(StateBoard),
    Part(Arc<Whole>, u64),
}

/// Of several parts, one state.
pub(super) struct Whole {
    board: StateBoard,
    parts: Mutex<BTreeMap<u64, Link>>,
}

impl Screen {
    /// Shows what `now` says. Whoever shows last has asked last.
    pub(super) fn show(&self, now: impl FnOnce() -> Link) {
        match self {
            Self::Own(board) => board.update(|shown| (shown.listener, shown.listener_error) = now()),
            Self::Part(whole, number) => whole.show(*number, now),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Self::Part(whole, number) = self {
            whole.change(|parts| drop(parts.remove(number)));
        }
    }
}

impl Whole {
    pub(super) fn new(board: StateBoard) -> Arc<Self> {
        Arc::new(Self { board, parts: Mutex::default() })
    }

    pub(super) fn show(&self, number: u64, now: impl FnOnce() -> Link) {
        self.change(|parts| drop(parts.insert(number, now())));
    }

    /// From now on it shows nothing else.
    pub(super) fn close(&self) {
        self.show(u64::MAX, || (LinkState::Closed, None));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Link>)) {
        self.board.update(|shown| {
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut parts);
            (shown.listener, shown.listener_error) = combined(parts.values());
        });
    }

    pub(super) fn link(&self) -> Link {
        combined(self.parts.lock().unwrap_or_else(PoisonError::into_inner).values())
    }
}

/// The gravest.
fn combined<'a>(parts: impl Iterator<Item = &'a Link>) -> Link {
    let gravity = |state: LinkState| match state {
        LinkState::Closed => 4,
        LinkState::Interrupted => 3,
        LinkState::Connecting => 2,
        LinkState::Connected => 1,
        _ => 0,
    };
    parts.max_by_key(|(state, _)| gravity(*state)).cloned().unwrap_or((LinkState::Idle, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_part_is_shown_until_it_is_gone() {
        let board = StateBoard::default();
        let whole = Whole::new(board.clone());
        let shown = || board.watch().current();
        let part = |number| Screen::Part(Arc::clone(&whole), number);
        let (one, other) = (part(1), part(2));
        one.show(|| (LinkState::Connected, None));
        other.show(|| (LinkState::Idle, None));
        assert_eq!(shown().listener, LinkState::Connected);
        other.show(|| (LinkState::Interrupted, Some("cut".into())));
        assert_eq!(
            (shown().listener, shown().listener_error.as_deref()),
            (LinkState::Interrupted, Some("cut"))
        );
        drop(other);
        assert_eq!((shown().listener, shown().listener_error), (LinkState::Connected, None));
        drop(one);
        assert_eq!(whole.link().0, LinkState::Idle);
    }
}
