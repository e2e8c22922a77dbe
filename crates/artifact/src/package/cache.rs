//! Packages unpacked once and kept: what instances run from.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use facts::Digest;

use super::{Package, PackageError, unpack};
use crate::beneath::Folder;
use crate::blob::BlobStore;

/// A folder of unpacked packages, each under the hex digits of its digest. A package is there whole or
/// not at all, also after a crash or a power cut, and is read-only.
#[derive(Debug)]
pub struct UnpackCache {
    folder: PathBuf,
    next: AtomicU64,
}

/// What the names of folders being unpacked begin with.
const UNFINISHED: &str = ".unpacking-";

impl UnpackCache {
    /// Opens the cache in `folder`, which is made when absent. What a dead process left half unpacked
    /// is removed.
    ///
    /// # Errors
    /// When the folder cannot be made, read or cleared.
    pub fn open(folder: &Path) -> Result<Self, PackageError> {
        let wrong = |source| PackageError::Write {
            path: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(wrong)?;
        for entry in std::fs::read_dir(folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                continue;
            }
            let Ok(handle) = File::open(entry.path()) else { continue };
            if rustix::fs::flock(&handle, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok() {
                remove_tree(&entry.path()).map_err(wrong)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            next: AtomicU64::new(0),
        })
    }

    /// The folder of a package's files, unpacked now unless it is there already.
    ///
    /// # Errors
    /// As [`unpack`]; then nothing is left behind.
    pub fn get(&self, store: &BlobStore, package: &Package) -> Result<PathBuf, PackageError> {
        let place = self.path(&package.digest);
        if place.is_dir() {
            return Ok(place);
        }
        let half = loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let half = self.folder.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
            match std::fs::create_dir(&half) {
                Ok(()) => break half,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(PackageError::Write { path: half, source }),
            }
        };
        let result = self.fill(store, package, &half, &place);
        if result.is_err() {
            // What cannot be removed now is removed at the next start.
            let _ = remove_tree(&half);
        }
        result.map(|()| place)
    }

    fn fill(&self, store: &BlobStore, package: &Package, half: &Path, place: &Path) -> Result<(), PackageError> {
        let wrong = |source| PackageError::Write {
            path: half.to_owned(),
            source,
        };
        let folder = Folder::open(half).map_err(wrong)?;
        rustix::fs::flock(folder.handle(), rustix::fs::FlockOperation::LockShared).map_err(|e| wrong(e.into()))?;
        unpack(store, package, half)?;
        crashpoint::reach("artifact.unpack.filled");
        // One call for all files: a package may have very many.
        rustix::fs::syncfs(folder.handle()).map_err(|e| wrong(e.into()))?;
        std::fs::set_permissions(half, Permissions::from_mode(0o555)).map_err(wrong)?;
        match std::fs::rename(half, place) {
            Ok(()) => {}
            // Somebody else was faster, with the same files.
            Err(_) if place.is_dir() => remove_tree(half).map_err(wrong)?,
            Err(error) => return Err(wrong(error)),
        }
        crashpoint::reach("artifact.unpack.renamed");
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(wrong)
    }

    /// Where a package's files are, whether or not they are there.
    pub fn path(&self, package: &Digest) -> PathBuf {
        self.folder.join(package.hex())
    }

    /// Removes a package's files; they come back with the next [`get`](Self::get).
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub fn remove(&self, package: &Digest) -> Result<(), PackageError> {
        let place = self.path(package);
        if !place.exists() {
            return Ok(());
        }
        // Out of the way first, so that nobody sees half a package.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let half = self.folder.join(format!("{UNFINISHED}{}-{number}", std::process::id()));
        let wrong = |source| PackageError::Write {
            path: place.clone(),
            source,
        };
        std::fs::rename(&place, &half).map_err(wrong)?;
        remove_tree(&half).map_err(wrong)
    }
}

/// Removes a tree whose folders are read-only. Links are removed, not followed.
fn remove_tree(path: &Path) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    std::fs::remove_dir_all(path)
}
