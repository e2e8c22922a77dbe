//! What can go wrong with a blob.

use std::io;
use std::path::{Path, PathBuf};

use facts::Digest;

/// Why a blob could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No blob of this digest is here.
    #[error("blob {digest} is not in the store")]
    Missing {
        /// The digest asked for.
        digest: Digest,
    },
    /// The bytes under this digest are not the bytes that were stored.
    #[error("blob {digest} is damaged: its bytes have the digest {found}")]
    Corrupt {
        /// The digest asked for.
        digest: Digest,
        /// The digest of what is there.
        found: Digest,
    },
    /// The bytes given are not those announced; nothing was stored.
    #[error("the bytes given have the digest {found}, announced was {expected}")]
    Unexpected {
        /// The digest announced.
        expected: Digest,
        /// The digest of the bytes given.
        found: Digest,
    },
    /// The blob has more bytes than the caller takes.
    #[error("blob {digest} has more than {limit} bytes")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// The most bytes that the caller takes.
        limit: u64,
    },
    /// The disk is full, or the quota is used up. Nothing was left behind.
    #[error("no space left for blobs in {}", folder.display())]
    Full {
        /// The store's folder.
        folder: PathBuf,
    },
    /// What gave the bytes failed. Nothing was left behind.
    #[error("the bytes to store could not be read: {0}")]
    Input(#[source] io::Error),
    /// Any other trouble with the disk.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BlobError {
    /// Turns a system error into the fitting variant.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::Full {
                folder: path.parent().unwrap_or(path).to_owned(),
            };
        }
        Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the disk is full: new work must wait, what runs may end.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::Input(error) => is_full(error),
            _ => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("run `throughline ledger verify` to see what else is missing"),
            Self::Corrupt { .. } => Some("restore the file from a backup, or build the commit again"),
            Self::Full { .. } => Some("free some space or move the data folder; then retry the run"),
            _ => None,
        }
    }
}

/// Whether the system says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
