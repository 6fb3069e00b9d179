//! The size rule: how large a message may be, and the marker that is published in place of one that is larger.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};

/// The text that marks a message as a marker; part of the wire format.
const MARKER_EVENT_TYPE: &str = "error_comms_update";
const MARKER_ERROR: &str = "Payload too large for Redis transmission";

/// A message longer than this is no marker: the longest that we write has 179 bytes.
const LONGEST_MARKER: usize = 512;

/// The largest message that is published, in bytes of the whole message (envelope, headers and payload).
///
/// The default is the Python bus's 16 MiB. Redis itself cuts off a subscriber whose output buffer passes
/// `client-output-buffer-limit pubsub`, by default 32 MiB at once or 8 MiB for a minute.
///
/// # Examples
/// ```
/// # use event_bus_core::{ErrorKind, EventBus, MemoryTransport, MessageLimit, Notice};
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "notes", channel(all = "all"))]
/// # struct Note { text: String }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// let limit = MessageLimit::new(64 * 1024)?;
/// let bus = NoteBus::builder(MemoryTransport::new()).message_limit(limit).build()?;
/// let mut notes = bus.all().listen().await?;
///
/// let error = bus.publish(&Note { text: "x".repeat(100_000) }).await.map_err(|error| error.kind());
/// assert_eq!(error, Err(ErrorKind::TooLarge));
/// assert!(matches!(notes.recv().await, Some(Err(Notice::Oversized { max_size_bytes: 65_536, .. }))));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageLimit(u64);

impl MessageLimit {
    /// A limit of `max_bytes` bytes: a message of that size passes, a larger one does not.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if not even the marker would fit.
    pub fn new(max_bytes: u64) -> Result<Self> {
        let smallest = marker(u64::MAX, u64::MAX).len() as u64;
        if max_bytes < smallest {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "a message limit of {max_bytes} bytes is below the {smallest} bytes of the marker \
                     that stands for an oversized message"
                ),
            ));
        }
        Ok(Self(max_bytes))
    }

    /// The limit in bytes.
    #[must_use]
    pub fn max_bytes(self) -> u64 {
        self.0
    }
}

impl Default for MessageLimit {
    fn default() -> Self {
        Self(16 * 1024 * 1024)
    }
}

/// What becomes of an event whose message is over the limit. Its publisher gets
/// [`ErrorKind::TooLarge`] either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Oversize {
    /// A marker with both sizes is published in its place, so that listeners are told. The default, and
    /// what the Python bus does.
    #[default]
    Marker,
    /// Nothing is published.
    Reject,
}

/// The marker's bytes, exactly as the Python bus writes them.
pub(crate) fn marker(original_size_bytes: u64, max_size_bytes: u64) -> Vec<u8> {
    format!(
        "{{\"payload\":{{\"event_type\":\"{MARKER_EVENT_TYPE}\",\"error\":\"{MARKER_ERROR}\",\
         \"original_size_bytes\":{original_size_bytes},\"max_size_bytes\":{max_size_bytes}}}}}"
    )
    .into_bytes()
}

/// The sizes in a marker; `None` for every other message. It is known by its exact set of keys, since an
/// event may well have an `event_type` of its own.
pub(crate) fn read_marker(wire: &[u8]) -> Option<MarkerSizes> {
    #[derive(Deserialize)]
    struct Wire {
        payload: Marker,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Marker {
        event_type: String,
        #[serde(rename = "error")]
        _error: String,
        original_size_bytes: u64,
        max_size_bytes: u64,
    }

    if wire.len() > LONGEST_MARKER || memchr::memmem::find(wire, MARKER_EVENT_TYPE.as_bytes()).is_none() {
        return None;
    }
    let Wire { payload: Marker { event_type, original_size_bytes, max_size_bytes, .. } } =
        serde_json::from_slice(wire).ok()?;
    (event_type == MARKER_EVENT_TYPE).then_some(MarkerSizes { original_size_bytes, max_size_bytes })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MarkerSizes {
    pub(crate) original_size_bytes: u64,
    pub(crate) max_size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_has_the_python_bus_bytes_and_is_read_back() {
        let wire = marker(20_000_000, 16_777_216);
        assert_eq!(
            std::str::from_utf8(&wire).unwrap(),
            "{\"payload\":{\"event_type\":\"error_comms_update\",\"error\":\"Payload too large for Redis \
             transmission\",\"original_size_bytes\":20000000,\"max_size_bytes\":16777216}}"
        );
        let sizes = MarkerSizes { original_size_bytes: 20_000_000, max_size_bytes: 16_777_216 };
        assert_eq!(read_marker(&wire), Some(sizes));
        assert!(marker(u64::MAX, u64::MAX).len() < LONGEST_MARKER);
    }

    #[test]
    fn an_event_that_merely_resembles_the_marker_is_none() {
        let with_more = r#"{"payload":{"event_type":"error_comms_update","error":"x","original_size_bytes":1,"max_size_bytes":1,"id":1}}"#;
        let with_less = r#"{"payload":{"event_type":"error_comms_update","error":"x"}}"#;
        let other_type = r#"{"payload":{"event_type":"error","error":"error_comms_update","original_size_bytes":1,"max_size_bytes":1}}"#;
        for wire in [with_more, with_less, other_type, "error_comms_update", ""] {
            assert_eq!(read_marker(wire.as_bytes()), None, "{wire}");
        }
    }

    #[test]
    fn a_limit_below_the_marker_is_refused() {
        assert_eq!(MessageLimit::new(64).unwrap_err().kind(), ErrorKind::InvalidConfig);
        assert_eq!(MessageLimit::new(1024).unwrap().max_bytes(), 1024);
    }
}
