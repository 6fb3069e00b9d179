//! The default codec: the Python bus's `{"payload":<event>}`, compact UTF-8 JSON.
//! Its errors never quote a value from the message.

mod by_tag;
mod envelope;
mod scratch;
mod tag;

use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::Channel;
use crate::codec::{Codec, CodecError, Envelope, Headers, Peek};
use crate::event::Event;
use crate::event_type::TypeTag;
use crate::integers::too_long;

use envelope::read_envelope;
use tag::TagAt;

/// Compact JSON in the envelope of the AutoGPT platform: `{"payload":<event>}`, with `"headers"` behind it
/// only if there are any. Reading ignores unknown keys beside `payload`.
///
/// An integer outside of -2^63 to 2^64-1 is refused both ways, whatever the type of its field, since other readers
/// lose the event or change the number: let it travel as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json;

#[diagnostic::do_not_recommend]
impl<E: Event + Serialize + DeserializeOwned> Codec<E> for Json {
    fn encode(&self, _channel: &Channel, envelope: &Envelope<&E>) -> Result<Bytes, CodecError> {
        #[derive(Serialize)]
        struct Wire<'a, E> {
            payload: &'a E,
            #[serde(skip_serializing_if = "Headers::is_empty")]
            headers: &'a Headers,
        }
        let wire = Wire { payload: envelope.payload, headers: &envelope.headers };
        scratch::with(|out| {
            serde_json::to_writer(&mut *out, &wire).map_err(|error| CodecError::new(describe(&error)))?;
            refuse_long_integers(out)?;
            Ok(Bytes::copy_from_slice(out))
        })
    }

    fn decode(&self, _channel: &Channel, wire: &Bytes) -> Result<Envelope<E>, CodecError> {
        // Checking UTF-8 once and decoding text is a fifth faster than decoding bytes.
        let text = std::str::from_utf8(wire)
            .map_err(|error| CodecError::new(format!("invalid utf-8 at byte {}", error.valid_up_to())))?;
        refuse_long_integers(wire)?;
        if let Some(envelope) = by_tag::read(text) {
            return Ok(envelope);
        }
        read_envelope(text, PhantomData).map_err(|error| CodecError::new(describe(&error)))
    }

    fn peek<'a>(&self, _channel: &Channel, wire: &'a Bytes, tag: TypeTag) -> Option<Peek<'a>> {
        let text = std::str::from_utf8(wire).ok()?;
        let Envelope { payload, headers } = read_envelope(text, TagAt::new(tag)?).ok()?;
        payload.map(|event_type| Peek { event_type, headers })
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

/// What went wrong and where, without the values that serde puts into its texts.
fn describe(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let what = if error.is_data() { without_values(text) } else { text.to_owned() };
    if error.line() == 0 { what } else { what + &place }
}

/// What serde and `serde_json` call what they found. Behind it stands the value, in whose place a type may have words of its own.
const KINDS: [&str; 17] = [
    "boolean",
    "integer",
    "floating point",
    "character",
    "string",
    "byte array",
    "unit value",
    "null",
    "Option value",
    "newtype struct",
    "sequence",
    "map",
    "enum",
    "unit variant",
    "newtype variant",
    "tuple variant",
    "struct variant",
];

fn without_values(text: &str) -> String {
    const SAFE: [&str; 3] = ["missing field `", "duplicate field `", "invalid length "];
    const QUOTING: [&str; 4] = ["invalid type: ", "invalid value: ", "unknown variant ", "unknown field "];
    const NONE: [(&str, &str); 2] =
        [("unknown variant ", ", there are no variants"), ("unknown field ", ", there are no fields")];
    if let Some((what, none)) =
        NONE.iter().find(|(what, none)| text.starts_with(what) && text.ends_with(none))
    {
        return format!("{}{none}", what.trim_end());
    }
    if SAFE.iter().any(|prefix| text.starts_with(prefix)) {
        return text.to_owned();
    }
    // What follows the last `, expected ` comes from the type; what is between may come from the message.
    let quoting = QUOTING.iter().find_map(|prefix| Some((prefix, text.strip_prefix(prefix)?)));
    match (quoting, text.rsplit_once(", expected ")) {
        (Some((prefix, found)), Some((_, expected))) => {
            let kind = KINDS.iter().find(|kind| found.starts_with(**kind)).copied().unwrap_or_default();
            let what = format!("{prefix}{kind}");
            format!("{}, expected {expected}", what.trim_end_matches([' ', ':']))
        }
        _ => "the value does not fit the event type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ChannelKey;
    use crate::key_error::KeyError;
    use serde::Deserialize;
    use serde_json::Value;

    fn channel() -> Channel {
        Channel::from_full_name("bus/key")
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Login {
        user: String,
        age: u32,
    }

    macro_rules! events {
        ($($event:ty),*) => { $(
            impl Event for $event {
                const BUS_NAME: &'static str = "bus";

                fn channel_keys(&self) -> Result<Vec<ChannelKey>, KeyError> {
                    Ok(Vec::new())
                }
            }
        )* };
    }

    events!(Login, Value, f64, u8);

    fn decode<E: Event + Serialize + DeserializeOwned>(wire: &str) -> Result<Envelope<E>, String> {
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
    fn what_a_type_says_of_a_value_in_its_own_words_is_not_shown() {
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}

        #[derive(Debug, Serialize)]
        struct Colour;

        impl<'de> Deserialize<'de> for Colour {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                let found = serde::de::Unexpected::Other(&text);
                Err(serde::de::Error::invalid_value(found, &"a colour"))
            }
        }

        events!(Nothing, Colour);
        let error = decode::<Nothing>(r#"{"payload":{"x, expected s3cret":1}}"#).unwrap_err();
        assert!(error.starts_with("unknown field, there are no fields"), "{error}");
        let error = decode::<Colour>(r#"{"payload":"hunter two"}"#).unwrap_err();
        assert!(error.starts_with("invalid value, expected a colour"), "{error}");
    }

    #[test]
    fn the_type_is_found_where_the_event_has_it_and_nowhere_else() {
        let peek = |wire: &str, tag| {
            let wire = wire.to_owned().into();
            let peek = Codec::<Value>::peek(&Json, &channel(), &wire, tag)?;
            Some((peek.event_type.into_owned(), peek.headers.get("id").map(str::to_owned)))
        };
        let found = |name: &str| Some((name.to_owned(), None));
        let field = TypeTag::Field("kind");
        for (wire, tag, expected) in [
            (r#"{"payload":{"kind":"a","b":{"kind":"c"}}}"#, field, found("a")),
            (r#"{"payload":{"b":[{"kind":"c"}],"kind":"\u0061"}}"#, field, found("a")),
            (r#"{"payload":{"kind":"b"},"payload":{"kind":"a"}}"#, field, found("a")),
            (r#"{"payload":{"kind":"a","kind":"a"}}"#, field, None),
            (r#"{"payload":{"kind":1}}"#, field, None),
            (r#"{"payload":{"kind":{"kind":"a"}}}"#, field, None),
            (r#"{"payload":["kind","a"]}"#, field, None),
            (r#"{"payload":"a"}"#, field, None),
            (r#"{"payload":{"kind":"a"}"#, field, None),
            (r#"{"payload":{"kind":"a"}}x"#, field, None),
            (r#"{"payload":"a"}"#, TypeTag::Variant, found("a")),
            (r#"{"payload":{"a":{"kind":"c"}}}"#, TypeTag::Variant, found("a")),
            (r#"{"payload":{"a":1,"b":2}}"#, TypeTag::Variant, None),
            (r#"{"payload":{}}"#, TypeTag::Variant, None),
            (r#"{"payload":{"kind":"a"}}"#, TypeTag::Absent, None),
        ] {
            assert_eq!(peek(wire, tag), expected, "{wire} {tag:?}");
        }
        let headed = r#"{"payload":{"kind":"a"},"headers":{"id":"7"}}"#;
        assert_eq!(peek(headed, field), Some(("a".to_owned(), Some("7".to_owned()))));
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
