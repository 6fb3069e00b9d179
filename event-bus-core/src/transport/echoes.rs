//! One publish that is pushed several times: once for its channel, and once for each pattern that matches. Its number,
//! by which inboxes know that they have it already, and the message that it became.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::aftermath::Aftermath;
use super::topic::{Endpoint, Scope, TopicKind};
use crate::channel::Channel;
use crate::message::Message;

/// The last publish. A server pushes all of one publish without anything in between, the channel first; so a push
/// for a pattern that has not come yet belongs to the one before, if that was on the same channel.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    endpoint: Endpoint,
    /// As it is shown.
    channel: Option<Arc<str>>,
    /// As it is, if that is no text.
    raw_channel: Option<Box<[u8]>>,
    /// For which it came so far.
    patterns: HashSet<Arc<str>>,
    /// Weak, so that it does not outlive its readers.
    message: Weak<Message>,
    number: u64,
}

impl Echoes {
    /// A push for the topic `name` begins, on `channel`, which is shown as `text`.
    pub(super) fn note_push(&mut self, scope: Scope, name: &Arc<str>, channel: &[u8], text: &str) {
        let is_pattern = scope.kind == TopicKind::Pattern;
        let is_echo = is_pattern
            && self.endpoint == scope.endpoint
            && self.is_on(channel)
            && !self.patterns.contains(name);
        if !is_echo {
            self.start(scope.endpoint);
            self.channel = Some(if is_pattern { text.into() } else { Arc::clone(name) });
            self.raw_channel = (text.as_bytes() != channel).then(|| channel.into());
        }
        if is_pattern {
            self.patterns.insert(Arc::clone(name));
        }
    }

    fn is_on(&self, channel: &[u8]) -> bool {
        let shown = self.channel.as_deref().map(str::as_bytes);
        self.raw_channel.as_deref().or(shown) == Some(channel)
    }

    /// What comes next from `endpoint` is no echo of what came before.
    pub(super) fn forget(&mut self, endpoint: Endpoint) {
        if self.endpoint == endpoint {
            self.start(endpoint);
        }
    }

    fn start(&mut self, endpoint: Endpoint) {
        static NUMBERS: AtomicU64 = AtomicU64::new(1); // of all registries: an inbox may stand in several
        self.number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self.endpoint = endpoint;
        self.channel = None;
        self.raw_channel = None;
        self.patterns.clear();
        self.message = Weak::new();
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

    /// Tells this publish from all others.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}
