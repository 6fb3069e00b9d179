//! One event on its way out: encoded for each of its channels, the size rule applied, and afterwards each
//! channel's result put together.

use bytes::Bytes;

use crate::channel::Channel;
use crate::codec::{Envelope, Headers, SharedCodec};
use crate::error::{Error, ErrorKind, Result, TooLarge};
use crate::limit::{Oversize, marker};
use crate::message::Message;
use crate::receipt::Receipt;
use crate::sequence::{Number, Turn};
use crate::settings::SizeRule;

/// The channels of one event: each once, and mostly one, which then needs no list.
#[derive(Default)]
pub(crate) struct Channels {
    first: Option<Channel>,
    others: Vec<Channel>,
}

/// The messages of one event, or of some that go out together.
#[derive(Default)]
pub(crate) struct Outgoing {
    messages: Vec<Message>,
    /// One for each message, if the bus numbers them.
    numbers: Vec<Option<Number>>,
    bytes: usize,
}

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

impl Channels {
    /// The only one, if it is alone.
    pub(crate) fn into_only(mut self) -> std::result::Result<Channel, Self> {
        if self.others.is_empty()
            && let Some(only) = self.first.take()
        {
            return Ok(only);
        }
        Err(self)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.first.iter().chain(&self.others)
    }

    pub(crate) fn len(&self) -> usize {
        self.iter().count()
    }
}

impl From<Channel> for Channels {
    fn from(channel: Channel) -> Self {
        Self { first: Some(channel), others: Vec::new() }
    }
}

impl FromIterator<Channel> for Channels {
    fn from_iter<I: IntoIterator<Item = Channel>>(all: I) -> Self {
        let mut channels = Self::default();
        for channel in all {
            if channels.first.is_none() {
                channels.first = Some(channel);
            } else if !channels.iter().any(|known| *known == channel) {
                channels.others.push(channel);
            }
        }
        channels
    }
}

impl IntoIterator for Channels {
    type Item = Channel;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Channel>, std::vec::IntoIter<Channel>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.others)
    }
}

impl Outgoing {
    /// With room for so many messages.
    pub(crate) fn with_capacity(messages: usize) -> Self {
        Self { messages: Vec::with_capacity(messages), ..Self::default() }
    }

    /// Adds the messages of `event` with `headers`, all or none.
    pub(crate) fn add<E: 'static>(
        &mut self,
        channels: Channels,
        (event, headers): (&E, Headers),
        codec: &SharedCodec<E>,
        rule: SizeRule,
        turn: &mut Turn,
    ) -> Result<Pending> {
        let channels = match channels.into_only() {
            Ok(channel) if !turn.is_numbering() => {
                let (message, awaited) = single(channel, (event, headers), codec, rule)?;
                message.into_iter().for_each(|message| self.push(message));
                return Ok(Pending::of(awaited));
            }
            Ok(channel) => channel.into(),
            Err(channels) => channels,
        };
        let mut envelope = Envelope { payload: event, headers };
        let mut pending = Pending::default();
        let mut same_for_all: Option<Bytes> = None;
        let before = (self.messages.len(), self.numbers.len(), self.bytes);
        let mut channels = channels.into_iter().peekable();
        while let Some(channel) = channels.next() {
            let mut number = None;
            if turn.is_numbering() {
                number = turn.take(&channel, &mut envelope.headers);
            }
            let encoded = match same_for_all.take() {
                Some(bytes) => Ok(bytes),
                None => encode(&channel, &envelope, codec),
            };
            let bytes = match encoded {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.messages.truncate(before.0);
                    let taken = self.numbers.drain(before.1..).chain([number]);
                    taken.rev().flatten().for_each(|number| turn.give_back(&number));
                    self.bytes = before.2;
                    return Err(error);
                }
            };
            if codec.ignores_channel() && number.is_none() && channels.peek().is_some() {
                same_for_all = Some(bytes.clone());
            }
            pending.push(self.add_message(channel, bytes, rule, number, turn));
        }
        Ok(pending)
    }

    fn add_message(
        &mut self,
        channel: Channel,
        bytes: Bytes,
        rule: SizeRule,
        number: Option<Number>,
        turn: &mut Turn,
    ) -> Awaited {
        let (message, awaited) = admit(channel, bytes, rule);
        let number = number.filter(|number| {
            let is_sent = matches!(awaited, Awaited::Receipt);
            if !is_sent {
                turn.give_back(number);
            }
            is_sent
        });
        let Some(message) = message else { return awaited };
        if turn.is_numbering() {
            self.numbers.push(number);
        }
        self.push(message);
        awaited
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.payload().len();
        self.messages.push(message);
    }

    /// How many messages there are.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// How large they are together.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The messages; and the numbers that they have, for [`settle`].
    pub(crate) fn into_parts(self) -> (Vec<Message>, Vec<Option<Number>>) {
        (self.messages, self.numbers)
    }
}

/// One event for one channel, on a bus that numbers nothing, as [`Outgoing`] has it: the message, if one goes out, and what is
/// to be made of its outcome.
pub(crate) fn single<E: 'static>(
    channel: Channel,
    (event, headers): (&E, Headers),
    codec: &SharedCodec<E>,
    rule: SizeRule,
) -> Result<(Option<Message>, Awaited)> {
    let bytes = encode(&channel, &Envelope { payload: event, headers }, codec)?;
    Ok(admit(channel, bytes, rule))
}

fn encode<E: 'static>(channel: &Channel, envelope: &Envelope<&E>, codec: &SharedCodec<E>) -> Result<Bytes> {
    codec.encode(channel, envelope).map_err(|error| {
        let text = format!("the event for {channel} can't be encoded");
        Error::new(ErrorKind::Encode, text).with_channel(channel.clone()).with_source(error)
    })
}

/// Applies the size rule.
#[inline]
fn admit(channel: Channel, bytes: Bytes, rule: SizeRule) -> (Option<Message>, Awaited) {
    let (original, max) = (bytes.len() as u64, rule.limit.max_bytes());
    if original <= max {
        return (Some(Message::new(channel, bytes)), Awaited::Receipt);
    }
    instead(channel, original, max, rule.oversize)
}

/// What goes out in place of an event that is over the limit.
#[cold]
fn instead(channel: Channel, original: u64, max: u64, oversize: Oversize) -> (Option<Message>, Awaited) {
    match oversize {
        Oversize::Marker => {
            let marker = Message::new(channel, marker(original, max));
            (Some(marker), Awaited::MarkerReceipt { original, max })
        }
        Oversize::Reject => (None, Awaited::Rejected { original, max, channel }),
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
    fn of(awaited: Awaited) -> Self {
        let mut pending = Self::default();
        pending.push(awaited);
        pending
    }

    fn push(&mut self, awaited: Awaited) {
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
        let mut next = || sent.next().unwrap_or_else(|| Err(Error::no_outcome()));
        if self.receipts == 1 && self.others.is_empty() {
            return next().map(|receipt| vec![receipt]);
        }
        let awaited = std::iter::repeat_with(|| Awaited::Receipt).take(self.receipts).chain(self.others);
        together(awaited.map(|awaited| awaited.conclude(&mut next)).collect())
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
