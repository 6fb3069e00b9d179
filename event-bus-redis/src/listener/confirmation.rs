//! Waiting until a subscription is confirmed, however that is done, and what is said if it is not.

use std::sync::Arc;

use event_bus_core::transport::Lease;
use event_bus_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::state::RUNTIME_ENDED;
use crate::config::RedisConfig;

/// The runtime on which whatever listens will live.
pub(super) fn runtime() -> Result<Handle> {
    Handle::try_current().map_err(|error| {
        Error::new(ErrorKind::NotSubscribed, "listening needs a tokio runtime").with_source(error)
    })
}

/// The lease, once the subscription to `name` is confirmed. `obstacle` knows what keeps it from being so.
pub(super) async fn confirmed(
    config: &RedisConfig,
    name: &str,
    lease: Lease,
    confirmation: oneshot::Receiver<Result<()>>,
    obstacle: impl FnOnce() -> Option<Arc<str>>,
) -> Result<Lease> {
    match timeout(config.listen_timeout, confirmation).await {
        Ok(Ok(confirmed)) => confirmed.map(|()| lease),
        Ok(Err(_)) => Err(Error::new(ErrorKind::NotSubscribed, RUNTIME_ENDED)),
        Err(_) => Err(not_confirmed(config, name, obstacle())),
    }
}

fn not_confirmed(config: &RedisConfig, name: &str, obstacle: Option<Arc<str>>) -> Error {
    let (server, timeout) = (config.server(), config.listen_timeout);
    let text = format!("redis at {server} did not confirm the subscription to {name} within {timeout:?}");
    let error = Error::new(ErrorKind::NotSubscribed, text);
    match obstacle {
        Some(obstacle) => error.with_source(obstacle.to_string()),
        None => error,
    }
}
