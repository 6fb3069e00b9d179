//! The listening half of a bus: a stream of events and notices, decoded as they are read.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::task::coop;

use crate::channel::ChannelFilter;
use crate::codec::SharedCodec;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Decoded, Message};
use crate::transport::{End, Inbox, Item, Signal};

/// Listens to one channel or pattern of a bus, from [`EventBus::listen`](crate::EventBus::listen).
///
/// A [`Stream`] of `Result<Delivery<E>, Notice>`, and the same with [`recv`](Self::recv). A [`Notice`] is not the
/// end: it tells what was missed, or does not decode, and the next events follow. `None` is the end, and
/// stays.
///
/// Dropping it unsubscribes, anywhere: inside or outside a runtime, and while one shuts down.
#[must_use = "a subscription that is dropped hears nothing"]
pub struct Subscription<E> {
    filter: ChannelFilter,
    inbox: Inbox,
    codec: SharedCodec<E>,
    /// Notices that a wait came upon; the next reads get them first.
    passed_over: VecDeque<Notice>,
    /// How many of them, from the front, the error of a wait has told.
    told: usize,
}

/// How many notices are kept for the next reads: nothing here grows without bound.
const MOST_PASSED_OVER: usize = 64;

impl<E: Send + Sync + 'static> Subscription<E> {
    pub(crate) fn new(filter: ChannelFilter, inbox: Inbox, codec: SharedCodec<E>) -> Self {
        Self { filter, inbox, codec, passed_over: VecDeque::new(), told: 0 }
    }

    /// What it listens to.
    #[must_use]
    pub fn filter(&self) -> &ChannelFilter {
        &self.filter
    }

    /// The next event or notice; `None` at the end.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call goes on where this one was.
    ///
    /// # Examples
    /// ```
    /// # use event_bus_core::{EventBus, MemoryTransport, Notice};
    /// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
    /// # #[bus(name = "pings", channel(all = "all"))]
    /// # struct Ping { n: u64 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
    /// let bus: EventBus<Ping> = EventBus::new(MemoryTransport::new());
    /// let mut pings = bus.listen("all").await?;
    /// bus.publish(&Ping { n: 1 }).await?;
    /// # bus.close().await;
    /// while let Some(item) = pings.recv().await {
    ///     match item {
    ///         Ok(ping) => println!("ping {} on {}", ping.n, ping.channel()),
    ///         Err(Notice::Resumed { down_for }) => println!("missed what came in {down_for:?}"),
    ///         Err(notice) => println!("{notice}"),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn recv(&mut self) -> Option<Result<Delivery<E>, Notice>> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next event, if one comes within `timeout`. Listen first, then do what triggers the event, then
    /// wait: the other way round, an answer that is faster than the subscription is lost.
    ///
    /// `None` if none came and the stream told of nothing that was missed. A fault that the transport has not
    /// noticed yet can't be told: how soon it notices is among its settings. Notices that the wait comes upon are
    /// not lost: [`recv`](Self::recv) gives them next.
    ///
    /// # Errors
    /// [`ErrorKind::Missed`] if none came, but something was missed or did not decode that may have been it, or is
    /// being missed; also if very many notices came before the next event.
    /// [`ErrorKind::Closed`] or [`ErrorKind::Denied`] if the subscription ended meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait(&mut self, timeout: Duration) -> Result<Option<Delivery<E>>> {
        if let Ok(outcome) = tokio::time::timeout(timeout, self.first_event()).await {
            return outcome.map(Some);
        }
        if let Some(notice) = self.tell_passed_over() {
            let text = format!("no event within {timeout:?}, but one may have been missed: {notice}");
            return Err(Error::new(ErrorKind::Missed, text));
        }
        if self.inbox.is_cut_off() {
            let text = format!("no event within {timeout:?}, and the connection is lost");
            return Err(Error::new(ErrorKind::Missed, text));
        }
        Ok(None)
    }

    async fn first_event(&mut self) -> Result<Delivery<E>> {
        loop {
            match std::future::poll_fn(|cx| self.poll_inbox(cx)).await {
                Some(Ok(delivery)) => return Ok(delivery),
                Some(Err(notice)) => self.passed_over.push_back(notice),
                None => return Err(ended_while_waiting(self.passed_over.back())),
            }
            if self.passed_over.len() > MOST_PASSED_OVER {
                if self.told == 0 {
                    let told = self.tell_passed_over().map(ToString::to_string).unwrap_or_default();
                    let text =
                        format!("{MOST_PASSED_OVER} notices came before the next event, the first: {told}");
                    return Err(Error::new(ErrorKind::Missed, text));
                }
                self.passed_over.pop_front();
                self.told -= 1;
            }
        }
    }

    /// The first notice that no error has told yet. All count as told from now on.
    fn tell_passed_over(&mut self) -> Option<&Notice> {
        let first_untold = std::mem::replace(&mut self.told, self.passed_over.len());
        self.passed_over.get(first_untold)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delivery<E>, Notice>>> {
        match self.passed_over.pop_front() {
            Some(notice) => {
                self.told = self.told.saturating_sub(1);
                Poll::Ready(Some(Err(notice)))
            }
            None => self.poll_inbox(cx),
        }
    }

    fn poll_inbox(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Delivery<E>, Notice>>> {
        // A listener under a flood would otherwise never yield to its neighbours on the same worker.
        let budget = ready!(coop::poll_proceed(cx));
        let item = ready!(self.inbox.poll_next(cx));
        budget.made_progress();
        Poll::Ready(item.map(|item| match item {
            Item::Message(message) => self.read(message),
            Item::Signal(signal) => Err(signal.into()),
            Item::End(end) => Err(final_notice(end)),
        }))
    }

    fn read(&self, message: Arc<Message>) -> Result<Delivery<E>, Notice> {
        match message.decode(&self.codec) {
            Decoded::Event(envelope) => Ok(Delivery::new(envelope, message)),
            Decoded::Oversized(sizes) => Err(Notice::Oversized {
                channel: message.channel().clone(),
                original_size_bytes: sizes.original_size_bytes,
                max_size_bytes: sizes.max_size_bytes,
            }),
            Decoded::Undecodable(error) => Err(Notice::Undecodable {
                channel: message.channel().clone(),
                error,
                raw: message.payload().clone(),
            }),
        }
    }
}

impl<E: Send + Sync + 'static> Stream for Subscription<E> {
    type Item = Result<Delivery<E>, Notice>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

impl<E> Drop for Subscription<E> {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("filter", &self.filter)
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}

impl From<Signal> for Notice {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Lagged { missed } => Self::Lagged { missed },
            Signal::Interrupted => Self::Interrupted,
            Signal::Resumed { down_for } => Self::Resumed { down_for },
        }
    }
}

fn final_notice(end: End) -> Notice {
    match end {
        End::Denied(reason) => Notice::Denied { reason },
        End::Overflowed => Notice::Overflowed,
        End::Stopped(reason) => Notice::Stopped { reason },
        End::Closed => Notice::Stopped { reason: "it was closed".into() },
    }
}

fn ended_while_waiting(last: Option<&Notice>) -> Error {
    match last {
        Some(notice @ Notice::Denied { .. }) => Error::new(ErrorKind::Denied, notice.to_string()),
        Some(notice) if notice.is_final() => Error::new(ErrorKind::Missed, notice.to_string()),
        _ => Error::new(ErrorKind::Closed, "the subscription has ended"),
    }
}
