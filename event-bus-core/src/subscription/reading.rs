//! What a subscription makes of what its inbox holds: events of the types that are wanted, notices, and the gaps that
//! numbers show. Nothing here waits for an event.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop;

use super::{Read, Subscription};
use crate::codec::Headers;
use crate::delivery::{Delivery, Notice};
use crate::event::Event;
use crate::event_type::{View, Wanted};
use crate::message::Message;
use crate::sequence::Verdict;
use crate::transport::{End, Item};

impl<E: Event, P: ?Sized> Subscription<E, P> {
    pub(super) fn poll_inbox(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read<E, P>>> {
        let read = ready!(self.poll_uncounted(cx));
        match &read {
            Some(Ok(_)) => self.ear.port.tally().count_event(),
            Some(Err(notice)) => self.ear.port.tally().count_notice(notice),
            None => {}
        }
        Poll::Ready(read)
    }

    fn poll_uncounted(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read<E, P>>> {
        if let Some(read) = self.behind_gap.take() {
            return Poll::Ready(Some(read));
        }
        loop {
            // A listener under a flood would otherwise never yield to its neighbours on the same worker.
            let budget = ready!(coop::poll_proceed(cx));
            let item = ready!(self.ear.inbox.poll_next(cx));
            budget.made_progress();
            let read = match item {
                Some(Item::Message(message)) => self.read(message),
                Some(Item::Signal(signal)) => {
                    self.tracks.excuse();
                    Some(Err(signal.into()))
                }
                Some(Item::End(end)) => Some(Err(final_notice(end))),
                None => return Poll::Ready(None),
            };
            if read.is_some() {
                return Poll::Ready(read);
            }
        }
    }

    /// What `message` is to this listener; `None` if it wants other types, or has it already.
    fn read(&mut self, message: Arc<Message>) -> Option<Read<E, P>> {
        if let Some(wanted) = &self.wanted
            && let Some(headers) = message.unwanted(wanted, &self.codec)
        {
            let place = self.place_of(&message, Some(&headers));
            return self.put(place, None);
        }
        let decoded = message.decode(&self.codec);
        let place = self.place_of(&message, decoded.headers());
        let read = match Delivery::of(message, decoded) {
            Ok(delivery) => see(delivery, self.wanted.as_ref(), self.view).map(Ok),
            Err(Notice::UnknownType { .. }) if self.wanted.is_some() => None,
            Err(notice) => Some(Err(notice)),
        };
        self.put(place, read)
    }

    /// What the number of `message` says. Without headers nothing can be told.
    fn place_of(&mut self, message: &Message, headers: Option<&Headers>) -> Place {
        let Some(headers) = headers else {
            self.tracks.excuse(); // its number is missing, and what it was is told
            return Place::Next;
        };
        match self.tracks.note(message.channel(), headers) {
            Verdict::Right => Place::Next,
            Verdict::Double => Place::Double,
            Verdict::Gap(missed) => Place::Behind(Notice::Gap { channel: message.channel().clone(), missed }),
        }
    }

    /// `read`, if nothing is missing before it; else the gap, and `read` comes next.
    fn put(&mut self, place: Place, read: Option<Read<E, P>>) -> Option<Read<E, P>> {
        match place {
            Place::Next => read,
            Place::Double => None,
            Place::Behind(gap) => {
                self.behind_gap = read;
                Some(Err(gap))
            }
        }
    }
}

/// Where a message stands among those of its publisher.
enum Place {
    Next,
    Double,
    /// Behind some that are missing.
    Behind(Notice),
}

/// `delivery` through `view`, if it is of a type that is wanted.
pub(super) fn see<E: Event, P: ?Sized>(
    delivery: Delivery<E>,
    wanted: Option<&Wanted>,
    view: View<E, P>,
) -> Option<Delivery<E, P>> {
    let is_wanted = wanted.is_none_or(|wanted| wanted.takes(delivery.event_type(), E::EVENT_TYPES));
    if is_wanted { delivery.seen(view) } else { None }
}

fn final_notice(end: End) -> Notice {
    match end {
        End::Denied(reason) => Notice::Denied { reason },
        End::Overflowed => Notice::Overflowed,
        End::Stopped(reason) => Notice::Stopped { reason },
        End::Closed => Notice::Stopped { reason: "it was closed".into() },
    }
}
