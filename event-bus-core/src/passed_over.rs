//! Notices that a wait came upon while it looked for an event: kept for the next reads, in bounded space.

use std::collections::VecDeque;

use crate::delivery::Notice;
use crate::transport::Hole;

/// How many are kept one by one.
const MOST_KEPT: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct PassedOver {
    /// What became of the oldest: so many messages were missed, and so long an outage.
    folded: Hole,
    kept: VecDeque<Notice>,
    /// How many of these, from the front, the error of a wait has told.
    told: usize,
}

impl PassedOver {
    pub(crate) fn push(&mut self, notice: Notice) {
        self.kept.push_back(notice);
    }

    /// Whether room has to be [made](Self::fold_oldest): there are too many, or several of more than `most_bytes`.
    pub(crate) fn is_full(&self, most_bytes: usize) -> bool {
        self.kept.len() > MOST_KEPT || (self.kept.len() > 1 && self.bytes() > most_bytes)
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Notice> {
        if let Some(signal) = self.folded.take_next() {
            return Some(signal.into());
        }
        let notice = self.kept.pop_front()?;
        self.told = self.told.saturating_sub(1);
        Some(notice)
    }

    pub(crate) fn last(&self) -> Option<&Notice> {
        self.kept.back()
    }

    /// The first notice that no error has told yet. All count as told from now on.
    pub(crate) fn tell(&mut self) -> Option<&Notice> {
        let first_untold = std::mem::replace(&mut self.told, self.kept.len());
        self.kept.get(first_untold)
    }

    /// Makes room: the oldest, which an error must have told, is only counted from now on. `false` if none has.
    pub(crate) fn fold_oldest(&mut self) -> bool {
        if self.told == 0 {
            return false;
        }
        self.told -= 1;
        match self.kept.pop_front() {
            Some(Notice::Lagged { missed } | Notice::Gap { missed, .. }) => self.folded.lag(missed),
            Some(Notice::Interrupted) => self.folded.interrupt(),
            Some(Notice::Resumed { down_for }) => self.folded.resume(down_for),
            Some(_) => self.folded.lag(1), // a message that was no event
            None => {}
        }
        true
    }

    /// Of the messages that those hold which are kept.
    fn bytes(&self) -> usize {
        let bytes = self.kept.iter().map(|notice| match notice {
            Notice::UnknownType { raw, .. } | Notice::Undecodable { raw, .. } => raw.len(),
            _ => 0,
        });
        bytes.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use std::time::Duration;

    fn outage(passed_over: &mut PassedOver, seconds: u64) {
        passed_over.push(Notice::Interrupted);
        passed_over.push(Notice::Resumed { down_for: Duration::from_secs(seconds) });
    }

    #[test]
    fn what_is_folded_is_counted_and_adds_up_in_front_of_what_is_kept() {
        let mut passed_over = PassedOver::default();
        passed_over.push(Notice::Lagged { missed: 5 });
        outage(&mut passed_over, 2);
        passed_over.push(Notice::Lagged { missed: 7 });
        outage(&mut passed_over, 3);
        passed_over.push(Notice::Lagged { missed: 1 });
        assert!(!passed_over.fold_oldest(), "nothing has been told");
        assert!(matches!(passed_over.tell(), Some(Notice::Lagged { missed: 5 })));
        assert!(passed_over.tell().is_none(), "each is told once");
        assert!((0..6).all(|_| passed_over.fold_oldest()));
        assert!(matches!(passed_over.pop(), Some(Notice::Lagged { missed: 12 })));
        assert!(matches!(passed_over.pop(), Some(Notice::Interrupted)));
        assert!(matches!(passed_over.pop(), Some(Notice::Resumed { down_for }) if down_for.as_secs() == 5));
        assert!(matches!(passed_over.pop(), Some(Notice::Lagged { missed: 1 })));
        assert!(passed_over.pop().is_none());
    }

    #[test]
    fn one_large_message_is_kept_and_several_are_folded() {
        let large = || Notice::UnknownType {
            channel: Channel::from_full_name("b/k"),
            event_type: "new".into(),
            raw: vec![0; 600].into(),
        };
        let mut passed_over = PassedOver::default();
        passed_over.push(large());
        assert!(!passed_over.is_full(500), "one alone");
        passed_over.push(large());
        assert!(passed_over.is_full(1_000) && !passed_over.is_full(1_200));
        passed_over.tell();
        assert!(passed_over.fold_oldest() && !passed_over.is_full(1_000));
        assert!(matches!(passed_over.pop(), Some(Notice::Lagged { missed: 1 })));
        assert!(matches!(passed_over.pop(), Some(Notice::UnknownType { .. })));
        assert_eq!(passed_over.bytes(), 0);
    }

    #[test]
    fn an_outage_that_lasts_is_told_once_though_its_end_is_folded_later() {
        let mut passed_over = PassedOver::default();
        passed_over.push(Notice::Interrupted);
        passed_over.tell();
        assert!(passed_over.fold_oldest());
        assert!(matches!(passed_over.pop(), Some(Notice::Interrupted)));
        passed_over.push(Notice::Resumed { down_for: Duration::from_secs(1) });
        passed_over.tell();
        assert!(passed_over.fold_oldest());
        assert!(matches!(passed_over.pop(), Some(Notice::Resumed { .. })));
        assert!(passed_over.pop().is_none());
    }
}
