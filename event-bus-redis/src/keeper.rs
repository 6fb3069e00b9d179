//! Keeps a connection logged in: when the credentials change, it logs in anew, until that has succeeded.

use std::sync::Arc;
use std::time::Duration;

use event_bus_core::transport::Backoff;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::config::RedisConfig;
use crate::credentials::{Half, Trouble, Vault};
use crate::error::harmless;

/// Dropped, it keeps the connection no more.
pub(crate) struct Keeper(AbortHandle);

/// What is known before a connection is made that will be kept: which changes it has not missed.
pub(crate) struct Keeping {
    vault: Arc<Vault>,
    seen: u64,
    half: Half,
    server: String,
    connect_timeout: Duration,
    response_timeout: Duration,
}

impl Keeping {
    /// To be made before the credentials are asked for. None if they never change.
    pub(crate) fn new(config: &RedisConfig, half: Half) -> Option<Self> {
        let vault = Arc::clone(config.vault()?);
        Some(Self {
            seen: vault.rotations(),
            vault,
            half,
            server: config.server(),
            connect_timeout: config.connect_timeout,
            response_timeout: config.response_timeout,
        })
    }

    pub(crate) fn start(self, connection: &MultiplexedConnection) -> Keeper {
        let connection = connection.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the keeper, and so with the connection")]
        let task = tokio::spawn(self.keep(connection));
        Keeper(task.abort_handle())
    }

    async fn keep(mut self, mut connection: MultiplexedConnection) {
        let trouble = self.vault.trouble_of(self.half);
        loop {
            self.vault.rotated(&mut self.seen).await;
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
            while let Err(error) = self.log_in(&mut connection).await {
                if error.is_connection_dropped() {
                    return; // the next one logs in with what there is then
                }
                self.tell(&trouble, &error);
                tokio::select! {
                    () = sleep(backoff.delay()) => {}
                    () = self.vault.rotated(&mut self.seen) => {}
                }
            }
            if trouble.end() {
                tracing::info!(server = self.server, half = ?self.half, "logged in to redis with the new credentials");
            }
        }
    }

    /// The connection lives on with the old credentials meanwhile.
    fn tell(&self, trouble: &Trouble, error: &RedisError) {
        let user = self.vault.last_user();
        let text = format!("can't log in anew as user {user:?}: {}", harmless(error));
        if trouble.begin(&text) {
            tracing::warn!(
                server = self.server,
                half = ?self.half,
                error = text,
                "a connection to redis keeps the old credentials: the new ones are tried again"
            );
        }
    }

    async fn log_in(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let credentials = self.vault.ask(self.connect_timeout).await?;
        let mut command = redis::cmd("AUTH");
        if let Some(username) = &credentials.username {
            command.arg(&**username);
        }
        command.arg(&*credentials.password);
        match timeout(self.response_timeout, command.query_async::<()>(connection)).await {
            Ok(answer) => answer,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}
