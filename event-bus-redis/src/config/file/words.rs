//! What stands for a secret, a server and a time in a file of settings.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::config::address::fault_of_host;

/// A text that no error of serde's shows, whatever stands there in its place.
pub(super) struct Secret(pub(super) String);

/// `host:port`, or a host alone.
pub(super) struct Node(String, Option<u16>);

/// Seconds as a number, or a text such as `1m 30s` or `250ms`.
pub(super) struct Time(pub(super) Duration);

impl Node {
    pub(super) fn at(&self, default_port: u16) -> (String, u16) {
        (self.0.clone(), self.1.unwrap_or(default_port))
    }

    fn read(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address has colons of its own, and stands in brackets where a port follows.
            Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
                (host, Some(port.parse().ok()?))
            }
            _ => (text, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        fault_of_host(host).is_none().then(|| Self(host.to_owned(), port))
    }
}

/// Reads what `T` makes of a text or a number. What stands there is not shown.
struct Reading<T>(&'static str, PhantomData<T>);

trait Readable: Sized {
    fn of_text(text: &str) -> Option<Self>;

    fn of_number(_: f64) -> Option<Self> {
        None
    }
}

impl Readable for Secret {
    fn of_text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}

impl Readable for Node {
    fn of_text(text: &str) -> Option<Self> {
        Self::read(text)
    }
}

impl Readable for Time {
    fn of_text(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok().map(Self)
    }

    fn of_number(seconds: f64) -> Option<Self> {
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

impl<T: Readable> Visitor<'_> for Reading<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> std::result::Result<T, E> {
        T::of_text(text).ok_or_else(|| E::custom(format_args!("expected {}", self.0)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> std::result::Result<T, E> {
        T::of_number(number).ok_or_else(|| E::custom(format_args!("expected {}", self.0)))
    }

    #[expect(clippy::cast_precision_loss, reason = "no time is that long")]
    fn visit_u64<E: de::Error>(self, number: u64) -> std::result::Result<T, E> {
        self.visit_f64(number as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "no time is that long")]
    fn visit_i64<E: de::Error>(self, number: i64) -> std::result::Result<T, E> {
        self.visit_f64(number as f64)
    }
}

macro_rules! readable {
    ($($kind:ident: $wanted:literal,)*) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                deserializer.deserialize_any(Reading($wanted, PhantomData))
            }
        }
    )*};
}

readable! {
    Secret: "a text",
    Node: "a server as host:port",
    Time: "a time, as seconds or as a text such as 1m 30s",
}
