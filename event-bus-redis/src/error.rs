//! What an error of redis-rs means for us. Its text is kept as the source, never as our own.

use event_bus_core::{Error, ErrorKind};
use redis::{RedisError, ServerErrorKind};

/// The sorts of failure that the transport treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server refuses the login or the right.
    Denied,
    /// The server executed nothing, and may well execute it soon.
    NotNow,
    /// The server executed nothing, and won't.
    Refused,
    /// This server can't be used at all.
    Unusable,
    /// The connection could not be made, broke, or stayed silent.
    Connection,
}

impl Failure {
    pub(crate) fn of(error: &RedisError) -> Self {
        match error.kind() {
            redis::ErrorKind::AuthenticationFailed => Self::Denied,
            redis::ErrorKind::RESP3NotSupported => Self::Unusable,
            redis::ErrorKind::Server(kind) => match kind {
                ServerErrorKind::NoPerm => Self::Denied,
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly => Self::NotNow,
                _ => Self::Refused,
            },
            redis::ErrorKind::Extension => match error.code() {
                Some("NOAUTH" | "WRONGPASS") => Self::Denied,
                _ => Self::Refused,
            },
            _ => Self::Connection,
        }
    }
}

/// Our error for a server that could not be reached, or that did not let us in.
pub(crate) fn connect_error(server: &str, user: &str, error: RedisError) -> Error {
    let (kind, message) = match Failure::of(&error) {
        Failure::Denied => {
            (ErrorKind::Denied, format!("redis at {server} refuses the login of user {user:?}"))
        }
        Failure::Unusable => {
            let message = format!("redis at {server} does not speak RESP3: version 6 or newer is needed");
            (ErrorKind::Unsupported, message)
        }
        Failure::NotNow => (ErrorKind::NotConnected, format!("redis at {server} is not ready")),
        Failure::Refused => (ErrorKind::Refused, format!("redis at {server} refuses the connection")),
        Failure::Connection if error.is_timeout() => {
            (ErrorKind::NotConnected, format!("redis at {server} does not answer"))
        }
        Failure::Connection => (ErrorKind::NotConnected, format!("redis at {server} can't be reached")),
    };
    Error::new(kind, message).with_source(error)
}
