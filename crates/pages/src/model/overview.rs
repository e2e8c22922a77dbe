//! What is where: components by environments.

use facts::{Commit, ComponentName, Digest, EnvironmentName, RunId, Timestamp, Version};
use serde::Serialize;

use super::{Canary, ChangeName, ChangeState, GroupKind, Progress, RunLine, Usually, Waiting};

/// The first page.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The environments, in the order of the path.
    pub columns: Vec<Column>,
    /// The components, by name.
    pub rows: Vec<ComponentRow>,
    /// Runs that are open now, oldest first.
    pub running: Vec<RunLine>,
    /// The latest changes, newest first.
    pub recent: Vec<RecentChange>,
    /// Followed repositories that cannot be reached.
    pub troubles: Vec<Trouble>,
    /// How to push the first repository; shown while there is no component.
    pub push_address: String,
}

/// A repository that cannot be followed.
#[derive(Debug, Clone, Serialize)]
pub struct Trouble {
    /// Its component.
    pub component: ComponentName,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub told: String,
    /// What to do.
    pub hint: Option<String>,
}

/// An environment as a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: EnvironmentName,
    /// How packages get there: `rolling`, `blue-green`, `canary`.
    pub strategy: String,
}

/// A component as a row.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentRow {
    /// Its name.
    pub name: ComponentName,
    /// What is being built, or built and not yet let into the first environment; newest first.
    pub coming: Vec<Coming>,
    /// One cell for each column, in the same order.
    pub cells: Vec<Cell>,
}

/// What one environment holds of one component.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// What is there; `None` where nothing runs.
    pub placed: Option<Placed>,
    /// Where it answers.
    pub url: Option<String>,
    /// How its instances do.
    pub health: Health,
    /// Who gets how many requests; only while there is more than one group.
    pub traffic: Vec<Share>,
    /// What is on its way in.
    pub coming: Option<Coming>,
    /// The judgement of the canary that runs now.
    pub canary: Option<Canary>,
    /// What stands before this environment and may not enter yet.
    pub waiting: Option<WaitingChange>,
    /// The last deployment here was taken back.
    pub returned_from: Option<ChangeName>,
}

/// A package in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Its version.
    pub version: Option<Version>,
    /// Its digest.
    pub package: Digest,
    /// The commit it was made from.
    pub commit: Commit,
    /// The first line of the commit's message.
    pub title: String,
    /// Since when it is there.
    pub since: Timestamp,
    /// What is known of it there.
    pub standing: Standing,
    /// The deployment that brought it.
    pub run: Option<RunId>,
}

/// What is known of a package in an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Deployed, not verified yet.
    Unverified,
    /// Its checks passed.
    Verified,
    /// Verified, and stayed so for the environment's soak.
    Proven,
}

/// How the instances do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Every instance answers.
    Healthy {
        /// How many.
        instances: u32,
    },
    /// Some do.
    Degraded {
        /// How many answer.
        healthy: u32,
        /// How many there should be.
        instances: u32,
    },
    /// None does.
    Down {
        /// How many there should be.
        instances: u32,
    },
    /// Nobody has looked, or the target cannot say.
    Unknown,
}

/// One group's share of the requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Which group.
    pub group: GroupKind,
    /// Its package's version.
    pub version: Option<Version>,
    /// Its package.
    pub package: Digest,
    /// Its weight; shares are weights over their sum.
    pub weight: u32,
}

/// A change on its way to somewhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coming {
    /// The change.
    pub change: ChangeName,
    /// The run that brings it.
    pub run: RunId,
    /// How far the run is.
    pub progress: Progress,
    /// What it does now, in a word or two: `test`, `migrate`, `canary`.
    pub doing: String,
    /// Since when it runs.
    pub since: Timestamp,
    /// How long this usually takes.
    pub usually: Option<Usually>,
}

/// A change that stands before a gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaitingChange {
    /// The change.
    pub change: ChangeName,
    /// What holds it.
    pub waiting: Waiting,
}

/// A line among the latest changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecentChange {
    /// The change.
    pub change: ChangeName,
    /// Where it stands.
    pub state: ChangeState,
    /// The environments it is in or has been in, in the order of the path.
    pub reached: Vec<EnvironmentName>,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When it last moved.
    pub moved_at: Timestamp,
}
