//! What a backend implements, and what it is given to do it with. Nothing here knows Redis, or what an event is.

mod aftermath;
mod audience;
mod echoes;
mod fold;
mod health;
mod hole;
mod inbox;
mod lease;
mod queue;
mod registry;
mod scopes;
mod subscriptions;
mod topic;
mod watch;

use std::future::Future;
use std::pin::Pin;

use crate::error::{Error, Result};
use crate::message::Message;
use crate::receipt::Receipt;

pub use crate::backoff::Backoff;
pub use crate::meters::count_reconnects;
pub use aftermath::Aftermath;
pub use audience::Audience;
pub use health::{Health, LinkHealth, LinkState, Missed, TransportState};
pub(crate) use hole::{Hole, Signal};
pub(crate) use inbox::{Counts, LeaseKey};
pub use inbox::{Inbox, InboxId};
pub use lease::Lease;
pub use queue::{End, Overflow};
pub(crate) use queue::{Hand, InboxLimits, Item};
pub use registry::{Refusal, Registry};
pub use subscriptions::Request;
pub use topic::{Endpoint, Filter, Scope, Topic, TopicKind};
pub use watch::{StateBoard, StateWatch};

/// A backend that carries messages: at most once, in order per channel for publishes awaited one after the
/// other.
///
/// Implementors write the methods as `async fn`. One transport is shared by many buses. All futures must be
/// cancel-safe: a dropped [`subscribe`](Self::subscribe) leaves nothing behind, a dropped
/// [`publish`](Self::publish) may or may not have happened and disturbs no other.
///
/// [`transport_conformance!`](crate::transport_conformance) (feature `testing`) has a test for each promise.
///
/// # Examples
/// Within a process, without patterns. What a network adds is told at the methods.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::{Arc, Mutex, PoisonError};
/// use event_bus_core::transport::{End, Filter, Inbox, Lease, Transport};
/// use event_bus_core::{Channel, Error, ErrorKind, Message, Receipt, Result};
///
/// #[derive(Clone)]
/// struct Loopback(Arc<Mutex<Option<HashMap<Channel, Vec<Inbox>>>>>); // `None` once it is closed
///
/// impl Loopback {
///     fn new() -> Self {
///         Self(Arc::new(Mutex::new(Some(HashMap::new()))))
///     }
///
///     fn change<T>(&self, change: impl FnOnce(&mut HashMap<Channel, Vec<Inbox>>) -> T) -> Result<T> {
///         let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
///         let listeners = listeners.as_mut().ok_or_else(|| Error::new(ErrorKind::Closed, "it is closed"))?;
///         Ok(change(listeners))
///     }
///
///     fn hand_out(&self, message: Message) -> Result<Receipt> {
///         let channel = message.channel().clone();
///         let inboxes = self.change(|listeners| listeners.get(&channel).cloned().unwrap_or_default())?;
///         let message = Arc::new(message);
///         for inbox in inboxes {
///             inbox.deliver(Arc::clone(&message)); // not under the lock: it wakes the reader
///         }
///         Ok(Receipt::new(channel, None))
///     }
/// }
///
/// impl Transport for Loopback {
///     async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
///         messages.into_iter().map(|message| self.hand_out(message)).collect()
///     }
///
///     async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
///         let Filter::Channel(channel) = filter else {
///             return Err(Error::new(ErrorKind::Unsupported, "there are no patterns here"));
///         };
///         let id = inbox.id();
///         self.change(|listeners| listeners.entry(channel.clone()).or_default().push(inbox))?;
///         let this = self.clone();
///         Ok(Lease::new(move || {
///             let leave = |inboxes: &mut Vec<Inbox>| inboxes.retain(|inbox| inbox.id() != id);
///             let _ = this.change(|listeners| listeners.get_mut(&channel).map(leave));
///         }))
///     }
///
///     async fn close(&self) {
///         let listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
///         for inbox in listeners.into_iter().flat_map(HashMap::into_values).flatten() {
///             inbox.end(End::Closed);
///         }
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # use event_bus_core::EventBus;
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "pings", channel(all = "all"))]
/// # struct Ping { n: u64 }
///
/// let bus = PingBus::new(Loopback::new());
/// # let mut pings = bus.all().listen().await?;
/// # bus.publish(&Ping { n: 1 }).await?;
/// # assert!(matches!(pings.recv().await, Some(Ok(ping)) if ping.n == 1));
/// # Ok(()) }
/// ```
pub trait Transport: Send + Sync + 'static {
    /// Publishes messages to their channels, if it can in one round trip, and tells of each what happened:
    /// as many results as messages, in their order. Must end within bounded time. Those of one channel must not come out
    /// of order: one that could be published only behind a later one fails with `NotSent`. What is told as `OutcomeUnknown` may
    /// still be published afterwards.
    ///
    /// # Errors
    /// The kinds of a publish that failed are described at [`ErrorKind`](crate::ErrorKind): most of all,
    /// `NotSent` only if the message was surely not published.
    fn publish(&self, messages: Vec<Message>) -> impl Future<Output = Vec<Result<Receipt>>> + Send;

    /// Publishes one message, as nearly all publishes do: for a transport that can do so for less than a list of one costs, which it
    /// is by default. A bus calls either for a single message, as it happens to have it. So both must do the same, within
    /// the same bounds, and keep the order of a channel between them.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    fn publish_one(&self, message: Message) -> impl Future<Output = Result<Receipt>> + Send {
        async move {
            self.publish(vec![message]).await.into_iter().next().unwrap_or_else(|| Err(Error::no_outcome()))
        }
    }

    /// Delivers what is published on `filter` to `inbox` until the lease is dropped or the inbox
    /// [ended](Inbox::end). Returns when everything published from now on will be delivered, within
    /// bounded time. From then on the inbox is told of each loss where it happens.
    ///
    /// # Errors
    /// `NotSubscribed` if that could not be confirmed in time, `Denied` if the server refuses, `Unsupported`
    /// if the transport can't, `Closed` after [`close`](Self::close).
    fn subscribe(&self, filter: Filter, inbox: Inbox) -> impl Future<Output = Result<Lease>> + Send;

    /// Returns when the server has answered a question that was asked after this call, over the connection that
    /// delivers: everything that it had pushed before is delivered then, and nothing is being missed unnoticed. A wait
    /// asks before it says that nothing came.
    ///
    /// Answers at once by default, which is right for a transport that can't fall silent.
    ///
    /// # Errors
    /// `NotConnected` if there is no connection, or it is lost meanwhile.
    fn fence(&self) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends all subscriptions with [`End::Closed`] and refuses everything from now on. Never fails; closing
    /// twice is closing once.
    fn close(&self) -> impl Future<Output = ()> + Send;

    /// What this transport can do beyond the least.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// What it is called in spans and metrics, as `messaging.system`: `redis`, say.
    fn system(&self) -> &'static str {
        "other"
    }

    /// How it is doing. Must not block.
    fn health(&self) -> Health {
        Health::default()
    }

    /// Whether it works right now. Must not block.
    fn state(&self) -> TransportState {
        self.health().state()
    }

    /// Tells when that changes: see [`StateBoard`]. By default it never does.
    fn watch_state(&self) -> StateWatch {
        StateWatch::still(self.state())
    }
}

/// What a transport can do beyond the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether it can subscribe to patterns.
    pub patterns: bool,
    /// Whether receipts count receivers.
    pub receiver_counts: bool,
}

impl Capabilities {
    /// With or without patterns.
    #[must_use]
    pub fn patterns(mut self, patterns: bool) -> Self {
        self.patterns = patterns;
        self
    }

    /// With or without receiver counts.
    #[must_use]
    pub fn receiver_counts(mut self, receiver_counts: bool) -> Self {
        self.receiver_counts = receiver_counts;
        self
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Transport`] as a trait object, so that no type parameter reaches users' structs.
pub(crate) trait DynTransport: Send + Sync {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Vec<Result<Receipt>>>;
    fn publish_one(&self, message: Message) -> BoxFuture<'_, Result<Receipt>>;
    fn subscribe(&self, filter: Filter, inbox: Inbox) -> BoxFuture<'_, Result<Lease>>;
    fn fence(&self) -> BoxFuture<'_, Result<()>>;
    fn capabilities(&self) -> Capabilities;
    fn system(&self) -> &'static str;
    fn health(&self) -> Health;
    fn state(&self) -> TransportState;
    fn watch_state(&self) -> StateWatch;
}

impl<T: Transport> DynTransport for T {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Vec<Result<Receipt>>> {
        Box::pin(Transport::publish(self, messages))
    }

    fn publish_one(&self, message: Message) -> BoxFuture<'_, Result<Receipt>> {
        Box::pin(Transport::publish_one(self, message))
    }

    fn subscribe(&self, filter: Filter, inbox: Inbox) -> BoxFuture<'_, Result<Lease>> {
        Box::pin(Transport::subscribe(self, filter, inbox))
    }

    fn fence(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(Transport::fence(self))
    }

    fn capabilities(&self) -> Capabilities {
        Transport::capabilities(self)
    }

    fn system(&self) -> &'static str {
        Transport::system(self)
    }

    fn health(&self) -> Health {
        Transport::health(self)
    }

    fn state(&self) -> TransportState {
        Transport::state(self)
    }

    fn watch_state(&self) -> StateWatch {
        Transport::watch_state(self)
    }
}
