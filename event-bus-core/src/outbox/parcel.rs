//! A message that an outbox holds.

use bytes::Bytes;

use super::report::OutboxFailure;
use crate::channel::Channel;
use crate::error::Error;
use crate::message::Message;

/// Messages up to here share blocks with others while they wait.
pub(super) const MOST_COPIED: usize = 8 * 1024;

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
        let Parcel { channel, payload, .. } = parcel;
        let payload = match payload.len() {
            ..=MOST_COPIED => Bytes::copy_from_slice(&payload), // whoever keeps it keeps no block
            _ => payload,
        };
        Self::new(Message::new(channel, payload), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn who_keeps_a_failure_keeps_no_block() {
        let block = Bytes::from(vec![b'x'; 64 * 1024]);
        for (length, is_alone) in [(100, true), (MOST_COPIED + 1, false)] {
            let parcel = Parcel {
                position: 0,
                channel: Channel::from_full_name("b/k"),
                payload: block.slice(..length),
            };
            let error = Error::new(ErrorKind::NotSent, "why");
            let message = OutboxFailure::from(Failed { parcel, error }).into_message();
            assert_eq!((message.payload().len(), message.payload().is_unique()), (length, is_alone));
        }
    }
}
