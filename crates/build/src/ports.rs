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
    /// The component's folder among the run's files, which are made ready where they are not there yet.
    ///
    /// # Errors
    /// When it cannot be made ready.
    async fn ready(&self, run: RunId, component: &ComponentName, commit: &Commit) -> Result<PathBuf, WorkspaceError>;

    /// Whether the run's files are there, with what its steps have left among them.
    fn is_there(&self, _run: RunId) -> bool {
        true
    }

    /// The folder for what the run has beside its own files, whether it is there or not.
    fn needs(&self, run: RunId, workspace: &Path) -> PathBuf;

    /// The folder for the files of other repositories that the run has beside its own, whether it is there or not.
    fn depends(&self, run: RunId, workspace: &Path) -> PathBuf {
        self.needs(run, workspace).with_file_name("depends")
    }

    /// Brings the folders that a step keeps from run to run into `workspace`, which [`Workspace::ready`] gave.
    ///
    /// # Errors
    /// When a path leaves the workspace, or a folder cannot be made.
    fn take_caches(
        &self,
        run: RunId,
        component: &ComponentName,
        trust: Trust,
        workspace: &Path,
        caches: &[CacheFolder],
    ) -> Result<(), WorkspaceError>;

    /// Has folders begin empty that may not be kept from run to run; once in a run, so that what one step leaves
    /// there the next one finds.
    ///
    /// # Errors
    /// When a folder holds more than what tools left there, or cannot be emptied.
    async fn empty_caches(&self, run: RunId, workspace: &Path, folders: &[String]) -> Result<(), WorkspaceError>;
}

/// What is known of commits.
#[async_trait]
pub trait Commits: Send + Sync {
    /// Writes the files of a commit into an empty folder.
    ///
    /// # Errors
    /// Says why it cannot be done.
    async fn check_out(&self, component: &ComponentName, commit: &Commit, folder: &Path) -> Result<(), String>;

    /// The component's folder at a commit, relative to the top of the commit's files; empty for the top.
    ///
    /// # Errors
    /// Says why it cannot be told.
    async fn folder(&self, _component: &ComponentName, _commit: &Commit) -> Result<String, String> {
        Ok(String::new())
    }

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
