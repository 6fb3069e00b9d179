//! deadpool-redis as its examples show it: a connection out of the pool for each publish. The pool has its own default
//! size.

use std::sync::Arc;

use deadpool_redis::{Manager, Pool, PoolConfig};

use super::Publish;
use crate::bench::{Bench, Failure, async_config, encode};

/// In reports.
pub const NAME: &str = "deadpool";

/// A pool.
#[derive(Clone)]
pub struct Deadpool {
    bench: Arc<Bench>,
    pool: Pool,
}

impl Deadpool {
    /// Connects when it is used.
    ///
    /// # Errors
    /// If the pool can't be made.
    pub fn new(bench: &Arc<Bench>) -> Result<Self, Failure> {
        let manager = Manager::new_with_config(bench.connection_info()?, async_config())?;
        Ok(Self { bench: Arc::clone(bench), pool: Pool::builder(manager).build()? })
    }
}

/// How many connections a pool holds by default: so many for each core.
#[must_use]
pub fn default_size() -> usize {
    PoolConfig::default().max_size
}

impl Publish for Deadpool {
    const NAME: &'static str = NAME;

    async fn publish(&mut self) -> Result<(), Failure> {
        let wire = encode(&self.bench.event)?;
        let mut connection = self.pool.get().await?;
        redis::cmd("PUBLISH").arg(&self.bench.channel).arg(wire).query_async::<u64>(&mut connection).await?;
        Ok(())
    }
}

impl std::fmt::Debug for Deadpool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deadpool").finish_non_exhaustive()
    }
}
