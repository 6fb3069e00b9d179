//! Messages that share a round trip: the commands for them, what the answers mean, and what is still to be sent.

mod shares;

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use event_bus_core::{Channel, Error, ErrorKind, Message, Receipt, Result};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{RedisError, Value};

use crate::config::{Publishing, RedisConfig};
use crate::error::{Failure, connect_error, harmless, not_sharded, of_a_cluster};
use crate::rights;

pub(crate) use shares::{Outcomes, Share, again};

/// What a message is published with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Publish,
    ShardPublish,
}

impl Command {
    /// The one for every message, if there is one.
    pub(crate) fn of_all(publishing: Publishing) -> Option<Self> {
        match publishing {
            Publishing::Classic => Some(Self::Publish),
            Publishing::Sharded => Some(Self::ShardPublish),
            Publishing::Both => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::ShardPublish => "SPUBLISH",
        }
    }

    pub(crate) fn of(self, message: &Message) -> redis::Cmd {
        let (name, channel, payload) = (self.name(), message.channel().as_str(), &message.payload()[..]);
        let mut command = redis::Cmd::with_capacity(3, name.len() + channel.len() + payload.len());
        command.arg(name).arg(channel).arg(payload);
        command
    }
}

pub(crate) struct Batch {
    command: Command,
    messages: Vec<Message>,
    /// None for those that still have to be sent.
    results: Vec<Option<Result<Receipt>>>,
    last_error: Option<Error>,
}

/// What the server answered: to one command without a list.
type Answers = std::iter::Chain<std::option::IntoIter<Value>, std::vec::IntoIter<Value>>;

impl Batch {
    pub(crate) fn new(messages: Vec<Message>, command: Command) -> Self {
        let results = messages.iter().map(|_| None).collect();
        Self { command, messages, results, last_error: None }
    }

    /// How many still have to be sent.
    pub(crate) fn left(&self) -> usize {
        self.results.iter().filter(|result| result.is_none()).count()
    }

    /// Sends what is left, and returns an answer for each.
    pub(crate) async fn send(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> std::result::Result<Answers, RedisError> {
        let left = self.left();
        if left == 1
            && let Some(only) = self.commands().next()
        {
            let answer = connection.send_packed_command(&only).await?;
            return Ok(Some(answer).into_iter().chain(Vec::new()));
        }
        let mut pipeline = redis::Pipeline::with_capacity(left);
        for command in self.commands() {
            pipeline.add_command(command);
        }
        let answers = connection.req_packed_commands(&pipeline, 0, left).await?;
        Ok(None.into_iter().chain(answers))
    }

    fn commands(&self) -> impl Iterator<Item = redis::Cmd> {
        let left = self.messages.iter().zip(&self.results).filter(|(_, result)| result.is_none());
        let command = self.command;
        left.map(move |(message, _)| command.of(message))
    }

    /// The server's answers, in the order of what was left. What it could not do just now stays left. `false` if
    /// an answer was not one to a publish: then the connection is out of step.
    pub(crate) fn note(&mut self, answers: impl IntoIterator<Item = Value>, config: &RedisConfig) -> bool {
        let mut answers = answers.into_iter();
        let mut is_in_step = true;
        let mut not_now = None;
        let command = self.command;
        self.settle(|_, channel| {
            let error = match answers.next() {
                Some(Value::Int(receivers)) => {
                    return Some(Ok(receipt(channel, receivers)));
                }
                Some(Value::ServerError(error)) => RedisError::from(error),
                _ => RedisError::from((redis::ErrorKind::UnexpectedReturnType, "no count of receivers")),
            };
            let (kind, text) = match Failure::of(&error) {
                Failure::NotNow => {
                    let not_ready = Error::new(ErrorKind::NotSent, "redis is not ready");
                    not_now = Some(not_ready.with_source(harmless(&error)));
                    return None;
                }
                Failure::Elsewhere if config.must_be_master() => {
                    let text = format!("redis at {} does not serve this channel any more", config.server());
                    not_now = Some(Error::new(ErrorKind::NotSent, text).with_source(harmless(&error)));
                    return None;
                }
                Failure::Elsewhere => (ErrorKind::Refused, of_a_cluster(&config.server())),
                Failure::Denied if error.code() == Some("NOAUTH") => {
                    (ErrorKind::Denied, connect_error(config, &error).to_string())
                }
                Failure::Denied => {
                    (ErrorKind::Denied, rights::to_publish(&config.user(), command.name(), channel.as_str()))
                }
                Failure::Unknown if command == Command::ShardPublish => {
                    (ErrorKind::Unsupported, not_sharded(&config.server(), command.name()))
                }
                Failure::Refused | Failure::Unknown | Failure::Unusable => {
                    (ErrorKind::Refused, format!("redis refuses to publish on {channel}"))
                }
                Failure::Connection | Failure::Unready => {
                    is_in_step = false;
                    (
                        ErrorKind::OutcomeUnknown,
                        format!("redis answered the publish on {channel} with nonsense"),
                    )
                }
            };
            let error = Error::new(kind, text).with_source(harmless(&error));
            Some(Err(error.with_channel(channel.clone())))
        });
        if not_now.is_some() {
            self.last_error = not_now;
            self.leave_out_overtaken();
        }
        is_in_step
    }

    /// What the server could not do just now, and did for a later message of the same channel, is not sent any more: it
    /// would come behind that one.
    fn leave_out_overtaken(&mut self) {
        let is_out = |result: &Option<Result<Receipt>>| match result {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.outcome_unknown(),
            None => false,
        };
        let done = self.messages.iter().zip(&self.results).enumerate();
        let last: HashMap<Channel, usize> = done
            .filter(|(_, (_, result))| is_out(result))
            .map(|(place, (message, _))| (message.channel().clone(), place))
            .collect();
        self.settle(|place, channel| {
            if last.get(channel).is_none_or(|last| *last < place) {
                return None;
            }
            let text = format!("redis was not ready for the event for {channel}, and took a later one");
            Some(Err(Error::new(ErrorKind::NotSent, text).with_channel(channel.clone())))
        });
    }

    /// Gives what is left its result, in order, or leaves it; by its place and channel.
    fn settle(&mut self, mut outcome: impl FnMut(usize, &Channel) -> Option<Result<Receipt>>) {
        let all = self.messages.iter().zip(&mut self.results).enumerate();
        for (place, (message, result)) in all.filter(|(_, (_, result))| result.is_none()) {
            *result = outcome(place, message.channel());
        }
    }

    /// The connection failed after everything had been handed to it.
    pub(crate) fn note_unknown(&mut self, error: &RedisError, config: &RedisConfig) {
        let server = config.server();
        let cause = if error.is_timeout() { "did not answer" } else { "was cut off" };
        self.settle(|_, channel| {
            let text =
                format!("redis at {server} {cause}: the event for {channel} may or may not be published");
            let error = Error::new(ErrorKind::OutcomeUnknown, text).with_source(harmless(error));
            Some(Err(error.with_channel(channel.clone())))
        });
    }

    /// What is left could not be sent this time, for this reason.
    pub(crate) fn note_unsent(&mut self, error: Error) {
        self.last_error = Some(error);
    }

    /// Whether trying again can't help.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.last_error.as_ref().is_some_and(|error| is_final(error.kind()))
    }

    /// What is left won't be sent: not after so many attempts, or not `within` the time for them.
    pub(crate) fn give_up(&mut self, attempts: u32, within: Option<Duration>) {
        let last = self.last_error.take();
        let kind =
            last.as_ref().map(Error::kind).filter(|kind| is_final(*kind)).unwrap_or(ErrorKind::NotSent);
        let cause = last.as_ref().map(ToString::to_string).unwrap_or_default();
        let source = last.as_ref().and_then(|error| error.source()).map(ToString::to_string);
        let attempts = if attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
        let time = within.map(|time| format!(" within {time:?}")).unwrap_or_default();
        self.settle(|_, channel| {
            let text = format!("the event for {channel} was not sent in {attempts}{time}: {cause}");
            let error = Error::new(kind, text).with_channel(channel.clone());
            Some(Err(match &source {
                Some(source) => error.with_source(source.as_str()),
                None => error,
            }))
        });
    }

    pub(crate) fn into_results(self) -> Vec<Result<Receipt>> {
        let unsettled = || Err(Error::new(ErrorKind::NotSent, "the event was not sent"));
        self.results.into_iter().map(|result| result.unwrap_or_else(unsettled)).collect()
    }
}

/// The result of the only message.
pub(crate) fn only(results: Vec<Result<Receipt>>) -> Result<Receipt> {
    let unsettled = || Err(Error::new(ErrorKind::OutcomeUnknown, "nothing is known of the event"));
    results.into_iter().next().unwrap_or_else(unsettled)
}

pub(crate) fn receipt(channel: &Channel, receivers: i64) -> Receipt {
    Receipt::new(channel.clone(), u64::try_from(receivers).ok())
}

fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Closed | ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error(text: &str) -> Value {
        let bytes = format!("-{text}\r\n").into_bytes();
        redis::parse_redis_value(&bytes).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_the_server_was_not_ready_for_is_sent_again_unless_a_later_one_was_published() {
        let messages = ["b/1", "b/2", "b/1", "b/1"].map(Channel::from_full_name);
        let mut batch =
            Batch::new(messages.map(|channel| Message::new(channel, "")).into(), Command::Publish);
        let loading = || server_error("LOADING Redis is loading the dataset in memory");
        let answers = vec![loading(), loading(), Value::Int(1), loading()];
        assert!(batch.note(answers, &RedisConfig::from_url("redis://127.0.0.1").unwrap()));
        let left: Vec<usize> = (0..4).filter(|place| batch.results[*place].is_none()).collect();
        assert_eq!(left, [1, 3]);
        assert_eq!(batch.results[0].as_ref().unwrap().as_ref().unwrap_err().kind(), ErrorKind::NotSent);
    }
}
