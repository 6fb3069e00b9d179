//! Events as MessagePack. Needs `rmp-serde` and `serde`.
//! Errors never quote a value from the message, as rmp-serde's own do.

use event_bus_core::{Bytes, Channel, Codec, CodecError, Envelope, Headers};
use rmp_serde::Deserializer;
use rmp_serde::decode::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Compact binary, for every event that serde knows: `{"payload":<event>}` in MessagePack, with `"headers"` behind
/// it only if there are any. Reading ignores unknown keys.
///
/// Nesting is limited, but rmp-serde does not count enums that hold themselves (`enum Tree { Not(Box<Tree>) }`): don't
/// read those from publishers that you do not trust.
///
/// ```
/// # use event_bus_core::{Error, MemoryTransport};
/// # use event_bus_examples::{CredentialsChangedBus, codecs::MessagePack};
/// let bus = CredentialsChangedBus::with_codec(MemoryTransport::new(), MessagePack).build()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagePack;

/// As deep as JSON is read. At rmp-serde's own limit of 1024, hostile bytes could overflow a thread's stack.
const MAX_DEPTH: usize = 128;

#[derive(Serialize)]
struct Outgoing<'a, E> {
    payload: &'a E,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    headers: &'a Headers,
}

#[derive(Deserialize)]
struct Incoming<E> {
    payload: E,
    #[serde(default)]
    headers: Headers,
}

impl<E: Serialize + DeserializeOwned> Codec<E> for MessagePack {
    fn encode(&self, _channel: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError> {
        let outgoing = Outgoing { payload: envelope.payload, headers: &envelope.headers };
        // Fields by name, not by position: so readers and writers may gain and lose fields one after the other.
        match rmp_serde::to_vec_named(&outgoing) {
            Ok(wire) => Ok(wire.into()),
            Err(_) => Err(CodecError::new("the event has a value that MessagePack can't hold")),
        }
    }

    fn decode(&self, _channel: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError> {
        let mut rest = &wire[..];
        let mut deserializer = Deserializer::new(&mut rest);
        deserializer.set_max_depth(MAX_DEPTH);
        let Incoming { payload, headers } =
            Incoming::deserialize(&mut deserializer).map_err(|error| CodecError::new(describe(error)))?;
        if !rest.is_empty() {
            return Err(CodecError::new("there are bytes behind the message"));
        }
        Ok(Envelope { payload, headers })
    }

    fn ignores_channel(&self) -> bool {
        true // an event for several channels is encoded once
    }
}

fn describe(error: Error) -> String {
    match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => "the message is cut off".to_owned(),
        Error::DepthLimitExceeded => format!("the message is nested deeper than {MAX_DEPTH} levels"),
        Error::Syntax(text) if text.starts_with("missing field `") => text, // the name stands in the type
        _ => "a value does not fit the event type".to_owned(),
    }
}
