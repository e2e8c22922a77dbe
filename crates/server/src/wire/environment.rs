//! Environments, what is where, and what people ask of them.

use facts::{Digest, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// All environments, in the path's order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Environments {
    /// `environments/1`.
    pub schema: String,
    /// The digest of the policy in force.
    #[schema(value_type = String)]
    pub policy: Digest,
    /// The environments.
    pub environments: Vec<EnvironmentLine>,
}

/// An environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentLine {
    /// Its name.
    pub name: String,
    /// The environments that come before it.
    pub after: Vec<String>,
    /// `rolling`, `blue-green` or `canary`.
    pub strategy: String,
    /// How long a package soaks, in seconds.
    pub soak_seconds: u64,
    /// What it holds, by component.
    pub components: Vec<Placed>,
}

/// What an environment holds of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Placed {
    /// The component's name.
    pub component: String,
    /// The generation of the last deployment.
    pub generation: u64,
    /// The package.
    #[schema(value_type = Option<String>)]
    pub package: Option<Digest>,
    /// Its version.
    pub version: Option<String>,
    /// Its commit.
    pub commit: Option<String>,
    /// The digest of its configuration.
    #[schema(value_type = Option<String>)]
    pub configuration: Option<Digest>,
    /// The last migration, by database.
    #[schema(value_type = Object)]
    pub schema_state: std::collections::BTreeMap<String, String>,
    /// Since when.
    #[schema(value_type = Option<String>)]
    pub since: Option<Timestamp>,
    /// Whether it counts as proven.
    pub proven: bool,
    /// The address users reach it at.
    pub url: Option<String>,
    /// The version that is on its way here.
    pub coming: Option<String>,
    /// The run that brings it.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
    /// Groups of instances and their share of the requests.
    pub traffic: Vec<Traffic>,
}

/// A group of instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// `stable`, `baseline`, `canary` or `next`.
    pub group: String,
    /// The package.
    #[schema(value_type = String)]
    pub package: Digest,
    /// How many instances there are.
    pub instances: u32,
    /// How many of them are well.
    pub healthy: u32,
    /// The group's weight among the groups.
    pub weight: u32,
}

/// What differs between two environments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// `difference/1`.
    pub schema: String,
    /// The first environment.
    pub left: String,
    /// The second environment.
    pub right: String,
    /// What differs.
    pub differing: Vec<Differing>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Differing {
    /// The component's name; `None` for the environment's own settings.
    pub component: Option<String>,
    /// What differs, such as `version` or `setting PAGE_SIZE`.
    pub what: String,
    /// On the left.
    pub left: Option<String>,
    /// On the right.
    pub right: Option<String>,
}

/// A package for an environment, named by version, commit or digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Promote {
    /// The component's name.
    pub component: String,
    /// Its version, commit (or a part of it) or digest.
    pub change: String,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approve {
    /// The component's name.
    pub component: String,
    /// Its version, commit (or a part of it) or digest.
    pub change: String,
    /// In which role; needed when the environment asks for several.
    pub role: Option<String>,
}

/// A rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RollBack {
    /// The component's name.
    pub component: String,
    /// To which proven version, commit or digest; the last proven one where absent.
    pub to: Option<String>,
    /// Why.
    pub reason: String,
}

/// A rollback that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolledBack {
    /// `rolled-back/1`.
    pub schema: String,
    /// The run that does it.
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
}

/// The cause of a bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unbar {
    /// The component's name.
    pub component: String,
    /// A link or a sentence.
    pub cause: String,
}
