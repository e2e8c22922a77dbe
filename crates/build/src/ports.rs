//! What the actions of builds ask of the rooms around them.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use facts::{Commit, ComponentName, RunId, Timestamp, Trust};
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

/// Who opens secrets.
pub trait Secrets: Send + Sync {
    /// The value of a secret.
    ///
    /// # Errors
    /// Says why there is none.
    fn open(&self, name: &str) -> Result<Zeroizing<String>, String>;
}
