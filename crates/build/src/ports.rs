//! What the actions of builds ask of the rooms around them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use engine::RunRequest;
use facts::{Commit, ComponentName, RunId, Timestamp, Trust, Version};
use pipeline::plan::CacheFolder;
use zeroize::Zeroizing;

use crate::workspace::WorkspaceError;

/// Where the steps of a run work.
#[async_trait]
pub trait Workspace: Send + Sync {
    /// The folder with the run's files, made ready where it is not there yet.
    ///
    /// # Errors
    /// When it cannot be made ready.
    async fn ready(&self, run: RunId, component: &ComponentName, commit: &Commit) -> Result<PathBuf, WorkspaceError>;

    /// Brings the folders that a step keeps from run to run into the workspace.
    ///
    /// # Errors
    /// When a path leaves the workspace, or a folder cannot be made.
    fn take_caches(
        &self,
        run: RunId,
        component: &ComponentName,
        trust: Trust,
        caches: &[CacheFolder],
    ) -> Result<(), WorkspaceError>;
}

/// What is known of commits.
#[async_trait]
pub trait Commits: Send + Sync {
    /// Writes the files of a commit into an empty folder.
    ///
    /// # Errors
    /// Says why it cannot be done.
    async fn check_out(&self, component: &ComponentName, commit: &Commit, folder: &Path) -> Result<(), String>;

    /// When the commit was made.
    ///
    /// # Errors
    /// Says why it cannot be told.
    async fn committed_at(&self, component: &ComponentName, commit: &Commit) -> Result<Timestamp, String>;
}

/// What packages are called.
#[async_trait]
pub trait Names: Send + Sync {
    /// What the schemes would call the run's package, as variables for its command.
    ///
    /// # Errors
    /// Says why it cannot be told.
    async fn suggested(&self, request: &RunRequest) -> Result<BTreeMap<String, String>, String>;

    /// The other commit of the component that has this version already.
    ///
    /// # Errors
    /// Says why it cannot be told.
    async fn taken(&self, request: &RunRequest, version: &Version) -> Result<Option<Commit>, String>;
}

/// Who opens secrets.
pub trait Secrets: Send + Sync {
    /// The value of a secret.
    ///
    /// # Errors
    /// Says why there is none.
    fn open(&self, name: &str) -> Result<Zeroizing<String>, String>;
}
