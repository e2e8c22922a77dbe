//! What is said of commits to the host of a followed repository.

use facts::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where the states of a repository's commits are to be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewStatuses {
    /// `github`, `gitlab`, `gitea` or `forgejo`.
    pub host: String,
    /// The name of the secret with the token; it begins with `statuses/`.
    pub token: String,
    /// The address of the host's API, where the repository's does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// What the host calls the repository, such as `owner/name`, where its address does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

/// What is said of a repository's commits, and how that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statuses {
    /// `statuses/1`.
    pub schema: String,
    /// The repository, as `team/name`.
    pub component: String,
    /// `github`, `gitlab`, `gitea` or `forgejo`; nothing where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The address of the host's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// What the host calls the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The name of the secret with the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Why the host takes nothing, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub problem_since: Option<Timestamp>,
    /// What was said last or is to be, the newest first.
    pub statuses: Vec<StatusLine>,
}

/// Something that is said of a commit, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusLine {
    /// The commit.
    pub commit: String,
    /// What says it.
    pub context: String,
    /// `pending`, `running`, `success`, `failure`, `error` or `cancelled`.
    pub state: String,
    /// `told`, `waiting` or `given-up`.
    pub told: String,
    /// Since when it stands so.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub next_at: Option<Timestamp>,
    /// Why it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
