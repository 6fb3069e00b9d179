//! Messages that share a round trip to one server: the commands for them, and what the answers mean.

mod progress;
mod shares;

use event_bus_core::{Bytes, Channel, Error, ErrorKind, Message, Receipt, Result};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{RedisError, Value};

use crate::config::{Listening, Publishing, RedisConfig};
use crate::error::{Failure, connect_error, harmless, not_sharded, of_a_cluster};
use crate::rights;

pub(crate) use progress::{Outcomes, Progress};
pub(crate) use shares::{Divided, Share, again};

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

    /// The one that is heard there.
    pub(crate) fn heard_by(listening: Listening) -> Self {
        match listening {
            Listening::Classic => Self::Publish,
            Listening::Sharded => Self::ShardPublish,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::ShardPublish => "SPUBLISH",
        }
    }

    pub(crate) fn of(self, channel: &Channel, payload: &[u8]) -> redis::Cmd {
        let (name, channel) = (self.name(), channel.as_str());
        let mut command = redis::Cmd::with_capacity(3, name.len() + channel.len() + payload.len());
        command.arg(name).arg(channel).arg(payload);
        command
    }
}

pub(crate) struct Batch {
    command: Command,
    /// Of each message, until it is sent for the first time: what waits for that holds nothing twice.
    payloads: Vec<Bytes>,
    /// For each message, from then on.
    commands: redis::Pipeline,
    pub(crate) progress: Progress,
}

/// What the server answered: to one command without a list.
type Answers = std::iter::Chain<std::option::IntoIter<Value>, std::vec::IntoIter<Value>>;

impl Batch {
    pub(crate) fn new(messages: Vec<Message>, command: Command) -> Self {
        let (channels, payloads) = messages.into_iter().map(Message::into_parts).unzip();
        Self { command, payloads, commands: redis::Pipeline::new(), progress: Progress::of(channels) }
    }

    /// Sends what is left, and returns an answer for each.
    pub(crate) async fn send(
        &mut self,
        connection: &mut MultiplexedConnection,
    ) -> std::result::Result<Answers, RedisError> {
        if !self.payloads.is_empty() {
            self.pack();
        }
        let left = self.progress.left();
        let mut commands = self.progress.left_of(self.commands.cmd_iter()).map(|(_, command)| command);
        if left == 1
            && let Some(only) = commands.next()
        {
            let answer = connection.send_packed_command(only).await?;
            return Ok(Some(answer).into_iter().chain(Vec::new()));
        }
        let some;
        let pipeline = if left == self.commands.len() {
            &self.commands
        } else {
            some = pipeline_of(left, commands.cloned());
            &some
        };
        let answers = connection.req_packed_commands(pipeline, 0, left).await?;
        Ok(None.into_iter().chain(answers))
    }

    fn pack(&mut self) {
        let payloads = std::mem::take(&mut self.payloads);
        let (command, channels) = (self.command, self.progress.channels());
        // Each payload is let go before the next one is packed: that then stands where it stood, in the cache.
        let commands = channels.iter().zip(payloads).map(|(channel, payload)| command.of(channel, &payload));
        self.commands = pipeline_of(channels.len(), commands);
    }

    /// The server's answers, in the order of what was left. What it could not do just now stays left. `false` if
    /// an answer was not one to a publish: then the connection is out of step.
    pub(crate) fn note(&mut self, answers: impl IntoIterator<Item = Value>, config: &RedisConfig) -> bool {
        let mut answers = answers.into_iter();
        let mut is_in_step = true;
        let mut not_now = None;
        let command = self.command;
        self.progress.settle(|_, channel| {
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
        if let Some(not_now) = not_now {
            self.progress.note_unsent(not_now);
            self.progress.leave_out_overtaken();
        }
        is_in_step
    }

    /// The connection failed after everything had been handed to it.
    pub(crate) fn note_unknown(&mut self, error: &RedisError, config: &RedisConfig) {
        let server = config.server();
        let cause = if error.is_timeout() { "did not answer" } else { "was cut off" };
        self.progress.settle(|_, channel| {
            let text =
                format!("redis at {server} {cause}: the event for {channel} may or may not be published");
            let error = Error::new(ErrorKind::OutcomeUnknown, text).with_source(harmless(error));
            Some(Err(error.with_channel(channel.clone())))
        });
    }
}

fn pipeline_of(count: usize, commands: impl Iterator<Item = redis::Cmd>) -> redis::Pipeline {
    let mut pipeline = redis::Pipeline::with_capacity(count);
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

/// The result of the only message.
pub(crate) fn only(results: Vec<Result<Receipt>>) -> Result<Receipt> {
    let unsettled = || Err(Error::new(ErrorKind::OutcomeUnknown, "nothing is known of the event"));
    results.into_iter().next().unwrap_or_else(unsettled)
}

pub(crate) fn receipt(channel: &Channel, receivers: i64) -> Receipt {
    Receipt::new(channel.clone(), u64::try_from(receivers).ok())
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
        let left: Vec<usize> = batch.progress.left_of(0..4).map(|(place, _)| place).collect();
        assert_eq!(left, [1, 3]);
        let results = batch.progress.into_results();
        assert_eq!(results[0].as_ref().map_err(Error::kind), Err(ErrorKind::NotSent));
    }
}
