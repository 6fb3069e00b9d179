//! Names on the bus: bus name, channel key, key pattern, and the channel that they make.
//! What is wrong with a name is said in `key_error.rs`; what is sent on a channel is decided elsewhere.

use std::fmt;
use std::sync::Arc;

use crate::glob;
use crate::key_error::{KeyError, MAX_KEY_BYTES, Subject, check_glob, check_length, check_text, forbid};
use crate::shape::Shape;

/// The name of a bus: the part of a channel before the first `/`.
///
/// At most [`BusName::MAX_BYTES`] bytes, without `/`, control characters, braces (they would move Redis
/// Cluster's hash tag) and the glob characters `* ? [ ] \`.
///
/// ```
/// # use event_bus_core::BusName;
/// assert!(BusName::new("execution_event").is_ok());
/// assert!(BusName::new("a/b").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BusName(Arc<str>);

impl BusName {
    /// The longest bus name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Checks `name`.
    ///
    /// # Errors
    /// A [`KeyError`] that names the fault.
    pub fn new(name: impl AsRef<str>) -> Result<Self, KeyError> {
        let name = name.as_ref();
        let subject = Subject::BusName;
        check_text(subject, name, Self::MAX_BYTES)?;
        forbid(subject, name, |c| "/{}*?[]\\".contains(c))?;
        Ok(Self(name.into()))
    }

    /// Like [`BusName::new`], for a constant: a wrong name does not compile.
    pub(crate) const fn checked_at_compile_time(name: &'static str) -> CheckedBusName {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "the bus name is empty");
        assert!(bytes.len() <= Self::MAX_BYTES, "the bus name has more than 128 bytes");
        let mut at = 0;
        while at < bytes.len() {
            let c1_control = bytes[at] == 0xC2 && matches!(bytes[at + 1], 0x80..=0x9F);
            assert!(!bytes[at].is_ascii_control() && !c1_control, "the bus name holds a control character");
            assert!(
                !matches!(bytes[at], b'/' | b'{' | b'}' | b'*' | b'?' | b'[' | b']' | b'\\'),
                "the bus name holds a slash, a brace or a glob character"
            );
            at += 1;
        }
        CheckedBusName(name)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A constant that the compiler has checked to be a bus name.
pub(crate) struct CheckedBusName(&'static str);

impl CheckedBusName {
    pub(crate) fn get(&self) -> BusName {
        BusName(self.0.into())
    }
}

/// The part of a channel behind the bus name, for example `user-1/graph-1`: it names exactly one channel.
///
/// At most [`ChannelKey::MAX_BYTES`] bytes, without control characters and without `*`, which readers of
/// the Python bus take for a pattern. All else stands for itself, `?` and `[` too.
///
/// ```
/// # use event_bus_core::ChannelKey;
/// assert_eq!(ChannelKey::new("user-1/graph-1")?.as_str(), "user-1/graph-1");
/// assert!(ChannelKey::new("user-1/*").is_err());
/// # Ok::<(), event_bus_core::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelKey(Arc<str>);

impl ChannelKey {
    /// The longest key, in bytes.
    pub const MAX_BYTES: usize = MAX_KEY_BYTES;

    /// Checks `key`.
    ///
    /// # Errors
    /// A [`KeyError`] that names the fault.
    pub fn new(key: impl AsRef<str>) -> Result<Self, KeyError> {
        let key = key.as_ref();
        check_text(Subject::Key, key, Self::MAX_BYTES)?;
        forbid(Subject::Key, key, |c| c == '*')?;
        Ok(Self(key.into()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A Redis glob over the keys of one bus: `*` any run of bytes, `?` one byte, `[a-z]` and `[^a]` classes
/// of bytes, `\` before a character that stands for itself.
///
/// Redis matches bytes, not characters, so a class may only hold ASCII; `?` is half of an `é`.
///
/// ```
/// # use event_bus_core::{ChannelKey, KeyPattern};
/// let pattern = KeyPattern::new("user-1/*")?;
/// assert!(pattern.matches(&ChannelKey::new("user-1/graph-1")?));
/// # Ok::<(), event_bus_core::KeyError>(())
/// ```
///
/// A channel that leaves parameters [open](crate::Any) has a pattern too. It matches less than its text says:
/// each `*` stands for one value, and so for nothing that holds a `/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPattern {
    text: Arc<str>,
    shape: Option<Arc<Shape>>,
}

impl KeyPattern {
    /// The longest pattern, in bytes.
    pub const MAX_BYTES: usize = MAX_KEY_BYTES;

    /// Checks `pattern`.
    ///
    /// # Errors
    /// A [`KeyError`] that names the fault: among others a class that is never closed, a `\` with
    /// nothing behind it (Redis accepts both, and matches what nobody meant), and non-ASCII in a class.
    pub fn new(pattern: impl AsRef<str>) -> Result<Self, KeyError> {
        let pattern = pattern.as_ref();
        check_text(Subject::Pattern, pattern, Self::MAX_BYTES)?;
        check_glob(pattern)?;
        Ok(Self { text: pattern.into(), shape: None })
    }

    /// The pattern for the keys of `shape`, and no others.
    pub(crate) fn shaped(shape: Shape) -> Result<Self, KeyError> {
        check_length(Subject::Pattern, shape.text_bytes(), Self::MAX_BYTES)?;
        let text = shape.glob(); // longer only by what it escapes
        Ok(Self { text: text.into(), shape: Some(Arc::new(shape)) })
    }

    /// The pattern that every key of the bus matches.
    #[must_use]
    pub fn any() -> Self {
        Self { text: "*".into(), shape: None }
    }

    /// Whether `key` matches, by the rules of the Redis server and, if this is the pattern of a channel with open
    /// parameters, those of its values.
    #[must_use]
    pub fn matches(&self, key: &ChannelKey) -> bool {
        self.matches_text(&key.0)
    }

    fn matches_text(&self, key: &str) -> bool {
        match &self.shape {
            Some(shape) => shape.matches(key),
            None => glob::matches(self.text.as_bytes(), key.as_bytes()),
        }
    }

    /// The pattern as text. That of a channel with open parameters says less than the pattern knows: one made of the
    /// text alone matches more.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a key must be besides matching the text.
    pub(crate) fn shape(&self) -> Option<&Arc<Shape>> {
        self.shape.as_ref()
    }
}

/// What a subscription listens to: one channel of its bus, or all whose key matches a pattern.
///
/// Made from a [`ChannelKey`], a [`KeyPattern`], or text, which is always one exact key.
///
/// # Examples
/// ```
/// use event_bus_core::{ChannelFilter, KeyPattern};
///
/// let one = ChannelFilter::try_from("c-7/42")?;
/// let many = ChannelFilter::from(KeyPattern::new("c-7/*")?);
/// assert_eq!((one.to_string(), many.to_string()), ("c-7/42".to_owned(), "c-7/*".to_owned()));
/// assert!(ChannelFilter::try_from("c-7/*").is_err()); // text is never a pattern by accident
/// # Ok::<(), event_bus_core::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelFilter {
    /// One channel.
    Key(ChannelKey),
    /// Every channel whose key matches.
    Pattern(KeyPattern),
}

impl ChannelFilter {
    /// Whether `channel`, which is one of its bus, is among what it stands for.
    pub(crate) fn takes(&self, channel: &Channel) -> bool {
        match self {
            Self::Key(key) => key.as_str() == channel.key(),
            Self::Pattern(pattern) => pattern.matches_text(channel.key()),
        }
    }
}

impl From<ChannelKey> for ChannelFilter {
    fn from(key: ChannelKey) -> Self {
        Self::Key(key)
    }
}

impl From<&ChannelKey> for ChannelFilter {
    fn from(key: &ChannelKey) -> Self {
        Self::Key(key.clone())
    }
}

impl From<KeyPattern> for ChannelFilter {
    fn from(pattern: KeyPattern) -> Self {
        Self::Pattern(pattern)
    }
}

impl From<&KeyPattern> for ChannelFilter {
    fn from(pattern: &KeyPattern) -> Self {
        Self::Pattern(pattern.clone())
    }
}

impl From<&ChannelFilter> for ChannelFilter {
    fn from(filter: &ChannelFilter) -> Self {
        filter.clone()
    }
}

impl From<&ChannelKey> for ChannelKey {
    fn from(key: &ChannelKey) -> Self {
        key.clone()
    }
}

impl TryFrom<&str> for ChannelFilter {
    type Error = KeyError;

    fn try_from(key: &str) -> Result<Self, KeyError> {
        ChannelKey::new(key).map(Self::Key)
    }
}

impl TryFrom<String> for ChannelFilter {
    type Error = KeyError;

    fn try_from(key: String) -> Result<Self, KeyError> {
        Self::try_from(key.as_str())
    }
}

impl TryFrom<&String> for ChannelFilter {
    type Error = KeyError;

    fn try_from(key: &String) -> Result<Self, KeyError> {
        Self::try_from(key.as_str())
    }
}

impl fmt::Display for ChannelFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Pattern(pattern) => pattern.fmt(f),
        }
    }
}

/// The full name of one channel, as Redis sees it: `{bus name}/{channel key}`.
///
/// # Examples
/// ```
/// use event_bus_core::{BusName, Channel, ChannelKey};
///
/// let channel = Channel::new(&BusName::new("orders")?, &ChannelKey::new("c-7/42")?);
/// assert_eq!((channel.as_str(), channel.key()), ("orders/c-7/42", "c-7/42"));
/// # Ok::<(), event_bus_core::KeyError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

impl Channel {
    /// The channel of `key` on the bus `bus`.
    #[must_use]
    pub fn new(bus: &BusName, key: &ChannelKey) -> Self {
        Self([bus.as_str(), "/", key.as_str()].concat().into())
    }

    /// A channel by the full name that a server reported. For transports.
    #[must_use]
    pub fn from_full_name(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The full name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the one of `bus` for `key`, if it is one of `bus` at all.
    pub(crate) fn is_of(&self, bus: &BusName, key: &ChannelKey) -> bool {
        self.0.len() == bus.0.len() + 1 + key.0.len() && self.0.ends_with(&*key.0)
    }

    /// The part behind the bus name; empty if a foreign publisher used a name without one.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }
}

macro_rules! text_traits {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

    )*};
}

macro_rules! debug_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.as_str())
            }
        }
    )*};
}

impl fmt::Debug for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.shape.is_some() { ", each `*` one value" } else { "" };
        write!(f, "KeyPattern({:?}{open})", self.as_str())
    }
}

macro_rules! checked_text {
    ($($name:ident),*) => {$(
        impl TryFrom<&str> for $name {
            type Error = KeyError;

            fn try_from(text: &str) -> Result<Self, KeyError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = KeyError;

            fn try_from(text: String) -> Result<Self, KeyError> {
                Self::new(text)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = KeyError;

            fn try_from(text: &String) -> Result<Self, KeyError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                Self::new(text)
            }
        }
    )*};
}

text_traits!(BusName, ChannelKey, KeyPattern, Channel);
debug_as_text!(BusName, ChannelKey, Channel);
checked_text!(BusName, ChannelKey, KeyPattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_name_is_named() {
        for (name, words) in [
            ("", "the bus name is empty"),
            ("a/b", "holds '/' at byte 1"),
            ("a*", "holds '*' at byte 1"),
            ("{a}", "holds '{' at byte 0"),
            ("a\nb", "holds '\\n' at byte 1"),
        ] {
            let error = BusName::new(name).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let long = BusName::new("x".repeat(129)).unwrap_err().to_string();
        assert_eq!(long, "the bus name has 129 bytes, at most 128 are allowed");
    }

    #[test]
    fn keys_may_hold_anything_but_a_star_and_control_characters() {
        for key in ["user-1/graph-1", "{u/g}/exec/r", "a b", "héllo/😀", "a?[b]\\"] {
            assert_eq!(ChannelKey::new(key).unwrap().as_str(), key);
        }
        assert!(ChannelKey::new("a/*").unwrap_err().to_string().contains("use a KeyPattern"));
        for key in ["", "a\0", "a\u{85}", "\u{7f}", &"k".repeat(1025)] {
            assert!(ChannelKey::new(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn patterns_that_nobody_can_mean_are_refused() {
        for pattern in ["*", "a/[0-9]?", "\\*\\[x", "[^a]*", "[\\]]"] {
            assert!(KeyPattern::new(pattern).is_ok(), "{pattern}");
        }
        for (pattern, words) in [
            ("[ab", "never closes it"),
            ("a\\", "ends in a single"),
            ("[é]", "only hold ascii"),
            ("[\\é]", "only hold ascii"),
        ] {
            let error = KeyPattern::new(pattern).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn text_is_always_an_exact_key() {
        assert!(matches!(ChannelFilter::try_from("a?"), Ok(ChannelFilter::Key(_))));
        assert!(ChannelFilter::try_from("a*").is_err());
    }
}
