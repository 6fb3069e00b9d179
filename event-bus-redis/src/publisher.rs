//! Publishing: a few shared connections ("lanes"), taken out of the pool once and replaced through it when they
//! break. Taking one per publish would cost a round trip each and prevent the server from working in batches.

use std::error::Error as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime, TimeoutType};
use event_bus_core::transport::{Backoff, LinkHealth, LinkState};
use event_bus_core::{Error, ErrorKind, Message, Receipt, Result};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisError, Value};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::RedisConfig;
use crate::error::{Failure, connect_error};
use crate::status::Status;

pub(crate) struct Publisher {
    config: Arc<RedisConfig>,
    pool: Pool,
    lanes: Box<[Lane]>,
    permits: Semaphore,
    /// Counts connections that the pool lost. A lane that was opened before the last one may be dead, and is
    /// tested before it is used: an idle lane's death is noticed without a publish being lost to it.
    disconnects: Arc<AtomicU64>,
    serials: AtomicU64,
    status: Arc<Status>,
}

#[derive(Default)]
struct Lane {
    open: RwLock<Option<Open>>,
    /// What the pool lent us. Locked while the lane is being replaced, so that one task does it.
    lent: Mutex<Option<Connection>>,
}

/// A connection in use, and how many disconnects there had been when it was found alive.
#[derive(Clone)]
struct Open {
    connection: MultiplexedConnection,
    disconnects: u64,
    /// Tells it from the one that replaces it.
    serial: u64,
}

impl Publisher {
    pub(crate) fn new(config: Arc<RedisConfig>) -> Result<Self> {
        let disconnects = Arc::new(AtomicU64::new(0));
        let status = Arc::new(Status::new(LinkState::Idle));
        let pool = pool(&config, &disconnects, &status)
            .map_err(|text| Error::new(ErrorKind::InvalidConfig, "no pool can be built").with_source(text))?;
        let lanes = (0..config.lanes).map(|_| Lane::default()).collect();
        let permits = Semaphore::new(config.max_in_flight.min(Semaphore::MAX_PERMITS));
        let serials = AtomicU64::new(0);
        Ok(Self { config, pool, lanes, permits, disconnects, serials, status })
    }

    /// Opens every lane and waits for an answer on each.
    pub(crate) async fn connect(&self) -> Result<()> {
        let deadline = Instant::now() + self.config.connect_timeout + self.config.response_timeout;
        for lane in &self.lanes {
            let mut open = self.open(lane, deadline).await?;
            let answer = redis::cmd("PING").query_async::<String>(&mut open.connection).await;
            answer.map_err(|error| connect_error(&self.config.server(), self.config.user(), error))?;
        }
        Ok(())
    }

    pub(crate) async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        let deadline = Instant::now() + self.config.publish_timeout;
        if let [lane] = &*self.lanes {
            let mut batch = Batch::new(messages);
            self.publish_on(lane, &mut batch, deadline).await;
            return batch.results();
        }
        let lane_of = |message: &Message| lane_number(message.channel().as_str(), self.lanes.len());
        let total = messages.len();
        let mut results: Vec<Option<Result<Receipt>>> = (0..total).map(|_| None).collect();
        let mut messages: Vec<(usize, Message)> = messages.into_iter().enumerate().collect();
        for (number, lane) in self.lanes.iter().enumerate() {
            let (here, elsewhere) = messages.into_iter().partition(|(_, message)| lane_of(message) == number);
            messages = elsewhere;
            let (places, here): (Vec<usize>, Vec<Message>) = Vec::into_iter(here).unzip();
            if !here.is_empty() {
                let mut batch = Batch::new(here);
                self.publish_on(lane, &mut batch, deadline).await;
                places
                    .into_iter()
                    .zip(batch.results())
                    .for_each(|(place, result)| results[place] = Some(result));
            }
        }
        results.into_iter().flatten().collect()
    }

    /// Tries again what surely did not run, until the deadline.
    async fn publish_on(&self, lane: &Lane, batch: &mut Batch, deadline: Instant) {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        loop {
            match self.attempt(lane, batch, deadline).await {
                Ok(()) if batch.left.is_empty() => return,
                Ok(()) => {} // the server said «not now»
                Err(error) => batch.last_error = Some(error),
            }
            let next = Instant::now() + backoff.delay();
            if next >= deadline || batch.is_hopeless() {
                return batch.give_up(&self.config);
            }
            sleep_until(next).await;
        }
    }

    async fn attempt(&self, lane: &Lane, batch: &mut Batch, deadline: Instant) -> Result<()> {
        let _permits = self.permits(batch.left.len(), deadline).await?;
        let mut open = self.open(lane, deadline).await?;
        match batch.send(&mut open.connection).await {
            Ok(answers) => batch.note(answers, &self.config),
            Err(error) => {
                lane.close(&open);
                self.status.set(LinkState::Interrupted, Some(&error));
                batch.note_unknown(&error, &self.config);
            }
        }
        Ok(())
    }

    async fn permits(&self, messages: usize, deadline: Instant) -> Result<SemaphorePermit<'_>> {
        let wanted = u32::try_from(messages.min(self.config.max_in_flight)).unwrap_or(u32::MAX);
        if let Ok(permits) = self.permits.try_acquire_many(wanted) {
            return Ok(permits);
        }
        match timeout_at(deadline, self.permits.acquire_many(wanted)).await {
            Ok(Ok(permits)) => Ok(permits),
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                let text = format!("{} publishes are waiting for redis already", self.config.max_in_flight);
                Err(Error::new(ErrorKind::NotSent, text))
            }
        }
    }

    /// The lane's connection; made, or made anew, where there is none that is surely alive.
    async fn open(&self, lane: &Lane, deadline: Instant) -> Result<Open> {
        if let Some(open) = lane.current(self.disconnects.load(Ordering::Acquire)) {
            return Ok(open);
        }
        let timed_out = |_| Error::new(ErrorKind::NotConnected, self.no_connection());
        let mut lent = timeout_at(deadline, lane.lent.lock()).await.map_err(timed_out)?;
        let disconnects = self.disconnects.load(Ordering::Acquire);
        if let Some(open) = lane.current(disconnects) {
            return Ok(open); // another task has just done it
        }
        let suspect = lent.take();
        if lane.is_open() {
            drop(suspect); // back into the pool, which tests it before it lends it again
        } else if let Some(broken) = suspect {
            drop(Connection::take(broken)); // the pool would wait for it to answer
        }
        self.status.set_if(LinkState::Idle, LinkState::Connecting);
        let connection = match timeout_at(deadline, self.pool.get()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(self.pool_error(error)),
            Err(elapsed) => return Err(timed_out(elapsed)),
        };
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        let open = Open { connection: (*connection).clone(), disconnects, serial };
        lane.set(Some(open.clone()));
        *lent = Some(connection);
        self.status.set(LinkState::Connected, None);
        Ok(open)
    }

    fn pool_error(&self, error: PoolError) -> Error {
        let error = match error {
            PoolError::Closed => return closed(),
            PoolError::Backend(error) => error,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle | TimeoutType::Wait)
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => {
                RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
            }
        };
        self.status.set(LinkState::Interrupted, Some(&error));
        connect_error(&self.config.server(), self.config.user(), error)
    }

    fn no_connection(&self) -> String {
        format!("no connection to redis at {} in time", self.config.server())
    }

    pub(crate) fn close(&self) {
        self.pool.close();
        self.permits.close();
        self.lanes.iter().for_each(|lane| lane.set(None));
        self.status.set(LinkState::Closed, None);
    }

    pub(crate) fn health(&self) -> LinkHealth {
        self.status.health()
    }
}

fn pool(
    config: &RedisConfig,
    disconnects: &Arc<AtomicU64>,
    status: &Arc<Status>,
) -> std::result::Result<Pool, String> {
    let (counter, status) = (Arc::clone(disconnects), Arc::clone(status));
    let count_disconnects = move |push: PushInfo| -> std::result::Result<(), std::convert::Infallible> {
        if push.kind == PushKind::Disconnection {
            counter.fetch_add(1, Ordering::Release);
            status.set(LinkState::Interrupted, Some(&"a connection ended"));
        }
        Ok(())
    };
    let connection_config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(Some(config.response_timeout))
        .set_push_sender(count_disconnects);
    let manager =
        Manager::new_with_config(config.connection_info(), connection_config).map_err(|e| e.to_string())?;
    let pool = Pool::builder(manager)
        .max_size(config.lanes)
        .wait_timeout(Some(config.connect_timeout))
        .create_timeout(Some(config.connect_timeout))
        .recycle_timeout(Some(config.response_timeout.min(Duration::from_millis(500))))
        .runtime(Runtime::Tokio1)
        .build();
    pool.map_err(|error| error.to_string())
}

impl Lane {
    fn current(&self, disconnects: u64) -> Option<Open> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|open| open.disconnects == disconnects).cloned()
    }

    fn is_open(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn set(&self, open: Option<Open>) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// `broken` failed: the next publish opens the lane anew, unless that has happened already.
    fn close(&self, broken: &Open) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_some_and(|open| open.serial == broken.serial) {
            *open = None;
        }
    }
}

/// Messages that share a round trip, and what has become of each so far.
struct Batch {
    messages: Vec<Message>,
    results: Vec<Option<Result<Receipt>>>,
    /// The places of those that still have to be sent.
    left: Vec<usize>,
    last_error: Option<Error>,
}

impl Batch {
    fn new(messages: Vec<Message>) -> Self {
        let left = (0..messages.len()).collect();
        let results = messages.iter().map(|_| None).collect();
        Self { messages, results, left, last_error: None }
    }

    async fn send(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> std::result::Result<Vec<Value>, RedisError> {
        let command = |place: &usize| {
            let message = &self.messages[*place];
            let mut command = redis::cmd("PUBLISH");
            command.arg(message.channel().as_str()).arg(&message.payload()[..]);
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

    /// The server's answers, in the order of what was left. What it could not do just now stays left.
    fn note(&mut self, answers: Vec<Value>, config: &RedisConfig) {
        let mut answers = answers.into_iter();
        for place in std::mem::take(&mut self.left) {
            let channel = self.messages[place].channel().clone();
            let error = match answers.next() {
                Some(Value::Int(receivers)) => {
                    self.results[place] = Some(Ok(Receipt::new(channel, u64::try_from(receivers).ok())));
                    continue;
                }
                Some(Value::ServerError(error)) => RedisError::from(error),
                _ => RedisError::from((redis::ErrorKind::UnexpectedReturnType, "no count of receivers")),
            };
            let (kind, text) = match Failure::of(&error) {
                Failure::NotNow => {
                    self.last_error =
                        Some(Error::new(ErrorKind::NotSent, "redis is not ready").with_source(error));
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
                Failure::Connection => (
                    ErrorKind::OutcomeUnknown,
                    format!("redis answered the publish on {channel} with nonsense"),
                ),
            };
            self.results[place] = Some(Err(Error::new(kind, text).with_source(error).with_channel(channel)));
        }
    }

    /// The connection failed after everything had been handed to it.
    fn note_unknown(&mut self, error: &RedisError, config: &RedisConfig) {
        for place in std::mem::take(&mut self.left) {
            let channel = self.messages[place].channel().clone();
            let cause = if error.is_timeout() { "did not answer" } else { "was cut off" };
            let text = format!(
                "redis at {} {cause}: the event for {channel} may or may not be published",
                config.server()
            );
            let error = Error::new(ErrorKind::OutcomeUnknown, text).with_source(error.clone());
            self.results[place] = Some(Err(error.with_channel(channel)));
        }
    }

    /// Whether trying again can't help.
    fn is_hopeless(&self) -> bool {
        let kind = self.last_error.as_ref().map(Error::kind);
        matches!(
            kind,
            Some(ErrorKind::Closed | ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Refused)
        )
    }

    fn give_up(&mut self, config: &RedisConfig) {
        let last = self.last_error.take();
        let kind = match last.as_ref().map(Error::kind) {
            Some(
                kind @ (ErrorKind::Closed | ErrorKind::Denied | ErrorKind::Unsupported | ErrorKind::Refused),
            ) => kind,
            _ => ErrorKind::NotSent,
        };
        let cause = last.as_ref().map(ToString::to_string).unwrap_or_default();
        let source = last.as_ref().and_then(|error| error.source()).map(ToString::to_string);
        for place in std::mem::take(&mut self.left) {
            let channel = self.messages[place].channel().clone();
            let text = match kind {
                ErrorKind::NotSent => {
                    format!(
                        "the event for {channel} was not sent within {:?}: {cause}",
                        config.publish_timeout
                    )
                }
                _ => format!("the event for {channel} was not sent: {cause}"),
            };
            let mut error = Error::new(kind, text).with_channel(channel);
            if let Some(source) = &source {
                error = error.with_source(source.as_str());
            }
            self.results[place] = Some(Err(error));
        }
    }

    fn results(self) -> Vec<Result<Receipt>> {
        self.results.into_iter().flatten().collect()
    }
}

/// The hash tag, else the channel, chooses, so that the channels of one event share a lane and a round trip.
fn lane_number(channel: &str, lanes: usize) -> usize {
    let tag = channel
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(channel, |(tag, _)| if tag.is_empty() { channel } else { tag });
    let hash = tag.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % lanes as u64).unwrap_or(0)
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the redis transport was closed")
}

#[cfg(test)]
mod tests {
    use super::lane_number;

    #[test]
    fn channels_with_one_hash_tag_share_a_lane() {
        let lanes: Vec<usize> = (0..100).map(|n| lane_number(&format!("b/{{user-{n}}}/all"), 4)).collect();
        assert!((0..100).all(|n| lanes[n] == lane_number(&format!("b/{{user-{n}}}/exec/run"), 4)));
        assert!((0..4).all(|lane| lanes.contains(&lane)), "every lane is used");
    }
}
