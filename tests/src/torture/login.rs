//! The user that the bus logs in as while its password changes, and what operators do to change it. All else that tortures is
//! somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;

use event_bus_redis::{Credentials, CredentialsError, CredentialsProvider, RedisConfig};
use tokio::sync::watch;

use super::plan::Rotation;

const USER: &str = "bus";

/// Servers at which there is a user of the bus's own.
pub(super) trait Operated {
    /// Runs a command at each, one after the other.
    fn everywhere(&self, words: &[&str]);
    /// Has each know its users when it is started again.
    fn remember_users(&self);
}

/// What those are told who log in: the number of the password. Cloning gives the same.
#[derive(Clone, Debug)]
pub(super) struct Login(Arc<watch::Sender<u64>>);

/// Hands it out to one transport.
struct Provider {
    login: Login,
    told: AtomicU64,
}

impl Login {
    /// Makes the user known.
    pub(super) fn at(servers: &dyn Operated) -> Self {
        let login = Self(Arc::new(watch::Sender::new(1)));
        servers.everywhere(&["ACL", "SETUSER", USER, "on", &good(1), "~*", "&*", "+@all"]);
        servers.remember_users();
        login
    }

    /// The same config for somebody who logs in so.
    pub(super) fn of(&self, config: RedisConfig) -> RedisConfig {
        config.credentials(Provider { login: self.clone(), told: AtomicU64::new(self.number()) })
    }

    /// Changes the password. Whoever has logged in with the old one stays, as far as servers are concerned, unless he is cut
    /// off. Blocks its thread.
    pub(super) fn rotate(&self, rotation: Rotation, servers: &dyn Operated) {
        let (old, new) = (self.number(), self.number() + 1);
        match rotation {
            Rotation::Gentle { overlap } => {
                servers.everywhere(&["ACL", "SETUSER", USER, &good(new)]);
                servers.remember_users();
                self.tell(new);
                sleep(overlap);
                servers.everywhere(&["ACL", "SETUSER", USER, &no_more(old)]);
                servers.remember_users();
            }
            Rotation::Harsh { gap } => {
                servers.everywhere(&["ACL", "SETUSER", USER, "resetpass", &good(new)]);
                servers.remember_users();
                // When no server lets anybody in any more, or some would be cut off once more elsewhere.
                servers.everywhere(&["CLIENT", "KILL", "USER", USER]);
                sleep(gap);
                self.tell(new);
            }
        }
    }

    fn number(&self) -> u64 {
        *self.0.borrow()
    }

    fn tell(&self, number: u64) {
        self.0.send_replace(number);
    }
}

impl CredentialsProvider for Provider {
    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        Ok(Credentials::new(USER, password(self.login.number())))
    }

    async fn changed(&self) {
        let told = self.told.load(Ordering::Relaxed);
        let mut numbers = self.login.0.subscribe();
        if let Ok(number) = numbers.wait_for(|number| *number > told).await {
            self.told.store(*number, Ordering::Relaxed);
        }
    }
}

fn password(number: u64) -> String {
    format!("secret-{number}")
}

fn good(number: u64) -> String {
    format!(">{}", password(number))
}

fn no_more(number: u64) -> String {
    format!("<{}", password(number))
}
