//! Beside the platform's bus in Python, on one real server or a real cluster: redis-py, pydantic, fastapi's encoder and orjson.
//! Each test shows one behaviour; both ways where both sides can do it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod channels;
mod cluster;
mod envelope;
mod losses;
mod pair;
mod values;
