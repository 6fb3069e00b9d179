//! The Redis transport: one door in front of the publisher and the listener.

use std::fmt;
use std::sync::Arc;

use event_bus_core::transport::{
    Capabilities, Filter, Health, Inbox, Lease, StateBoard, StateWatch, Transport,
};
use event_bus_core::{Error, Message, Receipt, Result};

use crate::any_publisher::AnyPublisher;
use crate::config::{Listening, RedisConfig};
use crate::listener::AnyListener;
use crate::probe::{Halves, Probe};
use crate::status::SYSTEM;
use crate::topology::Topology;

/// Carries messages over Redis pub/sub. Clones are the same transport: many buses share one.
///
/// All publishing goes over a few shared connections, all listening over one more, however many buses and
/// subscriptions there are. A lost listening connection is made anew for ever, and every subscription is told
/// [`Interrupted`](event_bus_core::Notice::Interrupted) and [`Resumed`](event_bus_core::Notice::Resumed). The connections are made by
/// tasks of the Tokio runtime that first needs them and live as long as it does; if it ends, subscriptions end
/// with [`Stopped`](event_bus_core::Notice::Stopped). That runtime must run: while nobody drives it, nothing is heard, and
/// only [`health`](Transport::health) and [`state`](Transport::state) can say so when they are asked, until the next `listen` starts anew on its own runtime. It needs Tokio's
/// time and IO drivers (`enable_all`).
///
/// # Examples
/// ```no_run
/// use event_bus_core::{EventBus, transport::Transport};
/// use event_bus_redis::{RedisConfig, RedisTransport};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(all = "all"))]
/// # struct OrderChanged { order_id: u64 }
/// # #[derive(Serialize, Deserialize, EventBus)]
/// # #[bus(name = "users", channel(every = "all"))]
/// # struct UserChanged { user_id: u64 }
///
/// # async fn run() -> Result<(), event_bus_core::Error> {
/// let redis = RedisTransport::connect(RedisConfig::from_env()?).await?;
/// let orders = OrderChangedBus::new(redis.clone());
/// let users = UserChangedBus::new(redis.clone()); // on the same connections
/// # drop((orders, users));
///
/// redis.close().await; // ends the subscriptions of all its buses
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisTransport(Arc<Inner>);

struct Inner {
    halves: Halves,
    topology: Option<Arc<Topology>>,
    probe: Probe,
    board: StateBoard,
}

impl RedisTransport {
    /// Connects for publishing, and so finds out now whether the server can be reached and lets us in. The
    /// listening connection is made when somebody first listens.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), event_bus_core::Error> {
    /// let redis = event_bus_redis::RedisTransport::connect("redis://127.0.0.1").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// By [`kind`](Error::kind): `InvalidConfig`; `NotConnected` if the server can't be reached or does not answer
    /// within the [connect](RedisConfig::connect_timeout) and [response](RedisConfig::response_timeout) time-outs, and outside a Tokio runtime; `Denied` if it refuses the login; `Unsupported` for
    /// TLS without the feature `tls`, for a server older than Redis 6, or, with sharded pub/sub, older than Redis 7.
    ///
    /// # Cancel safety
    /// Dropping the future leaves at most one attempt to connect, which ends with its time-out.
    pub async fn connect<C>(config: C) -> Result<Self>
    where
        C: TryInto<RedisConfig>,
        Error: From<C::Error>,
    {
        let transport = Self::lazy(config)?;
        transport.0.halves.publisher.connect().await?;
        Ok(transport)
    }

    /// Connects when it is first used: for services that must start while Redis is down.
    ///
    /// # Errors
    /// `InvalidConfig` or `Unsupported`, as for [`connect`](Self::connect).
    pub fn lazy<C>(config: C) -> Result<Self>
    where
        C: TryInto<RedisConfig>,
        Error: From<C::Error>,
    {
        let config: RedisConfig = config.try_into()?;
        config.check()?;
        let config = Arc::new(config.with_sane_times());
        let board = StateBoard::default();
        let topology = config.is_several().then(|| Topology::new(Arc::clone(&config)));
        let publisher = Arc::new(AnyPublisher::new(Arc::clone(&config), topology.clone(), board.clone()));
        let listener = AnyListener::new(Arc::clone(&config), topology.clone(), board.clone());
        let halves = Halves { config, publisher, listener };
        Ok(Self(Arc::new(Inner { halves, topology, probe: Probe::default(), board })))
    }
}

impl Transport for RedisTransport {
    fn publish(&self, messages: Vec<Message>) -> impl Future<Output = Vec<Result<Receipt>>> + Send {
        self.0.halves.publisher.publish(messages)
    }

    fn publish_one(&self, message: Message) -> impl Future<Output = Result<Receipt>> + Send {
        self.0.halves.publisher.publish_one(message)
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let Inner { halves, probe, .. } = &*self.0;
        let watch = halves.config.probe_interval.and_then(|interval| probe.watch(halves, interval));
        let lease = halves.listener.subscribe(filter, inbox).await?;
        Ok(match watch {
            Some(watch) => Lease::new(move || drop((lease, watch))),
            None => lease,
        })
    }

    async fn fence(&self) -> Result<()> {
        self.0.halves.listener.fence().await
    }

    async fn close(&self) {
        self.0.halves.close().await;
        if let Some(topology) = &self.0.topology {
            topology.close(); // last: the others ask it until they are closed
        }
    }

    fn capabilities(&self) -> Capabilities {
        let config = &self.0.halves.config;
        let has_patterns = config.listening == Listening::Classic;
        // A node of a cluster counts its own connections only, and its events reach those of others.
        Capabilities::default().patterns(has_patterns).receiver_counts(!config.is_cluster())
    }

    fn system(&self) -> &'static str {
        SYSTEM
    }

    fn health(&self) -> Health {
        let mut health = Health::default();
        health.publisher = self.0.halves.publisher.health();
        self.0.halves.listener.report(&mut health);
        if let Some(vault) = self.0.halves.config.vault() {
            vault.report(&mut health);
        }
        health
    }

    fn watch_state(&self) -> StateWatch {
        self.0.board.watch()
    }
}

impl fmt::Debug for RedisTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("RedisTransport")
            .field("server", &self.0.halves.config.server())
            .field("publisher", &state.publisher)
            .field("listener", &state.listener)
            .finish_non_exhaustive()
    }
}
