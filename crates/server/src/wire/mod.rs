//! What crosses the wire: the documents of the HTTP API, and of `--json`.
//!
//! Each document names its shape in `schema`, as `name/number`. A field may be added; removing one,
//! or changing its meaning, takes a new number. Times are RFC 3339 in UTC, durations are seconds.

mod access;
mod backup;
mod change;
mod environment;
mod facts;
mod ledger;
mod notification;
mod package;
mod rebuild;
mod run;
mod search;
mod servers;
mod settings;
mod statuses;
mod webhook;

pub use self::facts::{Fact, FactLine, Facts};
pub use access::{
    Down, Grant, LoginLink, MadeToken, NewRepository, NewSecret, NewToken, Repositories, RepositoryLine, Resolve,
    SecretLine, Secrets, TokenLine, Tokens, Whoami,
};
pub use backup::{
    Backup, BackupFile, BackupLine, BackupPiece, BackupTaken, BackupVerified, Backups, ServerRestored, TakeBackup,
};
pub use change::{
    Change, ChangeLine, Changes, DependedOnBy, DependencyPlace, DependsOn, Place, Station, StationState, Verdict,
    Waiting,
};
pub use environment::{
    Approve, Difference, Differing, EnvironmentLine, Environments, Placed, Promote, RollBack, RolledBack, Traffic,
    Unbar,
};
pub use ledger::{
    Checkpoint, KeptCheckpoint, Rebuilt, RebuiltView, SigningKeyLine, SigningKeys, Verified, VerifyAgainst,
};
pub use notification::{DeliveryLine, Notifications, TestNotification};
pub use package::{Blob, DifferingEntry, Entry, Made, MadeDifferently, MadePart, Package, PackageDifference, Stay};
pub use rebuild::{DifferingFile, PackagedFile, Rebuild};
pub use run::{AttemptLine, ModuleLine, Run, RunLine, Runs, StepLine};
pub use search::{Search, SearchGroup, SearchHit};
pub use servers::{Led, Server, Servers};
pub use settings::{SettingLine, Settings};
pub use statuses::{NewStatuses, StatusLine, Statuses};
pub use webhook::{HookAnswer, MadeWebhook, RotateWebhook, Webhook, WebhookDelivery};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, as `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` says what it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the status means.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, and on what.
    pub detail: String,
    /// A short name that stays, such as `not-found`.
    pub code: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The answer to a command that has nothing else to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// `done/1`.
    pub schema: String,
    /// What was done, as a sentence.
    pub message: String,
}

impl Done {
    /// Says what was done.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            schema: "done/1".into(),
            message: message.into(),
        }
    }
}
