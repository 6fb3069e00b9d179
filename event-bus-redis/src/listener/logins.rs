//! Credentials that change while a connection is waited for: the next attempt need not wait then.

use std::future::pending;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use crate::config::RedisConfig;
use crate::credentials::{LEAST_PAUSE, Vault};

pub(super) struct Logins {
    /// None if they never change.
    vault: Option<Arc<Vault>>,
    /// How many changes the last attempt to connect knew of.
    tried: u64,
    tried_at: Option<Instant>,
}

impl Logins {
    pub(super) fn of(config: &RedisConfig) -> Self {
        Self { vault: config.vault().cloned(), tried: 0, tried_at: None }
    }

    /// An attempt begins, with what is good now.
    pub(super) fn try_newest(&mut self) {
        self.tried = self.vault.as_ref().map_or(0, |vault| vault.rotations());
        self.tried_at = Some(Instant::now());
    }

    /// Waits until there are other credentials than those that were tried last.
    pub(super) async fn renewed(&mut self) {
        let Some(vault) = &self.vault else { return pending().await };
        if let Some(tried_at) = self.tried_at {
            sleep_until(tried_at + LEAST_PAUSE).await;
        }
        vault.rotated(&mut self.tried).await;
    }
}
