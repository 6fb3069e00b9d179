//! What the log says of the work of an outbox: only what is new, and not each event.

use super::outcome::Outcome;
use crate::channel::BusName;
use crate::error::ErrorKind;

pub(super) struct Journal {
    bus: BusName,
    /// How events of the last batch failed.
    last: Vec<ErrorKind>,
    /// Something is tried again, and nothing was sent since.
    is_down: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Failed { kind: ErrorKind, failed: usize, error: String },
    CannotPublish(String),
    PublishesAgain,
}

impl Journal {
    pub(super) fn new(bus: BusName) -> Self {
        Self { bus, last: Vec::new(), is_down: false }
    }

    /// What there is to say of a batch. It is written once its events are counted and told.
    pub(super) fn note(&mut self, outcome: &Outcome) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut kinds: Vec<ErrorKind> = Vec::new();
        for first in &outcome.failed {
            let kind = first.error.kind();
            if kinds.contains(&kind) {
                continue;
            }
            kinds.push(kind);
            if !self.last.contains(&kind) {
                let failed = outcome.failed.iter().filter(|failed| failed.error.kind() == kind).count();
                lines.push(Line::Failed { kind, failed, error: first.error.to_string() });
            }
        }
        self.last = kinds;
        match &outcome.trouble {
            Some(error) if !self.is_down => {
                self.is_down = true;
                lines.push(Line::CannotPublish(error.clone()));
            }
            None if self.is_down && outcome.sent > 0 => {
                self.is_down = false;
                lines.push(Line::PublishesAgain);
            }
            _ => {}
        }
        lines
    }

    pub(super) fn write(&self, lines: Vec<Line>) {
        let bus = &self.bus;
        for line in lines {
            match line {
                Line::Failed { kind, failed, error } => {
                    tracing::warn!(%bus, ?kind, failed, error, "an outbox could not publish events, or not for sure");
                }
                Line::CannotPublish(error) => {
                    tracing::warn!(%bus, error, "an outbox can't publish, and tries again");
                }
                Line::PublishesAgain => tracing::info!(%bus, "an outbox publishes again"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;
    use crate::error::Error;
    use crate::outbox::parcel::{Failed, Parcel};

    fn batch(sent: u64, failures: &[ErrorKind], trouble: Option<&str>) -> Outcome {
        let failed = |kind: &ErrorKind| Failed {
            parcel: Parcel {
                position: 0,
                channel: Channel::from_full_name("b/k"),
                payload: bytes::Bytes::new(),
            },
            error: Error::new(*kind, "why"),
        };
        let trouble = trouble.map(str::to_owned);
        Outcome { sent, failed: failures.iter().map(failed).collect(), trouble, ..Outcome::default() }
    }

    #[test]
    fn each_cut_has_a_line_with_its_number_and_one_that_lasts_has_no_more() {
        use ErrorKind::{Denied, OutcomeUnknown};
        let mut journal = Journal::new(BusName::new("b").expect("a name"));
        let failed = |kind, failed| Line::Failed { kind, failed, error: "why".to_owned() };
        assert_eq!(journal.note(&batch(0, &[OutcomeUnknown; 3], None)), [failed(OutcomeUnknown, 3)]);
        assert_eq!(journal.note(&batch(0, &[OutcomeUnknown; 4], None)), []);
        assert_eq!(journal.note(&batch(1, &[], None)), []);
        let both = [OutcomeUnknown, Denied, OutcomeUnknown];
        assert_eq!(journal.note(&batch(1, &both, None)), [failed(OutcomeUnknown, 2), failed(Denied, 1)]);
    }

    #[test]
    fn it_publishes_again_once_something_was_sent() {
        let mut journal = Journal::new(BusName::new("b").expect("a name"));
        assert_eq!(journal.note(&batch(0, &[], Some("down"))), [Line::CannotPublish("down".to_owned())]);
        assert_eq!(journal.note(&batch(3, &[], Some("still"))), []);
        assert!(!journal.note(&batch(0, &[ErrorKind::Denied], None)).contains(&Line::PublishesAgain));
        assert_eq!(journal.note(&batch(0, &[], Some("down"))), []);
        assert_eq!(journal.note(&batch(1, &[], None)), [Line::PublishesAgain]);
    }
}
