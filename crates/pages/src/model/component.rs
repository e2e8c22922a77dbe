//! One component: how it is built, what came lately, where its packages are.

use facts::{ComponentName, StepName, Timestamp};
use serde::Serialize;

use super::{Broken, ChangeName, EnvironmentComponent, OtherPackage, RecentChange, RunLine};

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
    pub owners: Option<Owners>,
    /// Where it lies, for one of several in a repository.
    pub place: Option<PlaceView>,
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
    /// There is no commit, or it has no definition.
    Missing,
    /// The repository does not list the component any more.
    Unlisted,
    /// It cannot be read.
    Broken(Broken),
    /// It can be.
    Read {
        /// Its text.
        text: String,
        /// What would be done, in the order of the plan.
        steps: Vec<PlannedStep>,
    },
}

/// A step that would be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// Its name.
    pub name: StepName,
    /// The steps before it.
    pub needs: Vec<StepName>,
    /// What it does, in a few words, such as its first command.
    pub note: String,
}

/// Who owns a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owners {
    /// By the names that the file gives them; nobody where none of its lines is about all of the component.
    pub names: Vec<String>,
    /// The file that says so.
    pub file: String,
}

/// Where a component lies that is one of several in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlaceView {
    /// The repository.
    pub repository: ComponentName,
    /// Its folder; `None` where the repository does not list it any more.
    pub folder: Option<String>,
}

/// A repository elsewhere that is followed.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteView {
    /// Where it is.
    pub url: String,
    /// Why the last look at it failed.
    pub trouble: Option<String>,
}
