//! Waiting for one event: nothing that comes by is lost, and `None` is said only if nothing can have been missed.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::timeout_at;

use super::Subscription;
use crate::deadline::Deadline;
use crate::delivery::{Delivery, Notice};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;

/// What came first.
enum Either<E, P: ?Sized, T> {
    Event(Result<Delivery<E, P>>),
    Other(T),
}

impl<E: Event, P: ?Sized> Subscription<E, P> {
    /// The next event, if one comes within `timeout`. Listen first, then do what triggers the event, then
    /// wait: the other way round, an answer that is faster than the subscription is lost.
    ///
    /// `None` only if nothing can have been missed: the stream told of nothing, and towards the end of the time the
    /// server has shown that it still answers. Notices that the wait comes upon are not lost: [`recv`](Self::recv)
    /// gives them next; of more than 64, the oldest are added up.
    ///
    /// # Errors
    /// [`ErrorKind::Missed`] if none came, but something was missed or did not decode that may have been it, or is
    /// being missed, or the server did not answer in the last quarter of the time (at least 50 ms, at most 500 ms);
    /// also if very many notices came before the next event, or with more bytes of messages than the subscription may queue.
    /// If the subscription ended meanwhile: [`ErrorKind::Closed`] if it was closed, [`ErrorKind::Denied`] if the right to listen was
    /// taken away, [`ErrorKind::Missed`] otherwise.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn wait(&mut self, timeout: Duration) -> Result<Option<Delivery<E, P>>> {
        self.wait_until(Deadline::after(timeout)).await
    }

    pub(crate) async fn wait_until(&mut self, deadline: Deadline) -> Result<Option<Delivery<E, P>>> {
        if let Ok(event) = timeout_at(deadline.test_at(), self.first_event()).await {
            return event.map(Some);
        }
        let port = Arc::clone(&self.ear.port);
        let tested = async {
            let tested = timeout_at(deadline.at(), port.transport().fence()).await;
            tokio::time::sleep_until(deadline.at()).await;
            tested
        };
        let tested = match self.first_event_unless(tested).await {
            Either::Event(event) => return event.map(Some),
            Either::Other(tested) => tested,
        };
        let missed = |why: String| {
            let text =
                format!("no event within {:?}, but one may have been missed: {why}", deadline.timeout());
            Error::new(ErrorKind::Missed, text)
        };
        if let Some(notice) = self.ear.passed_over.tell() {
            return Err(missed(notice.to_string()));
        }
        match tested {
            _ if self.ear.inbox.is_cut_off() => Err(missed("the connection is lost".into())),
            Ok(Ok(())) => Ok(None),
            Ok(Err(error)) => Err(missed(error.to_string()).with_source(error)),
            Err(_) => Err(missed("the server does not answer".into())),
        }
    }

    async fn first_event(&mut self) -> Result<Delivery<E, P>> {
        std::future::poll_fn(|cx| self.poll_first_event(cx)).await
    }

    async fn first_event_unless<T>(&mut self, other: impl Future<Output = T>) -> Either<E, P, T> {
        let mut other = std::pin::pin!(other);
        std::future::poll_fn(|cx| match self.poll_first_event(cx) {
            Poll::Ready(event) => Poll::Ready(Either::Event(event)),
            Poll::Pending => other.as_mut().poll(cx).map(Either::Other),
        })
        .await
    }

    fn poll_first_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery<E, P>>> {
        loop {
            match ready!(self.poll_inbox(cx)) {
                Some(Ok(delivery)) => return Poll::Ready(Ok(delivery)),
                Some(Err(notice)) => self.ear.passed_over.push(*notice),
                None => return Poll::Ready(Err(ended_while_waiting(self.ear.passed_over.last()))),
            }
            while self.ear.passed_over.is_full(self.ear.inbox.most_bytes()) {
                if self.ear.passed_over.fold_oldest() {
                    continue;
                }
                let first = self.ear.passed_over.tell().map(ToString::to_string).unwrap_or_default();
                let text =
                    format!("more notices came before the next event than are kept, the first: {first}");
                return Poll::Ready(Err(Error::new(ErrorKind::Missed, text)));
            }
        }
    }
}

fn ended_while_waiting(last: Option<&Notice>) -> Error {
    match last {
        Some(notice @ Notice::Denied { .. }) => Error::new(ErrorKind::Denied, notice.to_string()),
        Some(notice) if notice.is_final() => Error::new(ErrorKind::Missed, notice.to_string()),
        _ => Error::new(ErrorKind::Closed, "the subscription has ended"),
    }
}
