//! Settings out of a file, by serde. Each is called like its setter, and none is ever written: some are secrets.

mod words;

use event_bus_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::{Listening, Publishing, RedisConfig};
use words::{Node, Secret, Time};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    url: Option<Secret>,
    host: Option<String>,
    port: Option<u16>,
    unix_socket: Option<String>,
    cluster: Option<Vec<Node>>,
    announced_addresses: Option<bool>,
    sentinel: Option<Sentinel>,
    username: Option<String>,
    password: Option<Secret>,
    database: Option<u32>,
    tls: Option<bool>,
    ca_certificates: Option<Secret>,
    client_certificate: Option<ClientCertificate>,
    publishing: Option<Publishing>,
    listening: Option<Listening>,
    connect_timeout: Option<Time>,
    response_timeout: Option<Time>,
    publish_timeout: Option<Time>,
    publish_attempts: Option<u32>,
    listen_timeout: Option<Time>,
    ping_interval: Option<Time>,
    notice_within: Option<Time>,
    probe_interval: Option<Time>,
    lanes: Option<usize>,
    max_in_flight: Option<usize>,
    fold_patterns_beyond: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentinel {
    name: String,
    nodes: Vec<Node>,
    username: Option<String>,
    password: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only refused then"))]
struct ClientCertificate {
    certificates: Secret,
    key: Secret,
}

impl<'de> Deserialize<'de> for RedisConfig {
    /// A map of settings. One of them says where Redis is: `url`, or `host` (and `port`), or `unix_socket`, or `cluster` (a list of
    /// `host:port`), or `sentinel` (`name`, `nodes`, and the sentinels' own `username` and `password`). `client_certificate` has
    /// `certificates` and `key`, as PEM like `ca_certificates`. All others are called like their setters; times are seconds, or
    /// texts such as `1m 30s`. What can't be meant together is an error, and so is a setting that is not known; no error shows
    /// a secret.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Settings::deserialize(deserializer)?.config().map_err(de::Error::custom)
    }
}

impl Settings {
    fn config(self) -> Result<RedisConfig> {
        let config = self.servers()?;
        let config = self.login(config)?;
        let config = self.security(config)?;
        let config = self.times(config);
        config.check()?;
        Ok(config)
    }

    /// Exactly one way of saying where.
    fn servers(&self) -> Result<RedisConfig> {
        let ways = [
            ("url", self.url.is_some()),
            ("host", self.host.is_some()),
            ("unix_socket", self.unix_socket.is_some()),
            ("cluster", self.cluster.is_some()),
            ("sentinel", self.sentinel.is_some()),
        ];
        let said: Vec<&str> = ways.iter().filter(|(_, is_said)| *is_said).map(|(name, _)| *name).collect();
        if let [first, second, ..] = said[..] {
            return Err(invalid(format!(
                "there are both `{first}` and `{second}`, which each say where redis is"
            )));
        }
        if self.port.is_some() && self.host.is_none() {
            return Err(invalid("there is a `port`, and no `host`"));
        }
        if let Some(Secret(url)) = &self.url {
            return RedisConfig::from_url(url);
        }
        if let Some(path) = &self.unix_socket {
            return Ok(RedisConfig::unix_socket(path));
        }
        if let Some(nodes) = &self.cluster {
            return Ok(RedisConfig::cluster(nodes.iter().map(|node| node.at(6379))));
        }
        if let Some(sentinel) = &self.sentinel {
            return sentinel.config();
        }
        match &self.host {
            Some(host) => Ok(RedisConfig::new(host, self.port.unwrap_or(6379))),
            None => Err(invalid(
                "nothing says where redis is: give `url`, `host`, `unix_socket`, `cluster` or `sentinel`",
            )),
        }
    }

    fn login(&self, mut config: RedisConfig) -> Result<RedisConfig> {
        let twice = |name: &str| {
            Err(invalid(format!(
                "there is a `{name}` in the `url` already, or beside it: say it in one place"
            )))
        };
        if self.url.is_some() {
            match self {
                Self { username: Some(_), .. } if config.login.username().is_some() => {
                    return twice("username");
                }
                Self { password: Some(_), .. } if config.login.password().is_some() => {
                    return twice("password");
                }
                Self { database: Some(_), .. } if config.login.db() != 0 => return twice("database"),
                _ => {}
            }
        }
        if let Some(username) = &self.username {
            config = config.username(username);
        }
        if let Some(Secret(password)) = &self.password {
            config = config.password(password);
        }
        if let Some(database) = self.database {
            config = config.database(database);
        }
        if let Some(are_used) = self.announced_addresses {
            config = config.announced_addresses(are_used);
        }
        Ok(config)
    }

    #[cfg(feature = "tls")]
    fn security(&self, mut config: RedisConfig) -> Result<RedisConfig> {
        let has_certificates = self.ca_certificates.is_some() || self.client_certificate.is_some();
        match self.tls {
            Some(false) if has_certificates => {
                return Err(invalid(
                    "`tls` is false, and there are `ca_certificates` or a `client_certificate` for it",
                ));
            }
            Some(false) if config.has_tls() => {
                return Err(invalid("`tls` is false, and the `url` says rediss://"));
            }
            Some(true) => config = config.tls(),
            _ => {}
        }
        if let Some(Secret(pem)) = &self.ca_certificates {
            config = config.ca_certificates(pem);
        }
        if let Some(ClientCertificate { certificates: Secret(certificates), key: Secret(key) }) =
            &self.client_certificate
        {
            config = config.client_certificate(certificates, key);
        }
        Ok(config)
    }

    #[cfg(not(feature = "tls"))]
    fn security(&self, config: RedisConfig) -> Result<RedisConfig> {
        let is_wanted =
            self.tls == Some(true) || self.ca_certificates.is_some() || self.client_certificate.is_some();
        if is_wanted { Err(super::url::no_tls()) } else { Ok(config) }
    }

    fn times(self, mut config: RedisConfig) -> RedisConfig {
        config.publishing = self.publishing.unwrap_or(config.publishing);
        config.listening = self.listening.unwrap_or(config.listening);
        for (said, setting) in [
            (self.connect_timeout, &mut config.connect_timeout),
            (self.response_timeout, &mut config.response_timeout),
            (self.publish_timeout, &mut config.publish_timeout),
            (self.listen_timeout, &mut config.listen_timeout),
            (self.ping_interval, &mut config.ping_interval),
        ] {
            *setting = said.map_or(*setting, |Time(time)| time);
        }
        config.publish_attempts = self.publish_attempts;
        config.notice_within = self.notice_within.map(|Time(time)| time);
        config.probe_interval = self.probe_interval.map(|Time(time)| time);
        config.lanes = self.lanes.unwrap_or(config.lanes);
        config.max_in_flight = self.max_in_flight.unwrap_or(config.max_in_flight);
        config.fold_patterns_beyond = self.fold_patterns_beyond.unwrap_or(config.fold_patterns_beyond);
        config
    }
}

impl Sentinel {
    fn config(&self) -> Result<RedisConfig> {
        let config = RedisConfig::sentinel(&self.name, self.nodes.iter().map(|node| node.at(26379)));
        match (&self.username, &self.password) {
            (username, Some(Secret(password))) => Ok(config.sentinel_login(username.as_deref(), password)),
            (None, None) => Ok(config),
            (Some(_), None) => Err(invalid("`sentinel` has a `username` without a `password`")),
        }
    }
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidConfig, text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn read(text: &str) -> std::result::Result<RedisConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn every_setting_has_the_name_of_its_setter() {
        let config = read(
            r#"{
                "cluster": ["a", "b:7000", "[::1]:7001"], "announced_addresses": false,
                "username": "ann", "password": "s3cret", "publishing": "both", "listening": "sharded",
                "connect_timeout": "250ms", "response_timeout": 0.5, "publish_timeout": "1m 30s", "listen_timeout": 3,
                "ping_interval": "2s", "notice_within": "10s", "probe_interval": "1s", "publish_attempts": 3,
                "lanes": 2, "max_in_flight": 10, "fold_patterns_beyond": 5
            }"#,
        )
        .unwrap();
        assert_eq!(config.server(), "the cluster of a:6379, b:7000, ::1:7001");
        assert_eq!(config.host_of_all_nodes(), Some("a"));
        assert_eq!((&*config.user(), config.login.password()), ("ann", Some("s3cret")));
        assert_eq!((config.publishing, config.listening), (Publishing::Both, Listening::Sharded));
        assert_eq!(config.connect_timeout, Duration::from_millis(250));
        assert_eq!(config.response_timeout, Duration::from_millis(500));
        assert_eq!(config.publish_timeout, Duration::from_secs(90));
        assert_eq!(config.listen_timeout, Duration::from_secs(3));
        assert_eq!(config.notice_within, Some(Duration::from_secs(10)));
        assert_eq!((config.publish_attempts, config.lanes), (Some(3), 2));
        assert_eq!((config.max_in_flight, config.fold_patterns_beyond), (10, 5));
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_left_out_has_its_default_wherever_redis_is() {
        let config = read(r#"{"url": "redis://:s3cret@host/2"}"#).unwrap();
        assert_eq!((config.login.db(), config.publish_timeout), (2, Duration::from_secs(5)));
        let sentinel = r#"{"sentinel": {"name": "m", "nodes": ["a", "b:1"], "password": "s3cret"}}"#;
        assert_eq!(read(sentinel).unwrap().server(), "m of the sentinels a:26379, b:1");
        assert_eq!(read(r#"{"unix_socket": "/tmp/r.sock"}"#).unwrap().server(), "/tmp/r.sock");
    }

    #[test]
    fn what_is_unknown_or_can_not_be_meant_is_told_without_a_secret() {
        for (text, words) in [
            ("{}", "nothing says where redis is"),
            (r#"{"host": "a", "hots": "s3cret"}"#, "unknown field `hots`"),
            (r#"{"host": "a", "url": "redis://:s3cret@b"}"#, "both `url` and `host`"),
            (r#"{"host": "a", "cluster": ["b"]}"#, "both `host` and `cluster`"),
            (r#"{"port": 1, "cluster": ["b"]}"#, "`port`, and no `host`"),
            (r#"{"url": "redis://:s3cret@b", "password": "s3cret"}"#, "`password` in the `url`"),
            (r#"{"cluster": ["b"], "database": 1}"#, "`database` is not 0, and a `cluster`"),
            (r#"{"cluster": []}"#, "no nodes"),
            (r#"{"cluster": ["redis://:s3cret@b"]}"#, "host:port"),
            (r#"{"cluster": [6379]}"#, "host:port"),
            (r#"{"host": "b", "announced_addresses": false}"#, "`announced_addresses` is false"),
            (r#"{"sentinel": {"nodes": ["a"]}}"#, "missing field `name`"),
            (
                r#"{"sentinel": {"name": "m", "nodes": ["a"], "username": "u"}}"#,
                "`username` without a `password`",
            ),
            (r#"{"host": "a", "connect_timeout": "soon s3cret"}"#, "expected a time"),
            (r#"{"host": "a", "connect_timeout": -1}"#, "expected a time"),
            (r#"{"host": "a", "connect_timeout": 0}"#, "`connect_timeout` must be more than zero"),
            (r#"{"host": "a", "publishing": "all"}"#, "unknown variant `all`"),
            (r#"{"host": "a", "username": "u"}"#, "user without a password"),
            (r#"{"host": "a", "notice_within": "1s"}"#, "`notice_within`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(words), "{text}: {error}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn tls_is_set_as_by_the_setters() {
        let outcome = read(r#"{"host": "a", "tls": true}"#);
        if cfg!(not(feature = "tls")) {
            let error = outcome.unwrap_err();
            assert!(error.to_string().contains("feature `tls`"), "{error}");
            return;
        }
        assert!(outcome.unwrap().has_tls());
        let certificate = r#"{"host": "a", "client_certificate": {"certificates": "c", "key": "s3cret"}}"#;
        let error = read(certificate).unwrap_err();
        assert!(error.to_string().contains("`client_certificate`"), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        let error = read(r#"{"url": "rediss://a", "tls": false}"#).unwrap_err();
        assert!(error.to_string().contains("`tls` is false"), "{error}");
    }
}
