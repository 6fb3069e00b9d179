//! The web monitor up to the browser: the program, a real Redis where it matters, and its stream.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod monitor;
mod program;
