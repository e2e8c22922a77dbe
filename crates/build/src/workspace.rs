//! Workspaces: one folder a run, with the files of its commit, shared by its steps.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use engine::StepContext;
use facts::{Commit, ComponentName, Digest, RunId, StepName, Trust};
use pipeline::plan::{CacheFolder, RUN};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use crate::ports::{Commits, Workspace};

/// Why a workspace could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// There is no room for it.
    #[error("the disk is full that holds {}\nhint: make room there, then retry the run", .0.display())]
    Full(PathBuf),
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
    /// A folder that is to begin empty holds files of its own.
    #[error(
        "the line forbids tools' caches, and `{folder}` cannot be emptied: it holds files that git does not ignore, such as {file}\nhint: name the folder of the tool alone under `cache`, or have git ignore it"
    )]
    NotOnlyCache {
        /// The folder.
        folder: String,
        /// One of its files.
        file: String,
    },
    /// A path of the definition leaves the workspace.
    #[error("`{0}` is not a path beneath the workspace")]
    Outside(String),
}

/// The workspaces of all runs.
pub struct Workspaces {
    runs: PathBuf,
    caches: PathBuf,
    commits: Arc<dyn Commits>,
    making: Mutex<HashMap<RunId, Weak<tokio::sync::Mutex<()>>>>,
}

/// A disk with less room than this, in bytes, is full for every purpose.
const LEAST_ROOM: u64 = 64 * 1024;

/// How much room is left where `folder` lies, in bytes.
fn room_at(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
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
    pub fn new(runs: PathBuf, caches: PathBuf, commits: Arc<dyn Commits>) -> Self {
        Self {
            runs,
            caches,
            commits,
            making: Mutex::default(),
        }
    }

    /// The folder of a run's files, whether it is there or not.
    pub fn folder(&self, run: RunId) -> PathBuf {
        self.runs.join(run.to_string()).join("work")
    }

    /// Moves the kept folders of a run that is over back to where the next run finds them. The newest
    /// wins.
    ///
    /// # Errors
    /// When a folder cannot be moved.
    pub fn return_caches(&self, run: RunId) -> Result<(), WorkspaceError> {
        let note = self.note(run);
        for (path, kept) in read_note(&note) {
            let place = self.folder(run).join(&path);
            let wrong = |source| WorkspaceError::Folder {
                path: place.clone(),
                source,
            };
            // A step may have put a link in its place that leads elsewhere: that is not given back.
            let Ok(inside) = Inside::open(&self.folder(run), &path, false) else {
                continue;
            };
            if !inside.is_folder() {
                continue;
            }
            let old = kept.with_extension("old");
            if kept.exists() {
                let _ = std::fs::remove_dir_all(&old);
                std::fs::rename(&kept, &old).map_err(wrong)?;
            }
            inside.move_to(&kept).map_err(wrong)?;
            used_now(&kept);
            let _ = std::fs::remove_dir_all(&old);
        }
        let _ = std::fs::remove_file(&note);
        Ok(())
    }

    /// The file in which a run's taken folders are written down.
    fn note(&self, run: RunId) -> PathBuf {
        self.runs.join(run.to_string()).join("caches.json")
    }

    /// Removes a run's files. Its logs stay.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn remove(&self, run: RunId) -> Result<(), WorkspaceError> {
        self.return_caches(run)?;
        let folder = self.folder(run);
        match std::fs::remove_dir_all(&folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(WorkspaceError::Folder { path: folder, source })
            }
            _ => Ok(()),
        }
    }
}

/// A commit's files are checked out once for all steps of a run. Kept folders are moved into the
/// workspace, where the run has them for itself until it ends. They are kept by component, trust and key,
/// so that an untrusted change never writes what a trusted one reads. A folder that another run has just
/// now begins empty.
#[async_trait]
impl Workspace for Workspaces {
    async fn ready(&self, run: RunId, component: &ComponentName, commit: &Commit) -> Result<PathBuf, WorkspaceError> {
        let folder = self.folder(run);
        let making = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            making.retain(|_, lock| lock.strong_count() > 0);
            let lock = making.get(&run).and_then(Weak::upgrade).unwrap_or_default();
            making.insert(run, Arc::downgrade(&lock));
            lock
        };
        let _only_one = making.lock().await;
        let below = self.commits.folder(component, commit).await;
        let below = below.map_err(|reason| WorkspaceError::Checkout {
            commit: commit.clone(),
            reason,
        })?;
        let of_component = |folder: PathBuf| if below.is_empty() { folder } else { folder.join(&below) };
        if folder.exists() {
            return Ok(of_component(folder));
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
        let checked_out = self.commits.check_out(component, commit, &fresh).await;
        checked_out.map_err(|error| {
            // Git itself does not say that the disk is full.
            if room_at(&fresh).is_some_and(|room| room < LEAST_ROOM) {
                return WorkspaceError::Full(self.runs.clone());
            }
            WorkspaceError::Checkout {
                commit: commit.clone(),
                reason: error,
            }
        })?;
        std::fs::rename(&fresh, &folder).map_err(wrong)?;
        Ok(of_component(folder))
    }

    fn is_there(&self, run: RunId) -> bool {
        self.folder(run).exists()
    }

    fn needs(&self, run: RunId, _: &Path) -> PathBuf {
        self.folder(run).join(".throughline/needs")
    }

    fn take_caches(
        &self,
        run: RunId,
        component: &ComponentName,
        trust: Trust,
        workspace: &Path,
        caches: &[CacheFolder],
    ) -> Result<(), WorkspaceError> {
        let top = self.folder(run);
        for cache in caches {
            let place = workspace.join(&cache.path);
            let (inside, below_top) = inside(&top, workspace, &cache.path)?;
            if inside.is_there() {
                continue; // An earlier step has taken it, or the commit brings such a folder itself.
            }
            let key = Digest::of(&cache.key).short();
            let kept = self.caches.join(component.as_str()).join(trust.to_string()).join(key);
            let wrong = |source| WorkspaceError::Folder {
                path: place.clone(),
                source,
            };
            if let Some(folder) = kept.parent() {
                std::fs::create_dir_all(folder).map_err(wrong)?;
            }
            // What was taken is written down before it is taken, so that it finds its way back.
            let note = self.note(run);
            let mut taken = read_note(&note);
            taken.insert(below_top, kept.clone());
            std::fs::write(&note, serde_json::json!(taken).to_string()).map_err(wrong)?;
            match inside.move_here(&kept) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => inside.make().map_err(wrong)?,
                moved => moved.map_err(wrong)?,
            }
        }
        Ok(())
    }

    /// A workspace is made anew for each run, so there is nothing to empty.
    async fn empty_caches(&self, run: RunId, workspace: &Path, folders: &[String]) -> Result<(), WorkspaceError> {
        let top = self.folder(run);
        for folder in folders {
            let (inside, _) = inside(&top, workspace, folder)?;
            if !inside.is_there() {
                inside.make().map_err(|source| WorkspaceError::Folder {
                    path: workspace.join(folder),
                    source,
                })?;
            }
        }
        Ok(())
    }
}

/// The step that has left something in the run's workspace which `step` needs, where the workspace is gone: it was kept
/// long enough, or the server was made of a backup. The files of the commit alone would make something else.
pub(crate) fn what_is_gone(workspace: &dyn Workspace, step: &StepContext) -> Option<String> {
    if workspace.is_there(step.run) {
        return None;
    }
    let plan = step.request.plan.as_ref().ok()?;
    // What was passed over has put out nothing.
    let has_run = |name: &StepName| {
        step.outputs_of_needs
            .get(name)
            .is_some_and(|outputs| !outputs.is_null())
    };
    let gone = plan
        .steps
        .iter()
        .find(|other| other.action == RUN && has_run(&other.name))?;
    Some(format!(
        "what `{}` left in the run's workspace is gone\nhint: the commit has to be built anew: push another one",
        gone.name
    ))
}

/// The place at `path` below a workspace that lies below `top`.
fn inside(top: &Path, workspace: &Path, path: &str) -> Result<(Inside, String), WorkspaceError> {
    if !is_beneath(path) {
        return Err(WorkspaceError::Outside(path.to_owned()));
    }
    let place = workspace.join(path);
    let below_top = place.strip_prefix(top).unwrap_or(&place).to_string_lossy().into_owned();
    let inside = Inside::open(top, &below_top, true).map_err(|source| WorkspaceError::Folder {
        path: place.clone(),
        source,
    })?;
    Ok((inside, below_top))
}

/// A place in a workspace, reached without following any link: what is in a workspace belongs to whoever
/// wrote the commit or its steps.
struct Inside {
    folder: OwnedFd,
    name: OsString,
}

impl Inside {
    /// The place at `path` below `root`; with `make`, the folders above it are made.
    fn open(root: &Path, path: &str, make: bool) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut parts: Vec<&OsStr> = Path::new(path)
            .components()
            .filter(|part| *part != Component::CurDir)
            .map(Component::as_os_str)
            .collect();
        let name = parts.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut folder = rustix::fs::open(root, flags, Mode::empty())?;
        for part in parts {
            if make {
                match rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o777)) {
                    Err(error) if error != rustix::io::Errno::EXIST => return Err(error.into()),
                    _ => {}
                }
            }
            folder = rustix::fs::openat(&folder, part, flags, Mode::empty())?;
        }
        Ok(Self {
            folder,
            name: name.to_owned(),
        })
    }

    fn kind(&self) -> Option<FileType> {
        let found = rustix::fs::statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(found.st_mode))
    }

    fn is_there(&self) -> bool {
        self.kind().is_some()
    }

    fn is_folder(&self) -> bool {
        self.kind() == Some(FileType::Directory)
    }

    fn make(&self) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(
            &self.folder,
            &self.name,
            Mode::from_raw_mode(0o777),
        )?)
    }

    fn move_here(&self, from: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat(CWD, from, &self.folder, &self.name)?)
    }

    fn move_to(&self, to: &Path) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.folder, &self.name, CWD, to)?)
    }
}

/// Writes down in a kept folder's own time that it was used: what is not used for long is removed.
fn used_now(folder: &Path) {
    use rustix::fs::{Timespec, Timestamps, UTIME_NOW, utimensat};
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    // A folder that cannot be marked goes a little early.
    let _ = utimensat(CWD, folder, &times, AtFlags::SYMLINK_NOFOLLOW);
}

/// What a run has taken: path in the workspace, and where it is kept.
fn read_note(note: &Path) -> BTreeMap<String, PathBuf> {
    let text = std::fs::read_to_string(note).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
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
