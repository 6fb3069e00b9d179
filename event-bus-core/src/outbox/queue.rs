//! What an outbox holds, in order: what waits, how much is under way, and the sums. No lock, no task, no clock.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::config::{OutboxConfig, OutboxOverflow};
use super::outcome::Outcome;
use super::parcel::{Failed, Parcel};
use super::report::OutboxReport;
use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;

/// What goes out together: enough to make the round trip cheap, and little enough to be given up together.
const MOST_MESSAGES: usize = 1_000;
const MOST_BYTES: usize = 1024 * 1024;

/// Smaller messages are copied together into blocks of so many bytes: what waits is then no allocation each, which another
/// thread would have to free. What is left of a block is kept until its last message is done with.
const BLOCK_BYTES: usize = 64 * 1024;
const MOST_COPIED: usize = 8 * 1024;

#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Parcel>,
    waiting_bytes: usize,
    under_way: UnderWay,
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
    /// Made room for them.
    pub(super) dropped: Vec<Failed>,
    /// Nothing was dropped since the queue was last empty, and now something was.
    pub(super) is_first_drop: bool,
    /// Nothing had been waiting.
    pub(super) was_idle: bool,
}

impl Queue {
    /// Adds all of `messages` or none.
    ///
    /// # Errors
    /// `QueueFull` if there is no room for them and none is made.
    pub(super) fn add(&mut self, messages: &[Message], limits: &OutboxConfig) -> Result<Added> {
        let bytes: usize = messages.iter().map(|message| message.payload().len()).sum();
        let mut added =
            Added { dropped: Vec::new(), is_first_drop: false, was_idle: self.waiting.is_empty() };
        while !self.has_room(messages.len(), bytes, limits) {
            match limits.overflow {
                OutboxOverflow::Refuse => return Err(full(limits)),
                OutboxOverflow::DropOldest => {}
            }
            let Some(oldest) = self.pop() else {
                messages.iter().for_each(|message| {
                    let parcel = self.parcel(message);
                    self.drop_parcel(parcel, &mut added, limits);
                });
                return Ok(added);
            };
            self.drop_parcel(oldest, &mut added, limits);
        }
        for message in messages {
            let parcel = self.parcel(message);
            self.waiting.push_back(parcel);
        }
        self.waiting_bytes += bytes;
        Ok(added)
    }

    /// Moves what goes out next to `batch`.
    pub(super) fn take(&mut self, batch: &mut Vec<Parcel>, limits: &OutboxConfig) {
        // Half of what it holds at most, so that there is something that can be dropped, and room while it is under way.
        let (messages, bytes) =
            (MOST_MESSAGES.min(limits.messages.div_ceil(2)), MOST_BYTES.min(limits.bytes / 2));
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
        self.report.sent += outcome.sent;
        self.report.is_failing = outcome.is_failing();
        failed.iter().for_each(|kind| self.report.count_failure(*kind));
        for parcel in outcome.again.drain(..).rev() {
            self.waiting_bytes += parcel.payload.len();
            self.waiting.push_front(parcel);
        }
        self.is_dropping &= !self.waiting.is_empty();
    }

    /// All that waits: it won't be sent.
    pub(super) fn give_up(&mut self) -> VecDeque<Parcel> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// How many messages were accepted so far.
    pub(super) fn end(&self) -> u64 {
        self.report.accepted
    }

    /// Whether the first `end` messages have an outcome.
    pub(super) fn is_settled(&self, end: u64) -> bool {
        let first = match (self.under_way, self.waiting.front()) {
            (UnderWay { first, messages: 1.., .. }, _) => first,
            (_, Some(next)) => next.position,
            (_, None) => self.report.accepted,
        };
        first >= end
    }

    /// Whether nothing has failed so before.
    pub(super) fn is_new_failure(&self, kind: ErrorKind) -> bool {
        self.report.failed(kind) == 0
    }

    pub(super) fn is_failing(&self) -> bool {
        self.report.is_failing
    }

    pub(super) fn report(&self) -> OutboxReport {
        let mut report = self.report.clone();
        report.queued = (self.waiting.len() + self.under_way.messages) as u64;
        report.queued_bytes = (self.waiting_bytes + self.under_way.bytes) as u64;
        report
    }

    /// An event that is alone has room, however large it is.
    fn has_room(&self, messages: usize, bytes: usize, limits: &OutboxConfig) -> bool {
        let held = self.waiting.len() + self.under_way.messages;
        let held_bytes = self.waiting_bytes + self.under_way.bytes;
        held == 0
            || (held.saturating_add(messages) <= limits.messages
                && held_bytes.saturating_add(bytes) <= limits.bytes)
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

    fn drop_parcel(&mut self, parcel: Parcel, added: &mut Added, limits: &OutboxConfig) {
        added.is_first_drop |= !std::mem::replace(&mut self.is_dropping, true);
        self.report.count_failure(ErrorKind::QueueFull);
        added.dropped.push(Failed { parcel, error: full(limits) });
    }
}

fn full(limits: &OutboxConfig) -> Error {
    let text = format!("the outbox is full: it holds {} messages or {} bytes", limits.messages, limits.bytes);
    Error::new(ErrorKind::QueueFull, text)
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
            queue.add(&[message(bytes)], limits).unwrap();
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
        queue.add(std::slice::from_ref(&large), &limits).unwrap();
        assert!(!is_copied(&queue));
        add(&mut queue, &limits, 200, 1_000);
        let first = queue.waiting[1].payload.as_ptr() as usize;
        assert_eq!(queue.waiting[2].payload.as_ptr() as usize, first + 1_000);
        assert!(queue.waiting.iter().skip(1).all(|parcel| parcel.payload[..] == *message(1_000).payload()));
    }
}
