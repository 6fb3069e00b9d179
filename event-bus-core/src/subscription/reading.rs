//! What a subscription makes of what its inbox holds: events of the types that are wanted, notices, and the gaps that
//! numbers show. Nothing here waits for an event.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop;

use super::{Subscription, Taken};
use crate::delivery::{Delivery, Notice};
use crate::event::Event;
use crate::event_type::{View, Wanted, whole};
use crate::message::{Decoded, Heard, Message, NoEvent};
use crate::sequence::Verdict;
use crate::transport::{End, Item};

impl<E: Event, P: ?Sized> Subscription<E, P> {
    #[inline]
    pub(super) fn poll_inbox(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken<E, P>>> {
        let taken = ready!(self.poll_uncounted(cx));
        match &taken {
            Some(Ok(_)) => {
                self.ear.inbox.count_event();
                self.ear.port.tally().meter_event();
            }
            Some(Err(notice)) => self.ear.port.tally().count_notice(notice),
            None => {}
        }
        Poll::Ready(taken)
    }

    #[inline]
    fn poll_uncounted(&mut self, cx: &mut Context<'_>) -> Poll<Option<Taken<E, P>>> {
        if let Some(taken) = self.behind_gap.take() {
            return Poll::Ready(Some(taken));
        }
        loop {
            // A listener under a flood would otherwise never yield to its neighbours on the same worker.
            let budget = ready!(coop::poll_proceed(cx));
            let item = ready!(self.ear.inbox.poll_next(&mut self.ear.hand, cx));
            budget.made_progress();
            let taken = match item {
                Some(Item::Message(message)) => self.read(message),
                Some(Item::Signal(signal)) => {
                    self.tracks.excuse();
                    Some(Err(Box::new(signal.into())))
                }
                Some(Item::Mark(mark)) => {
                    self.joins.come_to(mark, &self.ear.filters, &mut self.tracks);
                    None
                }
                Some(Item::End(end)) => Some(Err(Box::new(final_notice(end)))),
                None => return Poll::Ready(None),
            };
            if taken.is_some() {
                return Poll::Ready(taken);
            }
        }
    }

    /// What `message` is to this listener; `None` if it wants other types, or has it already.
    #[inline]
    fn read(&mut self, message: Arc<Message>) -> Option<Taken<E, P>> {
        if self.wanted.is_none() && message.is_bare(&self.codec) {
            return Some(Ok(Delivery::of(Heard::of(message), self.view)));
        }
        self.read_closely(message)
    }

    /// As [`read`](Self::read), where the message may be anything.
    fn read_closely(&mut self, message: Arc<Message>) -> Option<Taken<E, P>> {
        if let Some(wanted) = &self.wanted
            && let Some(headers) = message.unwanted(wanted, &self.codec)
        {
            return match self.tracks.note(message.channel(), &headers) {
                Verdict::Gap(missed) => Some(Err(Box::new(gap(&message, missed)))),
                Verdict::Right | Verdict::Double => None,
            };
        }
        let decoded = message.decode(&self.codec);
        let (message, headers) = match &decoded {
            Ok(heard) => (heard.message(), Some(&heard.envelope().headers)),
            Err(unheard) => (&*unheard.message, unheard.what.headers()),
        };
        let verdict = match headers {
            Some(headers) if headers.is_empty() => Verdict::Right, // no number
            Some(headers) => self.tracks.note(message.channel(), headers),
            None => {
                self.tracks.excuse_on_one(message.channel()); // its number is missing, and what it was is told
                Verdict::Right
            }
        };
        let gap = match verdict {
            Verdict::Right => None,
            Verdict::Gap(missed) => Some(Box::new(gap(message, missed))),
            Verdict::Double => return None,
        };
        let taken = self.hand_out(decoded);
        let Some(gap) = gap else { return taken };
        self.behind_gap = taken;
        Some(Err(gap))
    }

    #[inline]
    fn hand_out(&self, decoded: Decoded<E>) -> Option<Taken<E, P>> {
        match (decoded, &self.wanted) {
            (Ok(heard), None) => Some(Ok(Delivery::of(heard, self.view))), // which sees everything
            (Ok(heard), Some(wanted)) => see(Delivery::of(heard, whole), wanted, self.view).map(Ok),
            (Err(unheard), Some(_)) if matches!(*unheard.what, NoEvent::Unknown(..)) => None,
            (Err(unheard), _) => Some(Err(Box::new(unheard.into()))),
        }
    }
}

#[cold]
fn gap(before: &Message, missed: u64) -> Notice {
    Notice::Gap { channel: before.channel().clone(), missed }
}

/// `delivery` through `view`, if it is of a type that is wanted.
pub(super) fn see<E: Event, P: ?Sized>(
    delivery: Delivery<E>,
    wanted: &Wanted,
    view: View<E, P>,
) -> Option<Delivery<E, P>> {
    let is_wanted = wanted.takes(delivery.event().event_type(), E::EVENT_TYPES);
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
