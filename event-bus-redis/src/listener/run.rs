//! Messages that came one behind the other for one topic and channel: some of them are routed together, so that a flood costs each
//! listener one look and not one for each message.

use bytes::Bytes;
use event_bus_core::transport::{Registry, Scope};

/// More are routed in several runs: each is held until its run is, and nobody else is served meanwhile.
const LONGEST: usize = 16;

/// A message that the server pushed.
#[derive(Debug)]
pub(super) struct PushedMessage<'a> {
    pub(super) scope: Scope,
    pub(super) topic: &'a str,
    /// What the server says, text or not.
    pub(super) channel: &'a [u8],
    pub(super) payload: Bytes,
}

/// Its buffers are used again.
#[derive(Debug, Default)]
pub(super) struct Run {
    scope: Option<Scope>,
    topic: String,
    channel: Vec<u8>,
    payloads: Vec<Bytes>,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.payloads.is_empty()
    }

    /// Whether `message` goes on with it.
    pub(super) fn takes(&self, message: &PushedMessage<'_>) -> bool {
        let is_of_it = self.scope == Some(message.scope)
            && self.topic == message.topic
            && self.channel == message.channel;
        self.is_empty() || (is_of_it && self.payloads.len() < LONGEST)
    }

    /// Adds what it [takes](Self::takes).
    pub(super) fn push(&mut self, message: PushedMessage<'_>) {
        if self.is_empty() {
            self.scope = Some(message.scope);
            self.topic.clear();
            self.topic.push_str(message.topic);
            self.channel.clear();
            self.channel.extend_from_slice(message.channel);
        }
        self.payloads.push(message.payload);
    }

    pub(super) fn deliver(&mut self, registry: &mut Registry) {
        if let Some(scope) = self.scope.filter(|_| !self.is_empty()) {
            registry.deliver_run(scope, &self.topic, &self.channel, &mut self.payloads);
        }
    }
}
