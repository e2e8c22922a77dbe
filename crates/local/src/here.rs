//! The folder itself as workspace, commit and keeper of secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component as Part, Path, PathBuf};

use async_trait::async_trait;
use build::{Commits, Names, Secrets, Workspace, WorkspaceError};
use engine::RunRequest;
use facts::{Commit, ComponentName, RunId, Timestamp, Trust, Version};
use pipeline::plan::CacheFolder;
use source::{CheckoutLimits, Repository};
use zeroize::Zeroizing;

/// The commit of a folder that has none.
pub const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// What is built.
#[derive(Debug, Clone)]
pub struct Component {
    /// The folder that the definition lies in.
    pub folder: PathBuf,
    /// The name of the component.
    pub name: ComponentName,
    /// The commit that is checked out; [`NO_COMMIT`] where there is none.
    pub commit: Commit,
    /// When that commit was made.
    pub committed_at: Timestamp,
}

/// The folder as the ports of builds see it.
pub(crate) struct Here {
    pub component: Component,
    pub secrets: BTreeMap<String, Zeroizing<String>>,
    /// The folder of the runs.
    pub runs: PathBuf,
    /// Other repositories that commits are taken from: the git folders of checkouts.
    pub others: BTreeMap<ComponentName, PathBuf>,
    /// The folders that were emptied, each once in a run.
    pub emptied: Emptied,
}

/// Which folders were emptied for which run.
pub(crate) type Emptied = tokio::sync::Mutex<BTreeSet<(RunId, String)>>;

#[async_trait]
impl Workspace for Here {
    async fn ready(&self, _: RunId, _: &ComponentName, _: &Commit) -> Result<PathBuf, WorkspaceError> {
        Ok(self.component.folder.clone())
    }

    fn needs(&self, run: RunId, _: &Path) -> PathBuf {
        // Below the run's own folder, which its isolated steps see.
        self.runs.join(run.to_string()).join("work/needs")
    }

    /// Kept folders lie where they are; from run to run they stay by themselves.
    fn take_caches(
        &self,
        _: RunId,
        _: &ComponentName,
        _: Trust,
        _: &Path,
        caches: &[CacheFolder],
    ) -> Result<(), WorkspaceError> {
        for cache in caches {
            let path = Path::new(&cache.path);
            if !path
                .components()
                .all(|part| matches!(part, Part::Normal(_) | Part::CurDir))
            {
                return Err(WorkspaceError::Outside(cache.path.clone()));
            }
        }
        Ok(())
    }

    /// Here the folder of the last run lies where it was: it is removed, unless it holds files of a person.
    async fn empty_caches(&self, run: RunId, workspace: &Path, folders: &[String]) -> Result<(), WorkspaceError> {
        let mut emptied = self.emptied.lock().await;
        for folder in folders {
            if !emptied.insert((run, folder.clone())) {
                continue;
            }
            let (workspace, folder) = (workspace.to_owned(), folder.clone());
            let emptying = tokio::task::spawn_blocking(move || empty(&workspace, &folder));
            match emptying.await {
                Ok(done) => done?,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Ok(())
    }
}

/// A file in a folder that no tool has left there, as far as lists of ignored files say so: those of the whole
/// repository.
fn own_file(workspace: &Path, folder: &Path) -> Result<Option<String>, cache::TreeError> {
    let top = workspace.ancestors().find(|above| above.join(".git").exists());
    let top = top.unwrap_or(workspace);
    let files = cache::Tree::look(top)?.into_files();
    let own = files.into_iter().find(|file| top.join(&file.path).starts_with(folder));
    Ok(own.map(|file| file.path))
}

/// Removes what a tool has left in a folder.
fn empty(workspace: &Path, folder: &str) -> Result<(), WorkspaceError> {
    let path = Path::new(folder);
    if !path
        .components()
        .all(|part| matches!(part, Part::Normal(_) | Part::CurDir))
    {
        return Err(WorkspaceError::Outside(folder.to_owned()));
    }
    let place = workspace.join(path);
    let wrong = |source| WorkspaceError::Folder {
        path: place.clone(),
        source,
    };
    match std::fs::symlink_metadata(&place) {
        Ok(there) if there.is_dir() => {}
        _ => return Ok(()),
    }
    let own = own_file(workspace, &place).map_err(|error| wrong(std::io::Error::other(error.to_string())))?;
    match own {
        Some(file) => Err(WorkspaceError::NotOnlyCache {
            folder: folder.to_owned(),
            file,
        }),
        None => std::fs::remove_dir_all(&place).map_err(wrong),
    }
}

#[async_trait]
impl Commits for Here {
    async fn check_out(&self, name: &ComponentName, commit: &Commit, folder: &Path) -> Result<(), String> {
        let Some(other) = self.others.get(name) else {
            return Err("a local run works in the folder itself".to_owned());
        };
        let repository = Repository::open(other).map_err(|error| error.to_string())?;
        let checked_out = repository.checkout(commit, folder, CheckoutLimits::default()).await;
        checked_out.map_err(|error| error.to_string())
    }

    async fn committed_at(&self, _: &ComponentName, _: &Commit) -> Result<Timestamp, String> {
        Ok(self.component.committed_at)
    }
}

/// A version is claimed on the server. Here it is only looked at what the command prints.
#[async_trait]
impl Names for Here {
    async fn suggested(&self, _: &RunRequest) -> Result<BTreeMap<String, String>, String> {
        Ok(BTreeMap::new())
    }

    async fn taken(&self, _: &RunRequest, _: &Version) -> Result<Option<Commit>, String> {
        Ok(None)
    }
}

impl Secrets for Here {
    fn open(&self, name: &str) -> Result<Zeroizing<String>, String> {
        self.secrets
            .get(name)
            .cloned()
            .ok_or_else(|| format!("it was not given\nhint: give it with `--secret {name}=FILE`"))
    }
}
