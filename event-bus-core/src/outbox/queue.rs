//! What an outbox holds, in order: what waits, how much is under way, and the sums. No lock, no task, no clock.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::config::{OutboxConfig, OutboxOverflow};
use super::outcome::Outcome;
use super::parcel::{MOST_COPIED, Parcel};
use super::report::OutboxReport;
use crate::error::ErrorKind;
use crate::message::Message;

/// What goes out together: enough to make the round trip cheap, and little enough to be given up together.
const MOST_MESSAGES: usize = 1_000;
const MOST_BYTES: usize = 1024 * 1024;

/// A batch has half as much after each whole one whose outcome is unknown, so often at most: over a line that is too slow
/// for the larger one before the time for an answer is over, the next may be answered.
const MOST_HALVINGS: u32 = 6;

/// Small messages are copied together into blocks of so many bytes: what waits is then no allocation each, which another
/// thread would have to free. What is left of a block is kept until its last message is done with.
const BLOCK_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Parcel>,
    waiting_bytes: usize,
    under_way: UnderWay,
    /// How often a batch is halved now.
    halvings: u32,
    /// The first positions of what was dropped and is being told.
    telling: Vec<u64>,
    block: BytesMut,
    /// Its `queued` numbers are filled in when it is shown.
    report: OutboxReport,
    is_dropping: bool,
}

#[derive(Clone, Copy, Default)]
struct UnderWay {
    first: u64,
    messages: usize,
    bytes: usize,
}

/// What became of the messages that were added.
pub(super) struct Added {
    /// Made room for them, or are they themselves where there is none to be made. Somebody is to be told, and then the
    /// queue: they are not settled before.
    pub(super) dropped: Vec<Parcel>,
    /// Nothing was dropped since the queue was last empty, and now something was.
    pub(super) is_first_drop: bool,
    /// Nothing had been waiting.
    pub(super) was_idle: bool,
}

impl Queue {
    /// Adds all of `messages` or none. `None` if there is no room for them and none is to be made.
    pub(super) fn add(
        &mut self,
        messages: &[Message],
        overflow: OutboxOverflow,
        limits: &OutboxConfig,
    ) -> Option<Added> {
        let bytes: usize = messages.iter().map(|message| message.payload().len()).sum();
        let mut added =
            Added { dropped: Vec::new(), is_first_drop: false, was_idle: self.waiting.is_empty() };
        if !self.has_room(messages.len(), bytes, limits) {
            match overflow {
                OutboxOverflow::Refuse => return None,
                OutboxOverflow::DropOldest => self.make_room(messages, bytes, limits, &mut added),
            }
            added.is_first_drop = !std::mem::replace(&mut self.is_dropping, true);
            added.dropped.iter().for_each(|_| self.report.count_failure(ErrorKind::QueueFull));
            self.telling.extend(added.dropped.first().map(|first| first.position));
            if !self.has_room(messages.len(), bytes, limits) {
                return Some(added);
            }
        }
        for message in messages {
            let parcel = self.parcel(message);
            self.waiting.push_back(parcel);
        }
        self.waiting_bytes += bytes;
        Some(added)
    }

    /// Drops the oldest, or, since what is under way stays, `messages` themselves if there is no room beside that alone.
    fn make_room(&mut self, messages: &[Message], bytes: usize, limits: &OutboxConfig, added: &mut Added) {
        let UnderWay { messages: held, bytes: held_bytes, .. } = self.under_way;
        if !has_room_beside((held, held_bytes), (messages.len(), bytes), limits) {
            added.dropped.extend(messages.iter().map(|message| self.parcel(message)));
            return;
        }
        while !self.has_room(messages.len(), bytes, limits)
            && let Some(oldest) = self.pop()
        {
            added.dropped.push(oldest);
        }
    }

    /// Whoever is to know of what was dropped from there on has been told.
    pub(super) fn told(&mut self, first: u64) {
        if let Some(place) = self.telling.iter().position(|known| *known == first) {
            self.telling.swap_remove(place);
        }
    }

    /// Moves what goes out next to `batch`.
    pub(super) fn take(&mut self, batch: &mut Vec<Parcel>, limits: &OutboxConfig) {
        // Half of what it holds at most, so that there is something that can be dropped, and room while it is under way.
        let (messages, bytes) =
            (MOST_MESSAGES.min(limits.messages.div_ceil(2)), MOST_BYTES.min(limits.bytes / 2));
        let (messages, bytes) = ((messages >> self.halvings).max(1), bytes >> self.halvings);
        while self.under_way.messages < messages
            && self.waiting.front().is_some_and(|next| {
                self.under_way.messages == 0 || self.under_way.bytes + next.payload.len() <= bytes
            })
            && let Some(next) = self.pop()
        {
            if self.under_way.messages == 0 {
                self.under_way.first = next.position;
            }
            self.under_way.messages += 1;
            self.under_way.bytes += next.payload.len();
            batch.push(next);
        }
    }

    /// What was under way is so no more.
    pub(super) fn settle(&mut self, outcome: &mut Outcome, failed: &[ErrorKind]) {
        self.under_way = UnderWay::default();
        if outcome.sent > 0 {
            self.halvings = self.halvings.saturating_sub(1);
        } else if outcome.again.is_empty() && failed.iter().all(|kind| *kind == ErrorKind::OutcomeUnknown) {
            self.halvings = (self.halvings + 1).min(MOST_HALVINGS);
        }
        self.report.sent += outcome.sent;
        self.report.is_failing = outcome.is_failing();
        failed.iter().for_each(|kind| self.report.count_failure(*kind));
        for parcel in outcome.again.drain(..).rev() {
            self.waiting_bytes += parcel.payload.len();
            self.waiting.push_front(parcel);
        }
        self.is_dropping &= !self.waiting.is_empty();
    }

    /// All that waits: it won't be sent. Until it is [settled](Self::settle), it counts as under way.
    pub(super) fn give_up(&mut self) -> VecDeque<Parcel> {
        if self.under_way.messages == 0 {
            self.under_way.first = self.waiting.front().map_or(0, |first| first.position);
        }
        self.under_way.messages += self.waiting.len();
        self.under_way.bytes += std::mem::take(&mut self.waiting_bytes);
        std::mem::take(&mut self.waiting)
    }

    /// How many messages were accepted so far.
    pub(super) fn end(&self) -> u64 {
        self.report.accepted
    }

    /// Whether the first `end` messages have an outcome that was told.
    pub(super) fn is_settled(&self, end: u64) -> bool {
        let first = match (self.under_way, self.waiting.front()) {
            (UnderWay { first, messages: 1.., .. }, _) => first,
            (_, Some(next)) => next.position,
            (_, None) => self.report.accepted,
        };
        first >= end && self.telling.iter().all(|told| *told >= end)
    }

    pub(super) fn report(&self) -> OutboxReport {
        let mut report = self.report.clone();
        report.queued = (self.waiting.len() + self.under_way.messages) as u64;
        report.queued_bytes = (self.waiting_bytes + self.under_way.bytes) as u64;
        report
    }

    fn has_room(&self, messages: usize, bytes: usize, limits: &OutboxConfig) -> bool {
        let held = (self.waiting.len() + self.under_way.messages, self.waiting_bytes + self.under_way.bytes);
        has_room_beside(held, (messages, bytes), limits)
    }

    fn parcel(&mut self, message: &Message) -> Parcel {
        let position = self.report.accepted;
        self.report.accepted += 1;
        Parcel { position, channel: message.channel().clone(), payload: self.keep(message.payload()) }
    }

    fn keep(&mut self, payload: &Bytes) -> Bytes {
        if payload.len() > MOST_COPIED {
            return payload.clone();
        }
        if self.block.capacity() < payload.len() {
            self.block = BytesMut::with_capacity(BLOCK_BYTES);
        }
        self.block.extend_from_slice(payload);
        self.block.split().freeze()
    }

    fn pop(&mut self) -> Option<Parcel> {
        let next = self.waiting.pop_front()?;
        self.waiting_bytes -= next.payload.len();
        Some(next)
    }
}

/// Both are messages and bytes. An event that is alone has room, however large it is.
fn has_room_beside(held: (usize, usize), new: (usize, usize), limits: &OutboxConfig) -> bool {
    held.0 == 0
        || (held.0.saturating_add(new.0) <= limits.messages && held.1.saturating_add(new.1) <= limits.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Channel;

    fn message(bytes: usize) -> Message {
        Message::new(Channel::from_full_name("b/k"), vec![b'x'; bytes])
    }

    fn add(queue: &mut Queue, limits: &OutboxConfig, messages: usize, bytes: usize) {
        for _ in 0..messages {
            queue.add(&[message(bytes)], limits.overflow, limits).unwrap();
        }
    }

    fn take(queue: &mut Queue, limits: &OutboxConfig) -> Vec<Parcel> {
        let mut batch = Vec::new();
        queue.take(&mut batch, limits);
        batch
    }

    #[test]
    fn a_batch_is_bounded_by_messages_by_bytes_and_by_half_of_the_queue() {
        for (limits, messages, bytes, taken) in [
            (OutboxConfig::default(), 1_500, 10, 1_000),
            (OutboxConfig::default(), 5, 400 * 1024, 2),
            (OutboxConfig::default(), 2, 3 * MOST_BYTES, 1),
            (OutboxConfig::default().queue_messages(5), 5, 10, 3),
            (OutboxConfig::default().queue_bytes(40), 4, 10, 2),
        ] {
            let mut queue = Queue::default();
            add(&mut queue, &limits, messages, bytes);
            assert_eq!(take(&mut queue, &limits).len(), taken);
        }
    }

    #[test]
    fn what_is_dropped_behind_a_batch_under_way_settles_nothing_before_it() {
        let limits = OutboxConfig::default().queue_messages(4).overflow(OutboxOverflow::DropOldest);
        let mut queue = Queue::default();
        add(&mut queue, &limits, 4, 1);
        let batch = take(&mut queue, &limits);
        let end = queue.end();
        add(&mut queue, &limits, 4, 1);
        assert_eq!((batch.len(), queue.report().queued, queue.report().lost()), (2, 4, 4));
        assert!(!queue.is_settled(end));
        (2..6).for_each(|first| queue.told(first));
        queue.settle(&mut Outcome { again: batch, ..Outcome::default() }, &[]);
        assert!(!queue.is_settled(1) && queue.is_settled(0));
        assert_eq!(take(&mut queue, &limits)[0].position, 0, "what is to be sent again stands in front");
    }

    #[test]
    fn small_messages_share_blocks_and_large_ones_are_not_copied() {
        let (mut queue, limits) = (Queue::default(), OutboxConfig::default());
        let large = message(MOST_COPIED + 1);
        let is_copied =
            |queue: &Queue| queue.waiting.back().unwrap().payload.as_ptr() != large.payload().as_ptr();
        queue.add(std::slice::from_ref(&large), limits.overflow, &limits).unwrap();
        assert!(!is_copied(&queue));
        add(&mut queue, &limits, 200, 1_000);
        let first = queue.waiting[1].payload.as_ptr() as usize;
        assert_eq!(queue.waiting[2].payload.as_ptr() as usize, first + 1_000);
        assert!(queue.waiting.iter().skip(1).all(|parcel| parcel.payload[..] == *message(1_000).payload()));
    }

    #[test]
    fn nothing_is_dropped_for_what_has_no_room_beside_what_is_under_way() {
        let limits = OutboxConfig::default().queue_bytes(100).overflow(OutboxOverflow::DropOldest);
        let mut queue = Queue::default();
        add(&mut queue, &limits, 10, 10);
        assert_eq!(take(&mut queue, &limits).len(), 5);
        let added = queue.add(&[message(60)], limits.overflow, &limits).unwrap();
        assert_eq!(added.dropped.iter().map(|parcel| parcel.position).collect::<Vec<_>>(), [10]);
        assert_eq!((queue.report().queued, queue.report().accepted), (10, 11));
        let added = queue.add(&[message(50)], limits.overflow, &limits).unwrap();
        assert_eq!(added.dropped.iter().map(|parcel| parcel.position).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
    }

    #[test]
    fn what_was_dropped_is_settled_once_it_was_told() {
        let limits = OutboxConfig::default().queue_messages(1).overflow(OutboxOverflow::DropOldest);
        let mut queue = Queue::default();
        add(&mut queue, &limits, 2, 1);
        assert!(queue.is_settled(0) && !queue.is_settled(1));
        queue.told(0);
        assert!(queue.is_settled(1) && !queue.is_settled(2));
    }

    #[test]
    fn what_is_given_up_is_settled_once_it_was_told() {
        let (mut queue, limits) = (Queue::default(), OutboxConfig::default());
        add(&mut queue, &limits, 3, 10);
        assert_eq!(queue.give_up().len(), 3);
        assert!(!queue.is_settled(1));
        assert_eq!((queue.report().queued, queue.report().queued_bytes), (3, 30));
        queue.settle(&mut Outcome::default(), &[ErrorKind::NotSent; 3]);
        assert!(queue.is_settled(3));
        assert_eq!((queue.report().queued, queue.report().lost()), (0, 3));
    }

    #[test]
    fn batches_halve_while_their_outcome_is_unknown_and_grow_again() {
        let (mut queue, limits) = (Queue::default(), OutboxConfig::default().queue_messages(100_000));
        let mut next = |sent, failed: &[ErrorKind]| {
            queue.settle(&mut Outcome { sent, ..Outcome::default() }, failed);
            add(&mut queue, &limits, 2_000, 10);
            take(&mut queue, &limits).len()
        };
        assert_eq!(next(1, &[]), 1_000);
        assert_eq!(next(0, &[ErrorKind::OutcomeUnknown]), 500);
        assert_eq!(next(0, &[ErrorKind::OutcomeUnknown]), 250);
        assert_eq!(next(0, &[ErrorKind::Denied]), 250);
        assert_eq!(next(1, &[ErrorKind::OutcomeUnknown]), 500);
        assert_eq!(next(2, &[]), 1_000);
        assert_eq!((0..10).map(|_| next(0, &[ErrorKind::OutcomeUnknown])).last(), Some(1_000 >> 6));
    }
}
