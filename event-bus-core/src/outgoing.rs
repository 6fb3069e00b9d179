//! One event on its way out: encoded for each of its channels, the size rule applied, and afterwards each
//! channel's result put together.

use bytes::Bytes;

use crate::channel::Channel;
use crate::codec::{Envelope, SharedCodec};
use crate::error::{Error, ErrorKind, Result, TooLarge};
use crate::limit::{Oversize, marker};
use crate::message::Message;
use crate::receipt::Receipt;
use crate::sequence::{Number, Turn};
use crate::settings::SizeRule;

/// The messages of one event.
pub(crate) struct Outgoing {
    messages: Vec<Message>,
    /// One for each message, if the bus numbers them.
    numbers: Vec<Option<Number>>,
    pending: Pending,
}

/// What each channel waits for.
pub(crate) struct Pending(Vec<Awaited>);

enum Awaited {
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

impl Outgoing {
    pub(crate) fn encode<E: 'static>(
        channels: Vec<Channel>,
        event: &E,
        codec: &SharedCodec<E>,
        rule: SizeRule,
        turn: &mut Turn,
    ) -> Result<Self> {
        let mut envelope = Envelope::new(event);
        let mut outgoing = Self {
            messages: Vec::with_capacity(channels.len()),
            numbers: Vec::new(),
            pending: Pending(Vec::with_capacity(channels.len())),
        };
        let mut same_for_all: Option<Bytes> = None;
        for channel in channels {
            let number;
            (envelope.headers, number) = turn.take(&channel);
            let bytes = match &same_for_all {
                Some(bytes) => bytes.clone(),
                None => codec.encode(&channel, &envelope).map_err(|error| {
                    outgoing
                        .numbers
                        .iter()
                        .chain([&number])
                        .rev()
                        .flatten()
                        .for_each(|it| turn.give_back(it));
                    Error::new(ErrorKind::Encode, format!("the event for {channel} can't be encoded"))
                        .with_channel(channel.clone())
                        .with_source(error)
                })?,
            };
            if codec.ignores_channel() && number.is_none() {
                same_for_all.get_or_insert_with(|| bytes.clone());
            }
            outgoing.add(channel, bytes, rule, number, turn);
        }
        Ok(outgoing)
    }

    fn add(
        &mut self,
        channel: Channel,
        bytes: Bytes,
        rule: SizeRule,
        number: Option<Number>,
        turn: &mut Turn,
    ) {
        let (original, max) = (bytes.len() as u64, rule.limit.max_bytes());
        let number = number.filter(|number| {
            let is_sent = original <= max;
            if !is_sent {
                turn.give_back(number);
            }
            is_sent
        });
        let (message, awaited) = match rule.oversize {
            _ if original <= max => (Some(Message::new(channel, bytes)), Awaited::Receipt),
            Oversize::Marker => {
                (Some(Message::new(channel, marker(original, max))), Awaited::MarkerReceipt { original, max })
            }
            Oversize::Reject => (None, Awaited::Rejected { original, max, channel }),
        };
        self.numbers.extend(message.as_ref().map(|_| number));
        self.messages.extend(message);
        self.pending.0.push(awaited);
    }

    pub(crate) fn into_messages(self) -> (Vec<Message>, Vec<Option<Number>>, Pending) {
        (self.messages, self.numbers, self.pending)
    }
}

/// Gives back the numbers of what was surely not published.
pub(crate) fn settle(mut turn: Turn, numbers: &[Option<Number>], sent: &[Result<Receipt>]) {
    for (number, result) in numbers.iter().zip(sent).rev() {
        if let (Some(number), Err(error)) = (number, result)
            && !error.outcome_unknown()
        {
            turn.give_back(number);
        }
    }
}

impl Pending {
    /// What can be said before anything is sent: that the event is over the limit, on the first channel where it is.
    pub(crate) fn over_limit(&self) -> Option<Error> {
        self.0.iter().find_map(|awaited| match awaited {
            Awaited::Receipt => None,
            Awaited::MarkerReceipt { original, max } => {
                Some(too_large(*original, *max, None, "a marker is going to tell listeners"))
            }
            Awaited::Rejected { original, max, channel } => Some(rejected(*original, *max, channel.clone())),
        })
    }

    /// The receipts of all channels, or one error, out of the results that the transport gave for the messages.
    pub(crate) fn conclude(self, sent: &mut impl Iterator<Item = Result<Receipt>>) -> Result<Vec<Receipt>> {
        let mut next = || sent.next().unwrap_or_else(|| Err(Error::no_outcome()));
        let outcomes = self.0.into_iter().map(|awaited| match awaited {
            Awaited::Receipt => next(),
            Awaited::MarkerReceipt { original, max } => Err(marker_error(original, max, next())),
            Awaited::Rejected { original, max, channel } => Err(rejected(original, max, channel)),
        });
        let mut outcomes: Vec<Result<Receipt>> = outcomes.collect();
        if outcomes.len() == 1 || outcomes.iter().all(Result::is_ok) {
            return outcomes.drain(..).collect();
        }
        Err(Error::of_outcomes(outcomes))
    }
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
