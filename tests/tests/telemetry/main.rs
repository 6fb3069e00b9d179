//! What others see of a bus: spans by OpenTelemetry's conventions, trace context beside the events, metrics, and never a
//! payload.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod context;
mod measured;
mod metrics;
mod payloads;
mod seen;
mod spans;
