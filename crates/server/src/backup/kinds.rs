//! The facts about backups: that one was taken, and that the server was made of one.

use facts::{ComponentId, Digest, EnvironmentName, Stream, Timestamp};
use serde::{Deserialize, Serialize};

/// The kind of [`Taken`].
pub const TAKEN: &str = "backup.taken";
/// The kind of [`Restored`].
pub const RESTORED: &str = "server.restored";

/// The stream of backups.
pub fn stream() -> Stream {
    Stream::new("backup", "server")
}

/// Somebody was given a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// How many facts are in it.
    pub facts: u64,
    /// How many files.
    pub files: u64,
    /// How many bytes these have.
    pub bytes: u64,
}

/// The server was made of a backup: what happened after it is not in these facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When the backup was taken.
    pub taken_at: Timestamp,
    /// How many facts it had.
    pub facts: u64,
    /// The hash of the last one.
    pub hash: Digest,
    /// What was found in the environments at the first start.
    pub environments: Vec<Found>,
}

/// What was found of a component in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The component.
    pub component: ComponentId,
    /// Where.
    pub environment: EnvironmentName,
    /// The generation that the facts know.
    pub generation: u64,
    /// The package that the facts say is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Digest>,
    /// What is there.
    pub there: There,
    /// The generation that is there, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub there_generation: Option<u64>,
}

/// What is there, compared with the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum There {
    /// What the facts say.
    AsRecorded,
    /// Nothing.
    Nothing,
    /// Something else than the facts say.
    SomethingElse,
    /// What a later intention brought, which the facts do not know.
    Later,
    /// It cannot be said.
    Unknown,
}
