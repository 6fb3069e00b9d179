//! The typed handle of a bus: publishes events and opens subscriptions. How messages travel is the transport's
//! business, how events become bytes the codec's.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::channel::{BusName, Channel, ChannelFilter, ChannelKey};
use crate::codec::{Codec, SharedCodec};
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::json::Json;
use crate::outgoing::Outgoing;
use crate::receipt::Receipt;
use crate::settings::Settings;
use crate::subscription::Subscription;
use crate::transport::{
    Capabilities, DynTransport, End, Filter, Health, Inbox, InboxId, Lease, Transport, TransportState,
};

/// Publishes and listens to events of type `E`. Clones are the same bus.
///
/// `#[derive(EventBus)]` generates a bus type of its own around it, which adds what the event type declares.
///
/// ```
/// use event_bus_core::{Event, EventBus, MemoryTransport};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, EventBus)]
/// #[bus(name = "creds_changed", channel(all = "all"))]
/// struct CredentialsChanged {
///     user_id: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let bus = CredentialsChangedBus::new(MemoryTransport::new());
/// let mut changes = bus.all().listen().await?;
/// bus.publish(&CredentialsChanged { user_id: "user-1".into() }).await?;
/// if let Some(Ok(change)) = changes.recv().await {
///     assert_eq!(change.user_id, "user-1");
/// }
/// # Ok(()) }
/// ```
#[doc(alias = "AsyncRedisEventBus")]
#[doc(alias = "BaseRedisEventBus")]
pub struct EventBus<E>(Arc<Core<E>>);

struct Core<E> {
    name: BusName,
    transport: Arc<dyn DynTransport>,
    codec: SharedCodec<E>,
    settings: Settings,
    open: Arc<OpenSubscriptions>,
    is_closed: AtomicBool,
}

impl<E: Event> EventBus<E> {
    /// The bus [`Event::BUS_NAME`] with the default settings and the codec [`Json`]. A bus name that breaks the
    /// rules does not compile.
    pub fn new(transport: impl Transport) -> Self
    where
        Json: Codec<E>,
    {
        let name = const { BusName::checked_at_compile_time(E::BUS_NAME) }.get();
        Self::build(name, Arc::new(transport), SharedCodec::stateless(Arc::new(Json)), Settings::default())
    }

    pub(crate) fn build(
        name: BusName,
        transport: Arc<dyn DynTransport>,
        codec: SharedCodec<E>,
        settings: Settings,
    ) -> Self {
        let (open, is_closed) = (Arc::default(), AtomicBool::new(false));
        Self(Arc::new(Core { name, transport, codec, settings, open, is_closed }))
    }

    /// Publishes `event` to every channel that its type declares, in one round trip where the transport can.
    /// Receipts stand in the order of the declaration. Channels that come out alike get it once.
    ///
    /// # Errors
    /// By [`kind`](Error::kind): `InvalidKey` if a value of the event can't stand in a channel, or if the type
    /// declares no channel; `Encode`, `TooLarge`, `NotSent`, `Refused`, `Denied`, `OutcomeUnknown`, `Unsupported`,
    /// `Closed`. With several channels also `Partial`; then [`outcomes`](Error::outcomes) tells each one's.
    ///
    /// # Cancel safety
    /// Dropping the future once it has been polled leaves open whether the event was published. Other
    /// publishes are not disturbed.
    pub async fn publish(&self, event: &E) -> Result<Vec<Receipt>> {
        let keys = distinct(event.channel_keys()?);
        if keys.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidKey,
                format!(
                    "the event declares no channel on the bus {}: give a key to `publish_to`",
                    self.0.name
                ),
            ));
        }
        let outcomes = self.send(&keys, event).await?;
        if outcomes.iter().all(Result::is_ok) {
            return outcomes.into_iter().collect();
        }
        Err(one_or_all(outcomes))
    }

    /// Publishes `event` to the channel `key` alone: a [`ChannelKey`], or text that is checked to be one.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    ///
    /// # Cancel safety
    /// As for [`publish`](Self::publish).
    pub async fn publish_to<K>(&self, key: K, event: &E) -> Result<Receipt>
    where
        K: TryInto<ChannelKey>,
        Error: From<K::Error>,
    {
        let key = key.try_into()?;
        let mut outcomes = self.send(std::slice::from_ref(&key), event).await?;
        outcomes.pop().unwrap_or_else(|| Err(Error::no_outcome()))
    }

    /// Listens to one channel of this bus (a [`ChannelKey`], or text that is checked to be one), or to all that
    /// match a [`KeyPattern`](crate::KeyPattern). Returns when the server has confirmed: everything published from now on is
    /// heard.
    ///
    /// # Errors
    /// `InvalidKey`; `NotSubscribed` if the server did not confirm in time, `Denied` if it refuses, `Unsupported`
    /// for a pattern on a transport without them, `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    #[doc(alias = "subscribe")]
    pub async fn listen<F>(&self, filter: F) -> Result<Subscription<E>>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let filter = filter.try_into()?;
        let full_filter = self.full_filter(&filter)?;
        let inbox = Inbox::new(self.0.settings.inbox);
        // Made before the first await: should this future be dropped, it takes everything back.
        let subscription = Subscription::new(filter, inbox.clone(), self.0.codec.clone());
        inbox.keep(self.0.open.enter(&inbox));
        self.refuse_if_closed()?;
        inbox.keep(self.0.transport.subscribe(full_filter, inbox.clone()).await?);
        self.refuse_if_closed()?;
        Ok(subscription)
    }

    /// The first event on `filter`, within `timeout` for everything: subscribing and waiting.
    ///
    /// For an answer to something that you trigger, [`listen`](Self::listen) first, trigger, then
    /// [`wait`](Subscription::wait) on the subscription.
    ///
    /// # Errors
    /// As for [`listen`](Self::listen) and [`Subscription::wait`]; `NotSubscribed` also if the time was over before the server
    /// had confirmed. `None` says that no event came and that nothing was told missing.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    #[doc(alias = "wait_for_event")]
    pub async fn wait<F>(&self, filter: F, timeout: Duration) -> Result<Option<Delivery<E>>>
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let started = tokio::time::Instant::now();
        let Ok(subscription) = tokio::time::timeout(timeout, self.listen(filter)).await else {
            return Err(Error::new(
                ErrorKind::NotSubscribed,
                format!("the server did not confirm the subscription within {timeout:?}"),
            ));
        };
        subscription?.wait(timeout.saturating_sub(started.elapsed())).await
    }

    /// Ends all subscriptions of this bus, once what they have queued is read, and refuses everything from now
    /// on, on all clones. Other buses on the same transport go on. Never fails; closing twice is closing once.
    ///
    /// # Cancel safety
    /// Everything is done at the first poll.
    #[expect(
        clippy::unused_async,
        reason = "closing will wait for outgoing events where there is a queue of them"
    )]
    pub async fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        self.0.open.end_all();
    }

    /// The bus name.
    #[must_use]
    pub fn name(&self) -> &BusName {
        &self.0.name
    }

    /// The channel of `key` on this bus.
    #[must_use]
    pub fn channel(&self, key: &ChannelKey) -> Channel {
        Channel::new(&self.0.name, key)
    }

    /// What the transport below can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.0.transport.capabilities()
    }

    /// How the transport below is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.transport.health()
    }

    /// Whether the transport below works right now.
    #[must_use]
    pub fn state(&self) -> TransportState {
        self.0.transport.state()
    }

    /// A result for each of `keys`; an error if the event could not be sent to any.
    async fn send(&self, keys: &[ChannelKey], event: &E) -> Result<Vec<Result<Receipt>>> {
        self.refuse_if_closed()?;
        let channels = keys.iter().map(|key| self.channel(key)).collect();
        let outgoing = Outgoing::encode(channels, event, &self.0.codec, self.0.settings.size_rule)?;
        let (messages, pending) = outgoing.into_messages();
        let sent = if messages.is_empty() { Vec::new() } else { self.0.transport.publish(messages).await };
        Ok(pending.conclude(sent))
    }

    fn full_filter(&self, filter: &ChannelFilter) -> Result<Filter> {
        match filter {
            ChannelFilter::Key(key) => Ok(Filter::Channel(self.channel(key))),
            ChannelFilter::Pattern(pattern) if self.capabilities().patterns => {
                Ok(Filter::Pattern(format!("{}/{pattern}", self.0.name).into()))
            }
            ChannelFilter::Pattern(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "this transport has no patterns: listen to exact channels, or publish to one that stands for all",
            )),
        }
    }

    fn refuse_if_closed(&self) -> Result<()> {
        if self.0.is_closed.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Closed, format!("the bus {} was closed", self.0.name)));
        }
        Ok(())
    }
}

/// Channels that come out alike for an event are one channel, which gets the event once.
fn distinct(keys: Vec<ChannelKey>) -> Vec<ChannelKey> {
    let mut distinct = Vec::with_capacity(keys.len());
    for key in keys {
        if !distinct.contains(&key) {
            distinct.push(key);
        }
    }
    distinct
}

fn one_or_all(mut outcomes: Vec<Result<Receipt>>) -> Error {
    match outcomes.len() {
        1 => outcomes.pop().and_then(Result::err).unwrap_or_else(Error::no_outcome),
        _ => Error::of_outcomes(outcomes),
    }
}

/// The subscriptions that closing the bus ends.
#[derive(Default)]
struct OpenSubscriptions(Mutex<HashMap<InboxId, Inbox>>);

impl OpenSubscriptions {
    /// Counts `inbox` in until the lease is dropped.
    fn enter(self: &Arc<Self>, inbox: &Inbox) -> Lease {
        let id = inbox.id();
        self.lock().insert(id, inbox.clone());
        let open = Arc::clone(self);
        Lease::new(move || drop(open.remove(id)))
    }

    fn remove(&self, id: InboxId) -> Option<Inbox> {
        self.lock().remove(&id)
    }

    fn end_all(&self) {
        let inboxes: Vec<Inbox> = self.lock().values().cloned().collect();
        inboxes.iter().for_each(|inbox| inbox.end(End::Closed));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InboxId, Inbox>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Clone for EventBus<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for EventBus<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus")
            .field("name", &self.0.name)
            .field("settings", &self.0.settings)
            .field("is_closed", &self.0.is_closed)
            .finish_non_exhaustive()
    }
}
