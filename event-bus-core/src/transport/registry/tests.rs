mod folding;

use super::*;
use crate::meters::Meters;
use crate::transport::{End, Hand, InboxLimits, Item, Overflow, Signal, TopicKind};
use std::task::{Context, Poll, Waker};

const CHANNELS: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::Channel };
const SHARDED: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::ShardChannel };
const PATTERNS: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::Pattern };
const ELSEWHERE: Scope = Scope { endpoint: Endpoint(1), kind: TopicKind::Channel };

fn topic(scope: Scope, name: &str) -> Topic {
    Topic { scope, name: name.into() }
}

fn inbox() -> Inbox {
    Inbox::new(InboxLimits::default(), Meters::none())
}

fn read(inbox: &Inbox) -> Vec<&'static str> {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut hand, mut items) = (Hand::default(), Vec::new());
    while let Poll::Ready(Some(item)) = inbox.poll_next(&mut hand, &mut cx) {
        items.push(match item {
            Item::Message(_) => "message",
            Item::Signal(Signal::Interrupted) => "interrupted",
            Item::Signal(Signal::Resumed { .. }) => "resumed",
            Item::Signal(Signal::Lagged { .. }) => "lagged",
            Item::Mark(_) => "mark",
            Item::End(_) => "end",
        });
    }
    items
}

fn send(registry: &mut Registry, scope: Scope, name: &str) -> usize {
    registry.deliver(scope, name, name.as_bytes(), Bytes::from_static(b"x"))
}

/// Grants what is asked for, and says what that was.
fn settle(registry: &mut Registry) -> Vec<String> {
    let mut asked = Vec::new();
    while let Some(request) = registry.next_request(10) {
        match request {
            Request::Subscribe(scope, names) => {
                for name in names {
                    registry.confirm(scope, &name);
                    asked.push(format!("+{name}"));
                }
            }
            Request::Unsubscribe(scope, names) => {
                for name in names {
                    registry.unconfirm(scope, &name);
                    asked.push(format!("-{name}"));
                }
            }
        }
    }
    asked
}

#[test]
fn the_first_listener_subscribes_and_the_last_one_unsubscribes() {
    let mut registry = Registry::default();
    let (a, b) = (inbox(), inbox());
    let topic = topic(CHANNELS, "b/1");
    assert_eq!(registry.join(&topic, a.clone()), []);
    assert_eq!(settle(&mut registry), ["+b/1"]);
    assert_eq!(registry.join(&topic, b.clone()).len(), 1, "confirmed already");
    assert_eq!(settle(&mut registry), [""; 0]);
    assert_eq!((registry.wanted(), registry.confirmed()), (1, 1));
    assert_eq!(send(&mut registry, CHANNELS, "b/1"), 2);
    registry.leave(&topic, a.id());
    registry.leave(&topic, a.id());
    assert_eq!(settle(&mut registry), [""; 0]);
    registry.leave(&topic, b.id());
    assert_eq!(settle(&mut registry), ["-b/1"]);
    assert_eq!((registry.wanted(), registry.confirmed()), (0, 0));
    assert!(
        registry.audiences.values().next().is_none() && registry.server.is_empty(),
        "nothing is left behind"
    );
}

#[test]
fn the_same_name_in_another_kind_or_at_another_endpoint_is_another_topic() {
    let mut registry = Registry::default();
    let inboxes = [CHANNELS, SHARDED, ELSEWHERE].map(|scope| {
        let inbox = inbox();
        registry.join(&topic(scope, "b/1"), inbox.clone());
        inbox
    });
    assert_eq!(settle(&mut registry).len(), 3);
    assert_eq!(send(&mut registry, SHARDED, "b/1"), 1);
    registry.cut_off(Endpoint(0));
    let seen = inboxes.each_ref().map(read);
    assert_eq!(seen, [vec!["interrupted"], vec!["message", "interrupted"], vec![]]);
}

#[test]
fn a_listen_while_the_topic_is_being_dropped_waits_for_a_new_confirmation() {
    let mut registry = Registry::default();
    let (a, b) = (inbox(), inbox());
    let topic = topic(CHANNELS, "b/1");
    registry.join(&topic, a.clone());
    settle(&mut registry);
    registry.leave(&topic, a.id());
    assert!(matches!(registry.next_request(10), Some(Request::Unsubscribe(..))));
    assert_eq!(registry.join(&topic, b.clone()), [], "the server is about to drop it");
    assert_eq!(registry.next_request(10), None, "one thing after the other");
    registry.unconfirm(CHANNELS, "b/1");
    assert_eq!(settle(&mut registry), ["+b/1"]);
    assert_eq!(read(&b), [""; 0], "it had never been live, so nothing is told");
}

#[test]
fn a_lost_connection_is_told_to_live_listeners_and_everything_is_asked_for_again() {
    let mut registry = Registry::default();
    let (live, joining) = (inbox(), inbox());
    registry.join(&topic(CHANNELS, "b/1"), live.clone());
    settle(&mut registry);
    registry.join(&topic(CHANNELS, "b/1"), live.clone());
    registry.join(&topic(CHANNELS, "b/2"), joining.clone());
    assert!(registry.next_request(10).is_some());
    registry.cut_off(Endpoint(0));
    registry.cut_off(Endpoint(0));
    assert_eq!(registry.confirmed(), 0);
    assert_eq!(registry.confirm(CHANNELS, "b/1"), [], "a confirmation that nobody asked for proves nothing");
    let mut asked = settle(&mut registry);
    asked.sort();
    assert_eq!(asked, ["+b/1", "+b/2"]);
    assert_eq!(read(&live), ["interrupted", "resumed"]);
    assert_eq!(read(&joining), [""; 0]);
}

#[test]
fn requests_keep_to_their_size_and_scope() {
    let mut registry = Registry::default();
    for n in 0..25 {
        let scope = if n % 2 == 0 { CHANNELS } else { SHARDED };
        registry.join(&topic(scope, &format!("b/{n}")), inbox());
    }
    let mut sizes = Vec::new();
    while let Some(Request::Subscribe(_, names)) = registry.next_request(10) {
        sizes.push(names.len());
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 3, 10, 10].map(|size| size));
}

#[test]
fn evicting_takes_the_listeners_of_one_topic_alone() {
    let mut registry = Registry::default();
    let denied = inbox();
    registry.join(&topic(CHANNELS, "b/1"), denied.clone());
    registry.join(&topic(CHANNELS, "b/2"), inbox());
    settle(&mut registry);
    let evicted: Vec<InboxId> = registry.evict(&topic(CHANNELS, "b/1")).iter().map(Inbox::id).collect();
    assert_eq!(evicted, [denied.id()]);
    assert_eq!(settle(&mut registry), ["-b/1"]);
    assert_eq!(registry.wanted(), 1);
}

#[test]
fn an_inbox_that_overflowed_leaves_by_itself() {
    let mut registry = Registry::default();
    let limits = InboxLimits { messages: 1, overflow: Overflow::Close, ..InboxLimits::default() };
    registry.join(&topic(CHANNELS, "b/1"), Inbox::new(limits, Meters::none()));
    settle(&mut registry);
    let receivers: Vec<usize> = (0..3).map(|_| send(&mut registry, CHANNELS, "b/1")).collect();
    assert_eq!(receivers, [1, 1, 0]);
    assert_eq!(settle(&mut registry), ["-b/1"]);
}

/// What the server pushes for one publish on `a` while it has the channel and these patterns.
fn publish(registry: &mut Registry, topics: &[&str]) {
    for topic in topics {
        let scope = if topic.contains('*') { PATTERNS } else { CHANNELS };
        registry.deliver(scope, topic, b"a", Bytes::from_static(b"x"));
    }
}

fn listening(registry: &mut Registry, topics: &[&str]) -> Inbox {
    let inbox = inbox();
    for name in topics {
        let scope = if name.contains('*') { PATTERNS } else { CHANNELS };
        registry.join(&topic(scope, name), inbox.clone());
    }
    settle(registry);
    inbox
}

#[test]
fn a_publish_that_several_topics_of_an_inbox_match_comes_once() {
    let mut registry = Registry::default();
    let all = listening(&mut registry, &["a", "a*", "*"]);
    let patterns = listening(&mut registry, &["a*", "*"]);
    let (exact, one) = (listening(&mut registry, &["a"]), listening(&mut registry, &["*"]));
    for order in [["a", "a*", "*"], ["a", "*", "a*"]] {
        publish(&mut registry, &order);
        publish(&mut registry, &order);
        for inbox in [&all, &patterns, &exact, &one] {
            assert_eq!(read(inbox), ["message"; 2], "{order:?}");
        }
    }
}

#[test]
fn topics_that_come_and_go_within_a_publish_neither_double_nor_lose_it() {
    for leaving in ["a", "a*", "*"] {
        for pushed_before in 0..=3 {
            let mut registry = Registry::default();
            let inbox = listening(&mut registry, &["a", "a*", "*"]);
            let _others = listening(&mut registry, &["a", "a*", "*"]);
            let order = ["a", "a*", "*"];
            publish(&mut registry, &order[..pushed_before]);
            let scope = if leaving == "a" { CHANNELS } else { PATTERNS };
            registry.leave(&topic(scope, leaving), inbox.id());
            publish(&mut registry, &order[pushed_before..]);
            assert_eq!(read(&inbox), ["message"], "{leaving} leaves after {pushed_before}");

            registry.leave(&topic(CHANNELS, "a"), inbox.id());
            read(&inbox);
            publish(&mut registry, &order[..pushed_before]);
            let before = read(&inbox).len();
            assert_eq!(registry.join(&topic(CHANNELS, "a"), inbox.clone()).len(), 1);
            publish(&mut registry, &order[pushed_before..]);
            assert_eq!(before + read(&inbox).len(), 1, "`a` joins after {pushed_before}");
        }
    }
}

#[test]
fn a_topic_that_is_confirmed_ends_the_publish_before_it() {
    let mut registry = Registry::default();
    let inbox = listening(&mut registry, &["a*"]);
    publish(&mut registry, &["a*"]);
    assert_eq!(registry.join(&topic(PATTERNS, "*"), inbox.clone()), []);
    settle(&mut registry);
    publish(&mut registry, &["*", "a*"]);
    assert_eq!(read(&inbox), ["message"; 2], "one of each publish");
}

#[test]
fn listeners_to_a_channel_and_to_a_pattern_share_one_message() {
    let mut registry = Registry::default();
    let inboxes = [listening(&mut registry, &["a"]), listening(&mut registry, &["*"])];
    publish(&mut registry, &["a", "*"]);
    let mut cx = Context::from_waker(Waker::noop());
    let messages = inboxes.map(|inbox| match inbox.poll_next(&mut Hand::default(), &mut cx) {
        Poll::Ready(Some(Item::Message(message))) => message,
        _ => panic!("a message"),
    });
    assert!(Arc::ptr_eq(&messages[0], &messages[1]));
}

#[test]
fn a_topic_that_is_refused_ends_those_who_listened_and_not_those_who_were_about_to() {
    let mut registry = Registry::default();
    let listening = listening(&mut registry, &["a", "b"]);
    let joining = inbox();
    registry.unconfirm(CHANNELS, "a");
    registry.join(&topic(CHANNELS, "a"), joining.clone());
    let ended: Vec<InboxId> = registry.evict(&topic(CHANNELS, "a")).iter().map(Inbox::id).collect();
    assert_eq!(ended, [listening.id()]);
    assert_eq!(registry.wanted(), 1, "`b` is still wanted");
}

/// A refusal that is noticed by another task between the two pushes of one publish, as `refused` and `postponed` do.
#[test]
fn a_refusal_of_something_else_between_two_pushes_does_not_double_the_event() {
    let mut registry = Registry::default();
    let a = inbox();
    registry.join(&topic(CHANNELS, "b/1"), a.clone());
    registry.join(&topic(PATTERNS, "b/*"), a.clone());
    settle(&mut registry);
    let other = inbox();
    registry.join(&topic(CHANNELS, "b/refused"), other);
    let _ = registry.next_request(10);
    registry.deliver(CHANNELS, "b/1", b"b/1", Bytes::from_static(b"x"));
    registry.unconfirm(CHANNELS, "b/refused"); // the task, not the connection
    registry.deliver(PATTERNS, "b/*", b"b/1", Bytes::from_static(b"x"));
    assert_eq!(read(&a), ["message"]);
}

/// What is queued: messages by their text, all else by its name.
fn numbers(inbox: &Inbox) -> Vec<String> {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut hand, mut items) = (Hand::default(), Vec::new());
    while let Poll::Ready(Some(item)) = inbox.poll_next(&mut hand, &mut cx) {
        items.push(match item {
            Item::Message(message) => String::from_utf8_lossy(message.payload()).into_owned(),
            Item::Signal(signal) => format!("{signal:?}"),
            Item::Mark(mark) => format!("mark {mark}"),
            Item::End(end) => format!("{end:?}"),
        });
    }
    items
}

/// One by one or in a run: the same messages, the same losses, and the same inboxes leave.
#[test]
fn a_run_is_delivered_as_one_by_one() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Close] {
        for (runs, has_pattern) in [(vec![1, 2, 5], false), (vec![7], false), (vec![3, 3], true)] {
            let play = |is_in_runs: bool| {
                let mut registry = Registry::default();
                let small = Inbox::new(
                    InboxLimits { messages: 3, overflow, ..InboxLimits::default() },
                    Meters::none(),
                );
                let (large, gone) = (inbox(), inbox());
                for inbox in [&small, &large, &gone] {
                    registry.join(&topic(CHANNELS, "b/1"), inbox.clone());
                }
                if has_pattern {
                    registry.join(&topic(PATTERNS, "b/*"), large.clone());
                }
                settle(&mut registry);
                gone.end(End::Closed);
                for count in &runs {
                    let mut payloads: Vec<Bytes> = (0..*count).map(|n| n.to_string().into()).collect();
                    if is_in_runs {
                        registry.deliver_run(CHANNELS, "b/1", b"b/1", &mut payloads);
                        assert!(payloads.is_empty());
                    } else {
                        for payload in payloads {
                            registry.deliver(CHANNELS, "b/1", b"b/1", payload);
                        }
                    }
                    drop(registry.take_aftermath());
                }
                let listening = registry.listeners(CHANNELS, "b/1").count();
                (numbers(&small), numbers(&large), numbers(&gone), listening)
            };
            assert_eq!(play(true), play(false), "{overflow:?} {runs:?}");
        }
    }
}

#[test]
fn a_run_for_nobody_is_dropped() {
    let mut registry = Registry::default();
    let mut payloads = vec![Bytes::from_static(b"x"); 3];
    registry.deliver_run(CHANNELS, "b/1", b"b/1", &mut payloads);
    assert!(payloads.is_empty());
}

#[test]
fn listeners_that_are_handed_over_are_told_of_one_interruption_and_miss_nothing_untold() {
    let (mut old, mut new) = (Registry::default(), Registry::default());
    let channel = topic(SHARDED, "b/1");
    let (listening, joining) = (inbox(), inbox());
    old.join(&channel, listening.clone());
    settle(&mut old);
    assert_eq!(send(&mut old, SHARDED, "b/1"), 1);

    let mut audience = old.part_with(&channel).expect("somebody wants it");
    audience.join(joining.clone());
    assert_eq!((old.wanted(), old.confirmed()), (0, 0));
    assert_eq!(send(&mut old, SHARDED, "b/1"), 0, "the old one may not speak any more");
    assert_eq!(settle(&mut old), ["-b/1"]);

    assert!(!new.take_over(&channel, audience));
    assert_eq!((new.wanted(), new.confirmed()), (1, 0));
    assert_eq!(settle(&mut new), ["+b/1"]);
    assert_eq!(send(&mut new, SHARDED, "b/1"), 2);
    assert_eq!(read(&listening), ["message", "interrupted", "resumed", "message"]);
    assert_eq!(read(&joining), ["message"]);
    assert!(new.part_with(&topic(SHARDED, "b/2")).is_none());
}

#[test]
fn listeners_that_are_handed_to_one_who_has_the_topic_are_live_at_once() {
    let (mut old, mut new) = (Registry::default(), Registry::default());
    let channel = topic(SHARDED, "b/1");
    let (moved, there) = (inbox(), inbox());
    old.join(&channel, moved.clone());
    new.join(&channel, there.clone());
    settle(&mut old);
    settle(&mut new);
    let audience = old.part_with(&channel).expect("somebody wants it");
    assert!(new.take_over(&channel, audience));
    assert_eq!(send(&mut new, SHARDED, "b/1"), 2);
    assert_eq!((read(&moved), read(&there)), (vec!["interrupted", "resumed", "message"], vec!["message"]));
    assert_eq!((new.wanted(), new.confirmed()), (1, 1));
}

#[test]
fn who_leaves_between_two_is_told_that_nothing_keeps_it_from_being_whole() {
    let mut old = Registry::default();
    let (channel, other) = (topic(SHARDED, "b/1"), topic(SHARDED, "b/2"));
    let listening = inbox();
    old.join(&channel, listening.clone());
    old.join(&other, listening.clone());
    settle(&mut old);
    let mut audience = old.part_with(&channel).expect("somebody wants it");
    let mut aftermath = Aftermath::default();
    assert!(audience.leave(listening.id(), &mut aftermath));
    assert!(!audience.leave(listening.id(), &mut aftermath));
    assert!(audience.is_empty());
    drop(aftermath);
    assert_eq!(read(&listening), ["interrupted", "resumed"]);
}
