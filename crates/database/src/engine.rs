//! What a kind of database must be able to do, and the journal it keeps.
//!
//! The journal is two tables in the target database: one row for each migration, and one for each
//! statement of it that was tried. An engine commits a statement's effect and its row together where
//! the database can, and else writes an intent first.

use std::ops::ControlFlow;
use std::time::Duration;

use facts::{Clock, Digest, Timestamp};
use serde::Serialize;

use crate::migration::{Kind, Migration, MigrationKey, Phase, SchemaVersion};

/// How far a migration has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// Begun and not ended; `done` says which statements took effect.
    Open,
    /// All statements took effect.
    Applied,
    /// An undo script is begun and not ended.
    Undoing,
    /// An undo script took it back.
    Undone,
}

impl EntryState {
    /// The state as the journal writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Applied => "applied",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    /// Reads what [`Self::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Applied, Self::Undoing, Self::Undone]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// The journal's row of one migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What names it.
    pub key: MigrationKey,
    /// The file that was applied.
    pub file: String,
    /// Versioned or repeatable.
    pub kind: Kind,
    /// Its phase when it was applied.
    pub phase: Phase,
    /// Its checksum when it was applied.
    pub checksum: Digest,
    /// The checksum of the file's bytes when it was applied.
    pub raw_checksum: Digest,
    /// How far it has come.
    pub state: EntryState,
    /// The digests of the statements that took effect while it is open or undoing; empty otherwise.
    pub done: Vec<Digest>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it stands open, where a statement failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What the journal says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Applied {
    /// By key: versioned ones first.
    pub entries: Vec<Entry>,
}

impl Applied {
    /// The row of `key`.
    pub fn get(&self, key: &MigrationKey) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == *key)
    }

    /// The highest version whose statements all took effect.
    pub fn last_version(&self) -> Option<&SchemaVersion> {
        self.entries.iter().rev().find_map(|entry| match &entry.key {
            MigrationKey::Version(version) if entry.state == EntryState::Applied => Some(version),
            _ => None,
        })
    }
}

/// A script that is to run.
#[derive(Debug, Clone, Copy)]
pub struct Script<'a> {
    /// The file.
    pub migration: &'a Migration,
    /// For an undo script, the migration that it takes back.
    pub takes_back: Option<&'a Migration>,
    /// How many of its first statements took effect earlier.
    pub done: usize,
}

/// Something about the database, not about a script.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It cannot be opened.
    #[error("cannot open the database {location}: {reason}")]
    Open {
        /// Where it is.
        location: String,
        /// What the driver said.
        reason: String,
    },
    /// Another runner is at work.
    #[error("the database {location} is being migrated by another run\n  hint: wait for it to end, then try again")]
    Locked {
        /// Where it is.
        location: String,
    },
    /// The journal is of a newer version.
    #[error(
        "the journal of the database has version {found}, this program knows {known}\n  hint: use a newer throughline"
    )]
    Newer {
        /// The journal's version.
        found: i64,
        /// The newest one known.
        known: i64,
    },
    /// The journal does not read.
    #[error("the journal of the database is damaged: {0}")]
    Journal(String),
    /// This kind of database is not supported.
    #[error("databases of kind `{0}` are not supported by this version\n  hint: `sqlite` is")]
    Unsupported(String),
    /// The driver failed.
    #[error("the database failed: {0}")]
    Store(String),
}

/// Why a script did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A statement failed.
    #[error("{file}:{line}: statement {number} failed: {reason}\n  statement: {summary}\n  {left}")]
    Statement {
        /// The file.
        file: String,
        /// The line of the statement.
        line: u32,
        /// Which statement of the file, from 1.
        number: usize,
        /// What the database said.
        reason: String,
        /// The statement's first words.
        summary: String,
        /// What is left in the database.
        left: String,
    },
    /// The database failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The progress callback asked to stop.
    #[error("stopped as asked before statement {number} of {file}")]
    Stopped {
        /// The file.
        file: String,
        /// The statement that would have been next, from 1.
        number: usize,
    },
}

/// Told before each statement; the answer `Break` stops there.
pub type OnStatement<'a> = dyn FnMut(usize) -> ControlFlow<()> + 'a;

/// A connection to one target database.
pub trait Engine: Send {
    /// Which kind of database it is, such as `sqlite`.
    fn name(&self) -> &'static str;

    /// Keeps all other runners away until [`Engine::unlock`] or until this process ends.
    ///
    /// # Errors
    /// [`EngineError::Locked`] when another runner is still at work after `wait`.
    fn lock(&mut self, wait: Duration) -> Result<(), EngineError>;

    /// Lets other runners in.
    fn unlock(&mut self);

    /// What the journal says. A database without a journal, or none at all, has nothing applied; it
    /// is not made by looking.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn applied(&mut self) -> Result<Applied, EngineError>;

    /// Runs a script from its first statement that did not take effect yet, and journals it. After an
    /// error the database is as the journal says.
    ///
    /// # Errors
    /// When a statement or the database fails, or when `on_statement` asks to stop.
    fn run(
        &mut self,
        script: &Script<'_>,
        clock: &dyn Clock,
        on_statement: &mut OnStatement<'_>,
    ) -> Result<(), RunError>;
}

/// The engine for a kind of database at a location: for `sqlite` a path, or `sqlite:` and a path.
///
/// # Errors
/// When the kind is not supported.
pub fn engine_of(kind: &str, location: &str) -> Result<Box<dyn Engine>, EngineError> {
    match kind {
        "sqlite" => {
            let path = location.strip_prefix("sqlite:").unwrap_or(location);
            let path = path.strip_prefix("//").unwrap_or(path);
            Ok(Box::new(crate::sqlite::SqliteEngine::new(path)))
        }
        other => Err(EngineError::Unsupported(other.to_owned())),
    }
}
