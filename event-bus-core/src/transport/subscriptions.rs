//! What the server has been asked for and has confirmed, and what to ask of it next. Who listens is not known here, only
//! how many need a topic at the server.

use std::collections::VecDeque;
use std::sync::Arc;

use super::scopes::Scopes;
use super::topic::{Endpoint, Scope, Topic, TopicKind};

/// The topics at the servers of one transport.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    entries: Scopes<Entry>,
    /// Topics whose entry may not be what is needed. Each stands here at most once.
    unsettled: VecDeque<Topic>,
}

#[derive(Debug, Default)]
struct Entry {
    holds: usize,
    server: ServerSide,
    is_unsettled: bool,
}

/// What the server has been asked for and has confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ServerSide {
    #[default]
    Absent,
    Subscribing,
    Subscribed,
    Unsubscribing,
}

/// What to ask of the server next. All topics are of one scope.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Subscribe to these.
    Subscribe(Scope, Vec<Arc<str>>),
    /// Unsubscribe from these.
    Unsubscribe(Scope, Vec<Arc<str>>),
}

impl Subscriptions {
    /// One more needs `topic`. Whether it is [subscribed](Self::is_subscribed) already.
    pub(super) fn hold(&mut self, topic: &Topic) -> bool {
        let entry = self.entries.get_or_default(topic);
        entry.holds += 1;
        entry.queue_into(&mut self.unsettled, topic);
        entry.server == ServerSide::Subscribed
    }

    /// One less does.
    pub(super) fn release(&mut self, topic: &Topic) {
        if let Some(entry) = self.entries.get_mut(topic.scope, &topic.name) {
            debug_assert!(entry.holds > 0, "nobody needed {topic:?}");
            entry.holds = entry.holds.saturating_sub(1);
            entry.queue_into(&mut self.unsettled, topic);
        }
    }

    /// Everything that is published on `topic` from now on is pushed.
    pub(super) fn is_subscribed(&self, topic: &Topic) -> bool {
        self.server(topic) == ServerSide::Subscribed
    }

    /// The server neither has it nor is asked for it.
    pub(super) fn is_absent(&self, topic: &Topic) -> bool {
        self.server(topic) == ServerSide::Absent
    }

    /// It was asked to let go of it.
    pub(super) fn is_let_go(&self, scope: Scope, name: &str) -> bool {
        self.entries.get(scope, name).is_some_and(|entry| entry.server == ServerSide::Unsubscribing)
    }

    /// As [`Registry::next_request`](super::Registry::next_request).
    pub(super) fn next_request(&mut self, max: usize) -> Option<Request> {
        let mut chosen: Option<(ServerSide, Scope)> = None;
        let mut names = Vec::new();
        let mut later = Vec::new();
        while names.len() < max
            && let Some(topic) = self.unsettled.pop_front()
        {
            let Some(entry) = self.entry(&topic) else { continue };
            let (now, next) = (entry.server, entry.next());
            if now == next {
                entry.is_unsettled = false;
                self.forget_if_unused(&topic);
            } else if *chosen.get_or_insert((next, topic.scope)) == (next, topic.scope) {
                entry.is_unsettled = false;
                entry.server = next;
                names.push(topic.name);
            } else {
                later.push(topic);
            }
        }
        // One by one: the rest of the queue may be long, and is not to be moved for each request.
        later.into_iter().rev().for_each(|topic| self.unsettled.push_front(topic));
        chosen.map(|(next, scope)| match next {
            ServerSide::Unsubscribing => Request::Unsubscribe(scope, names),
            _ => Request::Subscribe(scope, names),
        })
    }

    /// `false` if nobody had asked for it.
    pub(super) fn confirm(&mut self, topic: &Topic) -> bool {
        self.turn(topic, ServerSide::Subscribing)
    }

    /// The server won't unsubscribe. `false` if nobody had asked for that.
    pub(super) fn keep(&mut self, topic: &Topic) -> bool {
        self.turn(topic, ServerSide::Unsubscribing)
    }

    /// `topic` is subscribed, instead of what it was `before`.
    fn turn(&mut self, topic: &Topic, before: ServerSide) -> bool {
        let entry = self.entries.get_mut(topic.scope, &topic.name);
        let Some(entry) = entry.filter(|entry| entry.server == before) else { return false };
        entry.server = ServerSide::Subscribed;
        if before == ServerSide::Subscribing {
            entry.queue_into(&mut self.unsettled, topic); // perhaps nobody needs it any more
        }
        true
    }

    /// The server does not have it. Whether it had it until now.
    pub(super) fn unconfirm(&mut self, topic: &Topic) -> bool {
        let Some(entry) = self.entries.get_mut(topic.scope, &topic.name) else { return false };
        let before = std::mem::take(&mut entry.server);
        entry.queue_into(&mut self.unsettled, topic);
        matches!(before, ServerSide::Subscribed | ServerSide::Unsubscribing)
    }

    /// The connection to `endpoint` is gone, and everything with it.
    pub(super) fn cut_off(&mut self, endpoint: Endpoint) {
        for (scope, name, entry) in self.entries.at_mut(endpoint) {
            entry.server = ServerSide::Absent;
            entry.queue_into(&mut self.unsettled, &Topic { scope, name: Arc::clone(name) });
        }
    }

    /// Whether the server has answered for all of `request`.
    pub(super) fn is_answered(&self, request: &Request) -> bool {
        let (Request::Subscribe(scope, names) | Request::Unsubscribe(scope, names)) = request;
        let server = |name| self.entries.get(*scope, name).map(|entry| entry.server);
        names
            .iter()
            .all(|name| !matches!(server(name), Some(ServerSide::Subscribing | ServerSide::Unsubscribing)))
    }

    /// Forgets topics that nobody needs and the server does not have.
    pub(super) fn sweep(&mut self) {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        unsettled.retain(|topic| {
            self.forget_if_unused(topic);
            self.entry(topic).is_some()
        });
        self.unsettled = unsettled;
    }

    /// A name that the server has, or is asked for, or was.
    pub(super) fn name(&self, scope: Scope, name: &str) -> Option<&Arc<str>> {
        self.entries.get_key_value(scope, name).map(|(name, _)| name)
    }

    /// Whether the server may push for patterns.
    pub(super) fn has_patterns(&self, endpoint: Endpoint) -> bool {
        !self.entries.is_empty(Scope { endpoint, kind: TopicKind::Pattern })
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.entries.values().next().is_none() && self.unsettled.is_empty()
    }

    fn server(&self, topic: &Topic) -> ServerSide {
        self.entries.get(topic.scope, &topic.name).map(|entry| entry.server).unwrap_or_default()
    }

    fn entry(&mut self, topic: &Topic) -> Option<&mut Entry> {
        self.entries.get_mut(topic.scope, &topic.name)
    }

    fn forget_if_unused(&mut self, topic: &Topic) {
        if self.entry(topic).is_some_and(|entry| entry.is_unused()) {
            self.entries.remove(topic.scope, &topic.name);
        }
    }
}

impl Entry {
    /// If there is something to ask of the server for it, or it is to be forgotten.
    fn queue_into(&mut self, unsettled: &mut VecDeque<Topic>, topic: &Topic) {
        let is_settled = self.next() == self.server && !self.is_unused();
        if !is_settled && !std::mem::replace(&mut self.is_unsettled, true) {
            unsettled.push_back(topic.clone());
        }
    }

    /// Where the server's side has to go; where it is if there is nothing to do, or an answer is awaited.
    fn next(&self) -> ServerSide {
        match (self.server, self.holds) {
            (ServerSide::Absent, 1..) => ServerSide::Subscribing,
            (ServerSide::Subscribed, 0) => ServerSide::Unsubscribing,
            (settled, _) => settled,
        }
    }

    fn is_unused(&self) -> bool {
        self.holds == 0 && self.server == ServerSide::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_few_names_leaves_the_rest_of_the_queue_where_it_is() {
        let scope = Scope { endpoint: Endpoint::default(), kind: TopicKind::ShardChannel };
        let mut subscriptions = Subscriptions::default();
        for name in ["a", "b", "c"] {
            subscriptions.hold(&Topic { scope, name: name.into() });
        }
        let last = |subscriptions: &Subscriptions| subscriptions.unsettled.back().map(std::ptr::from_ref);
        let place = last(&subscriptions);
        for name in ["a", "b"] {
            let request = Request::Subscribe(scope, vec![name.into()]);
            assert_eq!(subscriptions.next_request(1), Some(request));
            assert_eq!(last(&subscriptions), place);
        }
    }

    #[test]
    fn what_a_request_passes_over_keeps_its_order() {
        let of = |kind, name: &str| Topic {
            scope: Scope { endpoint: Endpoint::default(), kind },
            name: name.into(),
        };
        let mut subscriptions = Subscriptions::default();
        for (kind, name) in [
            (TopicKind::Channel, "1"),
            (TopicKind::Pattern, "2"),
            (TopicKind::Pattern, "3"),
            (TopicKind::Channel, "4"),
            (TopicKind::Channel, "5"),
        ] {
            subscriptions.hold(&of(kind, name));
        }
        let mut names = || match subscriptions.next_request(2) {
            Some(Request::Subscribe(_, names)) => names.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        };
        let requests: [Vec<String>; 3] = [names(), names(), names()];
        assert_eq!(requests.map(|names| names.concat()), ["14", "23", "5"]);
    }
}
