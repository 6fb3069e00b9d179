//! The bounded queue between a transport and one subscription, with who fills it and who waits for it. Losses stand in it
//! where they happened, and neither they nor messages make it grow past its bounds. What the messages mean is not known here.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::aftermath::Aftermath;
use super::lease::Lease;
use super::queue::{End, Hand, InboxLimits, Item, Queue};
use crate::channel::BusName;
use crate::message::Message;
use crate::meters::Meters;
use crate::shape::Shape;

/// The transport's end of a subscription's queue. Cloning gives another handle to the same queue.
#[derive(Clone)]
pub struct Inbox {
    shared: Arc<Shared>,
    /// Takes less than the server sends for its pattern.
    door: Option<Arc<Door>>,
}

/// Tells inboxes apart. One queue may have several, each for a filter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboxId {
    queue: u64,
    door: u64,
}

/// Lets only the channels of one shape into the queue.
struct Door {
    number: u64,
    /// How long the bus name in front of the key is, in bytes, with its slash.
    bus: usize,
    shape: Arc<Shape>,
}

struct Shared {
    number: u64,
    limits: InboxLimits,
    meters: Meters,
    /// The last publish that it got, of those that several of its topics may match.
    last_publish: AtomicU64,
    /// How many messages its reader has taken and not handed out, and how many events it has. The reader alone writes them.
    in_hand: AtomicUsize,
    events: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: Queue,
    /// How many of its channels are cut off, and since when one of them has been.
    cut_off: usize,
    cut_off_since: Option<Instant>,
    waker: Option<Waker>,
    leases: Vec<(LeaseKey, Lease)>,
    next_lease: u32,
}

/// What has become of messages so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// They wait to be read.
    pub(crate) queued: u64,
    /// They were events to whoever read them.
    pub(crate) events: u64,
}

/// Tells the leases of one inbox apart; a later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LeaseKey(u32);

impl Inbox {
    pub(crate) fn new(limits: InboxLimits, meters: Meters) -> Self {
        let shared = Shared {
            number: next_number(),
            limits,
            meters,
            last_publish: AtomicU64::new(0),
            in_hand: AtomicUsize::new(0),
            events: AtomicU64::new(0),
            state: Mutex::default(),
        };
        Self { shared: Arc::new(shared), door: None }
    }

    /// The same queue, into which this handle lets only channels of `bus` whose key has this shape.
    pub(crate) fn narrowed(&self, bus: &BusName, shape: Arc<Shape>) -> Self {
        let door = Door { number: next_number(), bus: bus.as_str().len() + 1, shape };
        Self { shared: Arc::clone(&self.shared), door: Some(Arc::new(door)) }
    }

    /// Which inbox this is.
    #[must_use]
    pub fn id(&self) -> InboxId {
        InboxId { queue: self.shared.number, door: self.door.as_ref().map_or(0, |door| door.number) }
    }

    /// Whether both fill the same queue.
    pub(crate) fn is_queue_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether it takes what came on `channel`, a full name. A server's patterns may match more than what is listened
    /// to: who routes messages of a pattern must ask.
    #[must_use]
    pub fn wants(&self, channel: &str) -> bool {
        let lets_in = |door: &Arc<Door>| channel.get(door.bus..).is_some_and(|key| door.shape.matches(key));
        self.door.as_ref().is_none_or(lets_in)
    }

    /// Queues a message. Never blocks. What does not fit is dropped by the subscription's own policy and told to
    /// it. What it does not [want](Self::wants) is passed over. `false` once the subscription has ended. Not to be called
    /// under a lock: it wakes the reader.
    #[expect(clippy::needless_pass_by_value, reason = "mostly it is the caller's last handle")]
    pub fn deliver(&self, message: Arc<Message>) -> bool {
        if !self.wants(message.channel().as_str()) {
            return !self.has_ended();
        }
        self.deliver_into(std::slice::from_ref(&message), &mut Aftermath::default())
    }

    /// One of the subscription's channels is cut off from the server. It is told with the first one. Not to be
    /// called under a lock: it wakes the reader.
    pub fn interrupt(&self) {
        self.interrupt_into(&mut Aftermath::default());
    }

    /// One of the channels that were cut off is confirmed again. It is told with the last one. Not to be called
    /// under a lock: it wakes the reader.
    pub fn resume(&self) {
        self.resume_into(&mut Aftermath::default());
    }

    /// Whether it has the publish of this number already; if not, it has it now.
    pub(super) fn has_publish(&self, number: u64) -> bool {
        self.shared.last_publish.swap(number, Ordering::Relaxed) == number
    }

    /// Whoever calls holds `messages` until the lock is released under which this is called: none is destroyed here.
    pub(crate) fn deliver_into(&self, messages: &[Arc<Message>], aftermath: &mut Aftermath) -> bool {
        let mut state = self.lock();
        let before = state.queue.len();
        let limits = self.shared.limits.beside(self.in_hand());
        let is_open = messages.iter().all(|message| state.queue.take_in(message, limits, aftermath));
        aftermath.queue(&self.shared.meters, state.queue.len().cast_signed() - before.cast_signed());
        aftermath.wake(state.waker.take());
        is_open
    }

    pub(crate) fn interrupt_into(&self, aftermath: &mut Aftermath) {
        let mut state = self.lock();
        state.cut_off += 1;
        if state.cut_off == 1 && state.queue.interrupt() {
            state.cut_off_since = Some(Instant::now());
            aftermath.wake(state.waker.take());
        }
    }

    pub(crate) fn resume_into(&self, aftermath: &mut Aftermath) {
        let mut state = self.lock();
        state.cut_off = state.cut_off.saturating_sub(1);
        if state.cut_off == 0
            && let Some(since) = state.cut_off_since.take()
            && state.queue.resume(since.elapsed())
        {
            aftermath.wake(state.waker.take());
        }
    }

    /// Ends the subscription: what is queued is still read, then the reason, unless that is
    /// [`End::Closed`]. The first reason stands. Runs the hooks of its leases: not to be called under a lock that
    /// they take.
    pub fn end(&self, end: End) {
        let leases = self.change(|state| {
            state.queue.end(end);
            std::mem::take(&mut state.leases)
        });
        drop(leases);
    }

    /// Its reader is [told](Item::Mark) when it has read what is there now.
    pub(crate) fn mark(&self, mark: u64) {
        self.lock().queue.mark(mark);
    }

    /// How many bytes its messages may have.
    pub(crate) fn most_bytes(&self) -> usize {
        self.shared.limits.bytes
    }

    /// Whether it is cut off from the server right now.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.lock().cut_off > 0
    }

    /// Whether it takes nothing more.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().queue.has_ended()
    }

    /// Keeps `lease` until it is released, or the subscription ends; `None` if it has ended already.
    pub(crate) fn keep(&self, lease: Lease) -> Option<LeaseKey> {
        let kept = self.change(|state| {
            if state.queue.has_ended() {
                return Err(lease);
            }
            let key = LeaseKey(state.next_lease);
            state.next_lease += 1;
            state.leases.push((key, lease));
            Ok(key)
        });
        kept.ok() // one that came too late is dropped here
    }

    /// What was kept under `key`, to be dropped.
    pub(crate) fn release(&self, key: LeaseKey) -> Option<Lease> {
        let mut state = self.lock();
        let at = state.leases.iter().position(|(kept, _)| *kept == key)?;
        Some(state.leases.swap_remove(at).1)
    }

    /// Ends the subscription and forgets what is queued: nobody will read it.
    pub(crate) fn abandon(&self, hand: &mut Hand) {
        self.end(End::Closed);
        let unread = (self.change(|state| state.queue.take_unread()), hand.take_unread());
        self.note(hand);
        self.shared.meters.queue(-(unread.0.len() + unread.1.len()).cast_signed());
        drop(unread);
    }

    /// What has become of its messages so far.
    pub(crate) fn counts(&self) -> Counts {
        let queued = self.lock().queue.len() + self.in_hand();
        Counts { queued: queued as u64, events: self.shared.events.load(Ordering::Relaxed) }
    }

    /// Its reader has handed out an event. (No other adds to it: so it need not be added at once.)
    #[inline]
    pub(crate) fn count_event(&self) {
        let events = self.shared.events.load(Ordering::Relaxed);
        self.shared.events.store(events + 1, Ordering::Relaxed);
    }

    /// What comes next; `None` once, and as long as, everything up to the end has been read.
    #[inline] // there is one reader for each event type, each in another crate: a call would cost it more than the taking
    pub(crate) fn poll_next(&self, hand: &mut Hand, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let taken = hand.hand_out();
        self.note(hand);
        match taken.or_else(|| self.fill(hand)) {
            Some(message) => {
                self.shared.meters.queue(-1);
                Poll::Ready(Some(Item::Message(message)))
            }
            None => self.poll_other(cx),
        }
    }

    /// Takes the next message, and some behind it into `hand`, which is empty.
    #[inline]
    fn fill(&self, hand: &mut Hand) -> Option<Arc<Message>> {
        let mut state = self.lock();
        let message = state.queue.take_messages(hand, self.shared.limits);
        self.note(hand); // under the lock, so that what is in the hand counts as queued at any moment
        message
    }

    #[inline]
    fn note(&self, hand: &Hand) {
        self.shared.in_hand.store(hand.len(), Ordering::Relaxed);
    }

    #[inline]
    fn in_hand(&self) -> usize {
        self.shared.in_hand.load(Ordering::Relaxed)
    }

    /// As [`poll_next`](Self::poll_next), where it is hardly ever a message.
    fn poll_other(&self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let waker = cx.waker().clone(); // here, since it must not be cloned under the lock
        let mut state = self.lock();
        if let Some(item) = state.queue.take_next() {
            drop(state);
            if matches!(item, Item::Message(_)) {
                self.shared.meters.queue(-1);
            }
            return Poll::Ready(Some(item));
        }
        if state.queue.has_ended() {
            let leases = std::mem::take(&mut state.leases); // kept if it ended by overflowing
            drop(state);
            drop(leases);
            return Poll::Ready(None);
        }
        let previous = state.waker.replace(waker);
        drop(state);
        drop(previous);
        Poll::Pending
    }

    /// Changes the state, then wakes the reader. What is to be dropped is returned: a lease's hook and an event's
    /// destructor are foreign code.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing foreign runs under this lock, so a poisoned one is whole all the same.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Inbox")
            .field("id", &self.shared.number)
            .field("queue", &state.queue)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
