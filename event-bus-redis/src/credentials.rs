//! Credentials that are asked for at each connect, and change while connections live. Who logs in with them is not known here.

use std::error::Error as StdError;
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_bus_core::transport::Health;
use futures_util::FutureExt;
use redis::{RedisError, RedisResult};
use tokio::sync::watch;
use tokio::time::timeout;

/// Why there are no credentials. It is logged: it must hold no secret.
pub type CredentialsError = Box<dyn StdError + Send + Sync>;

/// A user and a password. The password is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(crate) username: Option<Arc<str>>,
    pub(crate) password: Arc<str>,
}

impl Credentials {
    /// Of that user.
    #[must_use]
    pub fn new(username: impl Into<Arc<str>>, password: impl Into<Arc<str>>) -> Self {
        Self { username: Some(username.into()), password: password.into() }
    }

    /// Of the user `default`.
    #[must_use]
    pub fn of_default_user(password: impl Into<Arc<str>>) -> Self {
        Self { username: None, password: password.into() }
    }

    /// The user.
    #[must_use]
    pub fn username(&self) -> &str {
        self.username.as_deref().unwrap_or("default")
    }
}

impl fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username()).finish_non_exhaustive()
    }
}

/// Hands out credentials that do not last: a token that is renewed, a secret that is rotated. Give it to
/// [`RedisConfig::credentials`](crate::RedisConfig::credentials).
///
/// An async closure is one, too, of credentials that are asked for at each connect and never rotated meanwhile:
///
/// ```
/// use event_bus_redis::{Credentials, CredentialsError, RedisConfig};
///
/// async fn token() -> Result<String, CredentialsError> {
/// #   Ok("token".to_owned())
///     // from a vault, a file, a cloud's identity service
/// }
///
/// let config = RedisConfig::new("redis.internal", 6379)
///     .credentials(async || Ok(Credentials::new("worker", token().await?)));
/// # let _ = config;
/// ```
pub trait CredentialsProvider: Send + Sync + 'static {
    /// The credentials of this moment. Asked for at each connect, by several connections at once, and within the
    /// [`connect_timeout`](crate::RedisConfig::connect_timeout), after which the future is dropped; so whoever has to ask
    /// somebody far away should keep what is still good.
    ///
    /// # Errors
    /// Why there are none. The connection is not made, which is told and tried again as any failure to connect.
    fn credentials(&self) -> impl Future<Output = Result<Credentials, CredentialsError>> + Send;

    /// Waits until there are other credentials than before. Then every connection that lives logs in anew, and what failed to
    /// connect tries again at once. By default that never happens.
    ///
    /// One task at a time waits for it, and begins again when it has come. A change while nobody waits must not be forgotten,
    /// as `tokio::sync::Notify::notify_one` does not. It should wait for news and not ask for it itself: while nothing is
    /// connected it is looked at briefly, and as often as something is published.
    ///
    /// # Cancel safety
    /// The future is dropped when the connection that waits ends, or right after it was polled once, by who only looks. What
    /// it had not told yet is for the next one.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        pending()
    }
}

impl<F, Asking> CredentialsProvider for F
where
    F: Fn() -> Asking + Send + Sync + 'static,
    Asking: Future<Output = Result<Credentials, CredentialsError>> + Send,
{
    fn credentials(&self) -> impl Future<Output = Result<Credentials, CredentialsError>> + Send {
        self()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The same, as it can be stored.
trait Provider: Send + Sync {
    fn credentials(&self) -> Boxed<'_, Result<Credentials, CredentialsError>>;
    fn changed(&self) -> Boxed<'_, ()>;
}

impl<P: CredentialsProvider> Provider for P {
    fn credentials(&self) -> Boxed<'_, Result<Credentials, CredentialsError>> {
        Box::pin(CredentialsProvider::credentials(self))
    }

    fn changed(&self) -> Boxed<'_, ()> {
        Box::pin(CredentialsProvider::changed(self))
    }
}

/// However often a provider tells of a change, nothing connects anew sooner than this after its last attempt.
pub(crate) const LEAST_PAUSE: Duration = Duration::from_millis(50);

/// A provider, and what all connections of a transport know of it together.
pub(crate) struct Vault {
    provider: Box<dyn Provider>,
    last_user: Mutex<Arc<str>>,
    /// Counts changes.
    rotations: watch::Sender<u64>,
    /// Held by the one who waits for the next change.
    turn: tokio::sync::Mutex<()>,
    troubles: Mutex<Vec<(u64, Half, Arc<str>)>>,
    ids: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    Publisher,
    Listener,
    /// For a connection that asks which server serves what.
    Both,
}

impl Vault {
    pub(crate) fn new(provider: impl CredentialsProvider) -> Self {
        Self {
            provider: Box::new(provider),
            last_user: Mutex::new("default".into()),
            rotations: watch::Sender::new(0),
            turn: tokio::sync::Mutex::default(),
            troubles: Mutex::default(),
            ids: AtomicU64::new(0),
        }
    }

    pub(crate) async fn ask(&self, patience: Duration) -> RedisResult<Credentials> {
        match timeout(patience, self.provider.credentials()).await {
            Ok(Ok(credentials)) => {
                *lock(&self.last_user) = credentials.username().into();
                Ok(credentials)
            }
            Ok(Err(error)) => Err(none(error.to_string())),
            Err(_) => Err(none(format!("the provider gave none within {patience:?}"))),
        }
    }

    /// Whom the credentials were of that were handed out last.
    pub(crate) fn last_user(&self) -> Arc<str> {
        Arc::clone(&lock(&self.last_user))
    }

    /// How many changes there have been.
    pub(crate) fn rotations(&self) -> u64 {
        *self.rotations.borrow()
    }

    /// Waits until there have been more changes than `seen`, and counts on.
    pub(crate) async fn rotated(&self, seen: &mut u64) {
        let known = *seen;
        let mut rotations = self.rotations.subscribe();
        let waiting_for_all = async {
            let _turn = self.turn.lock().await;
            if self.rotations() == known {
                self.provider.changed().await;
                self.rotations.send_modify(|count| *count += 1);
            }
        };
        tokio::select! {
            biased;
            _ = rotations.wait_for(|count| *count > known) => {}
            () = waiting_for_all => {}
        }
        *seen = self.rotations();
    }

    /// Whether there have been more changes than `seen`, as far as that is known without waiting.
    pub(crate) fn has_rotated(&self, mut seen: u64) -> bool {
        self.rotated(&mut seen).now_or_never().is_some()
    }

    pub(crate) fn trouble_of(self: &Arc<Self>, half: Half) -> Trouble {
        Trouble { vault: Arc::clone(self), id: self.ids.fetch_add(1, Ordering::Relaxed), half }
    }

    /// Adds which connections could not log in anew.
    pub(crate) fn report(&self, health: &mut Health) {
        for (_, half, text) in &*lock(&self.troubles) {
            if *half != Half::Listener {
                health.publisher.last_error = Some(Arc::clone(text));
            }
            if *half != Half::Publisher {
                health.listener.last_error = Some(Arc::clone(text));
            }
        }
    }
}

/// A connection that can't log in anew, while it can't. Dropped, it is forgotten.
pub(crate) struct Trouble {
    vault: Arc<Vault>,
    id: u64,
    half: Half,
}

impl Trouble {
    /// `false` if it had one before.
    pub(crate) fn begin(&self, text: &str) -> bool {
        let mut troubles = lock(&self.vault.troubles);
        let before = troubles.len();
        troubles.retain(|(id, ..)| *id != self.id);
        let is_new = troubles.len() == before;
        troubles.push((self.id, self.half, text.into()));
        is_new
    }

    /// `false` if it had none.
    pub(crate) fn end(&self) -> bool {
        let mut troubles = lock(&self.vault.troubles);
        let before = troubles.len();
        troubles.retain(|(id, ..)| *id != self.id);
        troubles.len() < before
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.end();
    }
}

fn none(why: String) -> RedisError {
    (redis::ErrorKind::InvalidClientConfig, "there are no credentials", why).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
