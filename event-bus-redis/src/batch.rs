//! Messages that share a round trip: the commands for them, what the answers mean, and what is still to be sent.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Message, Receipt, Result};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{RedisError, Value};

use crate::config::RedisConfig;
use crate::error::{Failure, harmless};

const PUBLISH: &str = "PUBLISH";

pub(crate) struct Batch {
    messages: Vec<Message>,
    results: Vec<Option<Result<Receipt>>>,
    /// The places of those that still have to be sent.
    left: Vec<usize>,
    last_error: Option<Error>,
}

impl Batch {
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        let left = (0..messages.len()).collect();
        let results = messages.iter().map(|_| None).collect();
        Self { messages, results, left, last_error: None }
    }

    /// How many still have to be sent.
    pub(crate) fn left(&self) -> usize {
        self.left.len()
    }

    /// Sends what is left, and returns an answer for each.
    pub(crate) async fn send(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> std::result::Result<Vec<Value>, RedisError> {
        let command = |place: &usize| {
            let message = &self.messages[*place];
            let (channel, payload) = (message.channel().as_str(), &message.payload()[..]);
            let mut command = redis::Cmd::with_capacity(3, PUBLISH.len() + channel.len() + payload.len());
            command.arg(PUBLISH).arg(channel).arg(payload);
            command
        };
        if let [place] = self.left.as_slice() {
            return connection.send_packed_command(&command(place)).await.map(|answer| vec![answer]);
        }
        let mut pipeline = redis::Pipeline::with_capacity(self.left.len());
        for place in &self.left {
            pipeline.add_command(command(place));
        }
        connection.req_packed_commands(&pipeline, 0, self.left.len()).await
    }

    /// The server's answers, in the order of what was left. What it could not do just now stays left. `false` if
    /// an answer was not one to a publish: then the connection is out of step.
    pub(crate) fn note(&mut self, answers: Vec<Value>, config: &RedisConfig) -> bool {
        let mut answers = answers.into_iter();
        let mut is_in_step = true;
        for place in std::mem::take(&mut self.left) {
            let channel = self.messages[place].channel().clone();
            let error = match answers.next() {
                Some(Value::Int(receivers)) => {
                    let receipt = Receipt::new(channel, u64::try_from(receivers).ok());
                    self.results[place] = Some(Ok(receipt));
                    continue;
                }
                Some(Value::ServerError(error)) => RedisError::from(error),
                _ => RedisError::from((redis::ErrorKind::UnexpectedReturnType, "no count of receivers")),
            };
            let (kind, text) = match Failure::of(&error) {
                Failure::NotNow => {
                    let not_ready = Error::new(ErrorKind::NotSent, "redis is not ready");
                    self.last_error = Some(not_ready.with_source(harmless(&error)));
                    self.left.push(place);
                    continue;
                }
                Failure::Denied => (
                    ErrorKind::Denied,
                    format!("redis does not let user {:?} publish on {channel}", config.user()),
                ),
                Failure::Refused | Failure::Unusable => {
                    (ErrorKind::Refused, format!("redis refuses to publish on {channel}"))
                }
                Failure::Connection => {
                    is_in_step = false;
                    (
                        ErrorKind::OutcomeUnknown,
                        format!("redis answered the publish on {channel} with nonsense"),
                    )
                }
            };
            let error = Error::new(kind, text).with_source(harmless(&error));
            self.results[place] = Some(Err(error.with_channel(channel)));
        }
        self.leave_out_overtaken();
        is_in_step
    }

    /// What the server could not do just now, and did for a later message of the same channel, is not sent any more: it
    /// would come behind that one.
    fn leave_out_overtaken(&mut self) {
        if self.left.is_empty() {
            return;
        }
        let is_out = |result: &Option<Result<Receipt>>| match result {
            Some(Ok(_)) => true,
            Some(Err(error)) => error.outcome_unknown(),
            None => false,
        };
        let done = self.messages.iter().zip(&self.results).enumerate();
        let last: HashMap<&str, usize> = done
            .filter(|(_, (_, result))| is_out(result))
            .map(|(place, (message, _))| (message.channel().as_str(), place))
            .collect();
        for place in std::mem::take(&mut self.left) {
            let channel = self.messages[place].channel();
            if last.get(channel.as_str()).is_none_or(|last| *last < place) {
                self.left.push(place);
                continue;
            }
            let text = format!("redis was not ready for the event for {channel}, and took a later one");
            let error = Error::new(ErrorKind::NotSent, text).with_channel(channel.clone());
            self.results[place] = Some(Err(error));
        }
    }

    /// The connection failed after everything had been handed to it.
    pub(crate) fn note_unknown(&mut self, error: &RedisError, config: &RedisConfig) {
        let server = config.server();
        let cause = if error.is_timeout() { "did not answer" } else { "was cut off" };
        for place in std::mem::take(&mut self.left) {
            let channel = self.messages[place].channel().clone();
            let text =
                format!("redis at {server} {cause}: the event for {channel} may or may not be published");
            let error = Error::new(ErrorKind::OutcomeUnknown, text).with_source(harmless(error));
            self.results[place] = Some(Err(error.with_channel(channel)));
        }
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
        for place in std::mem::take(&mut self.left) {
            let channel = self.messages[place].channel().clone();
            let text = format!("the event for {channel} was not sent in {attempts}{time}: {cause}");
            let mut error = Error::new(kind, text).with_channel(channel);
            if let Some(source) = &source {
                error = error.with_source(source.as_str());
            }
            self.results[place] = Some(Err(error));
        }
    }

    pub(crate) fn into_results(self) -> Vec<Result<Receipt>> {
        self.results.into_iter().flatten().collect()
    }
}

fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Closed | ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_bus_core::Channel;

    fn server_error(text: &str) -> Value {
        let bytes = format!("-{text}\r\n").into_bytes();
        redis::parse_redis_value(&bytes).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_the_server_was_not_ready_for_is_sent_again_unless_a_later_one_was_published() {
        let messages = ["b/1", "b/2", "b/1", "b/1"].map(Channel::from_full_name);
        let mut batch = Batch::new(messages.map(|channel| Message::new(channel, "")).into());
        let loading = || server_error("LOADING Redis is loading the dataset in memory");
        let answers = vec![loading(), loading(), Value::Int(1), loading()];
        assert!(batch.note(answers, &RedisConfig::from_url("redis://127.0.0.1").unwrap()));
        assert_eq!(batch.left, [1, 3]);
        assert_eq!(batch.results[0].as_ref().unwrap().as_ref().unwrap_err().kind(), ErrorKind::NotSent);
    }
}
