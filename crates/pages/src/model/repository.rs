//! A repository of several components, and its commits.

use facts::{Commit, ComponentName, EnvironmentName, Timestamp};
use serde::Serialize;

use super::{Column, ComponentRow, Owners, RecentChange, RemoteView, Together};

/// The page of a repository that lists components.
#[derive(Debug, Clone, Serialize)]
pub struct RepositoryPage {
    /// Its name.
    pub name: ComponentName,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// Where it is pushed to.
    pub push_address: String,
    /// The repository elsewhere that it follows.
    pub remote: Option<RemoteView>,
    /// Who owns it, as it says itself.
    pub owners: Option<Owners>,
    /// The environments, in the order of the path.
    pub columns: Vec<Column>,
    /// Its components, by name.
    pub rows: Vec<ComponentRow>,
    /// What its newest list says of them, in the same order.
    pub listed: Vec<ListedComponent>,
    /// The commit whose list that is, and its line.
    pub newest: Option<(Commit, String)>,
    /// The latest changes of its components, newest first.
    pub changes: Vec<RecentChange>,
    /// Its latest commits, newest first.
    pub commits: Vec<CommitLine>,
}

impl RepositoryPage {
    /// The names of the environments.
    pub fn path(&self) -> Vec<EnvironmentName> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// What a list says of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedComponent {
    /// The component.
    pub name: ComponentName,
    /// What of the repository concerns it: its folder, and further patterns. Nothing where it is not listed any more.
    pub watches: Vec<String>,
    /// The components that it is built with.
    pub needs: Vec<ComponentName>,
}

/// A commit of the repository, as a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitLine {
    /// The commit.
    pub commit: Commit,
    /// The first line of its message.
    pub title: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// The branch that it came by.
    pub branch: String,
    /// When it came.
    pub at: Timestamp,
    /// The components that it concerns, by name.
    pub concerns: Vec<ComponentName>,
}

/// The page of a commit of such a repository.
#[derive(Debug, Clone, Serialize)]
pub struct CommitPage {
    /// The repository.
    pub repository: ComponentName,
    /// The commit.
    pub commit: Commit,
    /// The first line of its message.
    pub title: String,
    /// The rest of it.
    pub body: String,
    /// Who wrote it.
    pub author: Option<String>,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// When it came, by which branch.
    pub arrived_at: Timestamp,
    /// The branch that it came by.
    pub branch: String,
    /// The components that it concerns, and its state in each.
    pub concerned: Vec<Together>,
    /// The paths that it touches, seen from its first parent.
    pub paths: Vec<String>,
    /// Paths that are not in `paths` because there are too many.
    pub more_paths: usize,
    /// What the list of the commit says; shown where it concerns nothing.
    pub listed: Vec<ListedComponent>,
}
