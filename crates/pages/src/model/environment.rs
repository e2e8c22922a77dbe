//! One environment: what is there, and its deployments.

use facts::{ComponentName, Digest, EnvironmentName, RunId, Timestamp};
use serde::Serialize;

use super::{Button, Cell, ChangeName, Progress};

/// The page of an environment.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentPage {
    /// Its name.
    pub name: EnvironmentName,
    /// The environments a package must have been in before.
    pub after: Vec<EnvironmentName>,
    /// The kind of its target: `process`, `command`.
    pub target: String,
    /// How packages get there: `rolling`, `blue-green`, `canary`.
    pub strategy: String,
    /// What stands before it, each a sentence: gates, approvals, soak, freezes.
    pub rules: Vec<String>,
    /// All environments, in the order of the path.
    pub all: Vec<EnvironmentName>,
    /// The digest of the policy in force.
    pub policy: Option<Digest>,
    /// What is there, by component.
    pub components: Vec<EnvironmentComponent>,
    /// Deployments, newest first.
    pub deployments: Vec<DeploymentLine>,
    /// The query of the page with older deployments, without the question mark.
    pub older: Option<String>,
}

/// What the environment holds of one component.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentComponent {
    /// The component.
    pub component: ComponentName,
    /// What is there.
    pub cell: Cell,
    /// The digest of the rendered configuration.
    pub configuration: Option<Digest>,
    /// The last migration applied, by database.
    pub schema: Vec<(String, String)>,
    /// How often the state changed.
    pub generation: u64,
    /// What the viewer may do, such as roll back.
    pub actions: Vec<Button>,
}

/// A deployment in a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeploymentLine {
    /// Its run.
    pub run: RunId,
    /// What it was.
    pub kind: DeploymentKind,
    /// Of which component.
    pub component: ComponentName,
    /// What it brought.
    pub change: ChangeName,
    /// The package it brought.
    pub package: Digest,
    /// What was there before.
    pub from: Option<ChangeName>,
    /// How far it is.
    pub progress: Progress,
    /// Why it ended so.
    pub reason: Option<String>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Who or what started it, by the name to show.
    pub by: String,
}

/// What a deployment was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentKind {
    /// The newest candidate came by itself.
    Automatic,
    /// Somebody promoted it.
    Promotion,
    /// The environment went back.
    Return,
}
