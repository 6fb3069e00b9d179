//! What an error of redis-rs means for us, and its text without what the server quotes of our commands.

#[cfg(feature = "tls")]
mod tls;

use std::error::Error as _;

use event_bus_core::{Error, ErrorKind};
use redis::{RedisError, ServerErrorKind};

use crate::config::RedisConfig;

/// The sorts of failure that the transport treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server refuses the login or the right.
    Denied,
    /// The server executed nothing, and may well execute it soon.
    NotNow,
    /// The server executed nothing, and won't.
    Refused,
    /// The server executed nothing, for another one of its cluster has to. `ASK` is like `MOVED`: it is an answer about keys
    /// that are on their way, of which publishing knows none; a server that gave it nevertheless has executed nothing.
    Elsewhere,
    /// The server executed nothing, since it has no such command, or has given it another name.
    Unknown,
    /// This server can't be used at all.
    Unusable,
    /// We ourselves lack what it takes to connect.
    Unready,
    /// The connection could not be made, broke, or stayed silent.
    Connection,
}

impl Failure {
    pub(crate) fn of(error: &RedisError) -> Self {
        match error.kind() {
            redis::ErrorKind::AuthenticationFailed => Self::Denied,
            redis::ErrorKind::RESP3NotSupported => Self::Unusable,
            redis::ErrorKind::InvalidClientConfig => Self::Unready,
            redis::ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoPerm => Self::Denied,
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly => Self::NotNow,
                ServerErrorKind::Moved | ServerErrorKind::Ask => Self::Elsewhere,
                // Of a connection; it is closed then, and there may be room for the next.
                _ if error.detail().is_some_and(|text| text.starts_with("max number of clients")) => {
                    Self::NotNow
                }
                // Renamed, or older than RESP3: either way we can't log in.
                _ if error.detail().is_some_and(|text| text.contains("unknown command 'HELLO'")) => {
                    Self::Unusable
                }
                _ if error.detail().is_some_and(|text| text.starts_with("unknown command")) => Self::Unknown,
                _ => Self::Refused,
            },
            redis::ErrorKind::Extension => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Self::Denied,
                Some("BUSY") => Self::NotNow,
                _ => Self::Refused,
            },
            _ => Self::Connection,
        }
    }

    /// Whether the server answered, if only to say no: then the connection is alive.
    pub(crate) fn is_answer(self) -> bool {
        !matches!(self, Self::Connection | Self::Unready)
    }
}

/// The text of an error without secrets: to an unknown command, the server quotes the arguments, which may be a
/// password or a payload.
pub(crate) fn harmless(error: &RedisError) -> String {
    let text = error.to_string();
    match text.split_once(", with args beginning with") {
        Some((harmless, _)) => harmless.to_owned(),
        None => text,
    }
}

/// What to do about a failure to connect, where that is known.
fn advice(config: &RedisConfig, error: &RedisError) -> Option<String> {
    let server = config.server();
    #[cfg(feature = "tls")]
    if let Some(text) = tls::advice(&server, error) {
        return Some(text);
    }
    match Failure::of(error) {
        Failure::Connection if config.has_tls() && error.is_timeout() => {
            Some(format!("redis at {server} does not answer: a port that does not speak tls stays silent"))
        }
        Failure::Connection if config.has_tls() || error.is_timeout() || error.is_connection_refusal() => {
            None
        }
        Failure::Connection if config.is_tcp() && error.is_connection_dropped() => Some(format!(
            "redis at {server} hangs up without an answer: it is too busy for another connection, or the port speaks tls (`rediss://`)"
        )),
        _ => None,
    }
}

/// Our error for a server that could not be reached, or that did not let us in.
pub(crate) fn connect_error(config: &RedisConfig, error: &RedisError) -> Error {
    let (server, user) = (config.server(), config.user());
    if let Some(advice) = advice(config, error) {
        return Error::new(ErrorKind::NotConnected, advice).with_source(harmless(error));
    }
    let (kind, message) = match Failure::of(error) {
        Failure::Denied if error.code() == Some("NOAUTH") => {
            (ErrorKind::Denied, format!("redis at {server} demands a login, and there is no password for it"))
        }
        Failure::Denied => (
            ErrorKind::Denied,
            format!(
                "redis at {server} refuses the login of user {user:?}: there is none of that name, it is off, or the password is another"
            ),
        ),
        Failure::Unready => {
            let why = error.detail().unwrap_or_default();
            (ErrorKind::NotConnected, format!("nobody can log in to redis at {server}: {why}"))
        }
        Failure::Unusable => {
            let message =
                format!("redis at {server} does not speak RESP3: version 6 or newer with HELLO is needed");
            (ErrorKind::Unsupported, message)
        }
        Failure::NotNow if is_of_no_master(error) => {
            (ErrorKind::NotConnected, format!("redis at {server} is no master"))
        }
        Failure::NotNow => (ErrorKind::NotConnected, format!("redis at {server} is not ready")),
        Failure::Refused | Failure::Unknown | Failure::Elsewhere => {
            (ErrorKind::Refused, format!("redis at {server} refuses the connection"))
        }
        Failure::Connection if error.is_timeout() => {
            (ErrorKind::NotConnected, format!("redis at {server} does not answer"))
        }
        Failure::Connection => (ErrorKind::NotConnected, format!("redis at {server} can't be reached")),
    };
    Error::new(kind, message).with_source(harmless(error))
}

/// Of a server that was taken for a master, and is none.
pub(crate) fn no_master() -> RedisError {
    (redis::ErrorKind::Server(ServerErrorKind::ReadOnly), "it is a replica, or was made one").into()
}

pub(crate) fn is_of_no_master(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Server(ServerErrorKind::ReadOnly)
}

/// What a server says of a channel that another node of its cluster serves, to one who knows of no cluster.
pub(crate) fn of_a_cluster(server: &str) -> String {
    format!("redis at {server} is a node of a cluster: use `RedisConfig::cluster`")
}

/// Of a server without `command`, which is one of sharded pub/sub.
pub(crate) fn not_sharded(server: &str, command: &str) -> String {
    format!(
        "redis at {server} has no sharded pub/sub: {command}, of redis 7, is unknown to it; use classic pub/sub there (`Publishing::Classic`, `Listening::Classic`)"
    )
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the redis transport was closed")
}

/// The text of an error and of what is below it.
pub(crate) fn with_source(error: &Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// An error that several are told.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    kind: ErrorKind,
    message: String,
    source: Option<String>,
}

impl From<&Error> for Failed {
    fn from(error: &Error) -> Self {
        let source = error.source().map(ToString::to_string);
        Self { kind: error.kind(), message: error.to_string(), source }
    }
}

impl From<Failed> for Error {
    fn from(Failed { kind, message, source }: Failed) -> Self {
        let error = Self::new(kind, message);
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}
