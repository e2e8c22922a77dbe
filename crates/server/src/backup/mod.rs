//! Backups of a running server, and a server made of one again.
//!
//! - `take`: what the server gives out, in an order that makes it one state.
//! - [`folder`]: a folder of backups: each file's bytes once, under their digest, and what each backup holds.
//! - [`restore`]: an empty data folder filled from a backup.
//! - [`restored`]: what is kept of that until the first start, and what that start looks at.
//!
//! One state: what operates is copied first, then the ledger's end is taken, then everything that facts name. Whatever
//! is recorded later than the end is not in the facts, and what facts up to there name was durable before them. What is
//! removed after a while is not removed as long as a backup is taken.

pub mod folder;
pub mod kinds;
pub mod restore;
pub mod restored;
mod take;

use std::path::PathBuf;

use ledger::RestoreError;

pub(crate) use take::{DRAFTS, take};

/// The facts, as lines of an export.
pub const FACTS: &str = "facts";
/// What operates: names, hashes of tokens, ciphertexts.
pub const OPERATIONS: &str = access::Access::FILE;
/// The policy in force.
pub const POLICY: &str = crate::policy::FILE;
/// The databases that the server keeps for environments.
pub const DATABASES: &str = "databases";
/// The repositories.
pub const REPOSITORIES: &str = "repositories";
/// The blobs.
pub const BLOBS: &str = "blobs";

/// Why a backup could not be taken, checked or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no backup.
    #[error("{} holds no backup\nhint: `throughline backup take` makes one", .0.display())]
    None(PathBuf),
    /// There is no backup of that name.
    #[error("there is no backup `{0}`\nhint: `throughline backup list` names them")]
    Unknown(String),
    /// The folder is used for something else.
    #[error("{} holds something else than backups\nhint: name an empty folder, or one that is not there yet", .0.display())]
    Foreign(PathBuf),
    /// The folder that is to be filled is not empty.
    #[error("{} is not empty\nhint: a server is put back into a folder of its own; choose another one with --data", .0.display())]
    NotEmpty(PathBuf),
    /// The backup is of a newer version.
    #[error(
        "the backup is written as `{0}`, which this version does not read\nhint: use the version of throughline that took it, or a newer one"
    )]
    Newer(String),
    /// Something is not as it was taken.
    #[error("{what}: {problem}\nhint: take another backup, or use an earlier one")]
    Damaged {
        /// What.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The server could not take it to its end.
    #[error("the server could not take it: {0}")]
    Server(String),
    /// The connection broke.
    #[error("the server's answer broke off: {0}\nhint: take it again: what has come is not sent a second time")]
    BrokenOff(String),
    /// A blob cannot be stored or read.
    #[error(transparent)]
    Blob(#[from] artifact::BlobError),
    /// The facts cannot be put back.
    #[error(transparent)]
    Facts(#[from] RestoreError),
}

impl BackupError {
    fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}
