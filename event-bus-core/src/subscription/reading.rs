//! What a subscription makes of what its inbox holds: events of the types that are wanted, notices, and the gaps that
//! numbers show. Nothing here waits for an event.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop;

use super::{Read, Subscription};
use crate::delivery::{Delivery, Notice};
use crate::event::Event;
use crate::event_type::{View, Wanted};
use crate::message::{Decoded, Message};
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
            return match self.tracks.note(message.channel(), &headers) {
                Verdict::Gap(missed) => Some(Err(gap(&message, missed))),
                Verdict::Right | Verdict::Double => None,
            };
        }
        let decoded = message.decode(&self.codec);
        let verdict = match decoded.headers() {
            Some(headers) if headers.is_empty() => Verdict::Right, // no number
            Some(headers) => self.tracks.note(message.channel(), headers),
            None => {
                self.tracks.excuse(); // its number is missing, and what it was is told
                Verdict::Right
            }
        };
        match verdict {
            Verdict::Right => self.hand_out(message, decoded),
            Verdict::Double => None,
            Verdict::Gap(missed) => {
                let gap = gap(&message, missed);
                self.behind_gap = self.hand_out(message, decoded);
                Some(Err(gap))
            }
        }
    }

    #[inline] // what it returns is large, and would be copied once more
    fn hand_out(&self, message: Arc<Message>, decoded: Decoded<E>) -> Option<Read<E, P>> {
        match Delivery::of(message, decoded, self.view) {
            Ok(Some(delivery)) if is_wanted(delivery.event(), self.wanted.as_ref()) => Some(Ok(delivery)),
            Ok(_) => None,
            Err(Notice::UnknownType { .. }) if self.wanted.is_some() => None,
            Err(notice) => Some(Err(notice)),
        }
    }
}

fn gap(before: &Message, missed: u64) -> Notice {
    Notice::Gap { channel: before.channel().clone(), missed }
}

/// `delivery` through `view`, if it is of a type that is wanted.
pub(super) fn see<E: Event, P: ?Sized>(
    delivery: Delivery<E>,
    wanted: Option<&Wanted>,
    view: View<E, P>,
) -> Option<Delivery<E, P>> {
    if is_wanted(delivery.event(), wanted) { delivery.seen(view) } else { None }
}

fn is_wanted<E: Event>(event: &E, wanted: Option<&Wanted>) -> bool {
    wanted.is_none_or(|wanted| wanted.takes(event.event_type(), E::EVENT_TYPES))
}

fn final_notice(end: End) -> Notice {
    match end {
        End::Denied(reason) => Notice::Denied { reason },
        End::Overflowed => Notice::Overflowed,
        End::Stopped(reason) => Notice::Stopped { reason },
        End::Closed => Notice::Stopped { reason: "it was closed".into() },
    }
}
