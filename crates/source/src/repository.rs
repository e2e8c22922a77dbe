//! Bare repositories in a folder: `TEAM/NAME.git`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use facts::{ComponentName, ReleaseLine};

use crate::error::SourceError;
use crate::git;
use crate::refs::RefName;

/// The settings of every repository here. Nothing is ever thrown away, pushed objects are checked and
/// made durable, and no work goes on behind the scenes.
const SETTINGS: &str = "\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\thooksPath = /dev/null
\tfsmonitor = false
\tfsync = committed,reference
\tprotectHFS = true
\tprotectNTFS = true
[http]
\treceivepack = true
\tuploadpack = true
\tgetanyfile = false
[uploadpack]
\tallowFilter = true
\tallowReachableSHA1InWant = true
[receive]
\tautogc = false
\tdenyDeletes = false
\tdenyNonFastForwards = false
\tunpackLimit = 1
[fetch]
\tunpackLimit = 1
[transfer]
\tfsckObjects = true
\thideRefs = refs/throughline
[gc]
\tauto = 0
\tpruneExpire = never
\tautoDetach = false
[maintenance]
\tauto = false
";

/// Flaws of old histories that harm nobody; strict checks would refuse the histories of many projects.
const HARMLESS: [&str; 7] = [
    "badTimezone",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "missingTaggerEntry",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
    "missingEmail",
];

/// The folder of all repositories.
#[derive(Debug, Clone)]
pub struct Repositories {
    folder: PathBuf,
}

impl Repositories {
    /// The repositories in `folder`, which is made when absent.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self, SourceError> {
        fs::create_dir_all(folder).map_err(|e| SourceError::io("make", folder, e))?;
        let folder = folder.canonicalize().map_err(|e| SourceError::io("find", folder, e))?;
        Ok(Self { folder })
    }

    /// Where a repository is, whether or not it is there.
    pub fn path(&self, name: &ComponentName) -> PathBuf {
        self.folder.join(name.team()).join(format!("{}.git", name.short()))
    }

    /// A repository that is there.
    ///
    /// # Errors
    /// [`SourceError::NoRepository`] when it is not.
    pub fn get(&self, name: &ComponentName) -> Result<Repository, SourceError> {
        let path = self.path(name);
        if !path.is_dir() {
            return Err(SourceError::NoRepository(name.clone()));
        }
        Repository::open(path)
    }

    /// Makes an empty repository whose default branch will be `main`, or gives the one that is there.
    /// It is there whole or not at all.
    ///
    /// # Errors
    /// When git or the disk fails.
    pub async fn create(&self, name: &ComponentName, main: &ReleaseLine) -> Result<Repository, SourceError> {
        let path = self.path(name);
        if path.is_dir() {
            return Repository::open(path);
        }
        let team = self.folder.join(name.team());
        fs::create_dir_all(&team).map_err(|e| SourceError::io("make", &team, e))?;
        let half = tempfile::Builder::new()
            .prefix(".creating-")
            .tempdir_in(&team)
            .map_err(|e| SourceError::io("make a folder in", &team, e))?;
        let init = git::git(None)
            .args(["init", "--quiet", "--bare", "--template=", "--object-format=sha1"])
            .arg(format!("--initial-branch={main}"))
            .arg("--")
            .arg(half.path())
            .folder(&team);
        git::run(init, "init", git::LOCAL).await?;
        let settings = half.path().join("config");
        fs::write(&settings, settings_text()).map_err(|e| SourceError::io("write", &settings, e))?;
        sync(half.path()).map_err(|e| SourceError::io("make durable", half.path(), e))?;
        crashpoint::reach("source.repository.made");
        match fs::rename(half.path(), &path) {
            Ok(()) => drop(half.keep()),
            // Somebody else was faster.
            Err(_) if path.is_dir() => {}
            Err(error) => return Err(SourceError::io("name", &path, error)),
        }
        for folder in [&team, &self.folder] {
            sync(folder).map_err(|e| SourceError::io("make durable", folder, e))?;
        }
        Repository::open(path)
    }

    /// The names of all repositories, sorted.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn list(&self) -> Result<Vec<ComponentName>, SourceError> {
        let mut names = Vec::new();
        for team in entries(&self.folder)? {
            for repository in entries(&self.folder.join(&team))? {
                let Some(short) = repository.strip_suffix(".git") else {
                    continue;
                };
                names.extend(ComponentName::new(format!("{team}/{short}")).ok());
            }
        }
        names.sort();
        Ok(names)
    }
}

fn settings_text() -> String {
    let mut text = SETTINGS.to_owned();
    for section in ["receive", "fetch"] {
        text.push_str(&format!("[{section} \"fsck\"]\n"));
        for flaw in HARMLESS {
            text.push_str(&format!("\t{flaw} = ignore\n"));
        }
    }
    text
}

fn entries(folder: &Path) -> Result<Vec<String>, SourceError> {
    let wrong = |e| SourceError::io("list", folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if entry.file_type().map_err(wrong)?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::File::open(entry.path())?.sync_all()?;
        }
    }
    fs::File::open(folder)?.sync_all()
}

/// One bare repository. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    pub(crate) path: PathBuf,
    pub(crate) objects: gix::ThreadSafeRepository,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Repository").field(&self.path).finish()
    }
}

impl Repository {
    /// Opens the repository in `path`.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SourceError> {
        let path = path.into();
        let path = path.canonicalize().map_err(|e| SourceError::io("find", &path, e))?;
        // Isolated: no settings of the system or of a user count.
        let options = gix::open::Options::isolated()
            .with(gix::sec::Trust::Full)
            .open_path_as_is(true);
        let objects = options.open(&path).map_err(|error| SourceError::Read {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self { path, objects })
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Points `HEAD` at a branch, so that a clone checks it out.
    ///
    /// # Errors
    /// When git fails.
    pub async fn set_head(&self, branch: &ReleaseLine) -> Result<(), SourceError> {
        let name = RefName::of_branch(branch);
        let spec = git::git(Some(&self.path)).args(["symbolic-ref", "HEAD", name.as_str()]);
        git::run(spec, "symbolic-ref", git::LOCAL).await.map(drop)
    }

    /// Packs what pushes left in many small pieces, when there are many. Deletes no commit. Takes a
    /// while on large repositories; for quiet hours.
    ///
    /// # Errors
    /// When git fails.
    pub async fn tidy(&self) -> Result<(), SourceError> {
        let spec = git::git(Some(&self.path))
            .args(["-c", "gc.auto=1000", "-c", "gc.autoPackLimit=30"])
            .args(["gc", "--auto", "--quiet"])
            .nice(10);
        git::run(spec, "gc", git::LOCAL * 6).await.map(drop)
    }
}
