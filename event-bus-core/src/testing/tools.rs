//! What the cases stand on: an event, buses of their own, and waiting for what must happen.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::builder::EventBusBuilder;
use crate::bus::EventBus;
use crate::channel::{BusName, ChannelFilter, ChannelKey};
use crate::delivery::Notice;
use crate::error::Error;
use crate::event::Event;
use crate::key_error::KeyError;
use crate::message::Message;
use crate::subscription::Subscription;
use crate::transport::Transport;

/// How long anything may take before it counts as failed: generous, since it is waited for in vain only once.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long is waited for what does not come: long enough for a busy server to answer in the last quarter of it.
pub(super) const SHORT: Duration = Duration::from_secs(1);

/// Goes to the channel of its source, and to one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Numbered {
    pub(super) source: String,
    pub(super) number: u64,
}

impl Event for Numbered {
    const BUS_NAME: &'static str = "conformance";

    fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> {
        let own = format!("{}/{}", self.source, self.number);
        Ok(vec![ChannelKey::new(&self.source)?, ChannelKey::new(own)?])
    }
}

pub(super) type Bus = EventBus<Numbered>;

pub(super) fn event(number: u64) -> Numbered {
    Numbered { source: "s".to_owned(), number }
}

/// A bus of a name that no other case uses.
pub(super) fn bus(transport: impl Transport) -> Bus {
    builder(transport).build().expect("the settings are right")
}

pub(super) fn builder(transport: impl Transport) -> EventBusBuilder<Numbered> {
    EventBus::builder(transport).name(any_name())
}

pub(super) fn any_name() -> BusName {
    BusName::new(format!("conformance-{:016x}", fastrand::u64(..))).expect("a right name")
}

/// The number of the next event, which must be the next item.
pub(super) async fn next(events: &mut Subscription<Numbered>) -> u64 {
    let item = within("an event", events.recv()).await.expect("not the end");
    item.expect("an event, no notice").number
}

/// The numbers of the next events, sorted: the order between channels is open.
pub(super) async fn of_several_channels<const COUNT: usize>(
    events: &mut Subscription<Numbered>,
) -> [u64; COUNT] {
    let mut numbers = [0; COUNT];
    for number in &mut numbers {
        *number = next(events).await;
    }
    numbers.sort_unstable();
    numbers
}

/// The next notice, which must be the next item.
pub(super) async fn notice(events: &mut Subscription<Numbered>) -> Notice {
    let item = within("a notice", events.recv()).await.expect("not the end");
    item.expect_err("a notice, no event")
}

pub(super) async fn end(events: &mut Subscription<Numbered>) {
    let item = within("the end", events.recv()).await;
    assert!(item.is_none(), "the end, not {item:?}");
}

pub(super) async fn publish_to(bus: &Bus, key: &str, number: u64) {
    bus.publish_to(key, &event(number)).await.expect("a publish that nothing hinders");
}

/// Publishes bytes as they are.
pub(super) async fn publish_raw(
    transport: &impl Transport,
    bus: &Bus,
    key: &str,
    bytes: impl Into<bytes::Bytes>,
) {
    let key = ChannelKey::new(key).expect("a right key");
    let results = transport.publish(vec![Message::new(bus.channel(&key), bytes)]).await;
    assert!(matches!(results.as_slice(), [Ok(_)]), "one receipt for one message, not {results:?}");
}

/// A listener that tells when what was published has arrived everywhere. A server need not have passed on what it has
/// acknowledged.
pub(super) struct Witness(Subscription<Numbered>);

impl Witness {
    pub(super) async fn of<F>(bus: &Bus, filter: F) -> Self
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        Self(bus.listen(filter).await.expect("listening"))
    }

    /// Returns when so many more have arrived, whatever they are.
    pub(super) async fn heard(&mut self, count: usize) {
        for _ in 0..count {
            let _ = within("what was published", self.0.recv()).await.expect("not the end");
        }
    }
}

/// The next event must be this one, or one before it where the transport can't tell when those had passed.
pub(super) async fn comes(events: &mut Subscription<Numbered>, number: u64, others_have_passed: bool) {
    loop {
        let next = next(events).await;
        if next == number || others_have_passed {
            return assert_eq!(next, number);
        }
    }
}

/// The result of `future`, which must come.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(PATIENCE, future).await else {
        panic!("{what}: did not come within {PATIENCE:?}");
    };
    value
}

/// Polls `future` so many times at most, each time it asks for it, and drops it then.
pub(super) async fn cut_at_poll<T>(polls: u64, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (std::pin::pin!(future), polls);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Returns when nobody is subscribed to `key`, by the transport's word, if it gives any.
pub(super) async fn until_nobody_hears(bus: &Bus, key: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let receipt = bus.publish_to(key, &event(0)).await.expect("a publish that nothing hinders");
        if receipt.receivers.unwrap_or(0) == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{key} is still subscribed to");
        sleep(Duration::from_millis(5)).await;
    }
}
