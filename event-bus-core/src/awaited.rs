//! What an event on its way out waits for: a receipt for each channel, or what is told in place of one; and one result of them.

use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result, TooLarge};
use crate::receipt::Receipt;

/// What the channels of one event wait for.
#[derive(Default)]
pub(crate) struct Pending {
    /// So many receipts first: an event within the limit waits for nothing else.
    receipts: usize,
    others: Vec<Awaited>,
}

/// What one channel waits for.
pub(crate) enum Awaited {
    Receipt,
    /// The marker went out in place of the event, which has these sizes.
    MarkerReceipt {
        original: u64,
        max: u64,
    },
    /// Nothing went out.
    Rejected {
        original: u64,
        max: u64,
        channel: Channel,
    },
}

impl Pending {
    pub(crate) fn of(awaited: Awaited) -> Self {
        let mut pending = Self::default();
        pending.push(awaited);
        pending
    }

    pub(crate) fn push(&mut self, awaited: Awaited) {
        match awaited {
            Awaited::Receipt if self.others.is_empty() => self.receipts += 1,
            awaited => self.others.push(awaited),
        }
    }

    /// What can be said before anything is sent: that the event is over the limit, on the first channel where it is.
    pub(crate) fn over_limit(&self) -> Option<Error> {
        self.others.iter().find_map(|awaited| match awaited {
            Awaited::Receipt => None,
            Awaited::MarkerReceipt { original, max } => {
                Some(too_large(*original, *max, None, "a marker is going to tell listeners"))
            }
            Awaited::Rejected { original, max, channel } => Some(rejected(*original, *max, channel.clone())),
        })
    }

    /// The receipts of all channels, or one error, out of the results that the transport gave for the messages of this
    /// event and, behind them, others.
    pub(crate) fn conclude(self, sent: &mut impl Iterator<Item = Result<Receipt>>) -> Result<Vec<Receipt>> {
        if self.receipts + self.others.len() == 1 {
            return self.conclude_one(sent).map(|receipt| vec![receipt]);
        }
        let awaited = std::iter::repeat_with(|| Awaited::Receipt).take(self.receipts).chain(self.others);
        together(awaited.map(|awaited| awaited.conclude(|| next(sent))).collect())
    }

    /// As [`conclude`](Self::conclude), where there is one channel.
    pub(crate) fn conclude_one(
        mut self,
        sent: &mut impl Iterator<Item = Result<Receipt>>,
    ) -> Result<Receipt> {
        let awaited = self.others.pop().unwrap_or(Awaited::Receipt);
        awaited.conclude(|| next(sent))
    }

    /// As [`conclude`](Self::conclude), where no other event went out with this one.
    pub(crate) fn conclude_alone(self, sent: Vec<Result<Receipt>>) -> Result<Vec<Receipt>> {
        if self.others.is_empty() && self.receipts == sent.len() {
            return together(sent);
        }
        self.conclude(&mut sent.into_iter())
    }
}

impl Awaited {
    /// The receipt, or the error, out of what the transport said of the message, if one went out.
    #[inline]
    pub(crate) fn conclude(self, sent: impl FnOnce() -> Result<Receipt>) -> Result<Receipt> {
        match self {
            Self::Receipt => sent(),
            Self::MarkerReceipt { original, max } => Err(marker_error(original, max, sent())),
            Self::Rejected { original, max, channel } => Err(rejected(original, max, channel)),
        }
    }
}

fn next(sent: &mut impl Iterator<Item = Result<Receipt>>) -> Result<Receipt> {
    sent.next().unwrap_or_else(|| Err(Error::no_outcome()))
}

fn together(outcomes: Vec<Result<Receipt>>) -> Result<Vec<Receipt>> {
    if outcomes.len() == 1 || outcomes.iter().all(Result::is_ok) {
        return outcomes.into_iter().collect();
    }
    Err(Error::of_outcomes(outcomes))
}

fn marker_error(original: u64, max: u64, sent: Result<Receipt>) -> Error {
    match sent {
        Ok(receipt) => too_large(original, max, Some(true), "listeners were told by a marker")
            .with_channel(receipt.channel),
        Err(error) => {
            let channel = error.channel().cloned();
            let (sent, what) = if error.outcome_unknown() {
                (None, "whether its marker was sent is unknown")
            } else {
                (Some(false), "its marker could not be sent")
            };
            let error = too_large(original, max, sent, what).with_source(error);
            match channel {
                Some(channel) => error.with_channel(channel),
                None => error,
            }
        }
    }
}

fn rejected(original: u64, max: u64, channel: Channel) -> Error {
    too_large(original, max, Some(false), "nothing was sent").with_channel(channel)
}

fn too_large(original: u64, max: u64, marker_sent: Option<bool>, what_happened: &str) -> Error {
    let text = format!("the message of {original} bytes is over the limit of {max} bytes: {what_happened}");
    Error::new(ErrorKind::TooLarge, text).with_too_large(TooLarge::new(original, max, marker_sent))
}
