//! What can go wrong with a repository.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use facts::{Commit, ComponentName};

use crate::version::GraphError;

/// Why something could not be done with a repository.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The repository is not here.
    #[error("there is no repository `{0}`")]
    NoRepository(ComponentName),
    /// The commit is not in the repository.
    #[error("commit {0} is not in the repository")]
    NoCommit(Commit),
    /// A name resolves to no commit.
    #[error("`{}` is no branch, tag or commit of the repository", .0.escape_debug())]
    NoRevision(String),
    /// The path is there, but is no file.
    #[error("`{path}` is {kind} in commit {commit}, not a file")]
    NotAFile {
        /// The commit.
        commit: Commit,
        /// The path.
        path: String,
        /// What it is instead.
        kind: &'static str,
    },
    /// The file is larger than the caller takes.
    #[error("`{path}` in commit {commit} has {size} bytes, more than the {limit} allowed")]
    TooLarge {
        /// The commit.
        commit: Commit,
        /// The path.
        path: String,
        /// Its size.
        size: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// The commit has more files or bytes than a checkout may have.
    #[error("commit {commit} has more than {limit}")]
    TooManyFiles {
        /// The commit.
        commit: Commit,
        /// The limit, in words.
        limit: String,
    },
    /// The folder for a checkout holds something.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// Git could not be started, or took too long.
    #[error(transparent)]
    Run(#[from] process::RunError),
    /// Git could not be started.
    #[error(transparent)]
    Spawn(#[from] process::SpawnError),
    /// Git failed.
    #[error("git {command} failed: {complaint}")]
    Git {
        /// Its subcommand.
        command: &'static str,
        /// What it said, without secrets.
        complaint: String,
    },
    /// The repository could not be read.
    #[error("the repository {} could not be read: {reason}", path.display())]
    Read {
        /// The repository's folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The commit graph gives no version.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The client sent more than is taken.
    #[error("the push has more than {limit} bytes")]
    PushTooLarge {
        /// The most bytes that are taken.
        limit: u64,
    },
    /// The client sent nothing for too long.
    #[error("the client sent or took nothing for {} s", .0.as_secs())]
    Stalled(Duration),
    /// What git's HTTP program answered cannot be read.
    #[error("`git http-backend` gave no answer: {0}")]
    Backend(String),
    /// Any trouble with the disk.
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

/// Whether git says that there is no repository at an address.
fn is_gone(complaint: &str) -> bool {
    let lower = complaint.to_ascii_lowercase();
    [
        "repository not found",
        "does not appear to be a git repository",
        "project you were looking for could not be found",
    ]
    .iter()
    .any(|words| lower.contains(words))
        || lower.contains("fatal: repository '") && lower.contains("' not found")
        || lower.contains("fatal: repository '") && lower.contains("' does not exist")
}

impl SourceError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.into(),
            source,
        }
    }

    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Git { complaint, .. } => {
                complaint.contains("No space left on device") || complaint.contains("Disk quota exceeded")
            }
            _ => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            _ if self.is_full() => Some("free some space or move the data folder; then retry"),
            Self::NoRepository(_) => {
                Some("`git push` to its address makes it; `throughline repo add URL` follows another")
            }
            Self::NoCommit(_) | Self::NoRevision(_) => Some("push the commit first, or check the spelling"),
            Self::Spawn(process::SpawnError::NoProgram(_))
            | Self::Run(process::RunError::Spawn(process::SpawnError::NoProgram(_))) => {
                Some("install git 2.31 or newer, and see that it is in the server's PATH")
            }
            Self::Git { complaint, .. } if complaint.contains("invalid path") => {
                Some("the commit holds a path that git refuses, such as `.git`; remove it from the commit")
            }
            Self::Git { complaint, .. } if complaint.contains("File name too long") => {
                Some("the commit holds a file name of more than 255 bytes; rename the file")
            }
            Self::Git { complaint, .. }
                if complaint.contains("Authentication failed")
                    || complaint.contains("could not read Username")
                    || complaint.contains("Permission denied (publickey") =>
            {
                Some("the remote does not accept the credential; set the secret of the repository again")
            }
            Self::Git { complaint, .. } if is_gone(complaint) => Some(
                "no repository is there; where it was renamed or moved, `throughline repo add NEW-URL --as NAME` with its name here follows it, and its history goes on",
            ),
            Self::Git { complaint, .. } if complaint.contains("Host key verification failed") => {
                Some("the remote's host key is not the one known; compare it, then set the known host keys again")
            }
            Self::TooManyFiles { .. } | Self::PushTooLarge { .. } => {
                Some("keep large files out of git, or raise the limit in the server's settings")
            }
            _ => None,
        }
    }
}
