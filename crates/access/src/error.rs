//! What can go wrong here.

use facts::{ActorId, TokenId};

/// Why something about access failed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file that others can read.
    #[error("{path} can be read or written by others (mode {mode:o})\n  hint: chmod 600 {path}")]
    Permissions {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The key has the wrong shape.
    #[error("{0} holds no key\n  hint: a key is 64 hex digits")]
    KeyShape(String),
    /// The key is gone while there are secrets.
    #[error(
        "the key file {0} is missing, and there are secrets that it opens\n  hint: bring it back from where you keep it; it is not part of a backup"
    )]
    KeyMissing(String),
    /// The key is another one than that of the secrets.
    #[error("the key does not open the secrets of this server\n  hint: use the key that was there when they were set")]
    KeyWrong,
    /// A secret does not decrypt: it was changed or exchanged.
    #[error("the secret `{0}` was damaged or exchanged in the store and is not used\n  hint: set it again")]
    SecretDamaged(String),
    /// There is no such secret.
    #[error("there is no secret `{0}`\n  hint: throughline secret set {0}")]
    NoSecret(String),
    /// A text that cannot name a secret.
    #[error("`{0}` cannot name a secret: letters, digits and `_.-/` are expected, a letter first, at most 128")]
    SecretName(String),
    /// A value that cannot be a secret.
    #[error("the value of a secret must have between 1 and {most} bytes and has {bytes}")]
    SecretSize {
        /// Its size.
        bytes: usize,
        /// The largest size.
        most: usize,
    },
    /// There is no such token.
    #[error("there is no token {0}")]
    NoToken(TokenId),
    /// There is no such person.
    #[error("there is no actor {0}")]
    NoActor(ActorId),
    /// The store was written by a newer version.
    #[error(
        "{path} was written by a newer version of throughline ({found}, this one knows {known})\n  hint: use the newer version"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its version.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// The file is another program's.
    #[error("{0} is a database of another program")]
    Foreign(String),
    /// What is stored does not read.
    #[error("the store of access is damaged: {0}")]
    Damaged(String),
    /// The store failed.
    #[error("the store of access failed: {0}")]
    Store(#[from] rusqlite::Error),
}

impl AccessError {
    /// Whether the disk is full: the same may go well once there is room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Store(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull))
    }
}
