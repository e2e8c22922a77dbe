//! Workspaces: one folder a run, with the files of its commit, shared by its steps.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use facts::{Commit, ComponentName, RunId, Trust};
use pipeline::plan::CacheFolder;

use crate::changes::Repositories;

/// Why a workspace could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The commit could not be checked out.
    #[error("the commit {} cannot be checked out: {reason}", commit.short())]
    Checkout {
        /// Which.
        commit: Commit,
        /// Why.
        reason: String,
    },
    /// A folder could not be used.
    #[error("{} cannot be used: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A path of the definition leaves the workspace.
    #[error("`{0}` is not a path beneath the workspace")]
    Outside(String),
}

/// The workspaces of all runs.
pub struct Workspaces {
    runs: PathBuf,
    caches: PathBuf,
    repositories: Arc<Repositories>,
    making: Mutex<HashMap<RunId, Weak<tokio::sync::Mutex<()>>>>,
}

/// Whether `text` stays beneath the folder it is joined to.
fn is_beneath(text: &str) -> bool {
    let path = Path::new(text);
    !text.is_empty()
        && path
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::CurDir))
}

impl Workspaces {
    /// Workspaces below `runs`, with caches below `caches`.
    pub fn new(runs: PathBuf, caches: PathBuf, repositories: Arc<Repositories>) -> Self {
        Self {
            runs,
            caches,
            repositories,
            making: Mutex::default(),
        }
    }

    /// The folder of a run's files, whether it is there or not.
    pub fn folder(&self, run: RunId) -> PathBuf {
        self.runs.join(run.to_string()).join("work")
    }

    /// The folder of a run's files; checked out when it is not there yet.
    ///
    /// # Errors
    /// When the commit cannot be checked out.
    pub async fn ready(
        &self,
        run: RunId,
        component: &ComponentName,
        commit: &Commit,
    ) -> Result<PathBuf, WorkspaceError> {
        let folder = self.folder(run);
        let making = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            making.retain(|_, lock| lock.strong_count() > 0);
            let lock = making.get(&run).and_then(Weak::upgrade).unwrap_or_default();
            making.insert(run, Arc::downgrade(&lock));
            lock
        };
        let _only_one = making.lock().await;
        if folder.exists() {
            return Ok(folder);
        }
        // Made beside and renamed, so that a folder that is there is whole.
        let fresh = folder.with_extension("fresh");
        let wrong = |source| WorkspaceError::Folder {
            path: fresh.clone(),
            source,
        };
        if fresh.exists() {
            std::fs::remove_dir_all(&fresh).map_err(wrong)?;
        }
        std::fs::create_dir_all(&fresh).map_err(wrong)?;
        self.repositories
            .check_out(component, commit, &fresh)
            .await
            .map_err(|error| WorkspaceError::Checkout {
                commit: commit.clone(),
                reason: error.to_string(),
            })?;
        std::fs::rename(&fresh, &folder).map_err(wrong)?;
        Ok(folder)
    }

    /// Puts the kept folders of a step into the workspace, as links. They are kept by component,
    /// trust and key, so that an untrusted change never writes what a trusted one reads.
    ///
    /// # Errors
    /// When a path leaves the workspace, or a folder cannot be made.
    pub fn link_caches(
        &self,
        workspace: &Path,
        component: &ComponentName,
        trust: Trust,
        caches: &[CacheFolder],
    ) -> Result<(), WorkspaceError> {
        for cache in caches {
            if !is_beneath(&cache.path) {
                return Err(WorkspaceError::Outside(cache.path.clone()));
            }
            let key = facts::Digest::of(&cache.key).short();
            let kept = self.caches.join(component.as_str()).join(trust.to_string()).join(key);
            let place = workspace.join(&cache.path);
            let wrong = |source| WorkspaceError::Folder {
                path: place.clone(),
                source,
            };
            std::fs::create_dir_all(&kept).map_err(wrong)?;
            match std::fs::read_link(&place) {
                Ok(there) if there == kept => continue,
                Ok(_) => std::fs::remove_file(&place).map_err(wrong)?,
                Err(_) if place.exists() => continue, // What the commit brings wins over a cache.
                Err(_) => {}
            }
            if let Some(parent) = place.parent() {
                std::fs::create_dir_all(parent).map_err(wrong)?;
            }
            std::os::unix::fs::symlink(&kept, &place).map_err(wrong)?;
        }
        Ok(())
    }

    /// Removes a run's files. Its logs stay.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn remove(&self, run: RunId) -> Result<(), WorkspaceError> {
        let folder = self.folder(run);
        match std::fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(WorkspaceError::Folder { path: folder, source })
            }
            _ => Ok(()),
        }
    }
}

/// Joins a folder of the definition to the workspace.
///
/// # Errors
/// When it leaves the workspace.
pub(super) fn beneath(workspace: &Path, folder: Option<&str>) -> Result<PathBuf, WorkspaceError> {
    match folder {
        None => Ok(workspace.to_owned()),
        Some(folder) if is_beneath(folder) => Ok(workspace.join(folder)),
        Some(folder) => Err(WorkspaceError::Outside(folder.to_owned())),
    }
}
