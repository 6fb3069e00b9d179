//! The platform's smaller buses: notifications, webhooks, changed credentials, ended streams.

use event_bus_core::EventBus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something that a user should see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "notification_event", channel(user = "{user_id}"))]
pub struct Notification {
    /// Whom it is for.
    pub user_id: String,
    /// What it is.
    pub payload: NotificationPayload,
}

/// What a notification says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotificationPayload {
    /// The sort of notification.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened.
    pub event: String,
    /// What this sort adds.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A webhook was called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "webhooks", channel(hook = "{webhook_id}/{event_type}"))]
pub struct WebhookEvent {
    /// The call.
    pub id: String,
    /// Who called.
    pub provider: String,
    /// The webhook.
    pub webhook_id: String,
    /// What the provider calls this event.
    pub event_type: String,
    /// What the provider sent.
    pub payload: Map<String, Value>,
}

/// A user's credentials changed, so cached ones are stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EventBus)]
#[bus(name = "creds_changed", channel(all = "all"))]
pub struct CredentialsChanged {
    /// Whose.
    pub user_id: String,
    /// For which provider.
    pub provider: String,
}

/// A chat stream lost its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, EventBus)]
#[bus(name = "copilot_stream_disconnect", channel(all = "all"))]
pub struct StreamDisconnect {
    /// The session.
    pub session_id: String,
    /// When, in seconds since 1970.
    pub sent_at: f64,
}
