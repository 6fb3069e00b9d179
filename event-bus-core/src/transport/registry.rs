//! Who listens to what: topics, the inboxes behind each, and what has to be subscribed or unsubscribed at the
//! server for it. Does no IO and knows no connection.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::aftermath::Aftermath;
use super::echoes::Echoes;
use super::inbox::{Inbox, InboxId};
use super::topic::{Endpoint, Scope, Topic, TopicKind};
use crate::channel::Channel;
use crate::message::Message;

/// The subscriptions of one transport. Not synchronised: its owner decides under which lock, and so which
/// changes are seen together, and [takes](Self::take_aftermath) before unlocking what is to happen after it.
#[derive(Debug, Default)]
pub struct Registry {
    /// Few scopes, so a list; names within them are looked up as text, without building a [`Topic`].
    scopes: Scopes,
    /// Topics whose entry may not be what is wanted. Each stands here at most once.
    unsettled: VecDeque<Topic>,
    wanted: usize,
    confirmed: usize,
    /// One publish comes once for its channel and once for each pattern: who has it already.
    echoes: Echoes,
    aftermath: Aftermath,
}

#[derive(Debug, Default)]
struct Entry {
    members: Vec<Member>,
    server: ServerSide,
    is_unsettled: bool,
}

#[derive(Debug)]
struct Member {
    inbox: Inbox,
    standing: Standing,
}

/// What a listener may believe about one of its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its `listen` has not returned yet, so there is nobody to tell anything.
    Joining,
    Live,
    CutOff,
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

impl Registry {
    /// An inbox wants a topic. `true` if the server has confirmed it already; then everything published from
    /// now on is delivered. Else the topic will be in a coming [`request`](Self::next_request).
    pub fn join(&mut self, topic: &Topic, inbox: Inbox) -> bool {
        let entry = entry_of(&mut self.scopes, topic);
        self.wanted += usize::from(entry.members.is_empty());
        let live = entry.server == ServerSide::Subscribed;
        let standing = if live { Standing::Live } else { Standing::Joining };
        entry.members.push(Member { inbox, standing });
        self.unsettle(topic);
        live
    }

    /// An inbox no longer wants a topic. Unknown ones are ignored.
    pub fn leave(&mut self, topic: &Topic, inbox: InboxId) {
        let Some(entry) = self.entry(topic) else { return };
        let Some(at) = entry.members.iter().position(|member| member.inbox.id() == inbox) else { return };
        let member = entry.members.swap_remove(at);
        let is_empty = entry.members.is_empty();
        self.wanted -= usize::from(is_empty);
        if member.standing == Standing::CutOff {
            member.inbox.resume_into(&mut self.aftermath); // this topic no longer keeps it from being whole
        }
        self.unsettle(topic);
    }

    /// Nobody wants `topic` any more; the server is asked to let go of it if it has it. Returns those who listened
    /// to it, to be [ended](Inbox::end) outside of the lock under which this stands. Those whose `listen` has not
    /// returned yet are not among them: it tells them.
    #[must_use]
    pub fn evict(&mut self, topic: &Topic) -> Vec<Inbox> {
        let Some(entry) = self.entry(topic) else { return Vec::new() };
        let members = std::mem::take(&mut entry.members);
        self.wanted -= usize::from(!members.is_empty());
        self.unsettle(topic);
        let listening = members.into_iter().filter(|member| member.standing != Standing::Joining);
        listening.map(|member| member.inbox).collect()
    }

    /// The next thing to ask of the server, for at most `max` topics, which count as asked for from now on.
    pub fn next_request(&mut self, max: usize) -> Option<Request> {
        let mut chosen: Option<(ServerSide, Scope)> = None;
        let mut names = Vec::new();
        let mut later = VecDeque::new();
        while let Some(topic) = self.unsettled.pop_front() {
            let Some(entry) = self.entry(&topic) else { continue };
            let (now, next) = (entry.server, entry.next());
            if now == next {
                entry.is_unsettled = false;
                self.forget_if_unused(&topic);
            } else if names.len() < max && *chosen.get_or_insert((next, topic.scope)) == (next, topic.scope) {
                entry.is_unsettled = false;
                entry.server = next;
                self.confirmed -= usize::from(next == ServerSide::Unsubscribing);
                names.push(topic.name);
            } else {
                later.push_back(topic);
                if names.len() == max {
                    break;
                }
            }
        }
        later.append(&mut self.unsettled);
        self.unsettled = later;
        chosen.map(|(next, scope)| match next {
            ServerSide::Unsubscribing => Request::Unsubscribe(scope, names),
            _ => Request::Subscribe(scope, names),
        })
    }

    /// The server confirmed a subscription: all of its listeners are live, and those that were cut off are
    /// told. `false` if nobody had asked for it.
    pub fn confirm(&mut self, scope: Scope, name: &str) -> bool {
        self.echoes.forget(scope.endpoint); // a publish is never interrupted by anything else
        let Some(entry) = find(&mut self.scopes, scope, name) else { return false };
        if entry.server != ServerSide::Subscribing {
            return false;
        }
        entry.server = ServerSide::Subscribed;
        for member in &mut entry.members {
            if member.standing == Standing::CutOff {
                member.inbox.resume_into(&mut self.aftermath);
            }
            member.standing = Standing::Live;
        }
        self.confirmed += 1;
        self.unsettle(&Topic { scope, name: name.into() });
        true
    }

    /// The server ended a subscription, whether we asked for it or not: listeners it still has are told, and
    /// the topic is asked for again.
    pub fn unconfirm(&mut self, scope: Scope, name: &str) {
        let Some(entry) = find(&mut self.scopes, scope, name) else { return };
        if matches!(entry.server, ServerSide::Subscribed | ServerSide::Unsubscribing) {
            self.echoes.forget(scope.endpoint); // pushed; a refusal is an answer, and may come amid the pushes
        }
        let was_confirmed = entry.cut_off(&mut self.aftermath);
        self.confirmed -= usize::from(was_confirmed);
        self.unsettle(&Topic { scope, name: name.into() });
    }

    /// The connection to `endpoint` is gone and all its subscriptions with it: their listeners are told.
    pub fn cut_off(&mut self, endpoint: Endpoint) {
        self.echoes.forget(endpoint);
        let mut lost = Vec::new();
        for (scope, entries) in self.scopes.iter_mut().filter(|(scope, _)| scope.endpoint == endpoint) {
            for (name, entry) in entries {
                let was_confirmed = entry.cut_off(&mut self.aftermath);
                self.confirmed -= usize::from(was_confirmed);
                lost.push(Topic { scope: *scope, name: Arc::clone(name) });
            }
        }
        lost.iter().for_each(|topic| self.unsettle(topic));
    }

    /// Hands `payload`, which came on `channel` for the topic `name`, to everybody whose `listen` on that topic has been
    /// confirmed, and returns how many these are. Whoever got the same publish for another topic does not get it
    /// again. Inboxes that have ended leave.
    pub fn deliver(&mut self, scope: Scope, name: &str, channel: &str, payload: Bytes) -> usize {
        let may_echo = self.has_patterns(scope.endpoint);
        let entries = self.scopes.iter().find(|(known, _)| *known == scope);
        let Some((name, entry)) = entries.and_then(|(_, entries)| entries.get_key_value(name)) else {
            if scope.kind != TopicKind::Pattern {
                self.echoes.forget(scope.endpoint); // a publish that nobody here heard
            }
            return 0;
        };
        if may_echo {
            self.echoes.note_push(scope, name, channel);
        }
        let takes = |member: &&Member| member.standing == Standing::Live && member.inbox.wants(channel);
        let mut live = entry.members.iter().filter(takes).peekable();
        if live.peek().is_none() {
            return 0;
        }
        let message = if may_echo { self.echoes.message(payload.clone(), &mut self.aftermath) } else { None };
        // A channel shares its name with the registry.
        let message = message
            .unwrap_or_else(|| Arc::new(Message::new(Channel::from_full_name(Arc::clone(name)), payload)));
        let mut listeners = 0;
        let mut ended = Vec::new();
        for Member { inbox, .. } in live {
            listeners += 1;
            if may_echo && inbox.has_publish(self.echoes.number()) {
                continue;
            }
            if !inbox.deliver_into(Arc::clone(&message), &mut self.aftermath) {
                ended.push(inbox.id());
            }
        }
        self.aftermath.discard(Some(message));
        if !ended.is_empty() {
            let topic = Topic { scope, name: Arc::clone(name) };
            ended.iter().for_each(|id| self.leave(&topic, *id));
        }
        listeners
    }

    /// The server keeps a subscription that it was asked to end: it stands as confirmed until the connection ends.
    /// Whoever came to want it meanwhile is live.
    pub fn keep(&mut self, scope: Scope, name: &str) {
        if let Some(entry) = find(&mut self.scopes, scope, name)
            && entry.server == ServerSide::Unsubscribing
        {
            entry.server = ServerSide::Subscribed;
            entry.members.iter_mut().for_each(|member| member.standing = Standing::Live);
            self.confirmed += 1;
        }
    }

    /// Whether the server has answered for all of `request`.
    #[must_use]
    pub fn is_answered(&self, request: &Request) -> bool {
        let (Request::Subscribe(scope, names) | Request::Unsubscribe(scope, names)) = request;
        let entries = self.scopes.iter().find(|(known, _)| known == scope).map(|(_, entries)| entries);
        let server =
            |name: &Arc<str>| entries.and_then(|entries| entries.get(name)).map(|entry| entry.server);
        names
            .iter()
            .all(|name| !matches!(server(name), Some(ServerSide::Subscribing | ServerSide::Unsubscribing)))
    }

    /// Forgets topics that nobody wants and the server does not have: while there is no connection, nobody asks
    /// for requests, which would do it.
    pub fn sweep(&mut self) {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        unsettled.retain(|topic| {
            let is_unused = self.entry(topic).is_none_or(|entry| entry.is_unused());
            if is_unused {
                self.forget_if_unused(topic);
            }
            !is_unused
        });
        self.unsettled = unsettled;
    }

    /// What is to be dropped after the lock under which this stands.
    pub fn take_aftermath(&mut self) -> Aftermath {
        std::mem::take(&mut self.aftermath)
    }

    /// Whether somebody listens to the topic `name`.
    #[must_use]
    pub fn is_wanted(&self, scope: Scope, name: &str) -> bool {
        let scope = self.scopes.iter().find(|(known, _)| *known == scope);
        scope.and_then(|(_, entries)| entries.get(name)).is_some_and(|entry| !entry.members.is_empty())
    }

    /// Everybody whose `listen` on the topic `name` has been confirmed.
    pub fn listeners(&self, scope: Scope, name: &str) -> impl Iterator<Item = &Inbox> {
        let scope = self.scopes.iter().find(|(known, _)| *known == scope);
        let members =
            scope.and_then(|(_, entries)| entries.get(name)).into_iter().flat_map(|entry| &entry.members);
        members.filter(|member| member.standing == Standing::Live).map(|member| &member.inbox)
    }

    /// The names of all topics in `scope` that somebody listens to.
    pub fn names(&self, scope: Scope) -> impl Iterator<Item = &str> {
        let entries = self.scopes.iter().filter(move |(known, _)| *known == scope);
        entries
            .flat_map(|(_, entries)| entries)
            .filter(|(_, entry)| !entry.members.is_empty())
            .map(|(name, _)| &**name)
    }

    /// All inboxes, each as often as it has topics.
    pub fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        let entries = self.scopes.iter().flat_map(|(_, entries)| entries.values());
        entries.flat_map(|entry| &entry.members).map(|member| &member.inbox)
    }

    /// How many topics somebody wants.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// How many topics the server has confirmed.
    #[must_use]
    pub fn confirmed(&self) -> usize {
        self.confirmed
    }

    fn has_patterns(&self, endpoint: Endpoint) -> bool {
        let patterns = Scope { endpoint, kind: TopicKind::Pattern };
        self.scopes.iter().any(|(scope, entries)| *scope == patterns && !entries.is_empty())
    }

    fn entry(&mut self, topic: &Topic) -> Option<&mut Entry> {
        find(&mut self.scopes, topic.scope, &topic.name)
    }

    fn unsettle(&mut self, topic: &Topic) {
        let Some(entry) = self.entry(topic) else { return };
        if !std::mem::replace(&mut entry.is_unsettled, true) {
            self.unsettled.push_back(topic.clone());
        }
    }

    fn forget_if_unused(&mut self, topic: &Topic) {
        let scope = self.scopes.iter_mut().find(|(known, _)| *known == topic.scope);
        if let Some((_, entries)) = scope
            && entries.get(&topic.name).is_some_and(Entry::is_unused)
        {
            entries.remove(&topic.name);
        }
    }
}

type Scopes = Vec<(Scope, HashMap<Arc<str>, Entry>)>;

fn find<'a>(scopes: &'a mut Scopes, scope: Scope, name: &str) -> Option<&'a mut Entry> {
    let (_, entries) = scopes.iter_mut().find(|(known, _)| *known == scope)?;
    entries.get_mut(name)
}

fn entry_of<'a>(scopes: &'a mut Scopes, topic: &Topic) -> &'a mut Entry {
    let at = scopes.iter().position(|(known, _)| *known == topic.scope).unwrap_or_else(|| {
        scopes.push((topic.scope, HashMap::new()));
        scopes.len() - 1
    });
    scopes[at].1.entry(Arc::clone(&topic.name)).or_default()
}

impl Entry {
    /// Where the server's side has to go; where it is if there is nothing to do, or an answer is awaited.
    fn next(&self) -> ServerSide {
        match (self.server, self.members.is_empty()) {
            (ServerSide::Absent, false) => ServerSide::Subscribing,
            (ServerSide::Subscribed, true) => ServerSide::Unsubscribing,
            (settled, _) => settled,
        }
    }

    /// The server no longer has it. Whether it had confirmed it.
    fn cut_off(&mut self, aftermath: &mut Aftermath) -> bool {
        let before = std::mem::replace(&mut self.server, ServerSide::Absent);
        for member in self.members.iter_mut().filter(|member| member.standing == Standing::Live) {
            member.standing = Standing::CutOff;
            member.inbox.interrupt_into(aftermath);
        }
        before == ServerSide::Subscribed
    }

    fn is_unused(&self) -> bool {
        self.members.is_empty() && self.server == ServerSide::Absent
    }
}

#[cfg(test)]
mod tests;
