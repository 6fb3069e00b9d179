//! Which server, and who we are to it. How patient we are with it stands in `patience.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use event_bus_core::{Error, ErrorKind, Result};
use redis::{RedisConnectionInfo, RedisResult};

use super::{Address, RedisConfig, Servers};
use crate::credentials::{CredentialsProvider, Vault};

impl RedisConfig {
    /// The server at `host`, a name or an address (IPv6 without brackets), and `port`, for Redis mostly 6379.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::with_defaults(Servers::One(Address::Tcp(host.into(), port)), RedisConnectionInfo::default())
    }

    /// The server behind the unix socket at `path`.
    #[must_use]
    pub fn unix_socket(path: impl Into<PathBuf>) -> Self {
        Self::with_defaults(Servers::One(Address::Unix(path.into())), RedisConnectionInfo::default())
    }

    /// As whom to log in, which takes a [`password`](Self::password) too; by default as `default`, the user that every
    /// server has.
    #[must_use]
    pub fn username(mut self, username: impl AsRef<str>) -> Self {
        self.login = self.login.set_username(username);
        self
    }

    /// The password, as it is: nothing is percent-encoded. None by default, as on a server fresh from its package;
    /// then there is no login. It is shown nowhere.
    #[must_use]
    pub fn password(mut self, password: impl AsRef<str>) -> Self {
        self.login = self.login.set_password(password);
        self
    }

    /// Asks `provider` for the user and the password at each connect, for those that do not last. When it tells of new ones,
    /// the connections that live log in anew, those that publish, those that listen, and those that ask the nodes of a cluster
    /// who serves what; where that fails, they keep the old ones and try again, which a warning and
    /// [`health`](event_bus_core::transport::Transport::health) tell.
    ///
    /// It is not asked for sentinels, who have a [login of their own](Self::sentinel_login).
    #[must_use]
    pub fn credentials(mut self, provider: impl CredentialsProvider) -> Self {
        self.credentials = Some(Arc::new(Vault::new(provider)));
        self
    }

    /// As whom to log in to the sentinels themselves, which know nothing of the servers' users: a user, where they have users,
    /// and a password. No login by default.
    #[must_use]
    pub fn sentinel_login(mut self, username: Option<&str>, password: impl AsRef<str>) -> Self {
        let login = RedisConnectionInfo::default().set_password(password);
        self.sentinel_login = match username {
            Some(username) => login.set_username(username),
            None => login,
        };
        self
    }

    /// The number of the database to select; 0 by default, which every server has. Channels are the same in all
    /// databases, so this keeps nobody apart: a [prefix](event_bus_core::EventBusBuilder::prefix) does.
    #[must_use]
    pub fn database(mut self, number: u32) -> Self {
        self.login = self.login.set_db(number.into());
        self
    }

    /// Refuses what no server can be reached with.
    pub(super) fn check_server(&self) -> Result<()> {
        let fault = self
            .servers
            .fault()
            .or_else(|| self.fault_of_login().map(str::to_owned))
            .or_else(|| self.contradiction().map(str::to_owned));
        match (fault, &self.tls) {
            (Some(fault), _) => Err(Error::new(ErrorKind::InvalidConfig, fault)),
            (None, Some(tls)) => tls.check(),
            (None, None) => Ok(()),
        }
    }

    /// Two settings that can't both be meant.
    fn contradiction(&self) -> Option<&'static str> {
        let is_sentinel = matches!(self.servers, Servers::Sentinel(..));
        let has_login = self.login.username().is_some() || self.login.password().is_some();
        if self.tls.is_some() && matches!(self.servers, Servers::One(Address::Unix(_))) {
            Some("`tls` is for networks, and the server is at a `unix socket`")
        } else if self.is_cluster() && self.login.db() != 0 {
            Some("`database` is not 0, and a `cluster` has no other")
        } else if self.credentials.is_some() && has_login {
            Some("there are `credentials` of a provider, and a `username` or `password` too")
        } else if !is_sentinel && self.sentinel_login.password().is_some() {
            Some("there is a `sentinel_login`, and no `sentinel`")
        } else if !self.announced_addresses && !self.is_cluster() {
            Some("`announced_addresses` is false, and there is no `cluster` whose nodes announce any")
        } else {
            None
        }
    }

    fn fault_of_login(&self) -> Option<&'static str> {
        if self.login.username().is_some_and(str::is_empty) {
            Some("the username is empty: leave it out for redis's user `default`")
        } else if self.login.username().is_some() && self.login.password().is_none() {
            Some("there is a user without a password, which redis takes for no login at all")
        } else if self.login.db() < 0 {
            Some("the number of the database is below 0")
        } else {
            None
        }
    }

    /// The server, or the servers, without credentials, for messages.
    pub(crate) fn server(&self) -> String {
        self.servers.to_string()
    }

    pub(crate) fn user(&self) -> Arc<str> {
        match &self.credentials {
            Some(vault) => vault.last_user(),
            None => self.login.username().unwrap_or("default").into(),
        }
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn is_tcp(&self) -> bool {
        !matches!(self.servers, Servers::One(Address::Unix(_)))
    }

    /// Where credentials come from that change.
    pub(crate) fn vault(&self) -> Option<&Arc<Vault>> {
        self.credentials.as_ref()
    }

    pub(super) async fn current_login(&self) -> RedisResult<RedisConnectionInfo> {
        let Some(vault) = &self.credentials else { return Ok(self.login.clone()) };
        let credentials = vault.ask(self.connect_timeout).await?;
        let login = self.login.clone().set_password(&*credentials.password);
        Ok(match &credentials.username {
            Some(username) => login.set_username(&**username),
            None => login,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(config: &RedisConfig) -> String {
        let error = config.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(!format!("{error:?} {config:?}").contains("s3cret"), "{error:?} {config:?}");
        error.to_string()
    }

    #[test]
    fn what_reaches_no_server_is_refused_without_being_shown() {
        for (host, words) in [
            ("", "the host is empty"),
            ("0.0.0.0", "listens everywhere"),
            ("::", "listens everywhere"),
            ("redis://:s3cret@host", "no name or address"),
            ("host:6379", "no name or address"),
            ("[::1]", "no name or address"),
            ("host name", "no name or address"),
        ] {
            let error = fault(&RedisConfig::new(host, 6379));
            assert!(error.contains(words), "{host}: {error}");
        }
        assert!(fault(&RedisConfig::new("host", 0)).contains("port is 0"));
        assert!(fault(&RedisConfig::unix_socket("")).contains("path"));
    }

    #[test]
    fn hosts_of_every_kind_are_taken() {
        for host in
            ["localhost", "redis-0.redis.svc.cluster.local", "10.0.0.1", "::1", "fe80::1%eth0", "bücher"]
        {
            RedisConfig::new(host, 6379).check().unwrap();
        }
        RedisConfig::unix_socket("/tmp/a socket").check().unwrap();
    }

    #[test]
    fn a_user_takes_a_password() {
        let config = || RedisConfig::new("host", 6379);
        assert!(fault(&config().username("ann")).contains("without a password"));
        assert!(fault(&config().username("").password("s3cret")).contains("username is empty"));
        config().username("ann").password("s3cret").check().unwrap();
        config().password("s3cret").check().unwrap();
    }

    #[test]
    fn later_settings_win_over_those_of_a_url() {
        let config = RedisConfig::from_url("redis://ann:old@host/3").unwrap();
        let config = config.username("bob").password("n/w@").database(4);
        assert_eq!((&*config.user(), config.login.password(), config.login.db()), ("bob", Some("n/w@"), 4));
    }
}
