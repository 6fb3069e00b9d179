//! URLs of clusters and sentinels, in fred's forms: the first server stands where a single one would, the others are parameters.

use event_bus_core::{Error, ErrorKind, Result};
use redis::ConnectionInfo;
use url::{Host, Url};

use crate::config::{Address, RedisConfig, Servers};

impl RedisConfig {
    pub(super) fn of_cluster(url: &Url, login: &ConnectionInfo) -> Result<Self> {
        let nodes = addresses(url, 6379)?;
        Ok(Self::with_defaults(Servers::Cluster(nodes), login.redis_settings().clone()))
    }

    pub(super) fn of_sentinels(url: &Url, login: &ConnectionInfo) -> Result<Self> {
        let sentinels = addresses(url, 26379)?;
        let name = parameter(url, "sentinelServiceName").ok_or_else(|| {
            invalid("the url of sentinels does not say which master is meant: add ?sentinelServiceName=…")
        })?;
        let config = Self::with_defaults(Servers::Sentinel(name, sentinels), login.redis_settings().clone());
        match (parameter(url, "sentinelUsername"), parameter(url, "sentinelPassword")) {
            (username, Some(password)) => Ok(config.sentinel_login(username.as_deref(), password)),
            (None, None) => Ok(config),
            (Some(_), None) => Err(invalid("the url has a sentinelUsername without a sentinelPassword")),
        }
    }
}

/// The host of the URL, and its nodes.
fn addresses(url: &Url, default_port: u16) -> Result<Vec<Address>> {
    let host = url.host().ok_or_else(|| invalid("the redis url has no host"))?;
    let first = Address::Tcp(name_of(&host), url.port().unwrap_or(default_port));
    let others = url.query_pairs().filter(|(name, _)| name == "node").map(|(_, node)| {
        // It is not shown: it may be a part of a password with an `&` in it.
        let wrong = || invalid("the redis url has a `node` that is not host[:port]");
        let node = Url::parse(&format!("redis://{node}")).map_err(|_| wrong())?;
        let is_bare = node.path().is_empty() && node.username().is_empty() && node.query().is_none();
        let host = node.host().filter(|_| is_bare).ok_or_else(wrong)?;
        Ok(Address::Tcp(name_of(&host), node.port().unwrap_or(default_port)))
    });
    std::iter::once(Ok(first)).chain(others).collect()
}

fn name_of(host: &Host<&str>) -> String {
    match host {
        Host::Ipv6(address) => address.to_string(),
        host => host.to_string(),
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidConfig, text)
}
