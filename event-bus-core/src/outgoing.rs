//! One event on its way out: encoded for each of its channels, and the size rule applied.

use bytes::Bytes;

use crate::awaited::{Awaited, Pending};
use crate::channel::Channel;
use crate::codec::{Envelope, Headers, SharedCodec};
use crate::error::{Error, ErrorKind, Result};
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
        let channels = if turn.is_numbering() { Err(channels) } else { channels.into_only() };
        let channels = match channels {
            Ok(channel) => {
                let (message, awaited) = single(channel, (event, headers), codec, rule)?;
                message.into_iter().for_each(|message| self.push(message));
                return Ok(Pending::of(awaited));
            }
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
            && !error.may_have_gone_out()
        {
            turn.give_back(number);
        }
    }
}
