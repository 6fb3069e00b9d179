//! The default codec: the Python bus's `{"payload":<event>}`, compact UTF-8 JSON.
//! Its errors never quote a value from the message.

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;

use crate::channel::Channel;
use crate::codec::{Codec, CodecError, Envelope, Headers};
use crate::integers::too_long;

/// Compact JSON in the envelope of the AutoGPT platform: `{"payload":<event>}`, with `"headers"` behind it
/// only if there are any. Reading ignores unknown keys beside `payload`.
///
/// An integer outside of -2^63 to 2^64-1 is refused both ways, whatever the type of its field, since other readers
/// lose the event or change the number: let it travel as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> Codec<E> for Json {
    fn encode(&self, _channel: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError> {
        #[derive(Serialize)]
        struct Wire<'a, E> {
            payload: &'a E,
            #[serde(skip_serializing_if = "Headers::is_empty")]
            headers: &'a Headers,
        }
        let mut out = Vec::with_capacity(1024);
        let wire = Wire { payload: envelope.payload, headers: &envelope.headers };
        serde_json::to_writer(&mut out, &wire).map_err(|error| CodecError::new(describe(&error)))?;
        refuse_long_integers(&out)?;
        Ok(out.into())
    }

    fn decode(&self, _channel: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError> {
        // Checking UTF-8 once and decoding text is a fifth faster than decoding bytes.
        let text = std::str::from_utf8(wire)
            .map_err(|error| CodecError::new(format!("invalid utf-8 at byte {}", error.valid_up_to())))?;
        refuse_long_integers(wire)?;
        let Wire(envelope) = serde_json::from_str(text).map_err(|error| CodecError::new(describe(&error)))?;
        Ok(envelope)
    }

    fn ignores_channel(&self) -> bool {
        true
    }
}

fn refuse_long_integers(wire: &[u8]) -> Result<(), CodecError> {
    match too_long(wire) {
        Some(at) => Err(CodecError::new(format!("the integer at byte {at} has more than 64 bits"))),
        None => Ok(()),
    }
}

struct Wire<E>(Envelope<E>);

impl<'de, E: Deserialize<'de>> Deserialize<'de> for Wire<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnvelopeVisitor<E>(PhantomData<E>);

        impl<'de, E: Deserialize<'de>> Visitor<'de> for EnvelopeVisitor<E> {
            type Value = Envelope<E>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with a `payload`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<E>, A::Error> {
                let mut payload = None;
                let mut headers = Headers::default();
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Payload => payload = Some(map.next_value()?), // the last one wins, as in Python
                        Key::Headers => headers = map.next_value::<LenientHeaders>()?.0,
                        Key::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let payload = payload.ok_or_else(|| serde::de::Error::missing_field("payload"))?;
                Ok(Envelope { payload, headers })
            }
        }

        deserializer.deserialize_map(EnvelopeVisitor(PhantomData)).map(Wire)
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

/// What went wrong and where, without the values that serde puts into its texts.
fn describe(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let what = if error.is_data() { without_values(text) } else { text.to_owned() };
    if error.line() == 0 { what } else { what + &place }
}

fn without_values(text: &str) -> String {
    const SAFE: [&str; 3] = ["missing field `", "duplicate field `", "invalid length "];
    const QUOTING: [&str; 4] = ["invalid type: ", "invalid value: ", "unknown variant ", "unknown field "];
    if SAFE.iter().any(|prefix| text.starts_with(prefix)) {
        return text.to_owned();
    }
    // What follows the last `, expected ` comes from the type; what is between may come from the message.
    let quoting = QUOTING.iter().find_map(|prefix| Some((prefix, text.strip_prefix(prefix)?)));
    match (quoting, text.rsplit_once(", expected ")) {
        (Some((prefix, found)), Some((_, expected))) => {
            let kind: String = found.chars().take_while(|c| c.is_ascii_lowercase() || *c == ' ').collect();
            let what = format!("{prefix}{kind}");
            format!("{}, expected {expected}", what.trim_end_matches([' ', ':']))
        }
        _ => "the value does not fit the event type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn channel() -> Channel {
        Channel::from_full_name("bus/key")
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Login {
        user: String,
        age: u32,
    }

    fn decode<E: Serialize + DeserializeOwned>(wire: &str) -> Result<Envelope<E>, String> {
        Json.decode(&channel(), &wire.to_owned().into()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_envelope_is_compact_and_headers_are_written_only_if_there_are_any() {
        let event = Login { user: "é".into(), age: 3 };
        let mut envelope = Envelope::new(&event);
        let plain = Json.encode(&channel(), &envelope).unwrap();
        assert_eq!(std::str::from_utf8(&plain).unwrap(), r#"{"payload":{"user":"é","age":3}}"#);
        envelope.headers.insert("id", "7");
        let headed = Json.encode(&channel(), &envelope).unwrap();
        assert_eq!(
            std::str::from_utf8(&headed).unwrap(),
            r#"{"payload":{"user":"é","age":3},"headers":{"id":"7"}}"#
        );
    }

    #[test]
    fn foreign_keys_and_odd_headers_do_not_cost_the_event() {
        for (wire, id) in [
            (r#"{"x":[1,{"y":2}],"payload":{"user":"a","age":1},"z":null}"#, None),
            (r#"{"headers":5,"payload":{"user":"a","age":1}}"#, None),
            (r#"{"payload":0,"payload":{"user":"a","age":1}}"#, None),
            (r#"{"payload":{"user":"a","age":1},"headers":{"id":"7","n":7}}"#, Some("7")),
        ] {
            let result = decode::<Value>(wire).unwrap();
            assert_eq!(result.payload["user"], "a", "{wire}");
            assert_eq!(result.headers.get("id"), id, "{wire}");
        }
    }

    #[test]
    fn errors_tell_what_and_where_but_quote_nothing() {
        for (wire, expected) in [
            (r#"{"payload":{"user":"a"}}"#, "missing field `age` at line 1 column 23"),
            (
                r#"{"payload":{"user":"a","age":"pass, expected word"}}"#,
                "invalid type: string, expected u32 at line 1 column 50",
            ),
            (
                r#"{"payload":{"user":"a","age":-5}}"#,
                "invalid value: integer, expected u32 at line 1 column 31",
            ),
            ("{}", "missing field `payload` at line 1 column 2"),
            ("[]", "invalid type: sequence, expected an object with a `payload` at line 1 column 0"),
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"payload":"\ud800"}"#, "unexpected end of hex escape at line 1 column 19"),
        ] {
            let error = decode::<Login>(wire).unwrap_err();
            assert_eq!(error, expected, "{wire}");
            assert!(!error.contains("word"));
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let deep = open.repeat(10_000) + "0" + &close.repeat(10_000);
            let error = decode::<Value>(&format!(r#"{{"payload":{deep}}}"#)).unwrap_err();
            assert!(error.starts_with("recursion limit exceeded"), "{error}");
            assert!(decode::<u8>(&format!(r#"{{"ignored":{deep},"payload":1}}"#)).is_ok());
            assert!(decode::<u8>(&format!(r#"{{"headers":{deep},"payload":1}}"#)).is_err());
        }
    }

    #[test]
    fn doubles_survive_exactly() {
        for bits in (0..10_000).map(|n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) {
            let number = f64::from_bits(bits);
            if number.is_finite() {
                let wire = Json.encode(&channel(), &Envelope::new(&number)).unwrap();
                let back: Envelope<f64> = Json.decode(&channel(), &wire).unwrap();
                assert_eq!(back.payload.to_bits(), bits);
            }
        }
    }
}
