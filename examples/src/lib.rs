//! The five buses of the AutoGPT platform as types, and the events of a simulated agent run.
//!
//! They read and write exactly what the platform's Python services do, so they are also the model for putting a
//! Rust service beside these. [`codecs`] is for buses that only Rust services share.

pub mod codecs;
mod execution;
mod notices;
mod simulation;

pub use execution::{
    ExecutionEvent, ExecutionEventBlockingBus, ExecutionEventBus, ExecutionStats, ExecutionStatus,
    GraphChannel, GraphExecution, NodeExecution, RunChannel, Timestamp,
};
pub use notices::{
    CredentialsChanged, CredentialsChangedBus, HookChannel, Notification, NotificationBus,
    NotificationPayload, StreamDisconnect, StreamDisconnectBus, UserChannel, WebhookEvent, WebhookEventBus,
};
pub use simulation::run_events;
