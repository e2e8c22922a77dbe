//! Results on the disk: a record under its key, and its files under their digests.
//!
//! `results/KEY.json` says what came of a manifest, `blobs/DIGEST` holds the bytes of files and logs,
//! `last/COMPONENT/STEP.json` the manifest of the last time. Everything is written beside and renamed.
//! A second folder may be shared with other machines; what is found only there is copied here.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use facts::{Digest, StepName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::manifest::{Input, Manifest};
use crate::memory::of_file;

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A folder or file cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An output has changed while it was being kept.
    #[error("`{0}` changed while it was being kept: something still writes to it")]
    Moving(String),
    /// The bytes of a kept file are missing or are others.
    #[error("what is kept of `{0}` is missing or damaged")]
    Damaged(String),
    /// Looking at the workspace failed.
    #[error(transparent)]
    Tree(#[from] crate::tree::TreeError),
}

/// What is kept of one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The version of this shape.
    pub version: u32,
    /// The files it left, sorted by path.
    pub outputs: Vec<Output>,
    /// The digest of its log, as zstd-compressed lines of a step's log; absent where it said nothing.
    pub log: Option<Digest>,
    /// How long the attempt took that made it, in milliseconds.
    pub took_ms: u64,
    /// The run that made it.
    pub made_by: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// One file of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its path beneath the workspace.
    pub path: String,
    /// What it is.
    #[serde(flatten)]
    pub kind: OutputKind,
}

/// What an output is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OutputKind {
    /// A file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// Its length.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A link.
    Link {
        /// Where it points.
        to: String,
    },
}

/// How much may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of all files together.
    pub most_bytes: u64,
    /// How long a result is kept after it was last used.
    pub unused_for: Duration,
}

/// What collecting removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many results.
    pub results: u64,
    /// How many files.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The results kept in a folder, and in a shared one behind it.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    shared: Option<PathBuf>,
    next: AtomicU64,
}

impl Store {
    /// The version of [`Kept`] that this program writes.
    pub const VERSION: u32 = 1;

    /// Opens the store in `folder`, which is made where it is missing; `shared` is a folder that
    /// other machines use as well.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(folder: &Path, shared: Option<PathBuf>) -> Result<Self, CacheError> {
        for folder in [Some(folder), shared.as_deref()].into_iter().flatten() {
            for name in ["results", "blobs", "last"] {
                let path = folder.join(name);
                std::fs::create_dir_all(&path).map_err(|source| CacheError::File { path, source })?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            shared,
            next: AtomicU64::new(0),
        })
    }

    /// What is kept under `key`. A record that cannot be read is none. That it was used is noted, so
    /// that collecting keeps it.
    pub fn find(&self, key: &Digest) -> Option<Kept> {
        let here = record(&self.folder, key);
        if let Some(kept) = read(&here) {
            touch(&here);
            return Some(kept);
        }
        let there = record(self.shared.as_deref()?, key);
        let kept: Kept = read(&there)?;
        touch(&there);
        // The next time it is found here; when that fails, it is found there again.
        let _ = self.write(&here, &std::fs::read(&there).ok()?);
        Some(kept)
    }

    /// Keeps a result under its key: the blobs first, then the record that names them.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn keep(&self, key: &Digest, kept: &Kept) -> Result<(), CacheError> {
        let text = serde_json::to_vec(kept).unwrap_or_default();
        crashpoint::reach("cache.result.before-record");
        self.write(&record(&self.folder, key), &text)?;
        if let Some(shared) = &self.shared {
            for digest in kept.blobs() {
                let (from, to) = (blob(&self.folder, &digest), blob(shared, &digest));
                if !to.exists() {
                    self.copy(&from, &to)?;
                }
            }
            self.write(&record(shared, key), &text)?;
        }
        Ok(())
    }

    /// Keeps the bytes of a file of the workspace, and says under which digest.
    ///
    /// # Errors
    /// When it cannot be read or written, or changes meanwhile.
    pub fn keep_file(&self, path: &Path) -> Result<(Digest, u64), CacheError> {
        let wrong = |source| CacheError::File {
            path: path.to_owned(),
            source,
        };
        let digest = of_file(path).map_err(wrong)?;
        let size = path.metadata().map_err(wrong)?.len();
        let place = blob(&self.folder, &digest);
        if !place.exists() {
            self.copy(path, &place)?;
        }
        Ok((digest, size))
    }

    /// Keeps bytes, and says under which digest.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn keep_bytes(&self, bytes: &[u8]) -> Result<Digest, CacheError> {
        let digest = Digest::of(bytes);
        let place = blob(&self.folder, &digest);
        if !place.exists() {
            self.write(&place, bytes)?;
        }
        Ok(digest)
    }

    /// The bytes under a digest, checked; `None` where they are missing or others.
    pub fn bytes(&self, digest: &Digest) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.fetch(digest)?).ok()?;
        (Digest::of(&bytes) == *digest).then_some(bytes)
    }

    /// Where the bytes of a digest lie in this folder, brought from the shared one where needed.
    pub(crate) fn fetch(&self, digest: &Digest) -> Option<PathBuf> {
        let here = blob(&self.folder, digest);
        if here.exists() {
            return Some(here);
        }
        let there = blob(self.shared.as_deref()?, digest);
        if !there.exists() {
            return None;
        }
        self.copy(&there, &here).ok()?;
        Some(here)
    }

    /// Drops a result that has turned out damaged, and the damaged bytes with it.
    pub(crate) fn drop_damaged(&self, key: &Digest, digest: Option<&Digest>) {
        let _ = std::fs::remove_file(record(&self.folder, key));
        if let Some(digest) = digest {
            let _ = std::fs::remove_file(blob(&self.folder, digest));
        }
    }

    /// The manifest with which a step ended the last time.
    pub fn last(&self, component: &str, step: &StepName) -> Option<Manifest> {
        read(&self.last_file(component, step))
    }

    /// Notes the manifest with which a step ended now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_last(&self, step: &StepName, manifest: &Manifest) -> Result<(), CacheError> {
        self.write(&self.last_file(&manifest.component, step), &manifest.text())
    }

    fn last_file(&self, component: &str, step: &StepName) -> PathBuf {
        let folder = self.folder.join("last").join(Digest::of(component).short());
        folder.join(format!("{step}.json"))
    }

    /// Removes results that nobody has used for long, the longest unused first until the rest fits, and
    /// the files that no result names. `now` is the time to reckon from. A result that another process
    /// keeps at this moment may lose files; it is then made anew when it is asked for.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn collect(&self, limits: Limits, now: Timestamp) -> Result<Collected, CacheError> {
        let now = SystemTime::from(now);
        let mut results = Vec::new();
        for path in files(&self.folder.join("results"))? {
            let used = path.metadata().and_then(|metadata| metadata.modified());
            let kept: Option<Kept> = read(&path);
            results.push((used.unwrap_or(SystemTime::UNIX_EPOCH), path, kept));
        }
        // The newest first.
        results.sort_by_key(|(used, _, _)| std::cmp::Reverse(*used));
        let (mut named, mut bytes, mut full) = (HashSet::new(), 0u64, false);
        let mut collected = Collected::default();
        for (used, path, kept) in results {
            let old = now.duration_since(used).is_ok_and(|age| age > limits.unused_for);
            let more: u64 = kept
                .iter()
                .flat_map(Kept::sizes)
                .map(|(digest, size)| if named.contains(&digest) { 0 } else { size })
                .sum();
            full = full || bytes + more > limits.most_bytes;
            match kept {
                Some(kept) if !old && !full => {
                    bytes += more;
                    named.extend(kept.blobs());
                }
                _ => {
                    let _ = std::fs::remove_file(&path);
                    collected.results += 1;
                }
            }
        }
        crashpoint::reach("cache.collect.before-blobs");
        for path in files(&self.folder.join("blobs"))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let digest: Option<Digest> = format!("sha256:{name}").parse().ok();
            if digest.is_some_and(|digest| named.contains(&digest)) {
                continue;
            }
            // Bytes that were just written belong to a result that is being kept.
            let Ok(metadata) = path.metadata() else { continue };
            let age = metadata
                .modified()
                .ok()
                .and_then(|written| now.duration_since(written).ok());
            if age.is_some_and(|age| age > Duration::from_secs(3600)) && std::fs::remove_file(&path).is_ok() {
                collected.blobs += 1;
                collected.bytes += metadata.len();
            }
        }
        Ok(collected)
    }

    /// A name for a file that is being written.
    fn fresh(&self, folder: &Path) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        folder
            .join("blobs")
            .join(format!("fresh-{}-{number}", std::process::id()))
    }

    fn write(&self, place: &Path, bytes: &[u8]) -> Result<(), CacheError> {
        let fresh = self.fresh(&self.folder);
        std::fs::write(&fresh, bytes).map_err(|source| CacheError::File {
            path: fresh.clone(),
            source,
        })?;
        self.settle(&fresh, place)
    }

    /// Copies a file to a place in this or the shared folder.
    fn copy(&self, from: &Path, to: &Path) -> Result<(), CacheError> {
        let root = to.ancestors().nth(3).unwrap_or(&self.folder);
        let fresh = self.fresh(root);
        self.copy_bytes(from, &fresh)?;
        self.settle(&fresh, to)
    }

    fn copy_bytes(&self, from: &Path, to: &Path) -> Result<(), CacheError> {
        clone_or_copy(from, to).map_err(|source| CacheError::File {
            path: from.to_owned(),
            source,
        })
    }

    /// Gives a written file its name.
    fn settle(&self, fresh: &Path, place: &Path) -> Result<(), CacheError> {
        let wrong = |source| CacheError::File {
            path: place.to_owned(),
            source,
        };
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        match std::fs::rename(fresh, place) {
            // The folders are on two file systems.
            Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
                std::fs::copy(fresh, place).map_err(wrong)?;
                std::fs::remove_file(fresh).map_err(wrong)
            }
            renamed => renamed.map_err(wrong),
        }
    }
}

impl Output {
    /// The output as a file that another step may read.
    pub fn as_input(&self) -> Input {
        let (executable, digest, link) = match &self.kind {
            OutputKind::File { digest, executable, .. } => (*executable, *digest, false),
            OutputKind::Link { to } => (false, Digest::of(to), true),
        };
        Input {
            path: self.path.clone(),
            executable,
            digest,
            link,
        }
    }
}

impl Kept {
    /// The digests of all bytes it needs.
    pub fn blobs(&self) -> impl Iterator<Item = Digest> {
        self.sizes().map(|(digest, _)| digest).chain(self.log)
    }

    fn sizes(&self) -> impl Iterator<Item = (Digest, u64)> {
        self.outputs.iter().filter_map(|output| match &output.kind {
            OutputKind::File { digest, size, .. } => Some((*digest, *size)),
            OutputKind::Link { .. } => None,
        })
    }
}

/// Shares the bytes of a file where the file system can, else copies them.
pub(crate) fn clone_or_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = File::create(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_ok() {
        return Ok(());
    }
    std::io::copy(&mut source, &mut target).map(drop)
}

fn record(folder: &Path, key: &Digest) -> PathBuf {
    let hex = key.hex();
    folder.join("results").join(&hex[..2]).join(format!("{hex}.json"))
}

fn blob(folder: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    folder.join("blobs").join(&hex[..2]).join(hex)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Notes that a record was used.
fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        let times = rustix::fs::Timestamps {
            last_access: now(),
            last_modification: now(),
        };
        // That it was used is not worth failing for.
        let _ = rustix::fs::futimens(&file, &times);
    }
}

fn now() -> rustix::fs::Timespec {
    rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    }
}

/// All files two folders deep, and those of the folder itself.
fn files(folder: &Path) -> Result<Vec<PathBuf>, CacheError> {
    let mut found = Vec::new();
    let list = |folder: &Path| {
        std::fs::read_dir(folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|source| CacheError::File {
                path: folder.to_owned(),
                source,
            })
    };
    for entry in list(folder)? {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(list(&entry.path())?.into_iter().map(|entry| entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}
