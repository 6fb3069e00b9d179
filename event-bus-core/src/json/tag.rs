//! Finds what the type of an event is called, and skips all else in it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::event_type::TypeTag;

/// The type of the event that stands here, if it tells one.
#[derive(Clone, Copy)]
pub(super) enum TagAt {
    Field(&'static str),
    Variant,
}

impl TagAt {
    pub(super) fn new(tag: TypeTag) -> Option<Self> {
        match tag {
            TypeTag::Field(name) => Some(Self::Field(name)),
            TypeTag::Variant => Some(Self::Variant),
            TypeTag::Absent => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for TagAt {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self {
            Self::Field(name) => deserializer.deserialize_any(OrNothing(InField(name))),
            Self::Variant => deserializer.deserialize_any(OrNothing(AsVariant)),
        }
    }
}

/// A text, or an object that tells one; anything else tells nothing.
trait Tells<'de>: Sized {
    fn text(self, text: Cow<'de, str>) -> Option<Cow<'de, str>>;
    fn object<A: MapAccess<'de>>(self, map: A) -> Result<Option<Cow<'de, str>>, A::Error>;
}

/// The text of one field of an object.
struct InField(&'static str);

impl<'de> Tells<'de> for InField {
    fn text(self, _: Cow<'de, str>) -> Option<Cow<'de, str>> {
        None
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Cow<'de, str>>, A::Error> {
        let mut found = None;
        let mut times = 0;
        while let Some(is_it) = map.next_key_seed(Is(self.0))? {
            if is_it {
                times += 1;
                found = map.next_value_seed(Text)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found.filter(|_| times == 1)) // of two, serde takes neither
    }
}

/// The key of an object that has one, or a text by itself.
struct AsVariant;

impl<'de> Tells<'de> for AsVariant {
    fn text(self, text: Cow<'de, str>) -> Option<Cow<'de, str>> {
        Some(text)
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Cow<'de, str>>, A::Error> {
        let mut found = None;
        let mut keys = 0;
        while let Some(key) = map.next_key_seed(Text)? {
            keys += 1;
            found = key;
            map.next_value::<IgnoredAny>()?;
        }
        Ok(found.filter(|_| keys == 1))
    }
}

/// A text as it is.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(OrNothing(AsText))
    }
}

struct AsText;

impl<'de> Tells<'de> for AsText {
    fn text(self, text: Cow<'de, str>) -> Option<Cow<'de, str>> {
        Some(text)
    }

    fn object<A: MapAccess<'de>>(self, map: A) -> Result<Option<Cow<'de, str>>, A::Error> {
        ignore(MapAccessDeserializer::new(map))
    }
}

fn ignore<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    deserializer.deserialize_ignored_any(IgnoredAny).map(|_| None)
}

struct OrNothing<T>(T);

impl<'de, T: Tells<'de>> Visitor<'de> for OrNothing<T> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<X: Error>(self, text: &'de str) -> Result<Self::Value, X> {
        Ok(self.0.text(Cow::Borrowed(text)))
    }

    fn visit_str<X: Error>(self, text: &str) -> Result<Self::Value, X> {
        Ok(self.0.text(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.object(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        ignore(SeqAccessDeserializer::new(seq))
    }

    fn visit_bool<X: Error>(self, _: bool) -> Result<Self::Value, X> {
        Ok(None)
    }

    fn visit_i64<X: Error>(self, _: i64) -> Result<Self::Value, X> {
        Ok(None)
    }

    fn visit_u64<X: Error>(self, _: u64) -> Result<Self::Value, X> {
        Ok(None)
    }

    fn visit_f64<X: Error>(self, _: f64) -> Result<Self::Value, X> {
        Ok(None)
    }

    fn visit_unit<X: Error>(self) -> Result<Self::Value, X> {
        Ok(None)
    }
}

/// Whether a key is this one.
struct Is(&'static str);

impl<'de> DeserializeSeed<'de> for Is {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<X: Error>(self, key: &str) -> Result<bool, X> {
        Ok(key == self.0)
    }
}
