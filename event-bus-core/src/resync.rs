//! State and events as one stream: a snapshot first and after every gap, the events behind it. How the state is
//! fetched is the caller's business, and how it is kept.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::task::coop;

use crate::delivery::{Delivery, Notice};
use crate::event::Event;
use crate::subscription::Subscription;

/// Follows a state; from [`Subscription::resync`].
///
/// A [`Stream`] of `Result<Update<S, E>, ResyncError<X>>`, and the same with [`recv`](Self::recv). The subscription is
/// read as far as this is: what comes in meanwhile is queued within its bounds, and more than that is one more gap.
///
/// Dropping it unsubscribes.
#[must_use = "it fetches and hears nothing unless it is read"]
pub struct Resync<E, F, Fut, P: ?Sized = E> {
    events: Subscription<E, P>,
    fetch: F,
    /// Kept here, so that a read that is dropped does not lose it.
    fetching: Option<Pin<Box<Fut>>>,
    stage: Stage,
    /// What stands behind the gap whose snapshot is due.
    next: Option<Item<E, P>>,
}

/// What a subscription gave, its end included.
type Item<E, P> = Option<Result<Delivery<E, P>, Notice>>;

/// What is made of it.
type Read<S, E, P, X> = Option<Result<Update<S, E, P>, ResyncError<X>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The first snapshot is due.
    Start,
    /// The last snapshot holds.
    Whole,
    /// A snapshot is due as soon as the connection is back.
    CutOff,
    /// A snapshot is due, once all that stands at this place is told.
    Gap,
    /// A snapshot was due and could not be fetched, and the subscription has ended: only what is queued is left.
    Leaving,
}

/// One step in following a state.
pub enum Update<S, E, P: ?Sized = E> {
    /// The state: it replaces what you hold.
    Snapshot(S),
    /// A change: apply it to what you hold.
    Event(Delivery<E, P>),
    /// Something was missed here, or is being missed: what you hold may be out of date until the next
    /// [`Snapshot`](Self::Snapshot). Only [`Notice`]s that are not final.
    Stale(Notice),
}

/// Why there is no update.
#[derive(Clone, Debug)]
pub enum ResyncError<X> {
    /// The state could not be fetched. The next read tries again.
    Fetch(X),
    /// The subscription has ended, for this reason. Nothing follows.
    Ended(Notice),
}

impl<E: Event, P: ?Sized> Subscription<E, P> {
    /// Follows a state of which this subscription tells the changes: a snapshot first, then each change, and a new
    /// snapshot after whatever was missed. `fetch` gets the whole state, from a database or a service.
    ///
    /// - The subscription is confirmed before the first fetch begins, so no change falls in between:
    ///   [`Snapshot`](Update::Snapshot) first, then every event that was received since the confirmation.
    /// - A notice is handed out as [`Stale`](Update::Stale), so that a page can show it, and nothing goes missing
    ///   unseen. Then comes a snapshot whose fetch began after the gap had ended, then the events behind the gap.
    ///   Notices beside each other share one fetch, and there are never two at once.
    /// - While the connection is lost, nothing but the first snapshot is fetched: others would be out of date when they
    ///   came. What is
    ///   received all the same is handed out, and the snapshot follows [`Resumed`](Notice::Resumed).
    /// - An error of `fetch` is handed out, and the next read fetches again. How long to wait before that is up to
    ///   the caller, and how often to fetch at most up to `fetch`, which may take its time. If the
    ///   subscription has ended by then, there is no further try.
    /// - It ends as the subscription does: with its final notice as [`ResyncError::Ended`], or silently if it was closed.
    ///
    /// # What it takes to be right
    /// Whoever publishes a change has made it before: else a fetch in between misses it. And whoever applies an event
    /// sets what it says, and adds nothing up: no event is thrown away, so the snapshot may hold it already, and even
    /// later ones. A thing then goes back to an earlier value until its later events have come too, which
    /// they do. So the last word on each thing is right, if its changes are published in their order. If
    /// even that moment is too much, let events carry a version, and ignore those that are older than what you hold.
    ///
    /// # Examples
    /// ```
    /// use std::collections::HashMap;
    /// use std::sync::Arc;
    ///
    /// use event_bus_core::{EventBus, MemoryTransport, ResyncError, Update};
    /// use tokio::sync::Mutex;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// #[bus(name = "orders", channel(all = "all"))]
    /// struct OrderChanged {
    ///     id: u64,
    ///     status: String,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let memory = MemoryTransport::new();
    /// let bus = OrderChangedBus::new(memory.clone());
    /// let database = Arc::new(Mutex::new(HashMap::from([(7, "new".to_owned())])));
    ///
    /// let source = Arc::clone(&database);
    /// let mut updates = bus.all().listen().await?.resync(move || {
    ///     let source = Arc::clone(&source);
    ///     async move { Ok::<_, event_bus_core::Error>(source.lock().await.clone()) }
    /// });
    ///
    /// let mut orders = HashMap::new();
    /// if let Some(Ok(Update::Snapshot(all))) = updates.recv().await {
    ///     orders = all;
    /// }
    /// memory.drop_next(1); // so this change is not heard
    /// database.lock().await.insert(7, "paid".into());
    /// bus.publish(&OrderChanged { id: 7, status: "paid".into() }).await?;
    ///
    /// # let mut read = 0;
    /// while let Some(update) = updates.recv().await {
    ///     match update {
    ///         Ok(Update::Snapshot(all)) => orders = all,
    ///         Ok(Update::Event(change)) => drop(orders.insert(change.id, change.status.clone())),
    ///         Ok(Update::Stale(notice)) => println!("may be out of date: {notice}"),
    ///         Err(ResyncError::Fetch(error)) => println!("trying again: {error}"),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// #   read += 1;
    /// #   if read == 2 { bus.close().await; }
    /// }
    /// assert_eq!(orders[&7], "paid");
    /// # Ok(()) }
    /// ```
    pub fn resync<S, X, F, Fut>(self, fetch: F) -> Resync<E, F, Fut, P>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<S, X>>,
    {
        Resync { events: self, fetch, fetching: None, stage: Stage::Start, next: None }
    }
}

impl<E, P: ?Sized, F, Fut, S, X> Resync<E, F, Fut, P>
where
    E: Event,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<S, X>>,
{
    /// The next update; `None` at the end, and from then on.
    ///
    /// # Errors
    /// [`ResyncError::Fetch`] if the state could not be fetched, which is not the end; [`ResyncError::Ended`] as the
    /// last item.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a fetch that has begun is kept and goes on with the next call.
    pub async fn recv(&mut self) -> Option<Result<Update<S, E, P>, ResyncError<X>>> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Read<S, E, P, X>> {
        loop {
            if let Some(fetching) = &mut self.fetching {
                let fetched = ready!(fetching.as_mut().poll(cx));
                self.fetching = None;
                return Poll::Ready(Some(self.conclude(fetched)));
            }
            if self.stage == Stage::Start || (self.stage == Stage::Gap && self.next.is_some()) {
                self.begin();
                continue;
            }
            drop(ready!(coop::poll_proceed(cx))); // else `Pending` below might not mean that nothing is queued
            match (self.poll_item(cx), self.stage) {
                (Poll::Ready(Some(Err(notice))), stage) if !notice.is_final() => {
                    self.stage = stage.behind(&notice);
                    return Poll::Ready(Some(Ok(Update::Stale(notice))));
                }
                (Poll::Ready(item), Stage::Gap) => self.next = Some(item),
                (Poll::Pending, Stage::Gap) => self.begin(),
                (Poll::Ready(item), _) => return Poll::Ready(item.map(into_update)),
                (Poll::Pending, _) => return Poll::Pending,
            }
        }
    }

    fn begin(&mut self) {
        self.fetching = Some(Box::pin((self.fetch)()));
    }

    fn conclude(&mut self, fetched: Result<S, X>) -> Result<Update<S, E, P>, ResyncError<X>> {
        if fetched.is_ok() {
            self.stage = Stage::Whole;
        } else if self.events.has_ended() {
            self.stage = Stage::Leaving; // who closes a bus often closes the database too: this must end
        }
        fetched.map(Update::Snapshot).map_err(ResyncError::Fetch)
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Item<E, P>> {
        match self.next.take() {
            Some(item) => Poll::Ready(item),
            None => self.events.poll_recv(cx),
        }
    }
}

impl Stage {
    fn behind(self, notice: &Notice) -> Self {
        match (self, notice) {
            (Self::Leaving, _) => Self::Leaving,
            (_, Notice::Interrupted) => Self::CutOff,
            (Self::CutOff, notice) if !matches!(notice, Notice::Resumed { .. }) => Self::CutOff,
            _ => Self::Gap,
        }
    }
}

fn into_update<S, E, P: ?Sized, X>(
    item: Result<Delivery<E, P>, Notice>,
) -> Result<Update<S, E, P>, ResyncError<X>> {
    item.map(Update::Event).map_err(ResyncError::Ended)
}

impl<E, P: ?Sized, F, Fut, S, X> Stream for Resync<E, F, Fut, P>
where
    E: Event,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<S, X>>,
{
    type Item = Result<Update<S, E, P>, ResyncError<X>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx)
    }
}

/// The future is pinned where it stands, and nothing else needs to be.
impl<E, F, Fut, P: ?Sized> Unpin for Resync<E, F, Fut, P> {}

impl<E, F, Fut, P: ?Sized> fmt::Debug for Resync<E, F, Fut, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resync")
            .field("events", &self.events)
            .field("stage", &self.stage)
            .field("is_fetching", &self.fetching.is_some())
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, E: Event + fmt::Debug, P: ?Sized> fmt::Debug for Update<S, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot(state) => f.debug_tuple("Snapshot").field(state).finish(),
            Self::Stale(notice) => f.debug_tuple("Stale").field(notice).finish(),
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

impl<X> fmt::Display for ResyncError<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch(_) => "the state could not be fetched",
            Self::Ended(_) => "the subscription has ended",
        })
    }
}

impl<X: StdError + 'static> StdError for ResyncError<X> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Fetch(error) => Some(error),
            Self::Ended(notice) => Some(notice),
        }
    }
}
