//! Handlers for the events of a bus, one for each type, and what runs them. The generated subscribers are thin types
//! around this, which let none be forgotten.

mod handlers;
mod report;
mod runner;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::bus::EventBus;
use crate::channel::ChannelFilter;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::event_type::EventType;

use handlers::Handlers;
use report::Tally;
pub use report::{HandlerPanic, SubscriberReport};
use runner::Runner;

/// How many handlers run at once unless told otherwise.
const CONCURRENCY: usize = 16;

/// Handlers for the events of a bus. `bus.subscriber()`, which the derive generates, gives one that knows whether a
/// handler is missing; this is what stands behind it, and what serves an [`Event`] that is written by hand.
///
/// # How handlers run
/// - **In order per channel.** The handler of an event starts when the one of the event before it on the same channel
///   has finished. Handlers of different channels run at the same time, up to [`concurrency`](Self::concurrency).
/// - **Notices keep their place.** One about a message, such as [`Notice::Undecodable`], is handled in the order of its
///   channel. All others are handled when everything before them has been, and before anything behind them.
/// - **Bounded.** As many events as may run wait for an earlier one of their channel, so at most twice
///   [`concurrency`](Self::concurrency) events are held besides the subscription's own queue, where its bounds and its
///   overflow policy hold. So a handler that hangs holds up its channel, and in the end all: put a time-out into it.
/// - **Contained.** A handler that panics is [reported](Self::on_panic) and counted, and the next event follows; so it
///   is if the event type panics while a message is read.
///
/// # Examples
/// ```
/// # use std::time::Duration;
/// # use event_bus_core::{EventBus, EventType, MemoryTransport, Notice, Subscriber};
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "orders", channel(order = "{order_id}"))]
/// # enum OrderEvent { Opened { order_id: u64 }, Closed { order_id: u64 } }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// # let bus = OrderEventBus::new(MemoryTransport::new());
/// let running = Subscriber::new(&bus)
///     .on(OrderEvent::OPENED, async |event| println!("opened, on {}", event.channel()))
///     .on_notice(async |notice: Notice| println!("missed: {notice}"))
///     .concurrency(4)
///     .start([bus.order(OrderChannel { order_id: 7 })])
///     .await?;
///
/// bus.publish(&OrderEvent::Opened { order_id: 7 }).await?;
/// let report = running.shutdown(Duration::from_secs(5)).await; // lets running handlers finish
/// println!("{} handled, {} not any more", report.handled, report.unhandled);
/// # Ok(()) }
/// ```
#[must_use = "a subscriber hears nothing until it is started"]
pub struct Subscriber<E> {
    bus: EventBus<E>,
    handlers: Handlers<E>,
    concurrency: usize,
}

impl<E: Event> Subscriber<E> {
    /// One without handlers.
    pub fn new(bus: &EventBus<E>) -> Self {
        Self { bus: bus.clone(), handlers: Handlers::new(), concurrency: CONCURRENCY }
    }

    /// Handles the events of one type. The last handler for a type counts.
    ///
    /// Events of types without a handler are passed over, also unknown ones, and not decoded where the codec can tell
    /// their type without.
    pub fn on<P, H, F>(mut self, event_type: EventType<E, P>, handler: H) -> Self
    where
        P: ?Sized + 'static,
        H: Fn(Delivery<E, P>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.handlers.set(event_type, handler);
        self
    }

    /// Handles every notice: what was missed, or could not be read. Without this they are passed over.
    pub fn on_notice<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Notice) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.handlers.set_notice(handler);
        self
    }

    /// Is told of every handler that panicked. Without this they are logged through `tracing`, at the level `error` and
    /// without the text of the panic. It must not block, and must not panic.
    pub fn on_panic(mut self, told: impl Fn(HandlerPanic) + Send + Sync + 'static) -> Self {
        self.handlers.set_panic(told);
        self
    }

    /// How many handlers may run at once, each for another channel; 16 by default, and 1 at least.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.max(1);
        self
    }

    /// Listens to one or more channels or patterns, and handles what comes in a task of its own. Returns when the server
    /// has confirmed: everything published from now on is handled.
    ///
    /// # Errors
    /// As for [`EventBus::listen`]; [`ErrorKind::InvalidConfig`] without any filter.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    pub fn start<F>(self, filters: impl IntoIterator<Item = F>) -> Starting
    where
        F: TryInto<ChannelFilter>,
        Error: From<F::Error>,
    {
        let filters = filters.into_iter().map(TryInto::try_into).collect::<Result<Vec<_>, _>>();
        let filters = filters.map_err(Error::from);
        Starting(Box::pin(async move { self.start_on(filters?).await }))
    }

    async fn start_on(self, filters: Vec<ChannelFilter>) -> Result<RunningSubscriber> {
        let mut filters = filters.into_iter();
        let Some(first) = filters.next() else {
            let text = "a subscriber needs a channel to listen to, and was given none";
            return Err(Error::new(ErrorKind::InvalidConfig, text));
        };
        let mut events = self.bus.listen::<ChannelFilter>(first).await?;
        for filter in filters {
            events.add::<ChannelFilter>(filter).await?;
        }
        let events = match self.handlers.wanted() {
            Some(wanted) => events.only_wanted(wanted),
            None => events,
        };
        let (stop, stopped) = oneshot::channel();
        let tally = Tally::default();
        let runner = Runner::new(events, self.handlers, self.concurrency, tally.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the handle that is returned, or the subscription"
        )]
        let task = tokio::spawn(runner.run(stopped));
        Ok(RunningSubscriber { task, stop: Some(stop), tally, has_ended: false })
    }
}

impl<E> fmt::Debug for Subscriber<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber")
            .field("bus", &self.bus)
            .field("handlers", &self.handlers)
            .field("concurrency", &self.concurrency)
            .finish()
    }
}

/// The future of [`Subscriber::start`]: a [`RunningSubscriber`], or an [`Error`].
#[must_use = "a subscriber starts when this is awaited"]
pub struct Starting(Pin<Box<dyn Future<Output = Result<RunningSubscriber>> + Send>>);

impl Future for Starting {
    type Output = Result<RunningSubscriber>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Starting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Starting")
    }
}

/// A subscriber at work, from [`Subscriber::start`].
///
/// Dropping it stops everything at once: it unsubscribes, and running handlers end where they next await.
/// [`shutdown`](Self::shutdown) lets them finish.
#[must_use = "a subscriber that is dropped stops"]
pub struct RunningSubscriber {
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<Duration>>,
    tally: Tally,
    has_ended: bool,
}

impl RunningSubscriber {
    /// Unsubscribes, lets the handlers that are running finish, and returns what has been done. Those that still run
    /// after `grace` are ended where they next await. What was received and not yet handled is counted in the report. What
    /// was still on its way is not: nobody knows of it.
    ///
    /// # Cancel safety
    /// Dropping the future drops the subscriber.
    pub async fn shutdown(mut self, grace: Duration) -> SubscriberReport {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(grace); // one that has ended needs no telling
        }
        self.ended().await
    }

    /// Waits until the subscription has ended by itself, since the bus was closed or the server refused it, and all it
    /// had received is handled.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn ended(&mut self) -> SubscriberReport {
        if !self.has_ended {
            let ended = (&mut self.task).await;
            self.has_ended = true;
            if let Err(error) = ended {
                self.tally.write(|report| report.end = Some(Notice::Stopped { reason: why(&error).into() }));
            }
        }
        self.tally.report()
    }
}

/// Why the task of a subscriber is gone.
fn why(error: &JoinError) -> &'static str {
    if error.is_panic() {
        "an event panicked while the subscriber dropped it"
    } else {
        "the runtime that ran the subscriber has ended"
    }
}

impl Drop for RunningSubscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for RunningSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningSubscriber").field("report", &self.tally.report()).finish_non_exhaustive()
    }
}
