//! What others see of a bus: spans by OpenTelemetry's conventions, trace context beside the events, and never a payload.
//! What is measured is in `metrics`.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod context;
mod payloads;
mod seen;
mod spans;
