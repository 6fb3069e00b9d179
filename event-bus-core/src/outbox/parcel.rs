//! A message that an outbox holds.

use bytes::Bytes;

use super::report::OutboxFailure;
use crate::channel::Channel;
use crate::error::Error;
use crate::message::Message;

/// A message that has no outcome yet. It may be sent more than once, and a message can't be cloned.
pub(super) struct Parcel {
    /// How many were accepted before it.
    pub(super) position: u64,
    pub(super) channel: Channel,
    pub(super) payload: Bytes,
}

/// A message that was not published, or not for sure.
pub(super) struct Failed {
    pub(super) parcel: Parcel,
    pub(super) error: Error,
}

impl Parcel {
    pub(super) fn message(&self) -> Message {
        Message::new(self.channel.clone(), self.payload.clone())
    }
}

impl From<Failed> for OutboxFailure {
    fn from(Failed { parcel, error }: Failed) -> Self {
        Self::new(parcel.message(), error)
    }
}
