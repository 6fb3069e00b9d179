//! Credentials that change while a connection is waited for: the next attempt need not wait then.

use std::future::pending;
use std::sync::Arc;

use crate::config::RedisConfig;
use crate::credentials::Vault;

pub(super) struct Logins {
    /// None if they never change.
    vault: Option<Arc<Vault>>,
    /// How many changes the last attempt to connect knew of.
    tried: u64,
}

impl Logins {
    pub(super) fn of(config: &RedisConfig) -> Self {
        Self { vault: config.vault().cloned(), tried: 0 }
    }

    /// An attempt begins, with what is good now.
    pub(super) fn try_newest(&mut self) {
        self.tried = self.vault.as_ref().map_or(0, |vault| vault.rotations());
    }

    /// Waits until there are other credentials than those that were tried last.
    pub(super) async fn renewed(&mut self) {
        match &self.vault {
            Some(vault) => vault.rotated(&mut self.tried).await,
            None => pending().await,
        }
    }
}
