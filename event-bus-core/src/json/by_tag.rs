//! Decodes an event as the payload of the variant that its tag names. Serde reads an enum with a tag twice: it keeps all of
//! it until it knows the tag, and only then makes the variant of what it kept. Here the tag is guessed, the payload decoded
//! by itself, and the guess proved on the way; where that fails, serde decodes the event as it always would.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use super::envelope::read_envelope;
use crate::codec::Envelope;
use crate::event::Event;
use crate::event_type::TypeTag;

/// `None` if it can't be decoded so.
pub(super) fn read<E: Event>(text: &str) -> Option<Envelope<E>> {
    let TypeTag::Field(name) = E::TYPE_TAG else { return None };
    if !E::DECODES_BY_TAG {
        return None;
    }
    let value = guess(text, name)?;
    read_envelope(text, Payload { tag: Tag { name, value }, event: PhantomData }).ok()
}

/// The text behind the first key called `name` that has a text, wherever that is.
fn guess<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let is_key = |at: &usize| text.as_bytes()[..*at].ends_with(b"\"");
    let value_of = |at: usize| {
        let behind = text[at + name.len()..].strip_prefix('"')?.trim_ascii_start();
        behind.strip_prefix(':')?.trim_ascii_start().strip_prefix('"')
    };
    let value = memchr::memmem::find_iter(text.as_bytes(), name).filter(is_key).find_map(value_of)?;
    value.split_once('"').map(|(value, _)| value)
}

#[derive(Clone, Copy)]
struct Tag<'a> {
    name: &'static str,
    /// What is guessed to stand there.
    value: &'a str,
}

struct Payload<'a, E> {
    tag: Tag<'a>,
    event: PhantomData<fn() -> E>,
}

impl<E> Clone for Payload<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Payload<'_, E> {}

impl<'de, E: Event> DeserializeSeed<'de> for Payload<'_, E> {
    type Value = E;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<E, D::Error> {
        E::from_payload(self.tag.value, Untagged { inner: deserializer, tag: self.tag })
            .unwrap_or_else(|| Err(D::Error::custom("it is not decoded by its tag")))
    }
}

/// An object without its tag, which is to be the one that was guessed, and to stand there once.
struct Untagged<'a, T> {
    inner: T,
    tag: Tag<'a>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Untagged<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Untagged { inner: visitor, tag: self.tag })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Untagged<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        let mut fields = Fields { map, tag: self.tag, proof: Proof::Missing };
        let value = self.inner.visit_map(&mut fields)?;
        if fields.proof == Proof::Given { Ok(value) } else { Err(A::Error::custom("there is not one tag")) }
    }
}

struct Fields<'a, A> {
    map: A,
    tag: Tag<'a>,
    proof: Proof,
}

/// That the tag was guessed rightly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Missing,
    Given,
    /// For good, also if the payload overlooks the error.
    Failed,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Text(key)) = self.map.next_key()? {
            if key != self.tag.name {
                return match key {
                    Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)),
                    Cow::Owned(key) => seed.deserialize(StrDeserializer::new(&key)),
                }
                .map(Some);
            }
            let before = std::mem::replace(&mut self.proof, Proof::Failed);
            let Text(value) = self.map.next_value()?;
            if before != Proof::Missing || value != self.tag.value {
                return Err(A::Error::custom("another tag than was guessed, or a second one"));
            }
            self.proof = Proof::Given;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A text, borrowed where that can be.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AsText)
    }
}

struct AsText;

impl<'de> Visitor<'de> for AsText {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<X: Error>(self, text: &'de str) -> Result<Text<'de>, X> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<X: Error>(self, text: &str) -> Result<Text<'de>, X> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }
}
