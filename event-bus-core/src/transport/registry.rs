//! Who listens to what, and by which topic at the server each is served: its own, or a wider pattern. Does no IO and knows
//! no connection. What the server has stands in `subscriptions.rs`, how listeners come to be served by a wider pattern and
//! back in `registry/folding.rs`.

mod folding;

use std::sync::Arc;

use bytes::Bytes;

use super::aftermath::Aftermath;
use super::audience::Audience;
use super::echoes::Echoes;
use super::fold::{Fold, Folds};
use super::inbox::{Inbox, InboxId};
use super::scopes::Scopes;
use super::subscriptions::{Request, Subscriptions};
use super::topic::{Endpoint, Scope, Topic, TopicKind};
use crate::channel::Channel;
use crate::message::Message;

pub use folding::Refusal;

/// The subscriptions of one transport. Not synchronised: its owner decides under which lock, and so which
/// changes are seen together, and [takes](Self::take_aftermath) before unlocking what is to happen after it.
///
/// # Examples
/// ```
/// use event_bus_core::transport::{Endpoint, Registry, Scope, Topic, TopicKind};
///
/// // The listeners of one channel: `inbox` comes from `Transport::subscribe`.
/// # fn subscribe(registry: &mut Registry, inbox: event_bus_core::transport::Inbox) {
/// let scope = Scope { endpoint: Endpoint(0), kind: TopicKind::Channel };
/// let topic = Topic { scope, name: "orders/c-7".into() };
/// if registry.join(&topic, inbox).contains(&topic) {
///     // The server has it already: `subscribe` may return.
/// }
/// while let Some(request) = registry.next_request(512) {
///     println!("ask the server: {request:?}");
/// }
///
/// // The server's answers, and what it pushes:
/// registry.confirm(scope, "orders/c-7");
/// registry.deliver(scope, "orders/c-7", b"orders/c-7", r#"{"payload":{}}"#.into());
///
/// // The connection is lost: everybody is told, and everything is asked for again.
/// registry.cut_off(Endpoint(0));
/// drop(registry.take_aftermath()); // wakes readers: after the lock under which all this stands
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Registry {
    /// Of every topic that somebody wants.
    audiences: Scopes<Audience>,
    server: Subscriptions,
    folds: Folds,
    wanted: usize,
    confirmed: usize,
    /// One publish comes once for its channel and once for each pattern: who has it already.
    echoes: Echoes,
    aftermath: Aftermath,
}

impl Registry {
    /// A registry that folds the patterns of a bus into `{bus}/*` when there are more than `patterns` of them, and hands
    /// out by itself what each matches. `usize::MAX`, the default, never folds.
    #[must_use]
    pub fn folding_beyond(patterns: usize) -> Self {
        Self { folds: Folds::beyond(patterns), ..Self::default() }
    }

    /// An inbox wants a topic. If the topic is among those returned, everything published from now on is delivered;
    /// so it is for all topics that are returned. Else what it needs will be in a coming [`request`](Self::next_request).
    pub fn join(&mut self, topic: &Topic, inbox: Inbox) -> Vec<Topic> {
        let (audience, is_new) = self.audiences.enter(topic);
        audience.join(inbox);
        match (is_new, audience.is_live()) {
            (true, _) => self.admit(topic),
            (false, true) => vec![topic.clone()],
            (false, false) => Vec::new(),
        }
    }

    /// The first ones want `topic`. Returns what is live by that.
    fn admit(&mut self, topic: &Topic) -> Vec<Topic> {
        self.wanted += 1;
        let is_subscribed = self.server.hold(topic); // it had not been let go of yet
        let mut live = match self.folds.add(topic) {
            Fold::Apart => Vec::new(),
            Fold::Begins(wide) => {
                self.server.hold(&wide);
                self.fold(&wide)
            }
            Fold::Lasts(wide) => {
                let is_confirmed = self.server.is_subscribed(&wide);
                self.carry(topic, is_confirmed);
                if is_confirmed { vec![topic.clone()] } else { Vec::new() }
            }
        };
        if is_subscribed && self.go_live_by_itself(topic) && !live.contains(topic) {
            live.push(topic.clone());
        }
        live
    }

    /// An inbox no longer wants a topic. Unknown ones are ignored.
    pub fn leave(&mut self, topic: &Topic, inbox: InboxId) {
        let Some(audience) = self.audiences.get_mut(topic.scope, &topic.name) else { return };
        if audience.leave(inbox, &mut self.aftermath) && audience.is_empty() {
            self.dismiss(topic);
        }
    }

    /// Nobody wants `topic` any more; the server is asked to let go of it if it has it. Returns those who listened
    /// to it, to be [ended](Inbox::end) outside of the lock under which this stands. Those whose `listen` has not
    /// returned yet are not among them: it tells them.
    #[must_use]
    pub fn evict(&mut self, topic: &Topic) -> Vec<Inbox> {
        self.dismiss(topic).map(Audience::into_listening).unwrap_or_default()
    }

    /// Another is to serve those who want `topic`: they are told that they hear nothing any more, and the server is asked
    /// to let go of it if it has it. None if nobody wants it. Not for patterns, which others may be folded with. An
    /// example stands at [`Audience`].
    pub fn part_with(&mut self, topic: &Topic) -> Option<Audience> {
        let mut audience = self.dismiss(topic)?;
        audience.cut_off(&mut self.aftermath);
        Some(audience)
    }

    /// `audience`, with which another has [parted](Self::part_with), wants `topic` from now on. `true` if it is live at once;
    /// else it is told as soon as it is. An example stands at [`Audience`].
    pub fn take_over(&mut self, topic: &Topic, audience: Audience) -> bool {
        let (here, is_new) = self.audiences.enter(topic);
        here.absorb(audience, &mut self.aftermath);
        if is_new { self.admit(topic).contains(topic) } else { here.is_live() }
    }

    /// All topics that somebody wants.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        self.audiences.topics().collect()
    }

    fn dismiss(&mut self, topic: &Topic) -> Option<Audience> {
        let audience = self.audiences.remove(topic.scope, &topic.name)?;
        self.wanted -= 1;
        self.confirmed -= usize::from(audience.is_live());
        if !audience.is_folded {
            self.server.release(topic);
        }
        if let Some(wide) = self.folds.remove(topic) {
            self.server.release(&wide);
        }
        Some(audience)
    }

    /// The next thing to ask of the server, for at most `max` topics, which count as asked for from now on.
    pub fn next_request(&mut self, max: usize) -> Option<Request> {
        self.server.next_request(max)
    }

    /// The server confirmed a subscription. Returns the topics whose listeners are live by it; those who were cut off
    /// are told. None if nobody had asked for it, or nobody listens any more.
    pub fn confirm(&mut self, scope: Scope, name: &str) -> Vec<Topic> {
        self.echoes.forget(scope.endpoint); // a publish is never interrupted by anything else
        let topic = Topic { scope, name: name.into() };
        if self.server.confirm(&topic) { self.serve(&topic) } else { Vec::new() }
    }

    /// The server keeps a subscription that it was asked to end: it stands as confirmed until the connection ends.
    /// Whoever came to want it meanwhile is live: the topics that are returned.
    pub fn keep(&mut self, scope: Scope, name: &str) -> Vec<Topic> {
        let topic = Topic { scope, name: name.into() };
        if self.server.keep(&topic) { self.serve(&topic) } else { Vec::new() }
    }

    /// The server has `topic`: whoever is served by it is live.
    fn serve(&mut self, topic: &Topic) -> Vec<Topic> {
        let mut live = self.fold(topic);
        if self.go_live_by_itself(topic) {
            live.push(topic.clone());
        }
        live
    }

    /// The server ended a subscription, whether we asked for it or not: listeners it still has are told, and
    /// the topic is asked for again.
    pub fn unconfirm(&mut self, scope: Scope, name: &str) {
        let topic = Topic { scope, name: name.into() };
        if self.server.unconfirm(&topic) {
            self.echoes.forget(scope.endpoint); // pushed; a refusal is an answer, and may come amid the pushes
        }
        if self.is_served_by_itself(&topic) {
            self.fall_silent(&topic);
        }
        for folded in self.folds.patterns_of(&topic) {
            if !self.is_served_by_itself(&folded) {
                self.fall_silent(&folded);
            }
        }
    }

    /// Whether the server has been asked to let go of the topic `name`, and has not answered yet.
    #[must_use]
    pub fn is_let_go(&self, scope: Scope, name: &str) -> bool {
        self.server.is_let_go(scope, name)
    }

    /// The connection to `endpoint` is gone and all its subscriptions with it: their listeners are told.
    pub fn cut_off(&mut self, endpoint: Endpoint) {
        self.echoes.forget(endpoint);
        self.server.cut_off(endpoint);
        for (_, _, audience) in self.audiences.at_mut(endpoint) {
            self.confirmed -= usize::from(audience.cut_off(&mut self.aftermath));
        }
        self.refold(endpoint);
    }

    fn go_live(&mut self, topic: &Topic) {
        if let Some(audience) = self.audiences.get_mut(topic.scope, &topic.name) {
            self.confirmed += usize::from(audience.go_live(&mut self.aftermath));
        }
    }

    /// Unless a wider pattern serves `topic`.
    fn go_live_by_itself(&mut self, topic: &Topic) -> bool {
        let audience = self.audiences.get_mut(topic.scope, &topic.name);
        let Some(audience) = audience.filter(|audience| !audience.is_folded) else { return false };
        self.confirmed += usize::from(audience.go_live(&mut self.aftermath));
        true
    }

    fn fall_silent(&mut self, topic: &Topic) {
        if let Some(audience) = self.audiences.get_mut(topic.scope, &topic.name) {
            self.confirmed -= usize::from(audience.cut_off(&mut self.aftermath));
        }
    }

    fn is_served_by_itself(&self, topic: &Topic) -> bool {
        self.audiences.get(topic.scope, &topic.name).is_some_and(|audience| !audience.is_folded)
    }

    /// Hands `payload`, which came on `channel` for the topic `name`, to everybody who is served by that and whose `listen`
    /// has been confirmed, and returns how many these are. Whoever got the same publish for another topic does not get
    /// it again. Inboxes that have ended leave. A foreign publisher may use any bytes as a channel under a pattern: they
    /// are matched as they are, and shown with `\u{FFFD}` for what is no text.
    pub fn deliver(&mut self, scope: Scope, name: &str, channel: &[u8], mut payload: Bytes) -> usize {
        let known = self.audiences.get_key_value(scope, name).map(|(name, _)| name);
        let Some(name) = known.or_else(|| self.server.name(scope, name)).cloned() else {
            if scope.kind != TopicKind::Pattern {
                self.echoes.forget(scope.endpoint); // a publish that nobody here heard
            }
            return 0;
        };
        let text = String::from_utf8_lossy(channel);
        let may_echo = self.server.has_patterns(scope.endpoint);
        if may_echo {
            self.echoes.note_push(scope, &name, channel, &text);
        }
        let Self { audiences, folds, echoes, aftermath, .. } = self;
        let topics = std::iter::once(&name).chain(folds.matching(scope, &name, channel));
        let takers = topics.flat_map(|topic| {
            let live = audiences.get(scope, topic).into_iter().flat_map(Audience::live);
            live.filter(|inbox| inbox.wants(&text)).map(move |inbox| (topic, inbox))
        });
        let (mut listeners, mut message, mut ended) = (0, None, Vec::new());
        for (topic, inbox) in takers {
            listeners += 1;
            if may_echo && inbox.has_publish(echoes.number()) {
                continue;
            }
            let message = message.get_or_insert_with(|| {
                let payload = std::mem::take(&mut payload); // made once
                let shared = may_echo.then(|| echoes.message(payload.clone(), aftermath)).flatten();
                shared.unwrap_or_else(|| message_on(&name, payload))
            });
            if !inbox.deliver_into(std::slice::from_ref(message), aftermath) {
                ended.push((Topic { scope, name: Arc::clone(topic) }, inbox.id()));
            }
        }
        aftermath.discard(message);
        ended.iter().for_each(|(topic, inbox)| self.leave(topic, *inbox));
        listeners
    }

    /// [Delivers](Self::deliver) each of `payloads`, which came one behind the other for the same topic on the same channel.
    /// Where no pattern can bring them a second time, each listener is looked at once for all of them.
    pub fn deliver_run(&mut self, scope: Scope, name: &str, channel: &[u8], payloads: &mut Vec<Bytes>) {
        let is_plain = scope.kind != TopicKind::Pattern && !self.server.has_patterns(scope.endpoint);
        let audience = self.audiences.get_key_value(scope, name);
        let Some((name, audience)) = audience.filter(|_| is_plain && payloads.len() > 1) else {
            for payload in payloads.drain(..) {
                self.deliver(scope, name, channel, payload);
            }
            return;
        };
        let name = Arc::clone(name);
        let messages: Vec<_> = payloads.drain(..).map(|payload| message_on(&name, payload)).collect();
        let aftermath = &mut self.aftermath;
        let takers = audience.live().filter(|inbox| inbox.wants(&name));
        let ended = takers.filter(|inbox| !inbox.deliver_into(&messages, aftermath)).map(Inbox::id);
        let ended: Vec<_> = ended.collect();
        messages.into_iter().for_each(|message| self.aftermath.discard(Some(message)));
        let topic = Topic { scope, name };
        ended.into_iter().for_each(|inbox| self.leave(&topic, inbox));
    }

    /// Whether the server has answered for all of `request`.
    #[must_use]
    pub fn is_answered(&self, request: &Request) -> bool {
        self.server.is_answered(request)
    }

    /// Forgets topics that nobody wants and the server does not have: while there is no connection, nobody asks
    /// for requests, which would do it.
    pub fn sweep(&mut self) {
        self.server.sweep();
    }

    /// What is to be dropped after the lock under which this stands.
    pub fn take_aftermath(&mut self) -> Aftermath {
        std::mem::take(&mut self.aftermath)
    }

    /// Whether somebody listens to the topic `name`.
    #[must_use]
    pub fn is_wanted(&self, scope: Scope, name: &str) -> bool {
        self.audiences.get(scope, name).is_some()
    }

    /// Everybody whose `listen` on the topic `name` has been confirmed.
    pub fn listeners(&self, scope: Scope, name: &str) -> impl Iterator<Item = &Inbox> {
        self.audiences.get(scope, name).into_iter().flat_map(Audience::live)
    }

    /// The names of all topics in `scope` that somebody listens to.
    pub fn names(&self, scope: Scope) -> impl Iterator<Item = &str> {
        self.audiences.of(scope).map(|(name, _)| &**name)
    }

    /// All inboxes, each as often as it has topics.
    pub fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        self.audiences.values().flat_map(Audience::inboxes)
    }

    /// How many topics somebody wants.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// How many of these are live: the server has confirmed them, or a wide pattern that they are folded into.
    #[must_use]
    pub fn confirmed(&self) -> usize {
        self.confirmed
    }
}

/// A channel shares its name with the registry.
fn message_on(channel: &Arc<str>, payload: Bytes) -> Arc<Message> {
    Arc::new(Message::new(Channel::from_full_name(Arc::clone(channel)), payload))
}

#[cfg(test)]
mod tests;
