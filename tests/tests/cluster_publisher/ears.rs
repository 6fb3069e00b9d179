//! Plain connections that hear what is published, and one that sees what is executed: the truth to compare outcomes with.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use event_bus_core::{Error, ErrorKind, Receipt};
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisResult, Value};
use tokio::task::AbortHandle;

/// What was heard: the key and the number of each event, in order.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<(String, u64)>>>);

/// A connection that listens as any client does, for as long as it is kept.
pub(crate) struct Ear(MultiplexedConnection);

impl Heard {
    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, key: &str) -> Vec<u64> {
        self.all().into_iter().filter(|(heard, _)| heard == key).map(|(_, number)| number).collect()
    }

    pub(crate) async fn ear(&self, address: &str) -> Ear {
        let heard = self.clone();
        let config = AsyncConnectionConfig::new().set_push_sender(move |push| -> Result<(), Infallible> {
            heard.push(&push);
            Ok(())
        });
        let client = Client::open(format!("redis://{address}/?protocol=resp3")).unwrap();
        Ear(client.get_multiplexed_async_connection_with_config(&config).await.unwrap())
    }

    fn push(&self, push: &PushInfo) {
        if let (PushKind::Message | PushKind::SMessage, [channel, payload]) = (&push.kind, &push.data[..]) {
            let text = |value| redis::from_redis_value_ref::<String>(value).unwrap();
            let channel = text(channel);
            let key = channel.strip_prefix("numbered/").unwrap().to_owned();
            self.0.lock().unwrap().push((key, number_in(&text(payload))));
        }
    }
}

impl Ear {
    /// With `SUBSCRIBE` or `SSUBSCRIBE`.
    pub(crate) async fn listen(&mut self, command: &str, key: &str) -> RedisResult<Value> {
        redis::cmd(command).arg(format!("numbered/{key}")).query_async(&mut self.0).await
    }
}

/// Sees the publishes that one server executes, of whatever outcome; not what another one passes on to it.
pub(crate) struct Executed {
    numbers: Arc<Mutex<Vec<u64>>>,
    task: AbortHandle,
}

impl Executed {
    pub(crate) async fn at(address: &str) -> Self {
        let client = Client::open(format!("redis://{address}")).unwrap();
        let monitor = client.get_async_monitor().await.unwrap();
        let numbers = Arc::<Mutex<Vec<u64>>>::default();
        let seen = Arc::clone(&numbers);
        let task = tokio::spawn(async move {
            let mut lines = monitor.into_on_message::<String>();
            while let Some(line) = lines.next().await {
                if line.to_uppercase().contains("PUBLISH\" ") {
                    seen.lock().unwrap().push(number_in(&line.replace('\\', "")));
                }
            }
        });
        Self { numbers, task: task.abort_handle() }
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.numbers.lock().unwrap().clone()
    }
}

impl Drop for Executed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn number_in(text: &str) -> u64 {
    let (_, rest) = text.split_once("\"number\":").expect("an event of ours");
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// What publishers were told of each event.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) acked: Vec<u64>,
    pub(crate) unknown: Vec<u64>,
    pub(crate) not_sent: Vec<u64>,
}

impl Books {
    pub(crate) fn note(&mut self, number: u64, outcome: &Result<Receipt, Error>) {
        match outcome.as_ref().map_err(Error::kind) {
            Ok(_) => self.acked.push(number),
            Err(ErrorKind::OutcomeUnknown) => self.unknown.push(number),
            Err(ErrorKind::NotSent) => self.not_sent.push(number),
            Err(kind) => panic!("{kind:?} of {number}: {outcome:?}"),
        }
    }

    pub(crate) fn published(&self) -> usize {
        self.acked.len() + self.unknown.len() + self.not_sent.len()
    }

    /// What was told as not sent was heard by nobody, and nothing was heard twice by one.
    pub(crate) fn check(&self, heard: &[u64]) {
        let mut times = BTreeMap::<u64, usize>::new();
        heard.iter().for_each(|number| *times.entry(*number).or_default() += 1);
        let lies: Vec<_> = self.not_sent.iter().filter(|number| times.contains_key(*number)).collect();
        assert!(lies.is_empty(), "heard, and told as not sent: {lies:?}");
        let doubles: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(doubles.is_empty(), "heard more than once: {doubles:?}");
    }

    /// How many of the events that were acknowledged were not heard.
    pub(crate) fn lost(&self, heard: &[u64]) -> usize {
        self.acked.iter().filter(|number| !heard.contains(number)).count()
    }
}
