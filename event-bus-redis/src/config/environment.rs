//! Settings under the names that the Python bus gives them in its environment, looked up through a function.
//! What they mean and their defaults stand with the setters.

use std::env::VarError;
use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use event_bus_core::{Error, ErrorKind, Result};

use super::address::fault_of_host;
use super::{Listening, Publishing, RedisConfig};

impl RedisConfig {
    /// The settings that `lookup` finds, under the names that the Python bus has for them:
    ///
    /// | variable | is | if unset |
    /// |---|---|---|
    /// | `REDIS_URL` | the server or servers, as for [`from_url`](Self::from_url); the next four are not looked at then | they say it |
    /// | `REDIS_CLUSTER_HOST` | a node of a [cluster](Self::cluster), from which the others are learnt, with [sharded](Self::sharded) pub/sub, as the platform runs | one server, and classic pub/sub |
    /// | `REDIS_HOST` | else the name or address of one server | `localhost` |
    /// | `REDIS_CLUSTER_PORT`, else `REDIS_PORT` | its port | 6379 |
    /// | `REDIS_PASSWORD` | the password of the user `default` | no login |
    /// | `REDIS_SOCKET_TIMEOUT` | [`response_timeout`](Self::response_timeout) in seconds, such as `2` or `0.5` | 2 s (Python 30 s) |
    /// | `REDIS_SOCKET_CONNECT_TIMEOUT` | [`connect_timeout`](Self::connect_timeout) in seconds | 2 s (Python 5 s) |
    /// | `REDIS_HEALTH_CHECK_INTERVAL` | [`ping_interval`](Self::ping_interval) in seconds | 1 s (Python 30 s) |
    /// | `REDIS_RETRY_ATTEMPTS` | how often a publish is tried *again*, as in redis-py: one less than the [`publish_attempts`](Self::publish_attempts); below 0 as often as fits into the time | as often as fits (Python 5) |
    /// | `REDIS_USE_ANNOUNCED_ADDRESS` | [`announced_addresses`](Self::announced_addresses), of a cluster | as in Python false with `REDIS_CLUSTER_HOST`; true with `REDIS_URL` |
    /// | `EVENT_BUS_PUBLISHING` | [`publishing`](Self::publishing), in a word of ours: `classic`, `sharded` or `both` | as said above |
    /// | `EVENT_BUS_LISTENING` | [`listening`](Self::listening): `classic` or `sharded` | as said above |
    ///
    /// A variable that is set to nothing counts as unset, since many deployments export all they know. The defaults are
    /// tighter than Python's on purpose: a healthy server answers within milliseconds, and listeners are told of a
    /// dead one after the ping interval and the response time-out, which would be a minute. Attempts are not counted
    /// by default, since the time for them, [`publish_timeout`](Self::publish_timeout), bounds them better.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a value that can't be right, and [`ErrorKind::Unsupported`] for one that asks for
    /// TLS without the feature `tls`. The error names the variable and never shows its value.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_redis::RedisConfig;
    /// let config = RedisConfig::from_lookup(|name| match name {
    ///     "REDIS_HOST" => Some("redis.internal".to_owned()),
    ///     "REDIS_SOCKET_TIMEOUT" => Some("0.5".to_owned()),
    ///     _ => None,
    /// })?;
    /// # assert!(format!("{config:?}").contains("redis.internal:6379"));
    /// # Ok::<(), event_bus_core::Error>(())
    /// ```
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Variables(&|name| Ok(lookup(name))).config()
    }

    /// The settings in the environment of the process, as for [`from_lookup`](Self::from_lookup).
    ///
    /// # Errors
    /// As for [`from_lookup`](Self::from_lookup); [`ErrorKind::InvalidConfig`] also for a value that is no Unicode.
    ///
    /// # Examples
    /// ```no_run
    /// # use event_bus_redis::{RedisConfig, RedisTransport};
    /// # async fn connect() -> Result<(), event_bus_core::Error> {
    /// let redis = RedisTransport::connect(RedisConfig::from_env()?).await?;
    /// # Ok(()) }
    /// ```
    pub fn from_env() -> Result<Self> {
        Variables(&|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(invalid(name, "is no unicode text")),
        })
        .config()
    }
}

struct Variables<'a>(&'a dyn Fn(&str) -> Result<Option<String>>);

impl Variables<'_> {
    fn config(&self) -> Result<RedisConfig> {
        let mut config = match self.text("REDIS_URL")? {
            Some(url) => RedisConfig::from_url(url).map_err(|error| told_of("REDIS_URL", &error))?,
            None => self.server()?,
        };
        config = self.announced_addresses(config)?;
        config = self.kinds(config)?;
        if let Some(timeout) = self.seconds("REDIS_SOCKET_TIMEOUT")? {
            config = config.response_timeout(timeout);
        }
        if let Some(timeout) = self.seconds("REDIS_SOCKET_CONNECT_TIMEOUT")? {
            config = config.connect_timeout(timeout);
        }
        if let Some(interval) = self.seconds("REDIS_HEALTH_CHECK_INTERVAL")? {
            config = config.ping_interval(interval);
        }
        if let Some(attempts) = self.attempts("REDIS_RETRY_ATTEMPTS")? {
            config = config.publish_attempts(attempts);
        }
        Ok(config)
    }

    fn server(&self) -> Result<RedisConfig> {
        let node = self.host("REDIS_CLUSTER_HOST")?;
        let port = match self.port("REDIS_CLUSTER_PORT")? {
            None => self.port("REDIS_PORT")?,
            port => port,
        };
        let port = port.unwrap_or(6379);
        let config = match node {
            Some(node) => RedisConfig::cluster([(node, port)]).sharded().announced_addresses(false),
            None => RedisConfig::new(self.host("REDIS_HOST")?.as_deref().unwrap_or("localhost"), port),
        };
        Ok(match self.text("REDIS_PASSWORD")? {
            Some(password) => config.password(password),
            None => config,
        })
    }

    fn host(&self, name: &str) -> Result<Option<String>> {
        let host = self.text(name)?;
        match host.as_deref().and_then(fault_of_host) {
            Some(fault) => Err(invalid(name, fault)),
            None => Ok(host),
        }
    }

    fn port(&self, name: &str) -> Result<Option<u16>> {
        let port = |text: &str| text.parse().ok().filter(|port| *port > 0);
        self.parsed(name, port, "is no port: expected a number from 1 to 65535")
    }

    fn seconds(&self, name: &str) -> Result<Option<Duration>> {
        let seconds = |text: &str| {
            let time = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
            (!time.is_zero()).then_some(time)
        };
        self.parsed(name, seconds, "is no time: expected seconds, more than 0, such as 2 or 0.5")
    }

    /// A number of attempts, from a number of retries.
    fn attempts(&self, name: &str) -> Result<Option<u32>> {
        let attempts = |text: &str| {
            let retries: i64 = text.parse().ok()?;
            Some(u32::try_from(retries).map_or(u32::MAX, |retries| retries.saturating_add(1)))
        };
        self.parsed(
            name,
            attempts,
            "is no number of retries: expected a whole number, below 0 for any number",
        )
    }

    fn announced_addresses(&self, config: RedisConfig) -> Result<RedisConfig> {
        let name = "REDIS_USE_ANNOUNCED_ADDRESS";
        let flag = |text: &str| match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => Some(true),
            "0" | "false" | "no" => Some(false),
            _ => None,
        };
        match self.parsed(name, flag, "is neither true nor false")? {
            Some(are_used) if config.is_cluster() => Ok(config.announced_addresses(are_used)),
            // Of one server there is nothing to announce: whoever asks for it means another one.
            Some(true) => {
                Err(invalid(name, "is true, and neither REDIS_CLUSTER_HOST nor REDIS_URL names a cluster"))
            }
            _ => Ok(config),
        }
    }

    fn kinds(&self, mut config: RedisConfig) -> Result<RedisConfig> {
        let publishing = |text: &str| match text.to_ascii_lowercase().as_str() {
            "classic" => Some(Publishing::Classic),
            "sharded" => Some(Publishing::Sharded),
            "both" => Some(Publishing::Both),
            _ => None,
        };
        let listening = |text: &str| match text.to_ascii_lowercase().as_str() {
            "classic" => Some(Listening::Classic),
            "sharded" => Some(Listening::Sharded),
            _ => None,
        };
        let fault = "is none of classic, sharded and both";
        if let Some(publishing) = self.parsed("EVENT_BUS_PUBLISHING", publishing, fault)? {
            config = config.publishing(publishing);
        }
        let fault = "is neither classic nor sharded";
        if let Some(listening) = self.parsed("EVENT_BUS_LISTENING", listening, fault)? {
            config = config.listening(listening);
        }
        Ok(config)
    }

    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>, fault: &str) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        parse(text.trim()).map(Some).ok_or_else(|| invalid(name, fault))
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        Ok((self.0)(name)?.filter(|value| !value.is_empty()))
    }
}

fn invalid(name: &str, fault: impl fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("{name} {fault}"))
}

fn told_of(name: &str, error: &Error) -> Error {
    let told = Error::new(error.kind(), format!("{name}: {error}"));
    match error.source() {
        Some(source) => told.with_source(source.to_string()),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<RedisConfig> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        RedisConfig::from_lookup(|name| variables.get(name).map(ToString::to_string))
    }

    fn fault(name: &str, value: &str, kind: ErrorKind) {
        let error = read(&[(name, value)]).expect_err(value);
        assert_eq!(error.kind(), kind, "{name}={value}: {error}");
        assert!(error.to_string().starts_with(name), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn nothing_set_means_a_server_at_home_and_our_own_patience() {
        for config in [read(&[]).unwrap(), read(&[("REDIS_HOST", ""), ("REDIS_SOCKET_TIMEOUT", "")]).unwrap()]
        {
            assert_eq!((config.server().as_str(), config.login.password()), ("localhost:6379", None));
            assert_eq!(config.response_timeout, Duration::from_secs(2));
            assert_eq!(config.connect_timeout, Duration::from_secs(2));
            assert_eq!(config.ping_interval, Duration::from_secs(1));
            assert_eq!(config.publish_attempts, None);
        }
    }

    #[test]
    fn the_cluster_s_names_win_each_by_itself() {
        let server = |variables: &[(&str, &str)]| read(variables).unwrap().server();
        let plain = [("REDIS_HOST", "plain"), ("REDIS_PORT", "1")];
        assert_eq!(server(&plain), "plain:1");
        assert_eq!(server(&[plain[0], plain[1], ("REDIS_CLUSTER_HOST", "node")]), "the cluster of node:1");
        assert_eq!(server(&[plain[0], plain[1], ("REDIS_CLUSTER_PORT", "2")]), "plain:2");
        assert_eq!(server(&[plain[0], plain[1], ("REDIS_CLUSTER_HOST", "")]), "plain:1");
    }

    #[test]
    fn a_cluster_is_used_as_the_platform_does_unless_something_else_is_said() {
        let node = ("REDIS_CLUSTER_HOST", "node");
        let config = read(&[node]).unwrap();
        assert_eq!((config.publishing, config.listening), (Publishing::Sharded, Listening::Sharded));
        assert_eq!(config.host_of_all_nodes(), Some("node"));
        let config = read(&[node, ("REDIS_USE_ANNOUNCED_ADDRESS", " True ")]).unwrap();
        assert_eq!(config.host_of_all_nodes(), None);
        let config = read(&[node, ("EVENT_BUS_PUBLISHING", "Both"), ("EVENT_BUS_LISTENING", "classic")]);
        let config = config.unwrap();
        assert_eq!((config.publishing, config.listening), (Publishing::Both, Listening::Classic));
        let config =
            read(&[("REDIS_URL", "redis-cluster://node"), ("EVENT_BUS_LISTENING", "sharded")]).unwrap();
        assert_eq!((config.publishing, config.listening), (Publishing::Classic, Listening::Sharded));
        assert_eq!(config.host_of_all_nodes(), None);
        let config = read(&[("REDIS_URL", "redis-cluster://node"), ("REDIS_USE_ANNOUNCED_ADDRESS", "0")]);
        assert_eq!(config.unwrap().host_of_all_nodes(), Some("node"));
    }

    #[test]
    fn a_password_is_taken_as_it_is_and_shown_nowhere() {
        let config = read(&[("REDIS_PASSWORD", " s3cret/@%41 ")]).unwrap();
        assert_eq!((config.login.password(), &*config.user()), (Some(" s3cret/@%41 "), "default"));
        assert!(!format!("{config:?}").contains("s3cret"));
        assert_eq!(read(&[("REDIS_PASSWORD", "")]).unwrap().login.password(), None);
    }

    #[test]
    fn a_url_says_where_and_the_others_how() {
        let config = read(&[
            ("REDIS_URL", "redis://ann:word@there:7/1"),
            ("REDIS_CLUSTER_HOST", "not a host"),
            ("REDIS_PORT", "no port"),
            ("REDIS_PASSWORD", "another"),
            ("REDIS_SOCKET_TIMEOUT", "0.5"),
            ("REDIS_SOCKET_CONNECT_TIMEOUT", " 5 "),
            ("REDIS_HEALTH_CHECK_INTERVAL", "30"),
            ("REDIS_RETRY_ATTEMPTS", "5"),
            ("REDIS_USE_ANNOUNCED_ADDRESS", "False"),
        ])
        .unwrap();
        assert_eq!((config.server().as_str(), config.login.password()), ("there:7", Some("word")));
        assert_eq!(config.response_timeout, Duration::from_millis(500));
        assert_eq!(config.connect_timeout, Duration::from_secs(5));
        assert_eq!(config.ping_interval, Duration::from_secs(30));
        assert_eq!(config.publish_attempts, Some(6));
    }

    #[test]
    fn retries_are_counted_as_redis_py_does() {
        for (retries, attempts) in [("0", 1), ("1", 2), ("-1", u32::MAX), ("9999999999", u32::MAX)] {
            let config = read(&[("REDIS_RETRY_ATTEMPTS", retries)]).unwrap();
            assert_eq!(config.publish_attempts, Some(attempts), "{retries}");
        }
    }

    #[test]
    fn values_that_cannot_be_right_are_told_by_name() {
        for seconds in ["soon", "-1", "0", "0.0", "1e-12", "nan", "inf", "1e300", "5s"] {
            fault("REDIS_SOCKET_TIMEOUT", seconds, ErrorKind::InvalidConfig);
            fault("REDIS_SOCKET_CONNECT_TIMEOUT", seconds, ErrorKind::InvalidConfig);
            fault("REDIS_HEALTH_CHECK_INTERVAL", seconds, ErrorKind::InvalidConfig);
        }
        for port in ["0", "65536", "-1", "redis", "tcp://10.0.0.1:6379"] {
            fault("REDIS_PORT", port, ErrorKind::InvalidConfig);
            fault("REDIS_CLUSTER_PORT", port, ErrorKind::InvalidConfig);
        }
        for host in ["redis://:s3cret@host", "host:6379", "[::1]", "0.0.0.0", " "] {
            fault("REDIS_HOST", host, ErrorKind::InvalidConfig);
            fault("REDIS_CLUSTER_HOST", host, ErrorKind::InvalidConfig);
        }
        fault("REDIS_RETRY_ATTEMPTS", "1.5", ErrorKind::InvalidConfig);
        fault("REDIS_USE_ANNOUNCED_ADDRESS", "on", ErrorKind::InvalidConfig);
        fault("REDIS_URL", "redis://:s3cret@host?timeout=1", ErrorKind::InvalidConfig);
        fault("REDIS_URL", "redis://ann@host", ErrorKind::InvalidConfig);
    }

    #[test]
    fn what_does_not_go_together_is_told_by_name() {
        if cfg!(not(feature = "tls")) {
            fault("REDIS_URL", "rediss://:s3cret@host", ErrorKind::Unsupported);
        }
        for yes in ["1", "true", "YES", " True "] {
            fault("REDIS_USE_ANNOUNCED_ADDRESS", yes, ErrorKind::InvalidConfig);
        }
        fault("EVENT_BUS_PUBLISHING", "all", ErrorKind::InvalidConfig);
        fault("EVENT_BUS_LISTENING", "both", ErrorKind::InvalidConfig);
    }
}
