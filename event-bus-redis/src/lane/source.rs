//! Where lanes get their connections from: a pool that logs in as who we are now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::{Manager, Pool, PoolError, Runtime};
use redis::{AsyncConnectionConfig, ConnectionInfo, PushInfo, PushKind, RedisResult};
use tokio::sync::Semaphore;

use crate::config::RedisConfig;
use crate::status::Status;

/// What waits to be written goes out when it is so long, or when nothing more is there: fewer and longer writes than with
/// the 8 KiB that redis-rs has by itself.
const WRITE_BYTES: usize = 64 * 1024;

/// Where lanes get their connections from.
pub(crate) struct Source {
    config: Arc<RedisConfig>,
    pool: Mutex<Made>,
    /// Counts connections that were lost. A lane that was opened before the last one may be dead, and is tested
    /// before it is used: the death of an idle lane is noticed without a publish being lost to it.
    disconnects: Arc<AtomicU64>,
    pub(super) status: Arc<Status>,
    serials: AtomicU64,
}

/// The pool, which logs in as it was told when it was made.
#[derive(Default)]
struct Made {
    current: Option<(String, Option<String>, Pool)>,
    is_closed: bool,
}

impl Source {
    pub(crate) fn new(config: Arc<RedisConfig>, status: Arc<Status>) -> Arc<Self> {
        let (disconnects, serials) = (Arc::default(), AtomicU64::new(0));
        Arc::new(Self { config, pool: Mutex::default(), disconnects, status, serials })
    }

    pub(crate) fn close(&self) {
        let mut made = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        made.is_closed = true;
        if let Some((.., pool)) = made.current.take() {
            pool.close();
        }
    }

    /// A pool that logs in as who we are now: another one than before, if the credentials have changed.
    pub(super) async fn pool(&self) -> std::result::Result<Pool, PoolError> {
        let info = self.config.connection_info().await?;
        let login = info.redis_settings();
        let user = login.username().unwrap_or_default().to_owned();
        let password = login.password().map(str::to_owned);
        let mut made = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if made.is_closed {
            return Err(PoolError::Closed);
        }
        match &made.current {
            Some((its_user, its_password, pool)) if (its_user, its_password) == (&user, &password) => {
                Ok(pool.clone())
            }
            _ => {
                let pool = pool(&self.config, info, &self.disconnects, &self.status)?;
                made.current = Some((user, password, pool.clone()));
                Ok(pool)
            }
        }
    }

    /// How many connections have been lost.
    pub(super) fn disconnects(&self) -> u64 {
        self.disconnects.load(Ordering::Acquire)
    }

    /// A number that no connection had before.
    pub(super) fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    /// A lane is open that was found alive when so many connections had been lost.
    pub(super) fn connected(&self, disconnects: u64) {
        self.status.connected(&self.disconnects, disconnects);
    }
}

fn pool(
    config: &RedisConfig,
    info: ConnectionInfo,
    disconnects: &Arc<AtomicU64>,
    status: &Arc<Status>,
) -> RedisResult<Pool> {
    let (counter, status) = (Arc::clone(disconnects), Arc::clone(status));
    let count_disconnects = move |push: PushInfo| -> std::result::Result<(), std::convert::Infallible> {
        if push.kind == PushKind::Disconnection {
            status.disconnected(&counter);
        }
        Ok(())
    };
    let connection_config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.connect_timeout))
        .set_response_timeout(Some(config.response_timeout))
        .set_pipeline_buffer_size(config.max_in_flight.min(Semaphore::MAX_PERMITS)) // nobody waits for room twice
        .set_write_backpressure_boundary(WRITE_BYTES)
        .set_push_sender(count_disconnects);
    let manager = Manager::new_with_config(info, connection_config)?;
    let pool = Pool::builder(manager)
        .max_size(config.lanes)
        .wait_timeout(Some(config.connect_timeout))
        .create_timeout(Some(config.connect_timeout))
        .recycle_timeout(Some(config.response_timeout.min(Duration::from_millis(500))))
        .runtime(Runtime::Tokio1)
        .build();
    pool.map_err(|error| {
        (redis::ErrorKind::InvalidClientConfig, "no pool can be built", error.to_string()).into()
    })
}
