//! Where results are shared: a place with named bytes that many machines read and some write.
//!
//! A share is asked for names and knows nothing of results. What it answers is checked by whoever asked.
//! Here are the words for all kinds of shares, and the one kind that is a folder.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::files::{clone_or_copy, touch};

/// Why a share did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// It does not answer, or not in time: it is of no use to ask for something else.
    #[error("{0}")]
    Away(String),
    /// It answers, and will not do it for whoever asks, whatever the name.
    #[error("{0}")]
    Refused(String),
    /// What lies there has more bytes than it may have.
    #[error("it is larger than {0} bytes")]
    Larger(u64),
    /// This one thing did not work.
    #[error("{0}")]
    Failed(String),
}

/// What is written to a share.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// The bytes of this file.
    File(&'a Path),
}

/// A place where results are shared. Names are relative paths of plain words, such as
/// `trusted/blobs/ab/abcd`.
pub trait Share: Send + Sync + std::fmt::Debug {
    /// How people name it. It holds no secret.
    fn name(&self) -> String;

    /// Writes what lies under `name` to `into`, and says whether anything does. More than `most` bytes are an
    /// error; `into` may have taken some of them then.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, name: &str, most: u64, into: &mut dyn Write) -> Result<bool, ShareError>;

    /// Whether anything lies under `name`.
    ///
    /// # Errors
    /// When that cannot be said.
    fn has(&self, name: &str) -> Result<bool, ShareError>;

    /// Puts bytes under `name`, at once and as a whole: nobody ever reads a part of them.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write(&self, name: &str, from: Source<'_>) -> Result<(), ShareError>;
}

/// A folder that several machines see.
#[derive(Debug)]
pub struct FolderShare {
    folder: PathBuf,
    next: AtomicU64,
}

impl FolderShare {
    /// The share in `folder`, which is made when something is written to it.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            next: AtomicU64::new(0),
        }
    }

    fn place(&self, name: &str) -> Result<PathBuf, ShareError> {
        let path = Path::new(name);
        if path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Ok(self.folder.join(path));
        }
        Err(ShareError::Failed(format!("`{name}` is no name in a share")))
    }

    /// What an error of the file system means for the share as a whole.
    fn wrong(&self, path: &Path, error: &std::io::Error) -> ShareError {
        use std::io::ErrorKind;
        let text = format!("{} cannot be used: {error}", path.display());
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
                ShareError::Refused(text)
            }
            ErrorKind::TimedOut | ErrorKind::StaleNetworkFileHandle | ErrorKind::HostUnreachable => {
                ShareError::Away(text)
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ShareError::Refused(text),
            _ => ShareError::Failed(text),
        }
    }

    /// Opens what lies under a name.
    fn open(&self, path: &Path) -> Result<Option<File>, ShareError> {
        match File::open(path) {
            Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_dir()) => Ok(None),
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(path, &error)),
        }
    }
}

impl Share for FolderShare {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn read(&self, name: &str, most: u64, into: &mut dyn Write) -> Result<bool, ShareError> {
        let path = self.place(name)?;
        let Some(file) = self.open(&path)? else {
            return Ok(false);
        };
        let wrong = |error: std::io::Error| self.wrong(&path, &error);
        if file.metadata().map_err(wrong)?.len() > most {
            return Err(ShareError::Larger(most));
        }
        std::io::copy(&mut file.take(most), into).map_err(wrong)?;
        // Whoever clears the folder of what is old can go by this time.
        touch(&path);
        Ok(true)
    }

    fn has(&self, name: &str) -> Result<bool, ShareError> {
        let path = self.place(name)?;
        let there = self.open(&path)?.is_some();
        if there {
            touch(&path);
        }
        Ok(there)
    }

    fn write(&self, name: &str, from: Source<'_>) -> Result<(), ShareError> {
        let path = self.place(name)?;
        let wrong = |error: std::io::Error| self.wrong(&path, &error);
        let folder = path.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder).map_err(wrong)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        // Beside its place, under a name that no other process and no other machine gives.
        let fresh = folder.join(format!("fresh-{host}-{}-{number}", std::process::id()));
        let written = match from {
            Source::Bytes(bytes) => std::fs::write(&fresh, bytes),
            Source::File(file) => clone_or_copy(file, &fresh),
        };
        let settled = written.and_then(|()| std::fs::rename(&fresh, &path));
        if settled.is_err() {
            let _ = std::fs::remove_file(&fresh);
        }
        settled.map_err(wrong)
    }
}
