//! Messages in a row within their bounds, with what was lost between them where it was lost, and the end. Who fills it and
//! who waits for it is not known here.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::aftermath::Aftermath;
use super::hole::{Hole, Signal};
use crate::message::Message;

/// What happens when a message arrives for a full queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest messages make room. The default: a monitor wants what is true now. (A reader takes one for each
    /// 128 messages of its queue at once, and eight at most; those that it has not handed out yet count as queued, and stay.)
    #[default]
    DropOldest,
    /// The new message is dropped.
    DropNewest,
    /// The subscription ends, once what is queued has been read.
    Close,
}

/// How much one subscription may queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) overflow: Overflow,
}

/// Why a subscription gets nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// On purpose: its bus or transport was closed.
    Closed,
    /// The server refuses it, for this reason.
    Denied(Arc<str>),
    /// It was too slow and meant to end then.
    Overflowed,
    /// What delivered to it is gone, for this reason.
    Stopped(Arc<str>),
}

/// How many messages a reader takes at once: to lock for each is a good part of what a delivery costs.
const MOST_IN_HAND: usize = 8;

/// What is in hand behind the first has no more than one of so many parts of the bytes that may be queued; of the messages, an
/// eighth of that.
const SHARE_IN_HAND: usize = 16;

/// Messages that a reader has taken and not handed out yet, the last one first.
#[derive(Default)]
pub(crate) struct Hand(SmallVec<[Arc<Message>; MOST_IN_HAND]>);

#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// Of the entries, and of those that were taken into the hand when it was filled last.
    pub(super) bytes: usize,
    bytes_in_hand: usize,
    /// What stands behind the last message.
    tail: Hole,
    end: Option<End>,
    end_told: bool,
}

pub(super) struct Entry {
    /// What stands before this message.
    hole: Hole,
    message: Arc<Message>,
}

/// What a subscription reads from its inbox.
pub(crate) enum Item {
    Message(Arc<Message>),
    Signal(Signal),
    /// Set by the reader itself: it has read what came before.
    Mark(u64),
    /// The last item before the end.
    End(End),
}

impl Hand {
    #[inline]
    pub(super) fn hand_out(&mut self) -> Option<Arc<Message>> {
        self.0.pop()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take_unread(&mut self) -> Self {
        std::mem::take(self)
    }
}

impl InboxLimits {
    /// How many messages a reader may take at once.
    #[inline]
    fn most_at_once(&self) -> usize {
        (self.messages / (SHARE_IN_HAND * MOST_IN_HAND)).clamp(1, MOST_IN_HAND)
    }

    /// What is left beside so many messages.
    pub(super) fn beside(self, messages: usize) -> Self {
        Self { messages: self.messages.saturating_sub(messages), ..self }
    }
}

impl Queue {
    /// What does not fit makes room, or is dropped: both are told where they would have stood. `false` once it has ended.
    pub(super) fn take_in(
        &mut self,
        message: &Arc<Message>,
        limits: InboxLimits,
        aftermath: &mut Aftermath,
    ) -> bool {
        let size = weight(message);
        while !self.has_ended() && self.is_full_for(size, limits) {
            match limits.overflow {
                Overflow::DropOldest => aftermath.discard(self.drop_oldest()),
                Overflow::DropNewest => {
                    self.tail.lag(1);
                    return true;
                }
                Overflow::Close => self.end = Some(End::Overflowed),
            }
        }
        if self.has_ended() {
            return false;
        }
        let hole = std::mem::take(&mut self.tail);
        self.bytes += size;
        self.entries.push_back(Entry { hole, message: Arc::clone(message) });
        true
    }

    /// A single message larger than the bound is let in when nothing else is queued: it could never be
    /// delivered otherwise.
    fn is_full_for(&self, size: usize, limits: InboxLimits) -> bool {
        !self.entries.is_empty()
            && (self.entries.len() >= limits.messages || self.bytes.saturating_add(size) > limits.bytes)
    }

    fn drop_oldest(&mut self) -> Option<Arc<Message>> {
        let Entry { hole, message } = self.entries.pop_front()?;
        self.bytes -= weight(&message);
        let next = self.entries.front_mut().map_or(&mut self.tail, |entry| &mut entry.hole);
        next.put_before(hole);
        next.lag(1);
        Some(message)
    }

    /// From here on something may be missing. `false` once it has ended.
    pub(super) fn interrupt(&mut self) -> bool {
        let is_open = !self.has_ended();
        if is_open {
            self.tail.interrupt();
        }
        is_open
    }

    /// Behind what is there now.
    pub(super) fn mark(&mut self, mark: u64) {
        self.tail.mark(mark);
    }

    /// Up to here something may be missing. `false` once it has ended.
    pub(super) fn resume(&mut self, down_for: Duration) -> bool {
        let is_open = !self.has_ended();
        if is_open {
            self.tail.resume(down_for);
        }
        is_open
    }

    /// Nothing is taken in any more. The first reason stands.
    pub(super) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// How many messages wait to be read.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All that wait to be read, which nobody will.
    pub(super) fn take_unread(&mut self) -> VecDeque<Entry> {
        (self.bytes, self.bytes_in_hand) = (0, 0);
        std::mem::take(&mut self.entries)
    }

    /// The next message, unless something is to be told before it; and those behind it into `hand`, which is empty, as far as they
    /// are few and small beside what may be queued.
    #[inline]
    pub(super) fn take_messages(&mut self, hand: &mut Hand, limits: InboxLimits) -> Option<Arc<Message>> {
        self.bytes -= std::mem::take(&mut self.bytes_in_hand);
        let first = self.take_message()?;
        self.bytes -= weight(&first);
        while hand.len() + 1 < limits.most_at_once()
            && let Some(next) = self.entries.front()
            && self.bytes_in_hand + weight(&next.message) <= limits.bytes / SHARE_IN_HAND
            && let Some(message) = self.take_message()
        {
            self.bytes_in_hand += weight(&message);
            hand.0.push(message);
        }
        hand.0.reverse();
        Some(first)
    }

    #[inline]
    fn take_message(&mut self) -> Option<Arc<Message>> {
        if !self.entries.front()?.hole.is_nothing() {
            return None;
        }
        self.entries.pop_front().map(|entry| entry.message)
    }

    /// What comes next, whatever it is.
    pub(super) fn take_next(&mut self) -> Option<Item> {
        if let Some(entry) = self.entries.front_mut() {
            if let Some(item) = entry.hole.take_item() {
                return Some(item);
            }
            entry.hole = Hole::default();
            let message = self.take_message()?;
            self.bytes -= weight(&message);
            return Some(Item::Message(message));
        }
        self.entries.clear(); // begins at its beginning again, which is in the processor's cache
        if let Some(item) = self.tail.take_item() {
            return Some(item);
        }
        let end = self.end.clone().filter(|_| !self.end_told)?;
        self.end_told = true;
        (end != End::Closed).then_some(Item::End(end))
    }
}

impl Hole {
    fn take_item(&mut self) -> Option<Item> {
        let mark = self.take_mark().map(Item::Mark);
        mark.or_else(|| self.take_next().map(Item::Signal))
    }
}

/// What a queued message costs, in bytes: payload, channel, and what holds them together.
fn weight(message: &Message) -> usize {
    const OVERHEAD: usize = 160;
    message.payload().len() + message.channel().as_str().len() + OVERHEAD
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("messages", &self.entries.len())
            .field("bytes", &self.bytes)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { messages: 1024, bytes: 16 * 1024 * 1024, overflow: Overflow::default() }
    }
}
