//! What people and machines outside are told.

use facts::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who can be told, and what was told last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notifications {
    /// `notifications/1`.
    pub schema: String,
    /// Whether anything is told: the server was given a file of notifications.
    pub on: bool,
    /// Everybody and everything that the file names: mail addresses, and webhooks as `webhook:NAME`.
    pub named: Vec<String>,
    /// What was told last or waits to be, the newest first.
    pub deliveries: Vec<DeliveryLine>,
}

/// A notification on its way, or at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryLine {
    /// Its id, which the receiver gets as well.
    pub id: String,
    /// To whom.
    pub to: String,
    /// What happened, such as `run-failed`.
    pub event: String,
    /// The sentence that says it.
    pub title: String,
    /// The page about it.
    pub url: String,
    /// `waiting`, `delivered` or `given-up`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was to be told.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// When it is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub finished_at: Option<Timestamp>,
    /// Why it was not taken the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Whom to send a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TestNotification {
    /// The name of a webhook, or a mail address that the file of notifications names.
    pub to: String,
}
