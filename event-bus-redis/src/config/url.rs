//! A Redis URL, read strictly: redis-rs ignores what it does not know. What the settings mean stands with their setters.

mod several;

use event_bus_core::{Error, ErrorKind, Result};
use redis::{ConnectionInfo, IntoConnectionInfo};
use url::Url;

use super::{Address, RedisConfig, Servers};

impl RedisConfig {
    /// What `url` says. `valkey` may stand for `redis` in each of the schemes, and special characters in user, password and
    /// parameters are percent-encoded.
    ///
    /// | URL | is |
    /// |---|---|
    /// | `redis://[user[:password]@]host[:port][/database]` | one server |
    /// | `rediss://…`, with two `s` (in Valkey's words `valkeys://…`) | the same with TLS, as [`tls`](Self::tls) says |
    /// | `unix:///path/to/socket[?db=…&user=…&pass=…]` | one server, behind a unix socket |
    /// | `redis-cluster://[user[:password]@]host[:port][?node=host[:port]&node=…]` | a [cluster](Self::cluster) |
    /// | `redis-sentinel://[user[:password]@]host[:port][/database]?sentinelServiceName=…[&node=host[:port]…][&sentinelUsername=…][&sentinelPassword=…]` | the master of [sentinels](Self::sentinel), whose own port is mostly 26379 |
    /// | `rediss-cluster://…`, `rediss-sentinel://…` | these with TLS, for all of their servers |
    ///
    /// The last ones are those of the client fred.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if that is not what it is, or if it has a parameter that would be ignored;
    /// [`ErrorKind::Unsupported`] for TLS without the feature `tls`. The error never shows the URL, which may hold a password.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_redis::RedisConfig;
    /// let cluster = RedisConfig::from_url("redis-cluster://worker:s3cret@node-1:7000?node=node-2:7000")?.sharded();
    /// let master = RedisConfig::from_url("redis-sentinel://:s3cret@sentinel-1?sentinelServiceName=events&node=sentinel-2")?;
    /// # let _ = (cluster, master);
    /// # Ok::<(), event_bus_core::Error>(())
    /// ```
    pub fn from_url(url: impl AsRef<str>) -> Result<Self> {
        let text = url.as_ref();
        let url = Url::parse(text).map_err(|_| invalid("the redis url can't be read"))?;
        let scheme = Scheme::read(url.scheme())?;
        check(&url, scheme)?;
        let login = match scheme.kind {
            Kind::One | Kind::Unix => login(scheme.as_one_server(text))?,
            Kind::Cluster | Kind::Sentinel => login(scheme.as_one_server(without_query(text)))?,
        };
        let config = match scheme.kind {
            Kind::One | Kind::Unix => {
                let address = Address::of_redis(login.addr()).ok_or_else(unusable)?;
                Self::with_defaults(Servers::One(address), login.redis_settings().clone())
            }
            Kind::Cluster => Self::of_cluster(&url, &login)?,
            Kind::Sentinel => Self::of_sentinels(&url, &login)?,
        };
        let config = if scheme.is_tls { with_tls(config)? } else { config };
        config.check()?;
        Ok(config)
    }
}

#[cfg(feature = "tls")]
#[expect(clippy::unnecessary_wraps, reason = "as without TLS")]
fn with_tls(config: RedisConfig) -> Result<RedisConfig> {
    Ok(config.tls())
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: RedisConfig) -> Result<RedisConfig> {
    Err(no_tls())
}

#[cfg(not(feature = "tls"))]
pub(super) fn no_tls() -> Error {
    let text = "tls takes the feature `tls` of event-bus-redis: turn it on, or use redis:// or unix://";
    Error::new(ErrorKind::Unsupported, text)
}

impl TryFrom<&str> for RedisConfig {
    type Error = Error;

    fn try_from(url: &str) -> Result<Self> {
        Self::from_url(url)
    }
}

impl TryFrom<String> for RedisConfig {
    type Error = Error;

    fn try_from(url: String) -> Result<Self> {
        Self::from_url(url)
    }
}

impl TryFrom<&String> for RedisConfig {
    type Error = Error;

    fn try_from(url: &String) -> Result<Self> {
        Self::from_url(url)
    }
}

const WANTED: &str = "expected redis://[user[:password]@]host[:port][/database] or unix:///path/to/socket";

/// Parameters that other clients know, and that may be named in an error for that.
const ELSEWHERE: [&str; 18] = [
    "client_name",
    "connection_timeout",
    "db",
    "decode_responses",
    "health_check_interval",
    "max_connections",
    "pass",
    "password",
    "response_timeout",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_timeout",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "timeout",
    "user",
    "username",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    One,
    Unix,
    Cluster,
    Sentinel,
}

#[derive(Clone, Copy)]
struct Scheme<'a> {
    text: &'a str,
    kind: Kind,
    is_tls: bool,
}

impl<'a> Scheme<'a> {
    fn read(text: &'a str) -> Result<Self> {
        let (first, kind) = match text {
            "unix" | "redis+unix" | "valkey+unix" => ("redis", Kind::Unix),
            _ => match text.split_once('-') {
                Some((first, "cluster")) => (first, Kind::Cluster),
                Some((first, "sentinel")) => (first, Kind::Sentinel),
                _ => (text, Kind::One),
            },
        };
        match first {
            "redis" | "valkey" => Ok(Self { text, kind, is_tls: false }),
            "rediss" | "valkeys" => Ok(Self { text, kind, is_tls: true }),
            _ => Err(invalid("the url is not one of redis")),
        }
    }

    fn parameters(self) -> &'static [&'static str] {
        match self.kind {
            Kind::One => &["protocol"],
            Kind::Unix => &["db", "user", "pass", "protocol"],
            Kind::Cluster => &["node", "protocol"],
            Kind::Sentinel => {
                &["node", "protocol", "sentinelServiceName", "sentinelUsername", "sentinelPassword"]
            }
        }
    }

    /// The same, for a reader that knows of single servers alone, and nothing of TLS.
    fn as_one_server(self, url: &str) -> String {
        match self.kind {
            Kind::Unix => url.to_owned(),
            _ => format!("redis{}", url.trim_start().get(self.text.len()..).unwrap_or_default()),
        }
    }
}

fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(url, _)| url)
}

fn login(url: String) -> Result<ConnectionInfo> {
    url.into_connection_info().map_err(|error| unusable().with_source(error))
}

/// Redis-rs ignores what it does not know, and so would hide a misspelt setting.
fn check(url: &Url, scheme: Scheme<'_>) -> Result<()> {
    for (name, value) in url.query_pairs() {
        if !scheme.parameters().contains(&&*name) {
            // What stands there may be the rest of a password with a `?` or `&` in it.
            let shown = if ELSEWHERE.contains(&&*name) { format!(" {name:?}") } else { String::new() };
            return Err(invalid(&format!("the redis url has an unknown parameter{shown}")));
        }
        if name == "protocol" && !["3", "resp3"].contains(&&*value) {
            return Err(invalid("the redis url asks for another protocol than resp3, which listening needs"));
        }
    }
    match url.fragment() {
        Some("insecure") => {
            return Err(invalid(
                "tls without verification is not to be had: give the server's own authority with `ca_certificates`",
            ));
        }
        Some(_) => {
            return Err(invalid(
                "the redis url has a fragment, which means nothing (write `#` in a password as %23)",
            ));
        }
        None => {}
    }
    let database = url.path().trim_start_matches('/');
    match scheme.kind {
        Kind::Unix => Ok(()),
        Kind::Cluster if !database.is_empty() => {
            Err(invalid("the url of a `cluster` has a `database`, and a cluster has no other than 0"))
        }
        _ if !database.is_empty() && database.parse::<u32>().is_err() => {
            Err(invalid("the redis url has a path that is no database number"))
        }
        _ => Ok(()),
    }
}

fn invalid(what: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("{what}: {WANTED}"))
}

fn unusable() -> Error {
    invalid("the redis url can't be used")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_redis_rs_would_half_understand_are_refused_without_being_shown() {
        for (url, words) in [
            ("127.0.0.1:6379", "expected redis://"),
            ("", "can't be read"),
            ("http://:s3cret@host", "not one of redis"),
            ("redis-ring://:s3cret@host", "not one of redis"),
            ("redis://:s3cret@host?response_timeout=5s", "unknown parameter \"response_timeout\""),
            ("redis://:s3cret@host?protocol=2", "another protocol"),
            ("redis://:s3cret@host/zero", "no database number"),
            ("redis://:s3cret@/0", "expected redis://"),
            ("redis://u:1234?s3cret@host", "unknown parameter: "),
            ("redis://u:1234?s3cret=x@host", "unknown parameter: "),
            ("unix:///redis.sock?user=u&pass=12&s3cret", "unknown parameter: "),
            ("redis://:s3cret@host#x", "fragment"),
            ("rediss://:s3cret@host#insecure", "without verification"),
            ("redis://ann@host", "user without a password"),
            ("unix:///tmp/redis.sock?user=ann", "user without a password"),
            ("unix:///tmp/redis.sock?db=-1", "below 0"),
            ("redis-cluster://:s3cret@host/1", "`database`"),
            ("redis-cluster://:s3cret@host?node=", "node"),
            ("redis-cluster://:s3cret@host?node=host:s3cret", "node"),
            ("redis-sentinel://:s3cret@host?node=other", "sentinelServiceName"),
            ("redis-sentinel://:s3cret@host?sentinelServiceName=m&sentinelUsername=u", "sentinelPassword"),
        ] {
            let error = RedisConfig::from_url(url).unwrap_err();
            assert!(error.to_string().contains(words), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn good_urls_are_understood() {
        for (url, server, user) in [
            ("redis://localhost", "localhost:6379", "default"),
            ("redis://me:a%40b@[::1]:7000/3?protocol=resp3", "::1:7000", "me"),
            ("valkey://host:1", "host:1", "default"),
            ("unix:///tmp/redis.sock?db=1&user=me&pass=x", "/tmp/redis.sock", "me"),
            ("redis-cluster://me:x@a:1?node=b:2&node=[::1]:3", "the cluster of a:1, b:2, ::1:3", "me"),
            ("valkey-cluster://a", "the cluster of a:6379", "default"),
            (
                "redis-sentinel://me:x@a/2?sentinelServiceName=events&node=b:2",
                "events of the sentinels a:26379, b:2",
                "me",
            ),
        ] {
            let config = RedisConfig::from_url(url).unwrap();
            assert_eq!((config.server().as_str(), &*config.user()), (server, user), "{url}");
        }
    }

    #[test]
    fn sentinels_have_a_login_of_their_own() {
        let url = "redis-sentinel://:x@a?sentinelServiceName=m&sentinelUsername=watch&sentinelPassword=p%40";
        let config = RedisConfig::from_url(url).unwrap();
        let sentinel = config.of_sentinel(Address::Tcp("a".to_owned(), 1));
        assert_eq!((&*sentinel.user(), sentinel.login.password()), ("watch", Some("p@")));
        assert_eq!(config.login.password(), Some("x"));
    }

    #[test]
    fn tls_takes_its_feature() {
        for url in [
            "rediss://host",
            "valkeys://host",
            "rediss-cluster://host",
            "rediss-sentinel://h?sentinelServiceName=m",
        ] {
            let outcome = RedisConfig::from_url(url);
            if cfg!(feature = "tls") {
                assert!(outcome.unwrap().has_tls(), "{url}");
            } else {
                let error = outcome.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                assert!(error.to_string().contains("feature `tls`"), "{error}");
            }
        }
    }
}
