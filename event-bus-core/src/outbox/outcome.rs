//! What became of a batch: what was sent, what failed for good, and what can be sent again without breaking the order.

use std::collections::HashSet;

use super::parcel::{Failed, Parcel};
use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result};
use crate::receipt::Receipt;

#[derive(Default)]
pub(super) struct Outcome {
    pub(super) sent: u64,
    pub(super) failed: Vec<Failed>,
    /// Surely not sent, and nothing behind it on its channel was; in order.
    pub(super) again: Vec<Parcel>,
    /// Why it is to be sent again.
    pub(super) trouble: Option<String>,
}

impl Outcome {
    /// Of a batch, by what the transport says of each of its messages.
    pub(super) fn of(
        batch: impl DoubleEndedIterator<Item = Parcel> + ExactSizeIterator,
        mut results: Vec<Result<Receipt>>,
    ) -> Self {
        results.truncate(batch.len());
        while results.len() < batch.len() {
            results.push(Err(Error::no_outcome()));
        }
        let mut outcome = Self::default();
        if results.iter().all(Result::is_ok) {
            outcome.sent = results.len() as u64;
            return outcome;
        }
        let mut passed: HashSet<Channel> = HashSet::new();
        // From the end: whether one can be sent again depends on those behind it.
        for (parcel, result) in batch.rev().zip(results.into_iter().rev()) {
            outcome.add(parcel, result, &mut passed);
        }
        outcome.failed.reverse();
        outcome.again.reverse();
        outcome
    }

    /// Whether something is to be tried again.
    pub(super) fn is_failing(&self) -> bool {
        !self.again.is_empty()
    }

    /// `passed` are the channels on which a later message of the batch was published, or may have been.
    fn add(&mut self, parcel: Parcel, result: Result<Receipt>, passed: &mut HashSet<Channel>) {
        let Err(error) = result else {
            self.sent += 1;
            passed.insert(parcel.channel.clone());
            return;
        };
        if error.may_have_gone_out() {
            passed.insert(parcel.channel.clone());
        }
        match error.is_retryable() {
            true if passed.contains(&parcel.channel) => {
                let error = overtaken(&parcel.channel, error);
                self.failed.push(Failed { parcel, error });
            }
            true => {
                self.trouble.get_or_insert_with(|| error.to_string());
                self.again.push(parcel);
            }
            false => self.failed.push(Failed { parcel, error }),
        }
    }
}

/// Sent late, it would be taken for the newest.
fn overtaken(channel: &Channel, error: Error) -> Error {
    let text = format!(
        "the event for {channel} was not sent, and a later one was: sending it now would change their order"
    );
    Error::new(ErrorKind::NotSent, text).with_channel(channel.clone()).with_source(error)
}
