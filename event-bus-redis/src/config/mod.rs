//! Which Redis, and how to use it. Everything is checked before the first connection. Who we are, how patient we are, and where
//! settings may come from stand in files of their own.

mod address;
mod environment;
#[cfg(feature = "serde")]
mod file;
mod kind;
mod patience;
mod server;
mod servers;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};
use redis::{ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisResult};

use crate::credentials::Vault;
pub(crate) use address::Address;
pub use kind::{Listening, Publishing};
pub(crate) use servers::Servers;
use tls::Tls;

/// Which Redis to use, and how: from a [URL](Self::from_url), the [environment](Self::from_env), or
/// [by name and port](Self::new), and then setter by setter. What can't work is refused when a transport is made of it.
///
/// ```
/// # use event_bus_redis::{RedisConfig, RedisTransport};
/// # use std::time::Duration;
/// let config = RedisConfig::new("127.0.0.1", 6379)
///     .username("worker")
///     .password("p@ss/word") // as it is: only URLs are percent-encoded
///     .publish_timeout(Duration::from_secs(2))
///     .lanes(2);
/// assert!(!format!("{config:?}").contains("p@ss"));
///
/// let redis = RedisTransport::lazy(config)?;
/// # Ok::<(), event_bus_core::Error>(())
/// ```
#[derive(Clone)]
pub struct RedisConfig {
    servers: Servers,
    is_sentinel: bool,
    must_be_master: bool,
    announced_addresses: bool,
    login: RedisConnectionInfo,
    credentials: Option<Arc<Vault>>,
    sentinel_login: RedisConnectionInfo,
    tls: Option<Tls>,
    pub(crate) publishing: Publishing,
    pub(crate) listening: Listening,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) publish_timeout: Duration,
    pub(crate) publish_attempts: Option<u32>,
    pub(crate) listen_timeout: Duration,
    pub(crate) ping_interval: Duration,
    notice_within: Option<Duration>,
    pub(crate) probe_interval: Option<Duration>,
    pub(crate) lanes: usize,
    pub(crate) max_in_flight: usize,
    pub(crate) fold_patterns_beyond: usize,
}

impl RedisConfig {
    fn with_defaults(servers: Servers, login: RedisConnectionInfo) -> Self {
        Self {
            servers,
            is_sentinel: false,
            must_be_master: false,
            announced_addresses: true,
            login,
            credentials: None,
            sentinel_login: RedisConnectionInfo::default(),
            tls: None,
            publishing: Publishing::default(),
            listening: Listening::default(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
            publish_timeout: Duration::from_secs(5),
            publish_attempts: None,
            listen_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(1),
            notice_within: None,
            probe_interval: None,
            lanes: 1,
            max_in_flight: 4096,
            fold_patterns_beyond: 32,
        }
    }

    /// How many connections publish to each server; 1 by default: commands of all tasks share it without waiting for each
    /// other's answers, and a second one pays only if one core is not enough to serve it. The hash tag of a
    /// channel, else the channel, chooses the connection.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// How many publishes may wait for the server's answer at once; 4096 by default. Further ones wait their
    /// turn, so that a stalled server costs bounded memory: at most this many messages, each of up to the bus's size
    /// limit, and copied once or twice more.
    #[must_use]
    pub fn max_in_flight(mut self, publishes: usize) -> Self {
        self.max_in_flight = publishes;
        self
    }

    /// Beyond how many distinct patterns of one bus the server is asked for the whole bus instead, `{bus}/*`, and what each
    /// pattern matches is decided here; 32 by default. `usize::MAX` turns it off.
    ///
    /// A server compares every publish, on whatever channel, with every pattern that anybody listens to: with 32 it
    /// takes twice as long as with none, with 1,000 forty times, and it stays slow when they are gone. So they are not
    /// asked for one by one in the first place. Each transport counts for itself, and each bus of it by itself: what other
    /// processes listen to is not known here.
    ///
    /// The price: the server sends this process every event of that bus, wanted or not. Turn it off where a bus carries far
    /// more than its listeners want and the network is dearer than the server, or where the server's
    /// `client-output-buffer-limit pubsub` is too small for what the whole bus brings in a burst. If two connections in a row
    /// are lost within seconds while patterns are folded, that is taken for the cause: the next ones ask for each pattern,
    /// until one of them has lasted.
    ///
    /// No event is lost or doubled when it begins, and listeners see nothing of it. It lasts until nobody listens to a
    /// pattern of that bus any more; a new connection decides anew. Patterns that would be dear to match here, as many that
    /// differ only between wildcards (`*-1-*`, `*-2-*`), are subscribed each, and not counted. A user who may not listen to
    /// `{bus}/*` (`&{bus}/*` or `allchannels` in his ACL) keeps his patterns, each subscribed; one who may is asked for no
    /// right to the narrower ones once they are folded.
    /// Channels without wildcards cost a server nothing, and are always subscribed by name.
    #[must_use]
    pub fn fold_patterns_beyond(mut self, patterns: usize) -> Self {
        self.fold_patterns_beyond = patterns;
        self
    }

    /// Refuses what can't work.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_server()?;
        let zeros = [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("response_timeout", self.response_timeout.is_zero()),
            ("publish_timeout", self.publish_timeout.is_zero()),
            ("publish_attempts", self.publish_attempts == Some(0)),
            ("listen_timeout", self.listen_timeout.is_zero()),
            ("ping_interval", self.ping_interval.is_zero()),
            ("probe_interval", self.probe_interval.is_some_and(|interval| interval.is_zero())),
            ("lanes", self.lanes == 0),
            ("max_in_flight", self.max_in_flight == 0),
        ];
        match zeros.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((name, _)) => {
                Err(Error::new(ErrorKind::InvalidConfig, format!("`{name}` must be more than zero")))
            }
            None => self.check_notice(),
        }
    }

    /// How to connect, to one server: of several, each has a config [of its own](Self::at).
    /// The credentials of this moment are asked for.
    pub(crate) async fn connection_info(&self) -> RedisResult<ConnectionInfo> {
        let Servers::One(address) = &self.servers else {
            return Err((redis::ErrorKind::InvalidClientConfig, "these are several servers").into());
        };
        let keepalive = redis::io::tcp::socket2::TcpKeepalive::new()
            .with_time(self.ping_interval.clamp(Duration::from_secs(1), Duration::from_secs(3600)))
            .with_interval(Duration::from_secs(1));
        let tcp = redis::io::tcp::TcpSettings::default()
            .set_nodelay(true) // off in redis 1.8: a publish would wait for the answer of the one before
            .set_keepalive(keepalive);
        // Listening needs RESP3: it alone carries messages and answers on one connection.
        let login = self
            .current_login()
            .await?
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        let address = match (address, &self.tls) {
            (Address::Tcp(host, port), Some(tls)) => tls.address(host, *port).await?,
            _ => address.to_redis(),
        };
        Ok(address.into_connection_info()?.set_tcp_settings(tcp).set_redis_settings(login))
    }
}

impl fmt::Debug for RedisConfig {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { login, publishing, listening, connect_timeout, response_timeout, publish_timeout, .. } =
            self;
        let Self { publish_attempts, listen_timeout, ping_interval, notice_within, .. } = self;
        let Self { probe_interval, lanes, max_in_flight, fold_patterns_beyond, .. } = self;
        f.debug_struct("RedisConfig")
            .field("servers", &self.servers)
            .field("database", &login.db())
            .field("user", &self.user())
            .field("has_credentials_provider", &self.credentials.is_some())
            .field("tls", &self.tls.is_some())
            .field("publishing", publishing)
            .field("listening", listening)
            .field("connect_timeout", connect_timeout)
            .field("response_timeout", response_timeout)
            .field("publish_timeout", publish_timeout)
            .field("publish_attempts", publish_attempts)
            .field("listen_timeout", listen_timeout)
            .field("ping_interval", ping_interval)
            .field("notice_within", notice_within)
            .field("probe_interval", probe_interval)
            .field("lanes", lanes)
            .field("max_in_flight", max_in_flight)
            .field("fold_patterns_beyond", fold_patterns_beyond)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_is_named() {
        let config = || RedisConfig::from_url("redis://host").unwrap();
        for (config, name) in [
            (config().publish_attempts(0), "publish_attempts"),
            (config().lanes(0), "lanes"),
            (config().max_in_flight(0), "max_in_flight"),
            (config().listen_timeout(Duration::ZERO), "listen_timeout"),
        ] {
            let error = config.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
