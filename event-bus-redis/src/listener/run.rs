//! Messages that came one behind the other for one topic: routed together, so that a flood costs each listener one look and
//! not one for each message.

use bytes::Bytes;
use event_bus_core::transport::{Registry, TopicKind};

use super::state::{PushedMessage, scope};

/// More are routed in several runs: each is held until its run is, and nobody else is served meanwhile.
const LONGEST: usize = 64;

/// Its buffers are used again.
#[derive(Debug, Default)]
pub(super) struct Run {
    kind: Option<TopicKind>,
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
        let is_of_it =
            self.kind == Some(message.kind) && self.topic == message.topic && self.channel == message.channel;
        self.is_empty() || (is_of_it && self.payloads.len() < LONGEST)
    }

    /// Adds what it [takes](Self::takes).
    pub(super) fn push(&mut self, message: PushedMessage<'_>) {
        if self.is_empty() {
            self.kind = Some(message.kind);
            self.topic.clear();
            self.topic.push_str(message.topic);
            self.channel.clear();
            self.channel.extend_from_slice(message.channel);
        }
        self.payloads.push(message.payload);
    }

    pub(super) fn deliver(&mut self, registry: &mut Registry) {
        if let Some(kind) = self.kind.filter(|_| !self.is_empty()) {
            registry.deliver_run(scope(kind), &self.topic, &self.channel, &mut self.payloads);
        }
    }
}
