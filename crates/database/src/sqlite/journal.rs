//! The journal in the database itself: its tables, and what stands in them.

use facts::{Digest, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{begin, store};
use crate::engine::{EngineError, Entry, EntryState};
use crate::migration::{Kind, Phase};

/// The version of the journal's tables.
const JOURNAL_VERSION: i64 = 1;

const JOURNAL: &str = "
CREATE TABLE throughline_journal (version INTEGER NOT NULL) STRICT;
CREATE TABLE throughline_migrations (
    key TEXT NOT NULL PRIMARY KEY,
    file TEXT NOT NULL,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL,
    checksum TEXT NOT NULL,
    raw_checksum TEXT NOT NULL,
    state TEXT NOT NULL,
    begins_after INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    failure TEXT
) STRICT;
CREATE TABLE throughline_statements (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    file TEXT NOT NULL,
    number INTEGER NOT NULL,
    line INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    state TEXT NOT NULL,
    at TEXT NOT NULL
) STRICT;
";

pub(super) fn journal(error: impl std::fmt::Display) -> EngineError {
    EngineError::Journal(error.to_string())
}

/// Whether there is a journal.
///
/// # Errors
/// When it is of a newer version.
pub(super) fn has_journal(connection: &Connection) -> Result<bool, EngineError> {
    let there: i64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'throughline_journal'",
            [],
            |row| row.get(0),
        )
        .map_err(store)?;
    if there == 0 {
        return Ok(false);
    }
    let found: i64 = connection
        .query_row("SELECT version FROM throughline_journal", [], |row| row.get(0))
        .map_err(journal)?;
    if found > JOURNAL_VERSION {
        return Err(EngineError::Newer {
            found,
            known: JOURNAL_VERSION,
        });
    }
    Ok(true)
}

/// Makes the journal where there is none.
pub(super) fn make_journal(connection: &Connection) -> Result<(), EngineError> {
    let transaction = begin(connection)?;
    if !has_journal(&transaction)? {
        transaction.execute_batch(JOURNAL).map_err(store)?;
        transaction
            .execute(
                "INSERT INTO throughline_journal (version) VALUES (?1)",
                [JOURNAL_VERSION],
            )
            .map_err(store)?;
    }
    transaction.commit().map_err(store)
}

/// All migrations it knows of.
pub(super) fn read_entries(connection: &Connection) -> Result<Vec<Entry>, EngineError> {
    type Row = (
        String,
        String,
        String,
        String,
        String,
        String,
        String,
        i64,
        String,
        Option<String>,
        Option<String>,
    );
    let mut select = connection
        .prepare(
            "SELECT key, file, kind, phase, checksum, raw_checksum, state, begins_after, started_at, finished_at, failure
             FROM throughline_migrations",
        )
        .map_err(journal)?;
    let rows = select
        .query_map([], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                row.get(8)?,
                row.get(9)?,
                row.get(10)?,
            ))
        })
        .map_err(journal)?
        .collect::<Result<Vec<Row>, _>>()
        .map_err(journal)?;
    let mut entries = Vec::new();
    for (key, file, kind, phase, checksum, raw, state, begins_after, started, finished, failure) in rows {
        let state = EntryState::parse(&state).ok_or_else(|| journal(format!("`{state}` is no state")))?;
        let done = match state {
            EntryState::Applied | EntryState::Undone => Vec::new(),
            EntryState::Open | EntryState::Undoing => done_statements(connection, &key, begins_after)?,
        };
        entries.push(Entry {
            key: key.parse().map_err(journal)?,
            file,
            kind: if kind == "repeatable" {
                Kind::Repeatable
            } else {
                Kind::Versioned
            },
            phase: phase
                .parse::<Phase>()
                .map_err(|()| journal(format!("`{phase}` is no phase")))?,
            checksum: checksum.parse().map_err(journal)?,
            raw_checksum: raw.parse().map_err(journal)?,
            state,
            done,
            started_at: started.parse().map_err(journal)?,
            finished_at: finished
                .map(|at| at.parse::<Timestamp>())
                .transpose()
                .map_err(journal)?,
            failure,
        });
    }
    Ok(entries)
}

/// The checksums of the statements that took effect after the entry began.
fn done_statements(connection: &Connection, key: &str, begins_after: i64) -> Result<Vec<Digest>, EngineError> {
    let mut select = connection
        .prepare(
            "SELECT checksum FROM throughline_statements WHERE key = ?1 AND id > ?2 AND state = 'done' ORDER BY number",
        )
        .map_err(journal)?;
    let rows = select
        .query_map(params![key, begins_after], |row| row.get::<_, String>(0))
        .map_err(journal)?;
    rows.map(|row| row.map_err(journal)?.parse().map_err(journal)).collect()
}

/// The state of a migration, as it is written.
pub(super) fn state_of(connection: &Connection, key: &str) -> Result<Option<String>, EngineError> {
    connection
        .query_row(
            "SELECT state FROM throughline_migrations WHERE key = ?1",
            [key],
            |row| row.get(0),
        )
        .optional()
        .map_err(store)
}
