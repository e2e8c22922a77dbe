//! Puts a kept result back into the workspace.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use facts::Clock;
use pipeline::Globs;

use crate::files::clone_or_copy;
use crate::manifest::Key;
use crate::memory::{Memory, of_file};
use crate::store::{CacheError, Kept, Output, OutputKind, Store};
use crate::tree::{GIT, SeenFile, SeenKind, Tree, passes_a_link};

/// What putting back came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files that were written.
    pub written: u64,
    /// Files that were as they should be already.
    pub left: u64,
    /// Files that the step had not left, and were removed.
    pub removed: u64,
    /// Bytes that were written.
    pub bytes: u64,
}

/// Makes the outputs of a step what they were when its result was kept. What matches `outputs` and is
/// not of the result is removed, so that the same key always means the same files.
///
/// # Errors
/// [`CacheError::Damaged`] when something kept is missing or has other bytes: the result is then
/// dropped, and the step must run. Files that were put back before that stay; the step writes them anew.
pub fn restore(
    root: &Path,
    store: &Store,
    key: &Key,
    kept: &Kept,
    outputs: &Globs,
    memory: &Memory,
    clock: &dyn Clock,
) -> Result<Restored, CacheError> {
    let mut restored = Restored::default();
    let wanted: BTreeSet<&str> = kept.outputs.iter().map(|output| output.path.as_str()).collect();
    let there = Tree::outputs(root, outputs)?;
    for file in there.iter().filter(|file| !wanted.contains(file.path.as_str())) {
        let path = root.join(&file.path);
        std::fs::remove_file(&path).map_err(|source| CacheError::File { path, source })?;
        memory.forget(&file.path);
        restored.removed += 1;
    }
    let mut missing = Vec::new();
    for output in &kept.outputs {
        // A record is not trusted further than the definition goes.
        if !outputs.matches(&output.path) || !is_beneath(&output.path) {
            store.drop_damaged(key, None);
            return Err(CacheError::Damaged(output.path.clone()));
        }
        let seen = match there.binary_search_by(|file| file.path.cmp(&output.path)) {
            Ok(at) => Some(there[at].clone()),
            Err(_) => SeenFile::at(root, &output.path)?,
        };
        if is_as_kept(root, output, seen.as_ref(), memory, clock)? {
            restored.left += 1;
        } else {
            missing.push(output);
        }
    }
    let files: Vec<_> = missing.iter().filter_map(|output| output.file()).collect();
    store.bring(key, &files);
    for output in missing {
        restored.bytes += put(root, store, key, output)?;
        restored.written += 1;
        memory.forget(&output.path);
    }
    Ok(restored)
}

/// Whether a path names a place beneath the workspace, and not in git's own folder.
fn is_beneath(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | ".." | GIT) && !part.contains('\0');
    path.split('/').all(plain)
}

/// Whether what lies at the place of an output is just this output already.
fn is_as_kept(
    root: &Path,
    output: &Output,
    seen: Option<&SeenFile>,
    memory: &Memory,
    clock: &dyn Clock,
) -> Result<bool, CacheError> {
    let Some(file) = seen else { return Ok(false) };
    Ok(match (&output.kind, file.kind) {
        (
            OutputKind::File {
                digest,
                size,
                executable,
            },
            SeenKind::File { executable: is },
        ) => *executable == is && *size == file.stamp.size && memory.digest(root, file, clock)? == *digest,
        (OutputKind::Link { to }, SeenKind::Link) => std::fs::read_link(root.join(&output.path))
            .is_ok_and(|target| target.as_os_str().as_bytes() == to.as_bytes()),
        _ => false,
    })
}

/// Puts one output in its place, and says how many bytes it has.
fn put(root: &Path, store: &Store, key: &Key, output: &Output) -> Result<u64, CacheError> {
    let place = root.join(&output.path);
    let wrong = |source| CacheError::File {
        path: place.clone(),
        source,
    };
    let folder = output.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if passes_a_link(root, folder)? {
        return Err(wrong(std::io::Error::other("a folder on the way is a link")));
    }
    std::fs::create_dir_all(root.join(folder)).map_err(wrong)?;
    match std::fs::remove_file(&place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        removed => removed.map_err(wrong)?,
    }
    let OutputKind::File {
        digest,
        size,
        executable,
    } = &output.kind
    else {
        let OutputKind::Link { to } = &output.kind else {
            return Ok(0);
        };
        std::os::unix::fs::symlink(to, &place).map_err(wrong)?;
        return Ok(0);
    };
    let damaged = || {
        store.drop_damaged(key, Some(digest));
        CacheError::Damaged(output.path.clone())
    };
    let from = store.fetch(key, digest, *size).ok_or_else(damaged)?;
    clone_or_copy(&from, &place).map_err(wrong)?;
    if of_file(&place).map_err(wrong)? != *digest {
        let _ = std::fs::remove_file(&place);
        return Err(damaged());
    }
    let mode = if *executable { 0o755 } else { 0o644 };
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).map_err(wrong)?;
    Ok(*size)
}

impl Store {
    /// Keeps what a step has left in the workspace: the files that `outputs` mean, as records of a
    /// result.
    ///
    /// # Errors
    /// When a file cannot be read or kept, or changes meanwhile.
    pub fn keep_outputs(&self, root: &Path, outputs: &Globs) -> Result<Vec<Output>, CacheError> {
        let mut kept = Vec::new();
        for file in Tree::outputs(root, outputs)? {
            let path = root.join(&file.path);
            let kind = match file.kind {
                SeenKind::Link => {
                    let target = std::fs::read_link(&path).map_err(|source| CacheError::File {
                        path: path.clone(),
                        source,
                    })?;
                    let to = target.to_str().map(str::to_owned);
                    OutputKind::Link {
                        to: to.ok_or_else(|| crate::tree::TreeError::Name(target.clone()))?,
                    }
                }
                SeenKind::File { executable } => {
                    let (digest, size) = self.keep_file(&path)?;
                    if SeenFile::at(root, &file.path)?.map(|now| now.stamp) != Some(file.stamp) {
                        return Err(CacheError::Moving(file.path));
                    }
                    OutputKind::File {
                        digest,
                        size,
                        executable,
                    }
                }
            };
            kept.push(Output { path: file.path, kind });
        }
        Ok(kept)
    }
}
