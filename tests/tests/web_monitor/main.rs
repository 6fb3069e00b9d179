//! The web monitor, end to end: the program, a real Redis where it matters, its stream, and a real browser.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod browser;
mod chromium;
mod monitor;
mod page;
mod program;
