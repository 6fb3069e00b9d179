//! Paths for generated code. Not part of the public interface: it changes without notice.

pub use std::clone::Clone;
pub use std::convert::{From, Into, TryInto};
pub use std::fmt;
pub use std::future::Future;
pub use std::iter::IntoIterator;
pub use std::marker::PhantomData;
pub use std::ops::{Deref, Fn};
pub use std::option::Option;
pub use std::result::Result;
pub use std::vec::Vec;

pub use serde::{Deserialize, Deserializer};

pub use crate::__when_blocking as when_blocking;
use crate::event::Event;
use crate::event_type::{EventType, whole};
pub use crate::template::{Piece, Template, keys};

/// The type of a struct's events.
#[must_use]
pub fn the_only_type<E: Event>() -> EventType<E> {
    EventType::new(E::EVENT_TYPES.first().copied().unwrap_or(E::BUS_NAME), whole)
}

/// In the type of a generated subscriber: this handler is given, or left out on purpose.
#[derive(Debug)]
pub struct Given;

/// In the type of a generated subscriber: this handler is missing. (A variant's is told by a type of its own.)
#[derive(Debug)]
pub struct Missing;

/// What stands in the type of a generated subscriber for the handler of a variant.
#[diagnostic::on_unimplemented(
    message = "the subscriber has no handler `{Self}`",
    label = "`{Self}` is missing",
    note = "give it a handler; `ignore_rest()` leaves out all types of events that have none"
)]
pub trait IsGiven {}

impl IsGiven for Given {}

/// What stands there for the handler of a struct's events.
#[diagnostic::on_unimplemented(
    message = "the subscriber has no handler `on_event`",
    label = "`on_event` is missing",
    note = "give it a handler; `ignore_rest()` leaves it out"
)]
pub trait EventsAreGiven {}

impl EventsAreGiven for Given {}

/// What stands there for the handler of notices.
#[diagnostic::on_unimplemented(
    message = "the subscriber has no handler `on_notice`",
    label = "`on_notice` is missing",
    note = "give it a handler, which is told what was missed; `ignore_notices()` leaves it out"
)]
pub trait NoticesAreGiven {}

impl NoticesAreGiven for Given {}

/// What it is given, since the feature `blocking` is on: only this crate knows, and the generated code is another's.
#[cfg(feature = "blocking")]
#[doc(hidden)]
#[macro_export]
macro_rules! __when_blocking {
    ($($items:tt)*) => { $($items)* };
}

/// Nothing, since the feature `blocking` is off.
#[cfg(not(feature = "blocking"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __when_blocking {
    ($($items:tt)*) => {};
}
