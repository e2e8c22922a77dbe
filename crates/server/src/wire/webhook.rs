//! Webhooks for followed repositories.

use facts::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The webhook for a followed repository, and what came to it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Webhook {
    /// `webhook/1`.
    pub schema: String,
    /// The repository, as `team/name`.
    pub component: String,
    /// Where webhooks are sent to; nothing where there is no webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Since when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub created_at: Option<Timestamp>,
    /// Whether what moved there last was told by it. While it is, the repository is looked at seldom.
    pub works: bool,
    /// Until when the secret before the newest one counts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub previous_until: Option<Timestamp>,
    /// What came last, the newest first.
    pub deliveries: Vec<WebhookDelivery>,
}

/// Something that came by webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// When.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// `github`, `gitlab`, `gitea` or `forgejo`; nothing where it is none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The event, as the sender names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What the sender calls the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
    /// `accepted`, `repeated`, `ping`, `noted`, `ignored` or `refused`.
    pub verdict: String,
    /// Why, as a sentence.
    pub detail: String,
    /// The branch or tag that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The commit that it says is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What came of it, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// The build of the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// The secret of a webhook that was just made: it is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MadeWebhook {
    /// `made-webhook/1`.
    pub schema: String,
    /// The repository, as `team/name`.
    pub component: String,
    /// Where webhooks are sent to.
    pub url: String,
    /// The secret to enter where the repository lives.
    pub secret: String,
    /// Until when the secret before this one counts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub previous_until: Option<Timestamp>,
}

/// How the secret of a webhook is changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RotateWebhook {
    /// For how long the secret before counts too, in seconds; a day where absent.
    pub overlap_seconds: Option<u64>,
}

/// The answer to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HookAnswer {
    /// `hook-answer/1`.
    pub schema: String,
    /// `accepted`, `repeated`, `ping`, `noted` or `ignored`.
    pub verdict: String,
    /// Why, as a sentence.
    pub detail: String,
}
