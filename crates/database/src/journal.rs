//! The journal in the database itself: its tables, and what stands in them. The same on every kind of
//! database, but for the types of its columns.

use facts::{Clock, Digest, Timestamp};

use crate::dialect::Dialect;
use crate::engine::{Cell, Engine, EngineError, Entry, EntryState};
use crate::migration::{Kind, Migration, Phase};
use crate::statement::Statement;

/// The version of the journal's tables.
const VERSION: i64 = 1;

/// The longest text of a failure that is kept, in characters.
const LONGEST_FAILURE: usize = 4_000;

const SQLITE: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS throughline_migrations (
        key TEXT NOT NULL PRIMARY KEY, file TEXT NOT NULL, kind TEXT NOT NULL, phase TEXT NOT NULL, checksum TEXT NOT NULL,
        raw_checksum TEXT NOT NULL, state TEXT NOT NULL, begins_after INTEGER NOT NULL, started_at TEXT NOT NULL,
        finished_at TEXT, failure TEXT) STRICT",
    "CREATE TABLE IF NOT EXISTS throughline_statements (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, file TEXT NOT NULL, number INTEGER NOT NULL, line INTEGER NOT NULL,
        checksum TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS throughline_journal (version INTEGER NOT NULL) STRICT",
];

const POSTGRES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS {prefix}throughline_migrations (
        key text PRIMARY KEY, file text NOT NULL, kind text NOT NULL, phase text NOT NULL, checksum text NOT NULL,
        raw_checksum text NOT NULL, state text NOT NULL, begins_after bigint NOT NULL, started_at text NOT NULL,
        finished_at text, failure text)",
    "CREATE TABLE IF NOT EXISTS {prefix}throughline_statements (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text NOT NULL, file text NOT NULL, number bigint NOT NULL,
        line bigint NOT NULL, checksum text NOT NULL, state text NOT NULL, at text NOT NULL, mark text)",
    "CREATE TABLE IF NOT EXISTS {prefix}throughline_journal (version bigint NOT NULL)",
];

/// In InnoDB, whatever the server's choice is: a row must commit with the statement that it is about.
const MYSQL: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS {prefix}throughline_migrations (
        `key` VARCHAR(300) NOT NULL PRIMARY KEY, file VARCHAR(300) NOT NULL, kind VARCHAR(20) NOT NULL,
        phase VARCHAR(20) NOT NULL, checksum VARCHAR(100) NOT NULL, raw_checksum VARCHAR(100) NOT NULL,
        state VARCHAR(20) NOT NULL, begins_after BIGINT NOT NULL, started_at VARCHAR(40) NOT NULL,
        finished_at VARCHAR(40), failure MEDIUMTEXT) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS {prefix}throughline_statements (
        id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, `key` VARCHAR(300) NOT NULL, file VARCHAR(300) NOT NULL,
        number BIGINT NOT NULL, line BIGINT NOT NULL, checksum VARCHAR(100) NOT NULL, state VARCHAR(20) NOT NULL,
        at VARCHAR(40) NOT NULL, mark MEDIUMTEXT) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS {prefix}throughline_journal (version BIGINT NOT NULL) ENGINE = InnoDB",
];

fn damaged(error: impl std::fmt::Display) -> EngineError {
    EngineError::Journal(error.to_string())
}

fn text(row: &[Cell], column: usize) -> Result<&str, EngineError> {
    match row.get(column) {
        Some(Cell::Text(text)) => Ok(text),
        _ => Err(damaged(format!("column {column} of a row holds no text"))),
    }
}

fn optional_text(row: &[Cell], column: usize) -> Option<&str> {
    match row.get(column) {
        Some(Cell::Text(text)) => Some(text),
        _ => None,
    }
}

fn integer(row: &[Cell], column: usize) -> Result<i64, EngineError> {
    match row.get(column) {
        Some(Cell::Integer(number)) => Ok(*number),
        _ => Err(damaged(format!("column {column} of a row holds no number"))),
    }
}

fn cell(text: impl ToString) -> Cell {
    Cell::Text(text.to_string())
}

/// What the journal knows of a statement that takes effect by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Its row.
    pub(crate) id: i64,
    /// The digest of its text.
    pub(crate) checksum: Digest,
    /// What was seen before it ran.
    pub(crate) mark: String,
}

/// The journal of one database.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    dialect: Dialect,
    /// What stands before the names of its tables.
    prefix: String,
}

impl Journal {
    /// The journal of the database that `engine` is connected to.
    pub(crate) fn of(engine: &mut dyn Engine) -> Result<Self, EngineError> {
        Ok(Self {
            dialect: engine.dialect(),
            prefix: engine.prefix()?,
        })
    }

    fn sql(&self, sql: &str) -> String {
        let key = if self.dialect == Dialect::Mysql { "`key`" } else { "key" };
        sql.replace("{prefix}", &self.prefix).replace("{key}", key)
    }

    fn ask(&self, engine: &mut dyn Engine, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, EngineError> {
        engine.query(&self.sql(sql), cells)
    }

    /// Whether there is a journal.
    ///
    /// # Errors
    /// When it is of a newer version.
    pub(crate) fn is_there(&self, engine: &mut dyn Engine) -> Result<bool, EngineError> {
        let look = match self.dialect {
            Dialect::Sqlite => {
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'throughline_journal'"
            }
            Dialect::Postgres => "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(?)",
            Dialect::Mysql => {
                "SELECT count(*) FROM information_schema.tables
                 WHERE table_schema = DATABASE() AND table_name = 'throughline_journal'"
            }
        };
        let named = cell(format!("{}throughline_journal", self.prefix));
        let cells = if self.dialect == Dialect::Postgres {
            vec![named]
        } else {
            Vec::new()
        };
        let rows = self.ask(engine, look, &cells)?;
        if rows.first().map(|row| integer(row, 0)).transpose()?.unwrap_or(0) == 0 {
            return Ok(false);
        }
        let rows = self.ask(engine, "SELECT version FROM {prefix}throughline_journal", &[])?;
        let Some(row) = rows.first() else { return Ok(false) };
        let found = integer(row, 0)?;
        if found > VERSION {
            return Err(EngineError::Newer { found, known: VERSION });
        }
        Ok(true)
    }

    /// Makes the journal where there is none.
    pub(crate) fn make(&self, engine: &mut dyn Engine) -> Result<(), EngineError> {
        if self.is_there(engine)? {
            return Ok(());
        }
        engine.begin()?;
        let made = self.make_within(engine).and_then(|()| engine.commit());
        if made.is_err() {
            engine.roll_back();
        }
        made
    }

    fn make_within(&self, engine: &mut dyn Engine) -> Result<(), EngineError> {
        if self.is_there(engine)? {
            return Ok(());
        }
        let tables = match self.dialect {
            Dialect::Sqlite => SQLITE,
            Dialect::Postgres => POSTGRES,
            Dialect::Mysql => MYSQL,
        };
        for table in tables {
            self.ask(engine, table, &[])?;
        }
        let insert = "INSERT INTO {prefix}throughline_journal (version) VALUES (?)";
        self.ask(engine, insert, &[Cell::Integer(VERSION)])?;
        Ok(())
    }

    /// All migrations it knows of.
    pub(crate) fn entries(&self, engine: &mut dyn Engine) -> Result<Vec<Entry>, EngineError> {
        let rows = self.ask(
            engine,
            "SELECT {key}, file, kind, phase, checksum, raw_checksum, state, begins_after, started_at, finished_at, failure
             FROM {prefix}throughline_migrations",
            &[],
        )?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            let written = text(row, 6)?;
            let state = EntryState::parse(written).ok_or_else(|| damaged(format!("`{written}` is no state")))?;
            let key = text(row, 0)?;
            let done = match state {
                EntryState::Applied | EntryState::Undone => Vec::new(),
                EntryState::Open | EntryState::Undoing => self.done(engine, key, integer(row, 7)?)?,
            };
            entries.push(Entry {
                key: key.parse().map_err(damaged)?,
                file: text(row, 1)?.to_owned(),
                kind: match text(row, 2)? {
                    "repeatable" => Kind::Repeatable,
                    _ => Kind::Versioned,
                },
                phase: text(row, 3)?
                    .parse::<Phase>()
                    .map_err(|()| damaged("a phase that is none"))?,
                checksum: text(row, 4)?.parse().map_err(damaged)?,
                raw_checksum: text(row, 5)?.parse().map_err(damaged)?,
                state,
                done,
                started_at: text(row, 8)?.parse().map_err(damaged)?,
                finished_at: optional_text(row, 9)
                    .map(str::parse::<Timestamp>)
                    .transpose()
                    .map_err(damaged)?,
                failure: optional_text(row, 10).map(str::to_owned),
            });
        }
        Ok(entries)
    }

    /// The checksums of the statements that took effect after the entry began.
    fn done(&self, engine: &mut dyn Engine, key: &str, begins_after: i64) -> Result<Vec<Digest>, EngineError> {
        let rows = self.ask(
            engine,
            "SELECT checksum FROM {prefix}throughline_statements WHERE {key} = ? AND id > ? AND state = 'done' ORDER BY number",
            &[cell(key), Cell::Integer(begins_after)],
        )?;
        rows.iter().map(|row| text(row, 0)?.parse().map_err(damaged)).collect()
    }

    /// The state of a migration, as it is written.
    pub(crate) fn state(&self, engine: &mut dyn Engine, of: &Migration) -> Result<Option<EntryState>, EngineError> {
        let rows = self.ask(
            engine,
            "SELECT state FROM {prefix}throughline_migrations WHERE {key} = ?",
            &[cell(&of.key)],
        )?;
        let Some(row) = rows.first() else { return Ok(None) };
        let written = text(row, 0)?;
        let state = EntryState::parse(written).ok_or_else(|| damaged(format!("`{written}` is no state")))?;
        Ok(Some(state))
    }

    /// Writes the row of a migration that begins.
    pub(crate) fn begin(
        &self,
        engine: &mut dyn Engine,
        of: &Migration,
        state: EntryState,
        clock: &dyn Clock,
    ) -> Result<(), EngineError> {
        let last = self.ask(
            engine,
            "SELECT coalesce(max(id), 0) FROM {prefix}throughline_statements",
            &[],
        )?;
        let last = last.first().map(|row| integer(row, 0)).transpose()?.unwrap_or(0);
        let kind = if of.kind == Kind::Repeatable {
            "repeatable"
        } else {
            "versioned"
        };
        let sql = if self.state(engine, of)?.is_some() {
            "UPDATE {prefix}throughline_migrations SET file = ?, kind = ?, phase = ?, checksum = ?, raw_checksum = ?, state = ?,
                 begins_after = ?, started_at = ?, finished_at = NULL, failure = NULL
             WHERE {key} = ?"
        } else {
            "INSERT INTO {prefix}throughline_migrations
                 (file, kind, phase, checksum, raw_checksum, state, begins_after, started_at, {key})
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        };
        let cells = [
            cell(&of.file),
            cell(kind),
            cell(of.phase),
            cell(of.checksum),
            cell(of.raw_checksum),
            cell(state.as_str()),
            Cell::Integer(last),
            cell(clock.now()),
            cell(&of.key),
        ];
        self.ask(engine, sql, &cells)?;
        Ok(())
    }

    /// Writes the end, with the checksums of the file as it is now: one that stopped may have been mended.
    pub(crate) fn end(
        &self,
        engine: &mut dyn Engine,
        of: &Migration,
        state: EntryState,
        clock: &dyn Clock,
    ) -> Result<(), EngineError> {
        if self.state(engine, of)?.is_none() {
            return Err(damaged(format!("the row of {} is gone", of.key)));
        }
        self.ask(
            engine,
            "UPDATE {prefix}throughline_migrations
             SET state = ?, finished_at = ?, failure = NULL, file = ?, phase = ?, checksum = ?, raw_checksum = ?
             WHERE {key} = ?",
            &[
                cell(state.as_str()),
                cell(clock.now()),
                cell(&of.file),
                cell(of.phase),
                cell(of.checksum),
                cell(of.raw_checksum),
                cell(&of.key),
            ],
        )?;
        Ok(())
    }

    /// Writes why a migration stands open.
    pub(crate) fn fail(&self, engine: &mut dyn Engine, of: &Migration, failure: &str) -> Result<(), EngineError> {
        let failure: String = failure.chars().take(LONGEST_FAILURE).collect();
        self.ask(
            engine,
            "UPDATE {prefix}throughline_migrations SET failure = ? WHERE {key} = ?",
            &[cell(failure), cell(&of.key)],
        )?;
        Ok(())
    }

    /// Writes that a statement took effect, or, with a `mark`, that it is about to.
    pub(crate) fn statement(
        &self,
        engine: &mut dyn Engine,
        migration: &Migration,
        (index, statement): (usize, &Statement),
        mark: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<(), EngineError> {
        let mut cells = vec![
            cell(&migration.key),
            cell(&migration.file),
            Cell::Integer(index as i64 + 1),
            Cell::Integer(i64::from(statement.line)),
            cell(Digest::of(&statement.sql)),
            cell(if mark.is_some() { "started" } else { "done" }),
            cell(clock.now()),
        ];
        let sql = match mark {
            Some(mark) if self.keeps_marks() => {
                cells.push(cell(mark));
                "INSERT INTO {prefix}throughline_statements ({key}, file, number, line, checksum, state, at, mark)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            }
            _ => {
                "INSERT INTO {prefix}throughline_statements ({key}, file, number, line, checksum, state, at)
                 VALUES (?, ?, ?, ?, ?, ?, ?)"
            }
        };
        self.ask(engine, sql, &cells)?;
        Ok(())
    }

    /// Whether what is seen before a statement is kept. What SQLite runs outside of transactions can be
    /// repeated without harm, so there is nothing to see.
    fn keeps_marks(&self) -> bool {
        self.dialect != Dialect::Sqlite
    }

    /// Whether the statement at `index` was begun by a run whose end nobody saw.
    pub(crate) fn begun(
        &self,
        engine: &mut dyn Engine,
        migration: &Migration,
        of: &Migration,
        index: usize,
    ) -> Result<Option<Begun>, EngineError> {
        if !self.keeps_marks() {
            return Ok(None);
        }
        let rows = self.ask(
            engine,
            "SELECT id, state, checksum, mark FROM {prefix}throughline_statements
             WHERE {key} = ? AND number = ?
               AND id > (SELECT begins_after FROM {prefix}throughline_migrations WHERE {key} = ?)
             ORDER BY id DESC LIMIT 1",
            &[cell(&migration.key), Cell::Integer(index as i64 + 1), cell(&of.key)],
        )?;
        match rows.first() {
            Some(row) if text(row, 1)? == "started" => Ok(Some(Begun {
                id: integer(row, 0)?,
                checksum: text(row, 2)?.parse().map_err(damaged)?,
                mark: optional_text(row, 3).unwrap_or_default().to_owned(),
            })),
            _ => Ok(None),
        }
    }

    /// Writes that the statement of this row, which was begun, did not take effect.
    pub(crate) fn not_done(&self, engine: &mut dyn Engine, id: i64) -> Result<(), EngineError> {
        let sql = "UPDATE {prefix}throughline_statements SET state = 'failed' WHERE id = ?";
        self.ask(engine, sql, &[Cell::Integer(id)])?;
        Ok(())
    }
}
