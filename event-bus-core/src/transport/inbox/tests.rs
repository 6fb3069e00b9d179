use super::*;
use crate::channel::Channel;
use crate::transport::hole::Signal;
use crate::transport::queue::Overflow;
use proptest::prelude::*;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

fn inbox(messages: usize, overflow: Overflow) -> Inbox {
    Inbox::new(InboxLimits { messages, overflow, ..InboxLimits::default() }, Meters::none())
}

fn message(n: usize) -> Arc<Message> {
    Arc::new(Message::new(Channel::from_full_name("b/k"), n.to_string()))
}

/// What is queued, in words.
fn read(inbox: &Inbox) -> Vec<String> {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut hand, mut items) = (Hand::default(), Vec::new());
    while let Poll::Ready(item) = inbox.poll_next(&mut hand, &mut cx) {
        match item {
            Some(Item::Message(message)) => {
                items.push(String::from_utf8_lossy(message.payload()).into_owned());
            }
            Some(Item::Signal(Signal::Lagged { missed })) => items.push(format!("lagged {missed}")),
            Some(Item::Signal(Signal::Interrupted)) => items.push("interrupted".into()),
            Some(Item::Signal(Signal::Resumed { down_for })) => {
                items.push(format!("resumed {}", down_for.as_secs()));
            }
            Some(Item::Mark(mark)) => items.push(format!("mark {mark}")),
            Some(Item::End(end)) => items.push(format!("{end:?}")),
            None => {
                items.push("none".into());
                break;
            }
        }
    }
    items
}

fn deliver(inbox: &Inbox, numbers: std::ops::Range<usize>) {
    for n in numbers {
        inbox.deliver(message(n));
    }
}

#[test]
fn dropping_the_oldest_tells_the_loss_before_what_is_left() {
    let inbox = inbox(2, Overflow::DropOldest);
    deliver(&inbox, 0..5);
    assert_eq!(read(&inbox), ["lagged 3", "3", "4"]);
    deliver(&inbox, 5..6);
    assert_eq!(read(&inbox), ["5"], "lag is told once");
}

#[test]
fn dropping_the_newest_tells_the_loss_behind_what_was_kept() {
    let inbox = inbox(2, Overflow::DropNewest);
    deliver(&inbox, 0..5);
    assert_eq!(read(&inbox), ["0", "1", "lagged 3"]);
}

#[test]
fn a_message_between_two_losses_keeps_them_apart() {
    let inbox = inbox(3, Overflow::DropNewest);
    deliver(&inbox, 0..4);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(inbox.poll_next(&mut Hand::default(), &mut cx).is_ready()); // room for one
    deliver(&inbox, 4..6);
    assert_eq!(read(&inbox), ["1", "2", "lagged 1", "4", "lagged 1"]);
}

#[test]
fn closing_on_overflow_says_so_at_the_end() {
    let inbox = inbox(2, Overflow::Close);
    deliver(&inbox, 0..5);
    assert_eq!(read(&inbox), ["0", "1", "Overflowed", "none"]);
    assert_eq!(read(&inbox), ["none"]);
}

#[test]
fn closing_on_purpose_lets_what_is_queued_be_read_and_says_nothing() {
    let inbox = inbox(9, Overflow::DropOldest);
    deliver(&inbox, 0..2);
    inbox.end(End::Closed);
    inbox.end(End::Denied("too late".into()));
    deliver(&inbox, 2..3);
    assert_eq!(read(&inbox), ["0", "1", "none"]);
}

#[test]
fn bytes_are_bounded_too_but_a_single_large_message_passes() {
    let limits = InboxLimits { messages: 100, bytes: 1_000, overflow: Overflow::DropOldest };
    let inbox = Inbox::new(limits, Meters::none());
    let large = || Arc::new(Message::new(Channel::from_full_name("b/k"), vec![b'x'; 5_000]));
    inbox.deliver(large());
    inbox.deliver(large());
    inbox.deliver(message(7));
    assert_eq!(read(&inbox), ["lagged 2", "7"]);
    assert_eq!(inbox.lock().queue.bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn neighbouring_interruptions_merge_and_add_up() {
    let inbox = inbox(9, Overflow::DropOldest);
    for seconds in [1, 2, 3] {
        inbox.interrupt();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        inbox.resume();
    }
    deliver(&inbox, 0..1);
    inbox.interrupt();
    assert_eq!(read(&inbox), ["interrupted", "resumed 6", "0", "interrupted"]);
    tokio::time::advance(Duration::from_secs(4)).await;
    inbox.resume();
    inbox.interrupt();
    tokio::time::advance(Duration::from_secs(5)).await;
    inbox.resume();
    assert_eq!(read(&inbox), ["resumed 9"], "its beginning has been told already");
}

#[tokio::test(start_paused = true)]
async fn several_channels_of_one_listener_are_one_interruption() {
    let inbox = inbox(9, Overflow::DropOldest);
    inbox.interrupt();
    tokio::time::advance(Duration::from_secs(1)).await;
    inbox.interrupt();
    inbox.resume();
    assert_eq!(read(&inbox), ["interrupted"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    inbox.resume();
    assert_eq!(read(&inbox), ["resumed 2"]);
}

#[test]
fn a_lease_ends_with_the_subscription_once_and_outside_the_lock() {
    let inbox = inbox(9, Overflow::DropOldest);
    let ended = Arc::new(AtomicUsize::new(0));
    let lease = |inbox: &Inbox| {
        let (ended, inbox) = (Arc::clone(&ended), inbox.clone());
        Lease::new(move || {
            let _ = format!("{inbox:?}"); // locks: would hang if the hook ran under the lock
            ended.fetch_add(1, Ordering::SeqCst);
        })
    };
    inbox.keep(lease(&inbox));
    inbox.abandon(&mut Hand::default());
    inbox.abandon(&mut Hand::default());
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    inbox.keep(lease(&inbox));
    assert_eq!(ended.load(Ordering::SeqCst), 2, "a lease that comes late ends at once");
}

#[test]
fn what_a_reader_has_in_hand_is_queued_and_is_not_dropped() {
    let (inbox, mut hand) = (inbox(1_024, Overflow::DropOldest), Hand::default());
    let mut cx = Context::from_waker(Waker::noop());
    deliver(&inbox, 0..1_024);
    assert!(matches!(inbox.poll_next(&mut hand, &mut cx), Poll::Ready(Some(Item::Message(_)))));
    assert_eq!(inbox.counts().queued, 1_023);
    deliver(&inbox, 1_024..1_034); // one is free
    assert_eq!(inbox.counts().queued, 1_024);
    let in_hand = hand.len();
    assert!((1..8).contains(&in_hand), "{in_hand} are in hand");
    for _ in 0..in_hand {
        assert!(matches!(inbox.poll_next(&mut hand, &mut cx), Poll::Ready(Some(Item::Message(_)))));
    }
    let rest = read(&inbox);
    assert_eq!((&*rest[0], &*rest[1], rest.len()), ("lagged 9", "17", 1_018));
    assert_eq!((inbox.counts().queued, inbox.lock().queue.bytes), (0, 0));
}

#[test]
fn what_is_in_hand_is_small_beside_what_may_be_queued() {
    let limits = InboxLimits { messages: 1_024, bytes: 1 << 20, overflow: Overflow::Close };
    let (inbox, mut hand) = (Inbox::new(limits, Meters::none()), Hand::default());
    let large = || Arc::new(Message::new(Channel::from_full_name("b/k"), vec![b'x'; 140 * 1024]));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        (0..7).for_each(|_| assert!(inbox.deliver(large()), "seven have room"));
        for _ in 0..7 {
            assert!(inbox.poll_next(&mut hand, &mut cx).is_ready());
            assert_eq!(hand.len(), 0);
        }
    }
}

#[test]
fn nothing_is_queued_once_it_is_abandoned() {
    let (inbox, mut hand) = (inbox(1_024, Overflow::DropOldest), Hand::default());
    deliver(&inbox, 0..20);
    assert!(inbox.poll_next(&mut hand, &mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(inbox.counts().queued, 19);
    inbox.abandon(&mut hand);
    assert_eq!(inbox.counts().queued, 0);
}

#[test]
fn a_reader_of_a_small_queue_has_nothing_in_hand() {
    let (inbox, mut hand) = (inbox(127, Overflow::DropOldest), Hand::default());
    deliver(&inbox, 0..127);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(inbox.poll_next(&mut hand, &mut cx).is_ready());
    assert_eq!(hand.len(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Deliver(usize),
    Read,
    Interrupt,
    Resume,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Deliver(1)),
        1 => (2_usize..200).prop_map(Step::Deliver),
        4 => Just(Step::Read),
        1 => Just(Step::Interrupt),
        1 => Just(Step::Resume),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// Whatever happens: what is read and what is told missing add up to what was delivered, in order, each
    /// loss stands where it was, interruptions alternate, and nothing grows past the bound.
    #[test]
    fn told_and_read_add_up_to_delivered(
        steps in steps(),
        capacity in prop_oneof![1_usize..6, 250_usize..270, 1000_usize..1050],
        oldest in any::<bool>(),
    ) {
        let overflow = if oldest { Overflow::DropOldest } else { Overflow::DropNewest };
        let inbox = inbox(capacity, overflow);
        let mut cx = Context::from_waker(Waker::noop());
        let (mut hand, mut delivered, mut down, mut seen) = (Hand::default(), 0, false, Vec::new());
        let mut read_one = |seen: &mut Vec<_>| match inbox.poll_next(&mut hand, &mut cx) {
            Poll::Ready(Some(item)) => { seen.push(item); true }
            _ => false,
        };
        for step in steps {
            match step {
                Step::Deliver(more) if !down => {
                    deliver(&inbox, delivered..delivered + more);
                    delivered += more;
                }
                Step::Read => { read_one(&mut seen); }
                Step::Interrupt if !down => { inbox.interrupt(); down = true; }
                Step::Resume if down => { inbox.resume(); down = false; }
                Step::Deliver(_) | Step::Interrupt | Step::Resume => {}
            }
            prop_assert!(inbox.counts().queued <= capacity as u64);
        }
        while read_one(&mut seen) {}
        let (mut next, mut cut_off) = (0, false);
        for item in seen {
            match item {
                Item::Message(message) => {
                    prop_assert_eq!(message.payload(), &next.to_string());
                    prop_assert!(!cut_off, "a message between Interrupted and Resumed");
                    next += 1;
                }
                Item::Signal(Signal::Lagged { missed }) => next += usize::try_from(missed).unwrap(),
                Item::Signal(Signal::Interrupted) => prop_assert!(!std::mem::replace(&mut cut_off, true)),
                Item::Signal(Signal::Resumed { .. }) => prop_assert!(std::mem::replace(&mut cut_off, false)),
                Item::Mark(_) => prop_assert!(false, "nobody set one"),
                Item::End(_) => prop_assert!(false, "nobody ended it"),
            }
        }
        prop_assert_eq!(next, delivered);
        prop_assert_eq!(cut_off, down);
    }
}
