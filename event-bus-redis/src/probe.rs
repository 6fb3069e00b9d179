//! The end-to-end probe: an event on a channel of our own, through the publishing path and back. A connection that answers
//! pings and delivers nothing is found by nothing else. Which connection that is, the listener knows.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use event_bus_core::transport::{Filter, Inbox, Lease, Transport};
use event_bus_core::{
    ChannelKey, ErrorKind, Event, EventBus, KeyError, Message, Notice, Receipt, Result, Subscription,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::any_publisher::AnyPublisher;
use crate::batch::Command;
use crate::config::RedisConfig;
use crate::listener::AnyListener;
use crate::status::SYSTEM;

/// Runs as long as somebody listens.
#[derive(Debug, Default)]
pub(crate) struct Probe(Mutex<Weak<Watch>>);

/// Kept by every subscription; the last one ends the probing.
#[derive(Debug)]
pub(crate) struct Watch(AbortHandle);

/// Both halves of the transport, without a probe of theirs.
#[derive(Clone)]
pub(crate) struct Halves {
    pub(crate) config: Arc<RedisConfig>,
    pub(crate) publisher: Arc<AnyPublisher>,
    pub(crate) listener: AnyListener,
}

#[derive(Serialize, Deserialize)]
struct Probed {
    nonce: u64,
}

/// What became of one round.
enum Round {
    Heard,
    /// The connection was lost meanwhile, which is known and told.
    Interrupted,
    /// It does not listen any more.
    Ended,
}

impl Probe {
    /// Keeps the probe running, and starts it if it does not, or not any more.
    pub(crate) fn watch(&self, halves: &Halves, interval: Duration) -> Option<Arc<Watch>> {
        let runtime = Handle::try_current().ok()?;
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = running.upgrade().filter(|watch| !watch.0.is_finished()) {
            return Some(watch);
        }
        #[expect(clippy::disallowed_methods, reason = "ends with the last subscription that keeps it")]
        let task = runtime.spawn(probe(halves.clone(), interval));
        let watch = Arc::new(Watch(task.abort_handle()));
        *running = Arc::downgrade(&watch);
        Some(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn probe(halves: Halves, interval: Duration) {
    let listener = halves.listener.clone();
    let patience = halves.config.patience();
    let bus = EventBus::<Probed>::new(halves);
    let Ok(key) = ChannelKey::new(format!("{:016x}", fastrand::u64(..))) else { return };
    let mut is_told = false;
    loop {
        let ended = match bus.listen(&key).await {
            Ok(mut heard) => {
                probe_while_listening(&bus, &key, &mut heard, &listener, interval, patience).await
            }
            Err(error) => error.kind(),
        };
        match ended {
            ErrorKind::Closed => return,
            ErrorKind::Denied if !std::mem::replace(&mut is_told, true) => tracing::warn!(
                channel = %bus.channel(&key),
                "the probe of the listening connection does not work: redis lets this user not publish and listen there"
            ),
            _ => {}
        }
        sleep(interval).await;
    }
}

/// Until the probe can't go on, for this reason.
async fn probe_while_listening(
    bus: &EventBus<Probed>,
    key: &ChannelKey,
    heard: &mut Subscription<Probed>,
    listener: &AnyListener,
    interval: Duration,
    patience: Duration,
) -> ErrorKind {
    let channel = bus.channel(key);
    loop {
        sleep(interval).await;
        let connection = listener.connection(channel.as_str());
        let nonce = fastrand::u64(..);
        match bus.publish_to(key, &Probed { nonce }).await.map_err(|error| error.kind()) {
            Ok(_) => {}
            Err(fatal @ (ErrorKind::Closed | ErrorKind::Denied)) => return fatal,
            Err(_) => continue, // publishing fails: its state says so, and listening may be well
        }
        match timeout(patience, round(heard, nonce)).await {
            Ok(Round::Heard | Round::Interrupted) => {}
            Ok(Round::Ended) => return ErrorKind::NotSubscribed,
            Err(_) => {
                if let Some(connection) = connection {
                    let why = "an event that redis took did not come back";
                    listener.distrust(channel.as_str(), connection, why);
                }
            }
        }
    }
}

async fn round(heard: &mut Subscription<Probed>, nonce: u64) -> Round {
    loop {
        match heard.recv().await {
            Some(Ok(probed)) if probed.nonce == nonce => return Round::Heard,
            Some(Err(Notice::Interrupted | Notice::Resumed { .. })) => return Round::Interrupted,
            Some(_) => {}
            None => return Round::Ended,
        }
    }
}

impl Event for Probed {
    const BUS_NAME: &'static str = "event-bus-probe";

    fn channel_keys(&self) -> std::result::Result<Vec<ChannelKey>, KeyError> {
        Ok(Vec::new())
    }
}

impl Transport for Halves {
    /// With the kind that is listened to: events may be published with the other one, for other processes alone.
    async fn publish(&self, messages: Vec<Message>) -> Vec<Result<Receipt>> {
        let command = Command::heard_by(self.config.listening);
        self.publisher.publish_with(command, messages).await
    }

    async fn subscribe(&self, filter: Filter, inbox: Inbox) -> Result<Lease> {
        self.listener.subscribe(filter, inbox).await
    }

    async fn close(&self) {
        self.listener.close();
        self.publisher.close();
    }

    fn system(&self) -> &'static str {
        SYSTEM
    }
}
