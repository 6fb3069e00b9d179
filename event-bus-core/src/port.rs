//! A bus without its event type: the name, the way to the transport, the subscriptions that closing it ends, and the
//! work that it waits for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::channel::{BusName, Channel, ChannelFilter, ChannelKey};
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::receipt::Receipt;
use crate::tally::Tally;
use crate::telemetry::Telemetry;
use crate::trace_context::TracePropagator;
use crate::transport::{
    BoxFuture, Counts, DynTransport, End, Filter, Health, Inbox, InboxId, Lease, LinkState,
};

/// Shared by the clones of a bus and by its subscriptions.
pub(crate) struct Port {
    name: BusName,
    transport: Arc<dyn DynTransport>,
    open: Arc<OpenSubscriptions>,
    drains: Mutex<Vec<Weak<dyn Drain>>>,
    /// The one that was last asked for: the next event often goes there too.
    last_channel: Mutex<Option<Channel>>,
    is_closed: AtomicBool,
    unpublished: AtomicU64,
    tally: Tally,
    telemetry: Telemetry,
}

/// What still has something to publish when its bus is closed.
pub(crate) trait Drain: Send + Sync {
    /// Takes nothing more from now on, and publishes what it has.
    fn close(&self);

    /// Returns when that is done, or given up.
    fn drained(&self) -> BoxFuture<'_, ()>;
}

impl Port {
    pub(crate) fn new(
        name: BusName,
        transport: Arc<dyn DynTransport>,
        propagator: Option<Arc<dyn TracePropagator>>,
    ) -> Self {
        let telemetry = Telemetry::new(&name, transport.system(), propagator);
        let tally = Tally::metered(telemetry.meters().clone());
        let (open, drains) = (Arc::default(), Mutex::default());
        let (last_channel, is_closed, unpublished) =
            (Mutex::default(), AtomicBool::new(false), AtomicU64::new(0));
        Self { name, transport, open, drains, last_channel, is_closed, unpublished, tally, telemetry }
    }

    pub(crate) fn name(&self) -> &BusName {
        &self.name
    }

    pub(crate) fn transport(&self) -> &dyn DynTransport {
        &*self.transport
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// How the transport is doing, and what this bus has heard over it. A closed bus is closed, whatever its transport is.
    pub(crate) fn health(&self) -> Health {
        let mut health = self.transport.health();
        if self.refuse_if_closed().is_err() {
            (health.publisher.state, health.listener.state) = (LinkState::Closed, LinkState::Closed);
        }
        let counts = self.open.counts();
        (health.queued, health.delivered) = (counts.queued, counts.events);
        self.tally.report(&mut health);
        health
    }

    pub(crate) fn channel(&self, key: &ChannelKey) -> Channel {
        let Ok(mut last) = self.last_channel.try_lock() else { return Channel::new(&self.name, key) };
        match &*last {
            Some(channel) if channel.is_of(&self.name, key) => channel.clone(),
            _ => last.insert(Channel::new(&self.name, key)).clone(),
        }
    }

    pub(crate) async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        if messages.is_empty() { Vec::new() } else { self.transport.publish(messages).await }
    }

    pub(crate) fn publish_one(&self, message: Message) -> BoxFuture<'_, Result<Receipt>> {
        self.transport.publish_one(message)
    }

    /// Ends with the bus, and is counted by it, until the lease is dropped.
    pub(crate) fn admit(&self, inbox: &Inbox) -> Result<Lease> {
        let lease = self.open.enter(inbox);
        self.refuse_if_closed()?;
        Ok(lease)
    }

    /// Delivers `filter` to `inbox`, which has been [admitted](Self::admit), until the lease is dropped.
    pub(crate) async fn subscribe(&self, filter: &ChannelFilter, inbox: &Inbox) -> Result<Lease> {
        let full = self.full_filter(filter)?;
        self.refuse_if_closed()?;
        let inbox = match filter {
            ChannelFilter::Pattern(pattern) => {
                pattern.shape().map(|shape| inbox.narrowed(&self.name, Arc::clone(shape)))
            }
            ChannelFilter::Key(_) => None,
        }
        .unwrap_or_else(|| inbox.clone());
        let lease = self.transport.subscribe(full, inbox).await?;
        self.refuse_if_closed()?;
        Ok(lease)
    }

    /// Closing the bus closes it too, and waits for it.
    pub(crate) fn admit_drain(&self, drain: Weak<dyn Drain>) -> Result<()> {
        let mut drains = self.drains.lock().unwrap_or_else(PoisonError::into_inner);
        drains.retain(|drain| drain.strong_count() > 0);
        drains.push(drain);
        drop(drains);
        self.refuse_if_closed()
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.open.end_all();
        self.drains().iter().for_each(|drain| drain.close());
    }

    /// Returns when everything that publishes in the background has finished, after [`close`](Self::close).
    pub(crate) async fn drained(&self) {
        for drain in self.drains() {
            drain.drained().await;
        }
    }

    fn drains(&self) -> Vec<Arc<dyn Drain>> {
        let drains = self.drains.lock().unwrap_or_else(PoisonError::into_inner);
        drains.iter().filter_map(Weak::upgrade).collect()
    }

    #[inline]
    pub(crate) fn refuse_if_closed(&self) -> Result<()> {
        if self.is_closed.load(Ordering::SeqCst) { Err(self.closed()) } else { Ok(()) }
    }

    #[cold]
    fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("the bus {} was closed", self.name))
    }

    pub(crate) fn count_unpublished(&self) {
        self.unpublished.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unpublished(&self) -> u64 {
        self.unpublished.load(Ordering::Relaxed)
    }

    fn full_filter(&self, filter: &ChannelFilter) -> Result<Filter> {
        match filter {
            ChannelFilter::Key(key) => Ok(Filter::Channel(self.channel(key))),
            ChannelFilter::Pattern(pattern) if self.transport.capabilities().patterns => {
                Ok(Filter::Pattern(format!("{}/{pattern}", self.name).into()))
            }
            ChannelFilter::Pattern(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "this transport has no patterns: listen to exact channels, or publish to one that stands for all",
            )),
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("name", &self.name)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

/// The subscriptions that are not dropped yet.
#[derive(Default)]
struct OpenSubscriptions(Mutex<Open>);

#[derive(Default)]
struct Open {
    inboxes: BTreeMap<InboxId, Inbox>,
    /// How many events those that are gone have handed out.
    events_before: u64,
}

impl OpenSubscriptions {
    /// Counts `inbox` in until the lease is dropped.
    fn enter(self: &Arc<Self>, inbox: &Inbox) -> Lease {
        let id = inbox.id();
        self.lock().inboxes.insert(id, inbox.clone());
        let open = Arc::clone(self);
        Lease::new(move || drop(open.remove(id)))
    }

    /// Of all together, also of those that are gone.
    fn counts(&self) -> Counts {
        let open = self.lock();
        let mut all = Counts { queued: 0, events: open.events_before };
        for one in open.inboxes.values().map(Inbox::counts) {
            all.queued += one.queued;
            all.events += one.events;
        }
        all
    }

    fn remove(&self, id: InboxId) -> Option<Inbox> {
        let mut open = self.lock();
        let inbox = open.inboxes.remove(&id)?;
        open.events_before += inbox.counts().events;
        Some(inbox)
    }

    fn end_all(&self) {
        let inboxes: Vec<Inbox> = self.lock().inboxes.values().cloned().collect();
        inboxes.iter().for_each(|inbox| inbox.end(End::Closed));
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
