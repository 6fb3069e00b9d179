//! One dedicated listening connection: sends what the task asks for, and turns what the server pushes into
//! words of ours. It knows nothing of listeners.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use event_bus_core::transport::{Request, TopicKind};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::task::AbortHandle;

use super::breathing::{Breathing, Messages};
use super::run::PushedMessage;
use super::socket;
use super::state::{Epoch, Push, scope};
use crate::config::RedisConfig;
use crate::credentials::Half;
use crate::error::{is_of_no_master, no_master};
use crate::keeper::{Keeper, Keeping};
use crate::role::is_master;

/// Hears what a connection says, while it is connected.
pub(super) trait Ear: Send + Sync + 'static {
    /// It may be kept until the connection has [caught up](Self::caught_up).
    fn message(&self, epoch: Epoch, message: PushedMessage<'_>);
    /// Nothing more of what was read is to come.
    fn caught_up(&self);
    fn pushed(&self, epoch: Epoch, push: Push<'_>);
    fn hung_up(&self, epoch: Epoch);
}

/// Dropped, it hangs up, whatever the server still owes.
pub(super) struct Link {
    connection: MultiplexedConnection,
    driver: AbortHandle,
    must_be_master: bool,
    _keeper: Option<Keeper>,
}

impl Link {
    /// Connects and logs in within the connect time-out. From then on `ear` hears every push, and the end.
    pub(super) async fn open(config: &RedisConfig, epoch: Epoch, ear: Arc<dyn Ear>) -> RedisResult<Self> {
        let (timeout, must_be_master) = (config.connect_timeout, config.must_be_master());
        let on_pause = {
            let ear = Arc::clone(&ear);
            move || ear.caught_up()
        };
        let messages = Messages::default();
        let line = Line { ear, epoch, messages: messages.clone() };
        // Owned by this connection alone: when its driver ends, for whatever reason, the closure is dropped.
        let connection_config = AsyncConnectionConfig::new()
            .set_response_timeout(None) // a busy connection is slow, not dead: the task judges by all it hears
            .set_push_sender(move |push| -> Result<(), Infallible> {
                line.hear(push);
                Ok(())
            });
        let keeping = Keeping::new(config, Half::Listener);
        let info = config.connection_info().await?; // within a connect time-out of its own, to be told as what it is
        let connecting = async {
            let socket = Breathing::new(socket::connect(config, &info).await?, messages, on_pause);
            let login = info.redis_settings();
            let (connection, driver) =
                MultiplexedConnection::new_with_config(login, socket, connection_config).await?;
            #[expect(clippy::disallowed_methods, reason = "ends with the link")]
            let driver = tokio::spawn(driver).abort_handle();
            let keeper = keeping.map(|keeping| keeping.start(&connection));
            let open = Self { connection, driver, must_be_master, _keeper: keeper };
            open.check_role().await?;
            Ok(open)
        };
        let connected = tokio::time::timeout(timeout, connecting).await;
        connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// A replica takes subscriptions, and may stop delivering without a word.
    fn check_role(&self) -> impl Future<Output = RedisResult<()>> + use<> {
        let (must_be_master, mut connection) = (self.must_be_master, self.connection.clone());
        async move {
            if must_be_master && !is_master(&mut connection).await? {
                return Err(no_master());
            }
            Ok(())
        }
    }

    /// Resolves when the server has answered for every name; their confirmations have been heard before that.
    pub(super) fn ask(&self, request: &Request) -> impl Future<Output = RedisResult<()>> + use<> {
        let mut connection = self.connection.clone();
        let (Request::Subscribe(scope, names) | Request::Unsubscribe(scope, names)) = request;
        let (kind, names) = (scope.kind, names.clone());
        let is_subscribe = matches!(request, Request::Subscribe(..));
        async move {
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            match (kind, is_subscribe) {
                (TopicKind::Channel, true) => connection.subscribe(names).await,
                (TopicKind::Channel, false) => connection.unsubscribe(names).await,
                (TopicKind::Pattern, true) => connection.psubscribe(names).await,
                (TopicKind::Pattern, false) => connection.punsubscribe(names).await,
                (TopicKind::ShardChannel, true) => one_by_one(&mut connection, "SSUBSCRIBE", names).await,
                (TopicKind::ShardChannel, false) => one_by_one(&mut connection, "SUNSUBSCRIBE", names).await,
                _ => Err(RedisError::from((redis::ErrorKind::Client, "no such topics are listened to here"))),
            }
        }
    }

    /// Whether the server answers with `nonce`; another answer means that answers are out of step. An error if it is not what
    /// it must be any more.
    pub(super) fn ping(&self, nonce: u64) -> impl Future<Output = RedisResult<bool>> + use<> {
        let (mut connection, role) = (self.connection.clone(), self.check_role());
        async move {
            let nonce = nonce.to_string();
            let answer: Value = redis::cmd("PING").arg(&nonce).query_async(&mut connection).await?;
            let is_its_own = matches!(answer, Value::BulkString(bytes) if bytes == nonce.as_bytes());
            match role.await {
                Err(error) if error.kind() == redis::ErrorKind::Parse => Ok(false),
                // Not a server's answer, which would show that all is well.
                Err(error) if is_of_no_master(&error) => Err(io::Error::other(error.to_string()).into()),
                role => role.map(|()| is_its_own),
            }
        }
    }
}

/// Redis-rs takes one confirmation for the answer to a command of which it does not know that it subscribes.
async fn one_by_one(
    connection: &mut MultiplexedConnection,
    command: &str,
    names: Vec<&str>,
) -> RedisResult<()> {
    for name in names {
        redis::cmd(command).arg(name).query_async::<Value>(connection).await?;
    }
    Ok(())
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The connection's side of the push closure. Dropped with the connection's driver, which is the complete signal
/// of its end: redis-rs's own `Disconnection` does not come when a connection is dropped.
struct Line {
    ear: Arc<dyn Ear>,
    epoch: Epoch,
    messages: Messages,
}

impl Line {
    fn hear(&self, push: PushInfo) {
        let PushInfo { kind, data } = push;
        if kind == PushKind::Disconnection {
            return self.ear.hung_up(self.epoch);
        }
        let mut data = data.into_iter();
        let mut next = || data.next().and_then(bytes);
        let heard = match kind {
            PushKind::Message => next().zip(next()).map(|(name, payload)| {
                self.message(TopicKind::Channel, &text(&name), &name, payload);
            }),
            PushKind::SMessage => next().zip(next()).map(|(name, payload)| {
                self.message(TopicKind::ShardChannel, &text(&name), &name, payload);
            }),
            PushKind::PMessage => next().zip(next()).zip(next()).map(|((pattern, channel), payload)| {
                self.message(TopicKind::Pattern, &text(&pattern), &channel, payload);
            }),
            PushKind::Subscribe => next().map(|name| self.subscribed(TopicKind::Channel, &text(&name))),
            PushKind::PSubscribe => next().map(|name| self.subscribed(TopicKind::Pattern, &text(&name))),
            PushKind::SSubscribe => next().map(|name| self.subscribed(TopicKind::ShardChannel, &text(&name))),
            PushKind::Unsubscribe => next().map(|name| self.unsubscribed(TopicKind::Channel, &text(&name))),
            PushKind::PUnsubscribe => next().map(|name| self.unsubscribed(TopicKind::Pattern, &text(&name))),
            PushKind::SUnsubscribe => {
                next().map(|name| self.unsubscribed(TopicKind::ShardChannel, &text(&name)))
            }
            _ => return,
        };
        if heard.is_none() {
            tracing::debug!(?kind, "redis pushed something of an unknown shape");
        }
    }

    fn message(&self, kind: TopicKind, topic: &str, channel: &[u8], payload: Bytes) {
        self.messages.add_one();
        self.ear.message(self.epoch, PushedMessage { scope: scope(kind), topic, channel, payload });
    }

    fn subscribed(&self, kind: TopicKind, name: &str) {
        self.ear.pushed(self.epoch, Push::Subscribed(kind, name));
    }

    fn unsubscribed(&self, kind: TopicKind, name: &str) {
        self.ear.pushed(self.epoch, Push::Unsubscribed(kind, name));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.ear.hung_up(self.epoch);
    }
}

fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into_bytes().into()),
        _ => None,
    }
}

/// What we subscribe to is text.
fn text(name: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}
