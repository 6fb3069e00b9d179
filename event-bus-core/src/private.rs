//! Paths for generated code. Not part of the public interface: it changes without notice.

pub use std::clone::Clone;
pub use std::convert::{From, Into};
pub use std::fmt;
pub use std::future::Future;
pub use std::ops::Deref;
pub use std::result::Result;
pub use std::vec::Vec;

pub use crate::__when_blocking as when_blocking;
pub use crate::template::KeyBuilder;

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
