//! Facts put back: an export becomes a ledger again, fact by fact as they were, in a store that holds none.
//!
//! Views are not put back. They are folded when the ledger is opened.

use std::path::Path;

use facts::{FactId, Position};

use crate::against::Lines;
use crate::contract::LedgerError;
use crate::postgres::{self, Address};
use crate::sqlite;
use crate::verify::{Checkpoint, Fault, Held, Problem};

/// How many facts, and how many bytes of them, are written at once.
const MANY: usize = 1_000;
const MANY_BYTES: usize = 8 * 1024 * 1024;

/// Why facts could not be put back. Nothing of them is left then.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is a ledger already.
    #[error("{0} holds facts already\nhint: facts are put back only where there are none")]
    NotEmpty(String),
    /// A fact is not as it was recorded, or one is missing.
    #[error("the export is not whole: {0}")]
    Fault(Fault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] LedgerError),
}

/// Puts facts back. Nothing is to be seen before [`Restoring::finish`]; dropped before, it leaves nothing.
///
/// It blocks: not to be used where a thread may not.
pub struct Restoring {
    store: Store,
    lines: Lines,
    first: Option<FactId>,
    waiting: Vec<Held>,
    waiting_bytes: usize,
}

enum Store {
    File(sqlite::Restore),
    Database(postgres::Restore),
}

impl Restoring {
    /// Puts them into the file at `path`, where there must be none.
    ///
    /// # Errors
    /// When there is one, or it cannot be made.
    pub fn in_file(path: &Path) -> Result<Self, RestoreError> {
        if path.exists() {
            return Err(RestoreError::NotEmpty(path.display().to_string()));
        }
        sqlite::Restore::begin(path).map(|store| Self::into_store(Store::File(store)))
    }

    /// Puts them into the database at `address`, whose schema must hold no ledger that was used. Nobody else can use
    /// it meanwhile.
    ///
    /// # Errors
    /// When it was used, holds something else, or cannot be reached.
    pub fn in_database(address: &Address) -> Result<Self, RestoreError> {
        postgres::Restore::begin(address).map(|store| Self::into_store(Store::Database(store)))
    }

    fn into_store(store: Store) -> Self {
        Self {
            store,
            lines: Lines::new(),
            first: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// Puts the next fact back, a line of an export without its line end; see [`Exported::line`](crate::Exported::line).
    ///
    /// # Errors
    /// When it is not as it was recorded, or the store fails.
    pub fn line(&mut self, line: &[u8]) -> Result<(), RestoreError> {
        let (held, id) = self.lines.take(line).map_err(RestoreError::Fault)?;
        self.first.get_or_insert(id);
        self.waiting_bytes += held.bytes.len();
        self.waiting.push(held);
        match self.waiting.len() >= MANY || self.waiting_bytes >= MANY_BYTES {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// The position of the last fact so far.
    pub fn position(&self) -> Position {
        self.lines.last().position
    }

    fn write(&mut self) -> Result<(), RestoreError> {
        self.waiting_bytes = 0;
        let facts = std::mem::take(&mut self.waiting);
        if facts.is_empty() {
            return Ok(());
        }
        match &mut self.store {
            Store::File(file) => file.add(facts),
            Store::Database(database) => database.add(facts),
        }
    }

    /// All facts are there: `last` is the last one. Gives the id of the first.
    ///
    /// # Errors
    /// When the last fact is another one, or the store fails.
    pub fn finish(mut self, last: Checkpoint) -> Result<Option<FactId>, RestoreError> {
        let there = self.lines.last();
        if there != last {
            let (seq, problem) = match there.position < last.position {
                true => (
                    there.position + 1,
                    Problem::CutOff {
                        recorded: last.position,
                    },
                ),
                false => (last.position, Problem::Checkpoint),
            };
            return Err(RestoreError::Fault(Fault { seq, problem }));
        }
        self.write()?;
        match self.store {
            Store::File(file) => file.finish(last)?,
            Store::Database(database) => database.finish(last)?,
        }
        Ok(self.first)
    }
}

impl std::fmt::Debug for Restoring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Restoring")
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
