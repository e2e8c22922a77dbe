//! The files of a workspace, as far as they can be inputs and outputs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pipeline::Globs;

/// Git's own folder, which is no part of a workspace.
pub(crate) const GIT: &str = ".git";

/// Why files could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A folder or file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that is not text cannot stand in a key.
    #[error("the name of {} is not UTF-8, so no key can name it", .0.display())]
    Name(PathBuf),
}

/// One file or link that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    /// Its path beneath the workspace.
    pub path: String,
    /// What it is.
    pub kind: SeenKind,
    /// What tells whether it has changed since.
    pub stamp: Stamp,
}

/// What a seen entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenKind {
    /// A file, and whether its owner may execute it.
    File {
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A link, wherever it points.
    Link,
}

/// What the file system says of a file besides its bytes. Two equal stamps mean the same bytes, except
/// for a file that was written within the same tick of the file system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Its length in bytes.
    pub size: u64,
    /// When its bytes changed, in nanoseconds since 1970.
    pub modified: i128,
    /// When its bytes, name or mode changed.
    pub changed: i128,
    /// Its number in the file system.
    pub inode: u64,
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            size: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

impl SeenFile {
    /// Looks at one path beneath `root`; `None` where there is neither file nor link.
    ///
    /// # Errors
    /// When it is there and cannot be looked at.
    pub fn at(root: &Path, path: &str) -> Result<Option<Self>, TreeError> {
        Ok(match Entry::at(root, path)? {
            Some(Entry::Seen(seen)) => Some(seen),
            Some(Entry::Folder) | None => None,
        })
    }
}

/// What lies at a path.
enum Entry {
    Folder,
    Seen(SeenFile),
}

impl Entry {
    fn at(root: &Path, path: &str) -> Result<Option<Self>, TreeError> {
        let place = root.join(path);
        let metadata = match place.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(source) => return Err(TreeError::Read { path: place, source }),
        };
        let kind = if metadata.is_symlink() {
            SeenKind::Link
        } else if metadata.is_file() {
            SeenKind::File {
                executable: metadata.mode() & 0o100 != 0,
            }
        } else {
            return Ok(metadata.is_dir().then_some(Self::Folder));
        };
        Ok(Some(Self::Seen(SeenFile {
            path: path.to_owned(),
            kind,
            stamp: Stamp::of(&metadata),
        })))
    }
}

/// The files of a workspace that git does not ignore, sorted by path. What `.gitignore` files name is
/// left out; settings of this user or machine are not asked, so that a key is the same everywhere.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
    files: Vec<SeenFile>,
    entries: usize,
}

impl Tree {
    /// Walks the workspace at `root`. Links are not followed, and `.git` is left out.
    ///
    /// # Errors
    /// When a folder cannot be read, or a name is no text.
    pub fn look(root: &Path) -> Result<Self, TreeError> {
        Self::look_at(root, [""])
    }

    /// Walks only as far as it takes to see what lies at these paths beneath the workspace, and below them; the empty
    /// path is the workspace.
    ///
    /// # Errors
    /// See [`Tree::look`].
    pub fn look_at<'a>(root: &Path, places: impl IntoIterator<Item = &'a str>) -> Result<Self, TreeError> {
        let places: Vec<PathBuf> = places.into_iter().map(|place| root.join(place)).collect();
        let entries = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&entries);
        let wanted = move |path: &Path| {
            seen.fetch_add(1, Ordering::Relaxed);
            let mut places = places.iter();
            places.any(|place| place.starts_with(path) || path.starts_with(place))
        };
        let mut walk = ignore::WalkBuilder::new(root);
        walk.hidden(false)
            .parents(false)
            .ignore(false)
            .git_global(false)
            .git_exclude(false)
            .git_ignore(true)
            .require_git(false)
            .follow_links(false)
            .filter_entry(move |entry| entry.file_name() != GIT && wanted(entry.path()));
        let mut files = Vec::new();
        for entry in walk.build() {
            let entry = entry.map_err(|error| TreeError::Read {
                path: root.to_owned(),
                source: error
                    .io_error()
                    .map_or_else(|| std::io::Error::other(error.to_string()), |io| io.kind().into()),
            })?;
            if entry.file_type().is_some_and(|kind| !kind.is_dir()) {
                let path = beneath(root, entry.path())?;
                files.extend(SeenFile::at(root, &path)?);
            }
        }
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(Self {
            root: root.to_owned(),
            files,
            entries: entries.load(Ordering::Relaxed),
        })
    }

    /// How many files and folders were passed on the way: what it took to look.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Each of them.
    pub fn files(&self) -> &[SeenFile] {
        &self.files
    }

    /// All of them.
    pub fn into_files(self) -> Vec<SeenFile> {
        self.files
    }

    /// The folders that hold them, and those on the way, each once; the empty path is the workspace.
    pub fn folders(&self) -> std::collections::BTreeSet<&str> {
        let mut folders = std::collections::BTreeSet::from([""]);
        for file in &self.files {
            let mut path = file.path.as_str();
            while let Some((folder, _)) = path.rsplit_once('/') {
                if !folders.insert(folder) {
                    break;
                }
                path = folder;
            }
        }
        folders
    }

    /// The files that `globs` mean, and those that are named in full although git ignores them.
    ///
    /// # Errors
    /// When a file that is named in full cannot be looked at.
    pub fn matching(&self, patterns: &[String], globs: &Globs) -> Result<Vec<SeenFile>, TreeError> {
        let mut found = Vec::new();
        let mut folders: Vec<&str> = globs.folders().collect();
        folders.sort_unstable();
        folders.dedup();
        let whole = folders.first().is_some_and(|folder| folder.is_empty());
        let ranges: Vec<&[SeenFile]> = if whole {
            vec![&self.files]
        } else {
            folders.iter().map(|folder| self.below(folder)).collect()
        };
        for file in ranges.into_iter().flatten() {
            if globs.matches(&file.path) {
                found.push(file.clone());
            }
        }
        for pattern in patterns {
            if !pattern.contains(['*', '?', '[', '{', '!']) {
                let path = pattern.trim_start_matches("./").trim_end_matches('/');
                match self.files.binary_search_by(|file| file.path.as_str().cmp(path)) {
                    Ok(at) => found.push(self.files[at].clone()),
                    Err(_) => found.extend(SeenFile::at(&self.root, path)?),
                }
            }
        }
        found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        found.dedup_by(|a, b| a.path == b.path);
        Ok(found)
    }

    /// The files whose path begins with `prefix`.
    fn below(&self, prefix: &str) -> &[SeenFile] {
        let from = self.files.partition_point(|file| file.path.as_str() < prefix);
        let length = self.files[from..].partition_point(|file| file.path.starts_with(prefix));
        &self.files[from..from + length]
    }

    /// The files and links beneath `root` that `globs` mean, ignored or not, sorted by path.
    ///
    /// # Errors
    /// When a folder cannot be read, or a name is no text.
    pub fn outputs(root: &Path, globs: &Globs) -> Result<Vec<SeenFile>, TreeError> {
        let mut found = Vec::new();
        let mut places: Vec<&str> = globs.places().collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            let (folder, name) = place.rsplit_once('/').unwrap_or(("", place));
            // Nothing is looked for through a link: what lies there is not of this workspace.
            if name == GIT || passes_a_link(root, folder)? {
                continue;
            }
            match Entry::at(root, place)? {
                Some(Entry::Folder) => walk(root, place, globs, &mut found)?,
                Some(Entry::Seen(seen)) if globs.matches(place) => found.push(seen),
                Some(Entry::Seen(_)) | None => {}
            }
        }
        found.sort_unstable_by(|a: &SeenFile, b| a.path.cmp(&b.path));
        found.dedup_by(|a, b| a.path == b.path);
        Ok(found)
    }
}

/// Whether a part of `path` is a link.
pub(crate) fn passes_a_link(root: &Path, path: &str) -> Result<bool, TreeError> {
    let mut place = root.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        place.push(part);
        match place.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(TreeError::Read { path: place, source }),
        }
    }
    Ok(false)
}

fn walk(root: &Path, folder: &str, globs: &Globs, found: &mut Vec<SeenFile>) -> Result<(), TreeError> {
    let place = root.join(folder);
    let wrong = |source| TreeError::Read {
        path: place.clone(),
        source,
    };
    let entries = match std::fs::read_dir(&place) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        Err(source) => return Err(wrong(source)),
    };
    for entry in entries {
        let entry = entry.map_err(wrong)?;
        if entry.file_name() == GIT {
            continue;
        }
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| TreeError::Name(entry.path()))?;
        let path = if folder.is_empty() {
            name
        } else {
            format!("{folder}/{name}")
        };
        if entry.file_type().map_err(wrong)?.is_dir() {
            walk(root, &path, globs, found)?;
        } else if globs.matches(&path) {
            found.extend(SeenFile::at(root, &path)?);
        }
    }
    Ok(())
}

fn beneath(root: &Path, path: &Path) -> Result<String, TreeError> {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| TreeError::Name(path.to_owned()))
}
