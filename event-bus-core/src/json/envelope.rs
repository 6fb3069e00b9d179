//! Reads the envelope, with whatever one wants to know of its payload.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::codec::{Envelope, Headers};

/// The envelope that is all of `text`, its payload read by the seed `payload`.
pub(super) fn read_envelope<'de, S: DeserializeSeed<'de> + Copy>(
    text: &'de str,
    payload: S,
) -> serde_json::Result<Envelope<S::Value>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let envelope = EnvelopeOf(payload).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(envelope)
}

/// An envelope whose payload is read by this seed.
#[derive(Clone, Copy)]
struct EnvelopeOf<S>(S);

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for EnvelopeOf<S> {
    type Value = Envelope<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for EnvelopeOf<S> {
    type Value = Envelope<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `payload`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut payload = None;
        let mut headers = Headers::default();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Payload => payload = Some(map.next_value_seed(self.0)?), // the last one wins, as in Python
                Key::Headers => headers = map.next_value::<LenientHeaders>()?.0,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let payload = payload.ok_or_else(|| A::Error::missing_field("payload"))?;
        Ok(Envelope { payload, headers })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Payload,
    Headers,
    #[serde(other)]
    Other,
}

/// Headers are ours alone: whatever else stands under that name in a foreign message must not cost the event.
struct LenientHeaders(Headers);

impl<'de> Deserialize<'de> for LenientHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut headers = Headers::default();
        if let serde_json::Value::Object(map) = serde_json::Value::deserialize(deserializer)? {
            for (name, value) in map {
                if let serde_json::Value::String(value) = value {
                    headers.insert(name, value);
                }
            }
        }
        Ok(Self(headers))
    }
}
