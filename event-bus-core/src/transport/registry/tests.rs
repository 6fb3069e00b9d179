use super::*;
use crate::channel::Channel;
use crate::transport::{InboxLimits, Item, Overflow, Signal, TopicKind};
use std::task::{Context, Poll, Waker};

const CHANNELS: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::Channel };
const SHARDED: Scope = Scope { endpoint: Endpoint(0), kind: TopicKind::ShardChannel };
const ELSEWHERE: Scope = Scope { endpoint: Endpoint(1), kind: TopicKind::Channel };

fn topic(scope: Scope, name: &str) -> Topic {
    Topic { scope, name: name.into() }
}

fn inbox() -> Inbox {
    Inbox::new(InboxLimits::default())
}

fn read(inbox: &Inbox) -> Vec<&'static str> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut items = Vec::new();
    while let Poll::Ready(Some(item)) = inbox.poll_next(&mut cx) {
        items.push(match item {
            Item::Message(_) => "message",
            Item::Signal(Signal::Interrupted) => "interrupted",
            Item::Signal(Signal::Resumed { .. }) => "resumed",
            Item::Signal(Signal::Lagged { .. }) => "lagged",
            Item::End(_) => "end",
        });
    }
    items
}

fn send(registry: &mut Registry, scope: Scope, name: &str) -> usize {
    registry
        .deliver(scope, name, |name| Arc::new(Message::new(Channel::from_full_name(Arc::clone(name)), "x")))
}

/// Grants what is asked for, and says what that was.
fn settle(registry: &mut Registry) -> Vec<String> {
    let mut asked = Vec::new();
    while let Some(request) = registry.next_request(10) {
        match request {
            Request::Subscribe(scope, names) => {
                for name in names {
                    assert!(registry.confirm(scope, &name));
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
    assert!(!registry.join(&topic, a.clone()));
    assert_eq!(settle(&mut registry), ["+b/1"]);
    assert!(registry.join(&topic, b.clone()), "confirmed already");
    assert_eq!(settle(&mut registry), [""; 0]);
    assert_eq!((registry.wanted(), registry.confirmed()), (1, 1));
    assert_eq!(send(&mut registry, CHANNELS, "b/1"), 2);
    registry.leave(&topic, a.id());
    registry.leave(&topic, a.id());
    assert_eq!(settle(&mut registry), [""; 0]);
    registry.leave(&topic, b.id());
    assert_eq!(settle(&mut registry), ["-b/1"]);
    assert_eq!((registry.wanted(), registry.confirmed()), (0, 0));
    assert!(registry.scopes.iter().all(|(_, entries)| entries.is_empty()), "nothing is left behind");
    assert!(registry.unsettled.is_empty());
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
    assert!(!registry.join(&topic, b.clone()), "the server is about to drop it");
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
    assert!(!registry.confirm(CHANNELS, "b/1"), "a confirmation that nobody asked for proves nothing");
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
    registry.join(&topic(CHANNELS, "b/1"), Inbox::new(limits));
    settle(&mut registry);
    let receivers: Vec<usize> = (0..3).map(|_| send(&mut registry, CHANNELS, "b/1")).collect();
    assert_eq!(receivers, [1, 1, 0]);
    assert_eq!(settle(&mut registry), ["-b/1"]);
}
