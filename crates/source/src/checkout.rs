//! A commit's files in an empty folder.
//!
//! Git writes them, with hooks, filters and monitors off, and an index of its own beside the folder. So
//! `.git` is absent, submodules are empty folders, and files kept by LFS are their small pointers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::Commit;
use gix::objs::tree::EntryKind as Kind;

use crate::error::SourceError;
use crate::git;
use crate::repository::Repository;

/// What a checkout may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckoutLimits {
    /// Files, links and folders.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// How long git may take.
    pub time: Duration,
}

impl Default for CheckoutLimits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            bytes: 32 * 1024 * 1024 * 1024,
            time: Duration::from_secs(900),
        }
    }
}

impl Repository {
    /// Writes the files of `commit` into `folder`, which must be empty or absent.
    ///
    /// # Errors
    /// When the commit is not here, is larger than the limits, holds paths that git refuses, or the
    /// disk fails. Then the folder may hold some of the files: the caller removes it.
    pub async fn checkout(&self, commit: &Commit, folder: &Path, limits: CheckoutLimits) -> Result<(), SourceError> {
        let measured = {
            let (this, commit) = (self.clone(), commit.clone());
            tokio::task::spawn_blocking(move || this.measure(&commit, limits)).await
        };
        measured.map_err(|error| self.wrong(error))??;
        fs::create_dir_all(folder).map_err(|e| SourceError::io("make", folder, e))?;
        let folder = folder.canonicalize().map_err(|e| SourceError::io("find", folder, e))?;
        if fs::read_dir(&folder)
            .map_err(|e| SourceError::io("list", &folder, e))?
            .next()
            .is_some()
        {
            return Err(SourceError::NotEmpty(folder));
        }
        let index = Index::beside(&folder)?;
        // The commit's id is hex digits, checked by its type: no option, no path.
        let spec = git::git(Some(&self.path))
            .args([
                "-c",
                "core.bare=false",
                "-c",
                "core.symlinks=true",
                "-c",
                "core.autocrlf=false",
            ])
            .args(["-c", "submodule.recurse=false", "-c", "core.logAllRefUpdates=false"])
            .args([
                "-c",
                "filter.lfs.smudge=",
                "-c",
                "filter.lfs.process=",
                "-c",
                "filter.lfs.required=false",
            ])
            .arg("--work-tree")
            .arg(&folder)
            .args(["read-tree", "--reset", "-u", commit.as_str()])
            .variable("GIT_INDEX_FILE", &index.0)
            .folder(&folder);
        crashpoint::reach("source.checkout.start");
        git::run(spec, "checkout", limits.time).await?;
        crashpoint::reach("source.checkout.done");
        Ok(())
    }

    /// Counts what a checkout would write, so that a small repository cannot fill the disk.
    fn measure(&self, commit: &Commit, limits: CheckoutLimits) -> Result<(), SourceError> {
        let reader = self.reader();
        let mut trees = vec![self.top(&reader, commit)?];
        let (mut entries, mut bytes) = (0_u64, 0_u64);
        let too_many = |limit: String| SourceError::TooManyFiles {
            commit: commit.clone(),
            limit,
        };
        while let Some(tree) = trees.pop() {
            for (kind, id) in self.names(&reader, Some(tree))?.into_values() {
                entries += 1;
                match kind {
                    Kind::Tree => trees.push(id),
                    Kind::Commit => {}
                    Kind::Blob | Kind::BlobExecutable | Kind::Link => {
                        bytes = bytes.saturating_add(reader.find_header(id).map_err(|e| self.wrong(e))?.size());
                    }
                }
                if entries > limits.entries {
                    return Err(too_many(format!("{} files and folders", limits.entries)));
                }
                if bytes > limits.bytes {
                    return Err(too_many(format!("{} bytes", limits.bytes)));
                }
            }
        }
        Ok(())
    }
}

/// The index of one checkout; gone when dropped.
struct Index(PathBuf);

impl Index {
    fn beside(folder: &Path) -> Result<Self, SourceError> {
        let mut name = folder.file_name().unwrap_or_default().to_owned();
        name.push(".index");
        let index = Self(folder.with_file_name(name));
        // What a crash left of an earlier checkout to the same folder.
        index.remove().map_err(|e| SourceError::io("remove", &index.0, e))?;
        Ok(index)
    }

    fn remove(&self) -> io::Result<()> {
        for path in [self.0.clone(), self.0.with_extension("index.lock")] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // Left behind, it is removed by the next checkout to the same folder.
        let _ = self.remove();
    }
}
