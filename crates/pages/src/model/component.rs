//! One component: how it is built, what came lately, where its packages are.

use facts::{ComponentName, Timestamp};
use serde::Serialize;

use super::{Broken, ChangeName, EnvironmentComponent, OtherPackage, RecentChange, RunLine, Step};

/// The page of a component.
#[derive(Debug, Clone, Serialize)]
pub struct ComponentPage {
    /// Its name.
    pub name: ComponentName,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// Its newest commit on its main line, and that line.
    pub newest: Option<(ChangeName, String)>,
    /// How that commit says it is built.
    pub definition: DefinitionView,
    /// Where it is pushed to.
    pub push_address: String,
    /// The repository elsewhere that it follows.
    pub remote: Option<RemoteView>,
    /// Who owns it, as its repository says.
    pub owners: Vec<String>,
    /// The environments, in the order of the path.
    pub path: Vec<facts::EnvironmentName>,
    /// Where its packages are, in the order of the path.
    pub places: Vec<(facts::EnvironmentName, EnvironmentComponent)>,
    /// Its latest changes, newest first.
    pub changes: Vec<RecentChange>,
    /// Its latest runs, newest first.
    pub runs: Vec<RunLine>,
    /// Its newest packages.
    pub packages: Vec<OtherPackage>,
}

/// How a commit says that it is built.
#[derive(Debug, Clone, Serialize)]
pub enum DefinitionView {
    /// There is no commit on the main line, or it has no definition.
    Missing,
    /// It cannot be read.
    Broken(Broken),
    /// It can be.
    Read {
        /// Its text.
        text: String,
        /// What would be done, in the order of the plan.
        steps: Vec<Step>,
    },
}

/// A repository elsewhere that is followed.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteView {
    /// Where it is.
    pub url: String,
    /// Why the last look at it failed.
    pub trouble: Option<String>,
}
