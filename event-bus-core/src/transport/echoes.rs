//! One publish that is pushed several times: once for its channel, and once for each pattern that matches. Who has it
//! already, and the message that it became.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::aftermath::Aftermath;
use super::inbox::{Inbox, InboxId};
use super::topic::TopicKind;
use crate::channel::Channel;
use crate::message::Message;

/// The last publish. A server pushes all of one publish without anything in between, the channel first; so a push
/// for a pattern that has not come yet belongs to the one before, if that was on the same channel.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    channel: Option<Arc<str>>,
    topics: Vec<(TopicKind, Arc<str>)>,
    /// Weak, so that it does not outlive its readers.
    message: Weak<Message>,
    /// Only those who could get it again.
    heard: Vec<InboxId>,
}

impl Echoes {
    /// A push for the topic `name` begins.
    pub(super) fn note_push(&mut self, kind: TopicKind, name: &Arc<str>, channel: &str) {
        let is_pattern = kind == TopicKind::Pattern;
        let is_echo = is_pattern
            && self.channel.as_deref() == Some(channel)
            && !self.topics.iter().any(|(known, topic)| *known == kind && topic == name);
        if !is_echo {
            self.forget();
            self.channel = Some(if is_pattern { channel.into() } else { Arc::clone(name) });
        }
        self.topics.push((kind, Arc::clone(name)));
    }

    /// What comes next is no echo of what came before.
    pub(super) fn forget(&mut self) {
        self.channel = None;
        self.topics.clear();
        self.message = Weak::new();
        self.heard.clear();
    }

    /// The message of the push that has begun: the one of its first push, where somebody still holds that, so that it
    /// is decoded once.
    pub(super) fn message(&mut self, payload: Bytes, aftermath: &mut Aftermath) -> Option<Arc<Message>> {
        let first = self.message.upgrade();
        if first.as_ref().is_some_and(|first| *first.payload() == payload) {
            return first;
        }
        aftermath.discard(first);
        let message =
            Arc::new(Message::new(Channel::from_full_name(Arc::clone(self.channel.as_ref()?)), payload));
        self.message = Arc::downgrade(&message);
        Some(message)
    }

    /// Whether `inbox` has this publish already; if not, it has it now.
    pub(super) fn is_heard(&mut self, inbox: &Inbox) -> bool {
        if self.heard.contains(&inbox.id()) {
            return true;
        }
        if inbox.has_several_topics() {
            self.note_heard(inbox.id());
        }
        false
    }

    pub(super) fn note_heard(&mut self, inbox: InboxId) {
        self.heard.push(inbox);
    }

    /// For which topics it came so far.
    pub(super) fn topics(&self) -> impl Iterator<Item = (TopicKind, &Arc<str>)> {
        self.topics.iter().map(|(kind, name)| (*kind, name))
    }
}
