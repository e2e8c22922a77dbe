//! Results on the disk: a record under its key, and its files under their digests.
//!
//! `results/KEY.json` says what came of a manifest, `blobs/DIGEST` holds the bytes of files and logs,
//! `last/COMPONENT/STEP.json` the manifest of the last time. Everything is written beside and renamed.
//! What is found only in a share is brought here first.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use facts::{Digest, StepName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::files::{clone_or_copy, read_used};
use crate::manifest::{Input, Key, Manifest};
use crate::memory::of_file;
use crate::sharing::{Parcel, Shared, Sharing};

/// The largest log that is brought from a share, in bytes.
const LARGEST_LOG: u64 = 256 << 20;
/// How many files are brought from a share at a time.
const BRINGERS: usize = 8;

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

/// The results kept in a folder, and in a share behind it.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    shared: Option<Shared>,
    next: AtomicU64,
}

impl Store {
    /// The version of [`Kept`] that this program writes.
    pub const VERSION: u32 = 1;

    /// Opens the store in `folder`, which is made where it is missing; `sharing` says what other machines
    /// use as well, and how.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn open(folder: &Path, sharing: Option<Sharing>) -> Result<Self, CacheError> {
        for name in ["results", "blobs", "last"] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(|source| CacheError::File { path, source })?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            shared: sharing.map(Shared::new),
            next: AtomicU64::new(0),
        })
    }

    /// What is kept under `key`. A record that cannot be read is none. That it was used is noted, so
    /// that collecting keeps it.
    pub fn find(&self, key: &Key) -> Option<Kept> {
        let here = record(&self.folder, key);
        let kept = read_used(&here)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        if kept.is_some() {
            return kept;
        }
        let text = self.shared.as_ref()?.record(key)?;
        let kept: Kept = serde_json::from_slice(&text).ok()?;
        // The next time it is found here; when that fails, it is found there again.
        let _ = self.write(&here, &text);
        Some(kept)
    }

    /// Keeps a result under its key, after its blobs, and has it shared.
    ///
    /// # Errors
    /// When something cannot be written here. Sharing happens later and fails nothing.
    pub fn keep(&self, key: &Key, kept: &Kept) -> Result<(), CacheError> {
        let text = serde_json::to_vec(kept).unwrap_or_default();
        crashpoint::reach("cache.result.before-record");
        let record = record(&self.folder, key);
        self.write(&record, &text)?;
        if let Some(shared) = &self.shared {
            let blobs: BTreeSet<Digest> = kept.blobs().collect();
            shared.send(Parcel {
                key: key.clone(),
                record,
                blobs: blobs
                    .into_iter()
                    .map(|digest| (digest, blob(&self.folder, &digest)))
                    .collect(),
            });
        }
        Ok(())
    }

    /// Waits for at most `limit` until what was made here is shared, and tells what was not.
    pub fn finish_sharing(&self, limit: Duration) {
        if let Some(shared) = &self.shared {
            shared.finish(limit);
        }
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

    /// The log of a result, checked; `None` where its bytes are missing or others.
    pub fn log(&self, key: &Key, kept: &Kept) -> Option<Vec<u8>> {
        let digest = kept.log?;
        let bytes = std::fs::read(self.fetch(key, &digest, LARGEST_LOG)?).ok()?;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    /// Where the bytes of a digest lie in this folder, brought from the share where needed: `size` bytes
    /// at most.
    pub(crate) fn fetch(&self, key: &Key, digest: &Digest, size: u64) -> Option<PathBuf> {
        let here = blob(&self.folder, digest);
        if here.exists() {
            return Some(here);
        }
        let shared = self.shared.as_ref()?;
        let fresh = self.fresh();
        let brought = File::create(&fresh).is_ok_and(|mut file| shared.blob(key, digest, size, &mut file));
        if brought && self.settle(&fresh, &here).is_ok() {
            return Some(here);
        }
        let _ = std::fs::remove_file(&fresh);
        None
    }

    /// Brings the files that are not here from the share, several at a time.
    pub(crate) fn bring(&self, key: &Key, files: &[(Digest, u64)]) {
        if self.shared.is_none() {
            return;
        }
        let missing: BTreeSet<&(Digest, u64)> = files
            .iter()
            .filter(|(digest, _)| !blob(&self.folder, digest).exists())
            .collect();
        let next = Mutex::new(missing.iter());
        let bring = || loop {
            let file = next.lock().unwrap_or_else(PoisonError::into_inner).next().copied();
            let Some((digest, size)) = file else { return };
            self.fetch(key, digest, *size);
        };
        std::thread::scope(|scope| {
            for _ in 1..missing.len().min(BRINGERS) {
                scope.spawn(bring);
            }
            bring();
        });
    }

    /// Drops a result that has turned out damaged, and the damaged bytes with it.
    pub(crate) fn drop_damaged(&self, key: &Key, digest: Option<&Digest>) {
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
                // A record may have come from elsewhere, and say any size.
                .fold(0, u64::saturating_add);
            full = full || bytes.saturating_add(more) > limits.most_bytes;
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
    fn fresh(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("fresh-{}-{number}", std::process::id());
        self.folder.join("blobs").join(name)
    }

    fn write(&self, place: &Path, bytes: &[u8]) -> Result<(), CacheError> {
        let fresh = self.fresh();
        std::fs::write(&fresh, bytes).map_err(|source| CacheError::File {
            path: fresh.clone(),
            source,
        })?;
        self.settle(&fresh, place)
    }

    /// Copies a file to a place in this folder.
    fn copy(&self, from: &Path, to: &Path) -> Result<(), CacheError> {
        let fresh = self.fresh();
        clone_or_copy(from, &fresh).map_err(|source| CacheError::File {
            path: from.to_owned(),
            source,
        })?;
        self.settle(&fresh, to)
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
        std::fs::rename(fresh, place).map_err(wrong)
    }
}

impl Output {
    /// The digest and the size of its bytes, where it is a file.
    pub(crate) const fn file(&self) -> Option<(Digest, u64)> {
        match &self.kind {
            OutputKind::File { digest, size, .. } => Some((*digest, *size)),
            OutputKind::Link { .. } => None,
        }
    }

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
        self.outputs.iter().filter_map(Output::file)
    }
}

fn record(folder: &Path, key: &Key) -> PathBuf {
    let hex = key.digest().hex();
    folder.join("results").join(&hex[..2]).join(format!("{hex}.json"))
}

fn blob(folder: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    folder.join("blobs").join(&hex[..2]).join(hex)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
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
