//! Changes and their way.

use facts::{Digest, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A list of changes, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// `changes/1`.
    pub schema: String,
    /// The changes.
    pub changes: Vec<ChangeLine>,
    /// Hand this in as `after` for the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A change in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangeLine {
    /// The component's name.
    pub component: String,
    /// The commit.
    pub commit: String,
    /// The branch it came to.
    pub branch: String,
    /// The first line of the commit's message.
    pub title: String,
    /// Who wrote it, as the commit says.
    pub author: Option<String>,
    /// When it came.
    #[schema(value_type = String)]
    pub arrived_at: Timestamp,
    /// The version claimed for its package.
    pub version: Option<String>,
    /// Its package.
    #[schema(value_type = Option<String>)]
    pub package: Option<Digest>,
    /// Where it stands: `held` (other builds come before its own), `building`, `waiting`, `deploying`, `in-production`, `rolled-back`,
    /// `build-failed`, `superseded`, `cancelled`, `built`, `failed`.
    pub state: String,
}

/// One change and its way from the commit to its users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// `change/1`.
    pub schema: String,
    /// The change.
    pub change: ChangeLine,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The stations of its way, in order.
    pub stations: Vec<Station>,
    /// What it waits for now.
    pub waiting: Vec<Waiting>,
    /// The verdicts on its package, oldest first.
    pub verdicts: Vec<Verdict>,
    /// Why its package must never be deployed again, where that is so.
    pub never_again: Option<Vec<String>>,
    /// The changes in other repositories that it depends on, in the order of its message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependsOn>,
    /// The changes in other repositories that depend on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depended_on_by: Vec<DependedOnBy>,
}

/// A change in another repository that one depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependsOn {
    /// What stands behind `Depends-On` in the message.
    pub said: String,
    /// The other component, or the repository.
    pub component: Option<String>,
    /// Its commit, once it is here.
    pub commit: Option<String>,
    /// Where it stands with the build, as a sentence.
    pub what: String,
    /// How far it is in each environment, once the change was built.
    pub environments: Vec<DependencyPlace>,
}

/// How far a change that one depends on is in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependencyPlace {
    /// Where.
    pub environment: String,
    /// Whether what depends on it may come there.
    pub met: bool,
    /// A sentence about it.
    pub what: String,
}

/// A change in another repository that depends on one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependedOnBy {
    /// The component.
    pub component: String,
    /// The commit.
    pub commit: String,
}

/// A place on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "environment", rename_all = "kebab-case")]
pub enum Place {
    /// The commit came.
    Commit,
    /// The run that builds and tests it.
    Run,
    /// The package on the path.
    Package,
    /// An environment.
    Environment(String),
}

/// How far a change is at a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StationState {
    /// Not its turn yet.
    NotYet,
    /// It waits to come here.
    Waiting,
    /// It is under way here.
    Underway,
    /// It is here.
    Reached,
    /// It is here and proven.
    Proven,
    /// It was here; a newer one followed.
    Passed,
    /// It failed here.
    Failed,
    /// It was here and went back.
    Returned,
    /// It will not come here.
    NotComing,
}

/// A station of the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Station {
    /// Where.
    pub place: Place,
    /// How far.
    pub state: StationState,
    /// When it began to come here.
    #[schema(value_type = Option<String>)]
    pub started_at: Option<Timestamp>,
    /// When it was here.
    #[schema(value_type = Option<String>)]
    pub reached_at: Option<Timestamp>,
    /// The run that brought it.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// A sentence about it.
    pub note: Option<String>,
    /// How long this usually takes here, in seconds: the median of up to 20 earlier changes.
    pub usually_seconds: Option<u64>,
}

/// What a change waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// At which environment's gate.
    pub environment: String,
    /// The requirement that is not met.
    pub gate: String,
    /// Why, as a sentence.
    pub what: String,
    /// Whom it waits for: a role, or nobody.
    pub whom: Option<String>,
    /// Until when, where that is known.
    #[schema(value_type = Option<String>)]
    pub until: Option<Timestamp>,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// What was judged.
    pub about: String,
    /// Where.
    pub environment: Option<String>,
    /// `pass`, `fail`, `wait` or `unknown`.
    pub result: String,
    /// Why.
    pub reasons: Vec<String>,
    /// The numbers behind it.
    #[schema(value_type = Object)]
    pub numbers: serde_json::Value,
    /// When.
    #[schema(value_type = String)]
    pub recorded_at: Timestamp,
}
