//! Paths for generated code. Not part of the public interface: it changes without notice.

pub use std::clone::Clone;
pub use std::convert::{From, Into};
pub use std::fmt;
pub use std::ops::Deref;
pub use std::result::Result;
pub use std::vec::Vec;

pub use crate::template::KeyBuilder;
