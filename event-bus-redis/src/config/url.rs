//! A Redis URL, read strictly: redis-rs ignores what it does not know. What the settings mean stands in `mod.rs`.

use event_bus_core::{Error, ErrorKind, Result};
use redis::IntoConnectionInfo;
use url::Url;

use super::{Address, RedisConfig, Servers};

impl RedisConfig {
    /// The server at `url`: `redis://[user[:password]@]host[:port][/database]`, or
    /// `unix:///path/to/socket[?db=…&user=…&pass=…]`; `valkey://` too. Special characters in user and password
    /// are percent-encoded.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if that is not what it is, or if it has a parameter that would be ignored;
    /// [`ErrorKind::Unsupported`] for TLS. The error never shows the URL, which may hold a password.
    pub fn from_url(url: impl AsRef<str>) -> Result<Self> {
        check_url(url.as_ref())?;
        let connection = url.as_ref().into_connection_info().map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("the redis url can't be used: {WANTED}"))
                .with_source(error)
        })?;
        let address = Address::of_redis(connection.addr()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, format!("the redis url can't be used: {WANTED}"))
        })?;
        let config = Self::with_defaults(Servers::One(address), connection.redis_settings().clone());
        config.check()?;
        Ok(config)
    }
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
const ELSEWHERE: [&str; 16] = [
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
    "timeout",
    "user",
    "username",
];

/// redis-rs ignores what it does not know, and so would hide a misspelt setting.
fn check_url(url: &str) -> Result<()> {
    let invalid = |what: &str| Error::new(ErrorKind::InvalidConfig, format!("{what}: {WANTED}"));
    let url = Url::parse(url).map_err(|_| invalid("the redis url can't be read"))?;
    let known: &[&str] = match url.scheme() {
        "redis" | "valkey" => &["protocol"],
        "unix" | "redis+unix" | "valkey+unix" => &["db", "user", "pass", "protocol"],
        "rediss" | "valkeys" => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "tls is not supported yet: use redis:// or unix://",
            ));
        }
        _ => return Err(invalid("the url is not one of redis")),
    };
    for (name, value) in url.query_pairs() {
        if !known.contains(&&*name) {
            // What stands there may be the rest of a password with a `?` or `&` in it.
            let shown = if ELSEWHERE.contains(&&*name) { format!(" {name:?}") } else { String::new() };
            return Err(invalid(&format!("the redis url has an unknown parameter{shown}")));
        }
        if name == "protocol" && !["3", "resp3"].contains(&&*value) {
            return Err(invalid("the redis url asks for another protocol than resp3, which listening needs"));
        }
    }
    if url.fragment().is_some() {
        return Err(invalid(
            "the redis url has a fragment, which means nothing (write `#` in a password as %23)",
        ));
    }
    let database = url.path().trim_start_matches('/');
    if matches!(url.scheme(), "redis" | "valkey") && !database.is_empty() && database.parse::<u32>().is_err()
    {
        return Err(invalid("the redis url has a path that is no database number"));
    }
    Ok(())
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
            ("redis://:s3cret@host?response_timeout=5s", "unknown parameter \"response_timeout\""),
            ("redis://:s3cret@host?protocol=2", "another protocol"),
            ("redis://:s3cret@host/zero", "no database number"),
            ("redis://:s3cret@/0", "expected redis://"),
            ("redis://u:1234?s3cret@host", "unknown parameter: "),
            ("redis://u:1234?s3cret=x@host", "unknown parameter: "),
            ("unix:///redis.sock?user=u&pass=12&s3cret", "unknown parameter: "),
            ("redis://:s3cret@host#x", "fragment"),
            ("redis://ann@host", "user without a password"),
            ("unix:///tmp/redis.sock?user=ann", "user without a password"),
            ("unix:///tmp/redis.sock?db=-1", "below 0"),
            ("rediss://:s3cret@host", "tls is not supported"),
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
        ] {
            let config = RedisConfig::from_url(url).unwrap();
            assert_eq!((config.server().as_str(), config.user()), (server, user), "{url}");
        }
    }
}
