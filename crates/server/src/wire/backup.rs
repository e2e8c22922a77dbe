//! Backups: what is in one, and how one comes over the wire.

use facts::{Digest, FactId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Asks for a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TakeBackup {
    /// The digests of files that whoever asks has already: their bytes are not sent again.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub known: Vec<Digest>,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// `backup/1`.
    pub schema: String,
    /// The version of the program that took it.
    pub version: String,
    /// When it was taken.
    #[schema(value_type = String)]
    pub taken_at: Timestamp,
    /// The id of the ledger's first fact.
    #[schema(value_type = String)]
    pub ledger: FactId,
    /// How many facts there are.
    pub facts: u64,
    /// The hash of the last one.
    #[schema(value_type = String)]
    pub hash: Digest,
    /// A signed checkpoint that covers all but the newest facts: a DSSE envelope.
    #[schema(value_type = Object)]
    pub checkpoint: serde_json::Value,
    /// The files, in the order in which they were taken.
    #[serde(default)]
    pub files: Vec<BackupFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupFile {
    /// What it is called, such as `facts/000000000001.jsonl`.
    pub path: String,
    /// The digest of its bytes.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// What comes next in the stream of a backup: a line of JSON each. After a file that is sent come its bytes, as many as
/// its size says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackupPiece {
    /// Files of this room come.
    Room {
        /// Which, such as `facts`.
        name: String,
    },
    /// A file.
    File {
        /// Which.
        file: BackupFile,
        /// Whether its bytes follow.
        sent: bool,
    },
    /// All is there; the files are those that came.
    End(Backup),
    /// It cannot be taken to its end.
    Failed {
        /// Why.
        detail: String,
        /// What to do next.
        hint: Option<String>,
    },
}

/// A backup in a list, or one that was taken, checked or put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupLine {
    /// What it is called: when it was taken.
    pub name: String,
    /// The version of the program that took it.
    pub version: String,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The id of the ledger's first fact.
    pub ledger: FactId,
    /// How many facts there are.
    pub facts: u64,
    /// The hash of the last one.
    pub hash: Digest,
    /// How many files.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
}

impl BackupLine {
    /// The backup of that name.
    pub fn new(name: &str, backup: &Backup) -> Self {
        Self {
            name: name.to_owned(),
            version: backup.version.clone(),
            taken_at: backup.taken_at,
            ledger: backup.ledger,
            facts: backup.facts,
            hash: backup.hash,
            files: backup.files.len() as u64,
            bytes: backup.files.iter().map(|file| file.size).sum(),
        }
    }
}

/// The backups of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backups {
    /// `backups/1`.
    pub schema: String,
    /// All of them, the newest last.
    pub backups: Vec<BackupLine>,
}

/// A backup that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupTaken {
    /// `backup-taken/1`.
    pub schema: String,
    /// Which.
    pub backup: BackupLine,
    /// How many bytes had to be brought: what was not in the folder yet.
    pub brought: u64,
}

/// What came of checking a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupVerified {
    /// `backup-verified/1`.
    pub schema: String,
    /// Which.
    pub backup: BackupLine,
    /// Whether all is as it was taken.
    pub verified: bool,
    /// What is wrong.
    pub problem: Option<String>,
}

/// A data folder that was filled from a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRestored {
    /// `server-restored/1`.
    pub schema: String,
    /// From which.
    pub backup: BackupLine,
    /// The data folder.
    pub data: String,
    /// Whether the server may act in the place of the one that the backup is of.
    pub take_over: bool,
}
