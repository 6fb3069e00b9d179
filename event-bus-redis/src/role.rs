//! Whether a server is a master. A replica takes publishes and subscriptions too, which reach nobody, or will.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};

/// Asked with `HELLO`, which needs no right, unlike `ROLE`.
pub(crate) async fn is_master(connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    let greeting: HashMap<String, Value> = redis::cmd("HELLO").query_async(connection).await?;
    let role: Option<String> = greeting.get("role").map(redis::from_redis_value_ref).transpose()?;
    Ok(role.as_deref() == Some("master"))
}
