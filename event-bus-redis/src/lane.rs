//! One publishing connection, borrowed from the pool for good, shared by everybody who publishes, and replaced
//! through the pool when it breaks. What is sent over it is not known here.

mod doubt;
mod source;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use deadpool_redis::{Connection, PoolError};
use event_bus_core::transport::{Backoff, LinkState};
use event_bus_core::{Error, ErrorKind, Result};
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::config::RedisConfig;
use crate::credentials::{Half, LEAST_PAUSE};
use crate::error::{Failed, closed, connect_error, no_master, with_source};
use crate::keeper::{Keeper, Keeping};
use crate::role::is_master;
use doubt::Doubt;
pub(crate) use doubt::Unanswered;
pub(crate) use source::Source;

/// Cloning gives the same lane.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Inner>);

struct Inner {
    config: Arc<RedisConfig>,
    source: Arc<Source>,
    open: RwLock<Option<Open>>,
    doubt: Doubt,
    /// Locked while the lane is being opened, so that one task does it.
    lent: Mutex<Lent>,
    is_closed: AtomicBool,
}

/// A connection in use.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) connection: MultiplexedConnection,
    /// How many disconnects there had been when it was found alive.
    disconnects: u64,
    /// Tells it from the one that replaces it.
    serial: u64,
    _keeper: Option<Arc<Keeper>>,
}

/// What the pool lent us; or why it could not.
struct Lent {
    connection: Option<Connection>,
    rest: Option<Rest>,
    backoff: Backoff,
}

/// Why nobody need try again, until then or until there are other credentials.
struct Rest {
    since: Instant,
    until: Instant,
    rotations: u64,
    failed: Failed,
}

impl Lane {
    pub(crate) fn new(config: Arc<RedisConfig>, source: Arc<Source>) -> Self {
        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        let lent = Mutex::new(Lent { connection: None, rest: None, backoff });
        let (open, is_closed) = (RwLock::new(None), AtomicBool::new(false));
        Self(Arc::new(Inner { config, source, open, doubt: Doubt::none(), lent, is_closed }))
    }

    /// The connection, if there is one that is surely alive.
    pub(crate) fn current(&self) -> Option<Open> {
        self.0.current(self.0.source.disconnects())
    }

    /// The connection; made, or made anew, where there is none that is surely alive.
    pub(crate) async fn open(&self, deadline: Instant) -> Result<Open> {
        if let Some(open) = self.current() {
            return Ok(open);
        }
        // In a task of its own: a caller who is impatient must not make all others start from the beginning.
        let inner = Arc::clone(&self.0);
        #[expect(
            clippy::disallowed_methods,
            reason = "ends within the pool's time-outs, if its runtime runs"
        )]
        let opening = tokio::spawn(async move { inner.reopen().await });
        match Box::pin(timeout_at(deadline, opening)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                Err(Error::new(ErrorKind::NotConnected, "the tokio runtime that connects is ending"))
            }
            Err(_) => {
                let text = format!("no connection to redis at {} in time", self.0.config.server());
                Err(Error::new(ErrorKind::NotConnected, text))
            }
        }
    }

    /// Something is sent over the connection now.
    pub(crate) fn sends(&self, now: Instant) -> Unanswered<'_> {
        self.0.doubt.sent_at(now)
    }

    /// `broken` failed: the next publish opens the lane anew. `false` if that has happened already.
    pub(crate) fn discard(&self, broken: &Open) -> bool {
        let mut open = self.0.open.write().unwrap_or_else(PoisonError::into_inner);
        let is_current = open.as_ref().is_some_and(|open| open.serial == broken.serial);
        if is_current {
            *open = None;
        }
        is_current
    }

    pub(crate) fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        self.0.hang_up();
    }
}

impl Inner {
    fn current(&self, disconnects: u64) -> Option<Open> {
        if self.doubt.is_older_than(self.config.response_timeout) {
            return None;
        }
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().filter(|open| open.disconnects == disconnects).cloned()
    }

    fn is_open(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn set(&self, open: Option<Open>) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// Unless somebody is opening the lane, who does it himself afterwards.
    fn hang_up(&self) {
        self.set(None);
        if let Ok(mut lent) = self.lent.try_lock() {
            drop(lent.connection.take().map(Connection::take));
        }
    }

    async fn reopen(&self) -> Result<Open> {
        let mut lent = self.lent.lock().await;
        let outcome = self.reopen_with(&mut lent).await;
        drop(lent); // first: whoever closed in the meantime could not get at it
        if self.is_closed.load(Ordering::SeqCst) {
            self.hang_up();
            return Err(closed());
        }
        outcome
    }

    async fn reopen_with(&self, lent: &mut Lent) -> Result<Open> {
        let disconnects = self.source.disconnects();
        if let Some(open) = self.current(disconnects) {
            return Ok(open); // another task has just done it
        }
        if let Some(rest) = &lent.rest
            && self.is_resting(rest)
        {
            return Err(rest.failed.clone().into());
        }
        match lent.connection.take() {
            // Back into the pool, which tests it before it lends it again.
            Some(suspect) if self.is_open() => drop(suspect),
            // Known to be broken: the pool would wait for it to answer.
            broken => drop(broken.map(Connection::take)),
        }
        self.source.status.set_if(LinkState::Idle, LinkState::Connecting);
        let rotations = self.config.vault().map_or(0, |vault| vault.rotations());
        let keeping = Keeping::new(&self.config, Half::Publisher);
        let connection = match self.borrow().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.note_failure(lent, rotations, error)),
        };
        let serial = self.source.next_serial();
        let keeper = keeping.map(|keeping| Arc::new(keeping.start(&connection)));
        let open = Open { connection: (*connection).clone(), disconnects, serial, _keeper: keeper };
        self.doubt.end();
        self.set(Some(open.clone()));
        lent.connection = Some(connection);
        lent.rest = None;
        lent.backoff.reset();
        self.source.connected(disconnects);
        Ok(open)
    }

    /// A connection out of the pool, to a master if it has to be one: a replica takes publishes, too, and may pass them on to
    /// nobody.
    async fn borrow(&self) -> std::result::Result<Connection, PoolError> {
        let mut connection = self.source.pool().await?.get().await?;
        if self.config.must_be_master() {
            let fault = match is_master(&mut connection).await {
                Ok(true) => return Ok(connection),
                Ok(false) => no_master(),
                Err(error) => error,
            };
            drop(Connection::take(connection));
            return Err(fault.into());
        }
        Ok(connection)
    }

    fn is_resting(&self, rest: &Rest) -> bool {
        let now = Instant::now();
        let is_obsolete = || self.config.vault().is_some_and(|vault| vault.has_rotated(rest.rotations));
        now < rest.until && (now < rest.since + LEAST_PAUSE || !is_obsolete())
    }

    /// After an attempt that was begun when the credentials had changed so often.
    fn note_failure(&self, lent: &mut Lent, rotations: u64, error: PoolError) -> Error {
        let error = match error {
            PoolError::Closed => return closed(),
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))
            }
        };
        let error = connect_error(&self.config, &error);
        self.source.status.interrupted(&with_source(&error));
        let since = Instant::now();
        let until = since + lent.backoff.delay();
        lent.rest = Some(Rest { since, until, rotations, failed: Failed::from(&error) });
        error
    }
}
