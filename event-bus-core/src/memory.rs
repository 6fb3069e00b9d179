//! A transport within the process: the same registry and inboxes as over a network, and as asynchronous. What is
//! published travels through a queue and a task of its own, so that no test passes by luck of timing.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, ErrorKind, Result};
use crate::glob;
use crate::message::Message;
use crate::receipt::Receipt;
use crate::transport::{
    Capabilities, End, Endpoint, Filter, Health, Inbox, InboxId, Lease, LinkState, Registry, Request, Scope,
    StateBoard, StateWatch, Topic, TopicKind, Transport,
};

/// How many messages may be on their way; further publishes wait.
const IN_FLIGHT: usize = 1024;

/// How long anything may take: nothing takes long unless the runtime behind it stands still.
const PATIENCE: Duration = Duration::from_secs(5);

/// Carries messages within one process. Clones are the same transport.
///
/// For tests, examples, and services that run without a server. It needs a Tokio runtime with its time driver; if
/// the runtime that first used it ends, its subscriptions end with
/// [`Notice::Stopped`](crate::Notice::Stopped) and the next use starts afresh.
#[derive(Clone, Default)]
pub struct MemoryTransport(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    board: StateBoard,
}

#[derive(Default)]
struct State {
    registry: Registry,
    wire: Option<mpsc::Sender<Frame>>,
    is_closed: bool,
}

/// What travels from the "server" to the listeners, in order.
enum Frame {
    Message(Message),
    Subscribe { topic: Topic, inbox: Inbox, confirmed: oneshot::Sender<Result<()>> },
}

impl MemoryTransport {
    /// A transport on which nothing has been published.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    async fn publish_one(&self, message: Message) -> Result<Receipt> {
        let wire = self.0.wire(ErrorKind::NotSent)?;
        let receivers = self.0.lock().receivers(message.channel().as_str());
        let receipt = Receipt::new(message.channel().clone(), Some(receivers));
        let sent = async { wire.send(Frame::Message(message)).await.map_err(|_| gone(ErrorKind::NotSent)) };
        match in_time(ErrorKind::NotSent, sent).await {
            Ok(()) => Ok(receipt),
            Err(error) => Err(error.with_channel(receipt.channel)),
        }
    }
}

impl Transport for MemoryTransport {
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        let mut results = Vec::with_capacity(messages.len());
        for message in messages {
            results.push(self.publish_one(message).await);
        }
        results
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        let (confirmed, confirmation) = oneshot::channel();
        let (topic, wire) = (topic(filter), self.0.wire(ErrorKind::NotSubscribed)?);
        // Made before the first await: should this future be dropped, it takes back what will have been done.
        let lease = self.0.lease(topic.clone(), inbox.id());
        let subscribed = async {
            let frame = Frame::Subscribe { topic, inbox, confirmed };
            wire.send(frame).await.map_err(|_| gone(ErrorKind::NotSubscribed))?;
            confirmation.await.unwrap_or_else(|_| Err(gone(ErrorKind::NotSubscribed)))
        };
        in_time(ErrorKind::NotSubscribed, subscribed).await?;
        Ok(lease)
    }

    async fn close(&self) {
        self.0.end_all(&End::Closed, true);
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default().patterns(true).receiver_counts(true)
    }

    fn health(&self) -> Health {
        let state = self.0.lock();
        let mut health = Health::default();
        health.publisher.state = state.link();
        health.listener.state = state.link();
        health.wanted = state.registry.wanted();
        health.confirmed = state.registry.confirmed();
        health
    }

    fn watch_state(&self) -> StateWatch {
        self.0.board.watch()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the state to those who watch it; after every change of it, and not under the lock.
    fn show(&self) {
        self.board.update(|shown| {
            let link = self.lock().link();
            (shown.publisher, shown.listener) = (link, link);
        });
    }

    /// The way to the listeners; its task is started where there is none.
    fn wire(self: &Arc<Self>, failure: ErrorKind) -> Result<mpsc::Sender<Frame>> {
        let runtime = Handle::try_current()
            .map_err(|error| Error::new(failure, "this needs a tokio runtime").with_source(error))?;
        let (wire, frames) = mpsc::channel(IN_FLIGHT);
        {
            let mut state = self.lock();
            state.refuse_if_closed()?;
            if let Some(wire) = &state.wire {
                return Ok(wire.clone());
            }
            state.wire = Some(wire.clone());
        }
        self.show();
        // Not under the lock: a runtime that is shutting down drops the task, and so its carrier, at once.
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the transport; its carrier tells whoever listens"
        )]
        runtime.spawn(carry(frames, Carrier(Arc::downgrade(self))));
        Ok(wire)
    }

    fn lease(self: &Arc<Self>, topic: Topic, inbox: InboxId) -> Lease {
        let shared = Arc::clone(self);
        Lease::new(move || {
            shared.change(|state| {
                state.registry.leave(&topic, inbox);
                state.settle();
            });
        })
    }

    fn handle(self: &Arc<Self>, frame: Frame) {
        match frame {
            Frame::Message(message) => {
                self.change(|state| state.route(&message));
            }
            Frame::Subscribe { topic, inbox, confirmed } => {
                let taken_back = self.lease(topic.clone(), inbox.id());
                let outcome = self.change(|state| state.join(&topic, inbox));
                if confirmed.send(outcome).is_err() {
                    drop(taken_back); // the listen was dropped meanwhile
                } else {
                    taken_back.forget();
                }
            }
        }
    }

    /// Changes the state, and does after unlocking what must not be done before.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, aftermath) = {
            let mut state = self.lock();
            (change(&mut state), state.registry.take_aftermath())
        };
        drop(aftermath);
        result
    }

    fn end_all(&self, end: &End, for_good: bool) {
        let ended: Vec<Inbox> = {
            let mut state = self.lock();
            state.is_closed |= for_good;
            state.wire = None;
            state.registry.inboxes().cloned().collect()
        };
        self.show();
        ended.iter().for_each(|inbox| inbox.end(end.clone())); // runs leases, which lock again
    }
}

impl State {
    fn link(&self) -> LinkState {
        match (self.is_closed, &self.wire) {
            (true, _) => LinkState::Closed,
            (false, Some(_)) => LinkState::Connected,
            (false, None) => LinkState::Idle,
        }
    }

    fn refuse_if_closed(&self) -> Result<()> {
        if self.is_closed {
            return Err(Error::new(ErrorKind::Closed, "the in-memory transport was closed"));
        }
        Ok(())
    }

    fn join(&mut self, topic: &Topic, inbox: Inbox) -> Result<()> {
        self.refuse_if_closed()?;
        self.registry.join(topic, inbox);
        self.settle();
        Ok(())
    }

    fn receivers(&self, channel: &str) -> u64 {
        u64::from(self.registry.is_wanted(CHANNELS, channel)) + self.patterns_matching(channel).count() as u64
    }

    fn patterns_matching(&self, channel: &str) -> impl Iterator<Item = &str> {
        self.registry.names(PATTERNS).filter(move |name| glob::matches(name.as_bytes(), channel.as_bytes()))
    }

    fn route(&mut self, message: &Message) {
        let (channel, payload) = (message.channel().as_str(), message.payload());
        self.registry.deliver(CHANNELS, channel, channel, payload.clone());
        let patterns: Vec<String> = self.patterns_matching(channel).map(str::to_owned).collect();
        for pattern in patterns {
            self.registry.deliver(PATTERNS, &pattern, channel, payload.clone());
        }
        self.settle();
    }

    /// Grants whatever the registry asks for.
    fn settle(&mut self) {
        while let Some(request) = self.registry.next_request(usize::MAX) {
            match request {
                Request::Subscribe(scope, names) => {
                    for name in names {
                        self.registry.confirm(scope, &name);
                    }
                }
                Request::Unsubscribe(scope, names) => {
                    for name in names {
                        self.registry.unconfirm(scope, &name);
                    }
                }
            }
        }
    }
}

/// Ends with the transport, whose only sender it waits for, or with its runtime.
async fn carry(mut frames: mpsc::Receiver<Frame>, carrier: Carrier) {
    while let Some(frame) = frames.recv().await {
        let Some(shared) = carrier.0.upgrade() else { return };
        shared.handle(frame);
    }
}

/// Whoever still listens when the task is gone would wait for ever: tell them.
struct Carrier(Weak<Shared>);

impl Drop for Carrier {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade()
            && !shared.lock().is_closed
        {
            shared.end_all(&End::Stopped("the runtime of the in-memory transport ended".into()), false);
        }
    }
}

const CHANNELS: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::Channel };
const PATTERNS: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::Pattern };

fn topic(filter: Filter) -> Topic {
    match filter {
        Filter::Channel(channel) => Topic { scope: CHANNELS, name: channel.as_str().into() },
        Filter::Pattern(pattern) => Topic { scope: PATTERNS, name: pattern },
    }
}

/// The runtime that carries the messages may exist and yet not run.
async fn in_time<T>(failure: ErrorKind, done: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, done).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Error::new(failure, "the runtime of the in-memory transport does not run")),
    }
}

fn gone(kind: ErrorKind) -> Error {
    Error::new(kind, "the in-memory transport was closed, or its runtime ended, meanwhile")
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("MemoryTransport")
            .field("wanted", &state.registry.wanted())
            .field("is_closed", &state.is_closed)
            .finish_non_exhaustive()
    }
}
