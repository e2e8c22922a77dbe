//! What a kind of database must be able to do, and what its journal says.
//!
//! The journal is two tables in the target database: one row for each migration, and one for each
//! statement of it that was tried. A statement's effect and its row commit together where the database
//! can do that; else an intent is written first, with what was to be seen of the statement then, and an
//! engine says by looking what came of it.

use std::ops::ControlFlow;

use facts::{Digest, Timestamp};
use serde::Serialize;

use crate::dialect::Dialect;
use crate::migration::{Kind, Migration, MigrationKey, Phase, SchemaVersion};
use crate::statement::Statement;

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
    /// Where it is cannot be read.
    #[error("{0}")]
    Address(String),
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
    /// The lock is gone, though nobody here gave it up.
    #[error(
        "the lock on the database {location} was lost, so that another run may be at work\n  hint: run again; a script must not release locks that it did not take"
    )]
    LockLost {
        /// Where it is.
        location: String,
    },
    /// Something between here and the database hands out its connections in turns.
    #[error(
        "the database {location} is reached through a pooler, which gives each transaction another connection, so that no lock can be held\n  hint: give the address of the server itself, or one at which the pooler keeps a connection for the whole session"
    )]
    Pooler {
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
    /// A statement waited for what others hold, again and again.
    #[error(
        "{file}:{line}: statement {number} found its way blocked {tried} times: {reason}\n  hint: look for long transactions on what it changes, and run again when they have ended"
    )]
    Blocked {
        /// The file.
        file: String,
        /// The line of the statement.
        line: u32,
        /// Which statement of the file, from 1.
        number: usize,
        /// How many times it was tried.
        tried: u32,
        /// What the database said.
        reason: String,
    },
    /// A statement whose end nobody saw, and of which the database shows nothing.
    #[error("{file}:{line}: an earlier run ended within statement {number}, {reason}")]
    Unseen {
        /// The file.
        file: String,
        /// The line of the statement.
        line: u32,
        /// Which statement of the file, from 1.
        number: usize,
        /// Why it cannot be told whether it took effect, and what to do.
        reason: String,
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

/// What happens while a script runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The statement at this index is about to run.
    Statement(usize),
    /// Others are in the way, as this says.
    Waiting(String),
    /// They still are.
    StillWaiting,
    /// Something worth knowing.
    Note(String),
}

/// Told of each event; the answer `Break` stops there.
pub(crate) type OnEvent<'a> = dyn FnMut(Event) -> ControlFlow<()> + 'a;

/// What stands in a column of the journal, or in the place of a `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// Why a statement did not take effect.
#[derive(Debug)]
pub enum Trouble {
    /// Others hold what it needs; it may be tried again, with all of its transaction.
    Blocked(String),
    /// The database refuses it.
    Failed(String),
    /// The database failed.
    Engine(EngineError),
}

/// What the database shows of a statement whose end nobody saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// It took effect.
    Done,
    /// It did not, and whatever it left behind is gone; or repeating it does no harm.
    NotDone,
    /// It cannot be told.
    Unknown,
}

/// What a kind of database must offer: a lock, transactions, statements, and what can be seen of them.
/// Everything else is the same for all.
pub trait Engine: Send {
    /// Which SQL it speaks.
    fn dialect(&self) -> Dialect;

    /// Where the database is, without what is secret.
    fn location(&self) -> String;

    /// Whether there is anything to be read. Looking makes no database.
    fn is_there(&self) -> bool {
        true
    }

    /// Tries to keep all other runners away until [`Engine::unlock`], or until this process and whatever
    /// it began in the database end. Does not wait.
    ///
    /// # Errors
    /// When the database cannot be reached.
    fn try_lock(&mut self) -> Result<bool, EngineError>;

    /// Sees that the lock is held still.
    ///
    /// # Errors
    /// [`EngineError::LockLost`] when it is not.
    fn check_lock(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Lets other runners in.
    fn unlock(&mut self);

    /// Brings the session into the state in which each script finds it.
    ///
    /// # Errors
    /// When the database fails.
    fn refresh(&mut self) -> Result<(), EngineError>;

    /// What stands before the names of the journal's tables, so that no script can make them mean others.
    ///
    /// # Errors
    /// When the database has no place for tables.
    fn prefix(&mut self) -> Result<String, EngineError> {
        Ok(String::new())
    }

    /// Begins a transaction that writes.
    ///
    /// # Errors
    /// When the database fails.
    fn begin(&mut self) -> Result<(), EngineError>;

    /// Begins a transaction that sees one moment.
    ///
    /// # Errors
    /// When the database fails.
    fn begin_reading(&mut self) -> Result<(), EngineError>;

    /// Ends the transaction; what it did stays.
    ///
    /// # Errors
    /// When the database fails. What became of the transaction may not be known then.
    fn commit(&mut self) -> Result<(), EngineError>;

    /// Ends the transaction; what it did is taken back. A database that fails does so by itself.
    fn roll_back(&mut self);

    /// The rows of a statement of our own, in which `?` stands for each of the cells in turn.
    ///
    /// # Errors
    /// When the database fails.
    fn query(&mut self, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, EngineError>;

    /// Runs one statement of a script to its end. The rows that it gives are of no interest.
    ///
    /// # Errors
    /// When it does not take effect.
    fn apply(&mut self, statement: &Statement) -> Result<(), Trouble>;

    /// How many references lead nowhere, where a script runs without their being checked.
    ///
    /// # Errors
    /// When the database fails.
    fn harm(&mut self) -> Result<u64, EngineError> {
        Ok(0)
    }

    /// What is to be seen before a statement that takes effect by itself.
    ///
    /// # Errors
    /// When the database fails.
    fn mark(&mut self, statement: &Statement) -> Result<String, EngineError>;

    /// What the database shows of such a statement whose end nobody saw, given what was to be seen before.
    /// Removes what it left behind half-done.
    ///
    /// # Errors
    /// When the database fails.
    fn observe(&mut self, statement: &Statement, mark: &str) -> Result<Observed, EngineError>;
}

/// The engine for a database: for `sqlite` a path, or `sqlite:` and a path; else an address without its
/// password, which comes apart.
///
/// # Errors
/// When the address cannot be read.
pub fn engine_of(dialect: Dialect, location: &str, password: Option<&str>) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match dialect {
        Dialect::Sqlite => {
            let path = location.strip_prefix("sqlite:").unwrap_or(location);
            let path = path.strip_prefix("//").unwrap_or(path);
            Box::new(crate::sqlite::SqliteEngine::new(path))
        }
        Dialect::Postgres => Box::new(crate::postgres::PostgresEngine::new(location, password)?),
        Dialect::Mysql => Box::new(crate::mysql::MysqlEngine::new(location, password)?),
    })
}
