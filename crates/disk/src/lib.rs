//! Files that are there as a whole or not at all, whoever dies on the way and wherever the power goes.
//!
//! Such a file is written aside ([`Draft`]), its bytes are made durable ([`Sealed`]), it gets its name
//! ([`Named`]), and the name is made durable. The types keep the order: what is not sealed cannot be named by
//! mistake. The few operations that this rests on stand behind a trait, [`Disk`], so that tests can cut the
//! power between any two of them.

mod draft;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

pub use draft::{Draft, Named, Sealed, replace};

/// What a writer asks of a disk.
pub trait Disk: Send + Sync {
    /// Creates a file that is not there yet, with these permissions, locked for as long as it is open: the lock tells
    /// whoever sweeps that the writer lives.
    ///
    /// # Errors
    /// When it is there, or cannot be made.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>>;

    /// Moves a file over another, atomically.
    ///
    /// # Errors
    /// When the disk fails.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// When the disk fails.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// When it is not there, or the disk fails.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written.
pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// When the disk fails or is full.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's bytes durable.
    ///
    /// # Errors
    /// When the disk fails.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared)?;
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // The folder of a bare name is the working folder.
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        File::open(path)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

impl DiskFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
