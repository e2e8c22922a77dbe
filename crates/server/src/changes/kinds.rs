//! The facts of repositories and changes.

use facts::{Commit, ComponentId, ComponentName, Digest, Stream};
use serde::{Deserialize, Serialize};

/// The kind of [`ComponentCreated`].
pub const COMPONENT_CREATED: &str = "component.created";
/// The kind of [`RefUpdated`].
pub const REF_UPDATED: &str = "ref.updated";
/// The kind of [`ChangeArrived`].
pub const CHANGE_ARRIVED: &str = "change.arrived";
/// The kind of [`ChangeDescribed`].
pub const CHANGE_DESCRIBED: &str = "change.described";
/// The kind of [`ChangeLinked`].
pub const CHANGE_LINKED: &str = "change.linked";
/// The kind of [`ComponentPlaced`].
pub const COMPONENT_PLACED: &str = "component.placed";
/// The kind of [`ChangeSorted`].
pub const CHANGE_SORTED: &str = "change.sorted";
/// The kind of [`ModulesResolved`].
pub const MODULES_RESOLVED: &str = "modules.resolved";
/// The kind of [`RemoteFollowed`].
pub const REMOTE_FOLLOWED: &str = "remote.followed";
/// The kind of [`PolicyChanged`].
pub const POLICY_CHANGED: &str = "policy.changed";

/// The stream of a component's repository: its creation, its refs and its changes.
pub fn stream(component: ComponentId) -> Stream {
    Stream::new("repository", component)
}

/// The stream of the organisation's policy.
pub fn policy_stream() -> Stream {
    Stream::new("policy", "environments")
}

/// A component exists from now on. Its name is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentCreated {
    /// Its id, for good.
    pub component: ComponentId,
    /// Its name.
    pub name: ComponentName,
}

/// A component lies in a repository that holds several. In the component's own stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentPlaced {
    /// The repository, by the id of the component that has its name.
    pub repository: ComponentId,
    /// The component's name in the repository's list.
    pub member: String,
}

/// Which of a repository's components a commit concerns that came to a branch. Each of them has the change
/// in its own stream as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSorted {
    /// The commit.
    pub commit: Commit,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The components, in the order of their names.
    pub concerns: Vec<ConcernedComponent>,
}

/// A component that a commit concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcernedComponent {
    /// The component.
    pub component: ComponentId,
    /// Why, as a part of a sentence.
    pub why: String,
}

/// What the versions mean of the repositories whose modules a commit's definition uses, for good. Claimed once for
/// each commit of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModulesResolved {
    /// The commit whose definition it is.
    pub commit: Commit,
    /// The versions, in the order of their repositories' names.
    pub versions: Vec<ResolvedVersion>,
}

/// What a version of a repository means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedVersion {
    /// The repository, as the definition names it.
    pub repository: String,
    /// The version, as the definition names it.
    pub version: String,
    /// The commit of that repository.
    pub commit: Commit,
}

/// A branch or tag of the repository points elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdated {
    /// The full name, such as `refs/heads/main`.
    pub name: String,
    /// Where it pointed; `None` when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Commit>,
    /// Where it points; `None` when it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<Commit>,
    /// Whether the old commit is not among the new one's ancestors.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
}

/// A commit came to a branch for the first time. The position of this fact orders changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeArrived {
    /// The commit.
    pub commit: Commit,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// Whether the commit was the branch's newest when it came.
    pub tip: bool,
}

/// What a commit that came says of itself, once for each commit of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeDescribed {
    /// The commit.
    pub commit: Commit,
    /// The first line of its message, at most 200 letters of it.
    pub subject: String,
}

/// What a commit that came says of its ties to other changes, once for each commit of a component that says
/// anything of the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeLinked {
    /// The commit.
    pub commit: Commit,
    /// The `Change-Id` of its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_id: Option<String>,
    /// The `Change-Id`s of the commits that it brings as a merge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub brings: Vec<String>,
    /// What it says that it depends on, as it says it; as a merge also what the commits say that it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<SaidDependency>,
}

/// What a message says that its change depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidDependency {
    /// The commit whose message says so, where a merge brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Commit>,
    /// The line of the message, from 1.
    pub line: u32,
    /// What stands there, at most 300 letters of it.
    pub text: String,
}

/// A remote repository is followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFollowed {
    /// Where it is fetched from; without credentials.
    pub url: String,
    /// The name of the secret with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

/// Another `environments.yaml` is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChanged {
    /// Its digest; the text is a blob under it.
    pub revision: Digest,
}
