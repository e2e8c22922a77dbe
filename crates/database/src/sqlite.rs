//! The engine for SQLite.
//!
//! - *One file, one transaction* (the default): statements, their journal rows and the end of the
//!   migration commit together, so a file is applied or it is not.
//! - *`-- no-transaction`*: each statement commits together with its journal row, and a later run goes
//!   on after the last one that did. `VACUUM` and `PRAGMA`, which SQLite runs outside transactions
//!   only, are journaled before and after; repeating them is harmless.
//! - Foreign keys are not enforced while a migration runs, since otherwise rebuilding a table deletes
//!   what refers to it (the procedure of SQLite's documentation of `ALTER TABLE`). Before the commit,
//!   a migration that leaves more violated references than it found is refused.
//! - The lock is an advisory lock on a file beside the database. The kernel releases it with the
//!   process, so it is never left behind.
//! - A migration reaches its own file only: SQLite's authorizer refuses `ATTACH`.

mod journal;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use facts::{Clock, Digest};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Batch, Connection, OpenFlags, params};

use crate::engine::{Applied, Engine, EngineError, EntryState, OnStatement, RunError, Script};
use crate::migration::Kind;
use crate::statement::Statement;
use journal::{has_journal, journal, make_journal, read_entries, state_of};

/// How long to wait for another writer, such as the running service.
const BUSY: Duration = Duration::from_secs(10);

/// Copies a database as it is at one moment into the file `to`, which must not be there. The service that uses it goes on
/// meanwhile.
///
/// # Errors
/// When it is no database of SQLite, somebody keeps it for themselves, or a file fails.
pub fn copy(path: &Path, to: &Path) -> Result<(), EngineError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(path, flags).map_err(store)?;
    reader.busy_timeout(BUSY).map_err(store)?;
    reader
        .execute("VACUUM INTO ?1", [to.to_string_lossy()])
        .map_err(store)?;
    Ok(())
}

/// One SQLite file.
#[derive(Debug)]
pub struct SqliteEngine {
    path: PathBuf,
    connection: Option<Connection>,
    lock: Option<File>,
}

fn store(error: rusqlite::Error) -> EngineError {
    EngineError::Store(error.to_string())
}

impl SqliteEngine {
    /// The database in the file `path`, which is made by the first migration if it is not there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            connection: None,
            lock: None,
        }
    }

    /// The file whose advisory lock keeps other runners away.
    fn lock_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".throughline-lock");
        PathBuf::from(path)
    }

    fn cannot_open(&self, reason: impl std::fmt::Display) -> EngineError {
        EngineError::Open {
            location: self.path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    fn connection(&mut self) -> Result<&mut Connection, EngineError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open(&self.path).map_err(|error| self.cannot_open(error))?,
        };
        Ok(self.connection.insert(connection))
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    keep_to_own_file(&connection)?;
    Ok(connection)
}

fn keep_to_own_file(connection: &Connection) -> rusqlite::Result<()> {
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }))
}

/// A transaction that takes the write lock at once and is rolled back unless it is committed.
fn begin(connection: &Connection) -> Result<rusqlite::Transaction<'_>, EngineError> {
    rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate).map_err(store)
}

impl Engine for SqliteEngine {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn lock(&mut self, wait: Duration) -> Result<(), EngineError> {
        let path = self.lock_path();
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| self.cannot_open(error))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => {
                    self.lock = Some(file);
                    return Ok(());
                }
                // The kernel offers no wait with an end for such a lock.
                Err(TryLockError::WouldBlock) if since.elapsed() < wait => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(EngineError::Locked {
                        location: self.path.display().to_string(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(self.cannot_open(error)),
            }
        }
    }

    fn unlock(&mut self) {
        // Closing the file releases the lock. It is not removed: somebody may be waiting on it.
        self.lock = None;
    }

    fn applied(&mut self) -> Result<Applied, EngineError> {
        if self.connection.is_none() && !self.path.exists() {
            return Ok(Applied::default());
        }
        let connection = self.connection()?;
        // One transaction, so that both tables are of one moment.
        let transaction = connection.unchecked_transaction().map_err(store)?;
        if !has_journal(&transaction)? {
            return Ok(Applied::default());
        }
        let mut entries = read_entries(&transaction)?;
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Applied { entries })
    }

    fn run(
        &mut self,
        script: &Script<'_>,
        clock: &dyn Clock,
        on_statement: &mut OnStatement<'_>,
    ) -> Result<(), RunError> {
        let connection = self.connection()?;
        make_journal(connection)?;
        // An earlier script may have said otherwise.
        connection.pragma_update(None, "foreign_keys", false).map_err(store)?;
        let pass = Pass {
            connection,
            script,
            clock,
        };
        let result = if script.migration.transaction && script.done == 0 {
            pass.together(on_statement)
        } else {
            pass.one_by_one(on_statement)
        };
        if let Err(RunError::Statement {
            line, number, reason, ..
        }) = &result
        {
            // What failed is worth keeping; that it could not be kept is not worth hiding the failure.
            let _ = pass.note_failure(&format!("statement {number}, line {line}: {reason}"));
        }
        result
    }
}

/// One run through one script.
struct Pass<'a> {
    connection: &'a Connection,
    script: &'a Script<'a>,
    clock: &'a dyn Clock,
}

impl Pass<'_> {
    fn state(&self, ended: bool) -> EntryState {
        match (self.script.takes_back.is_some(), ended) {
            (false, false) => EntryState::Open,
            (false, true) => EntryState::Applied,
            (true, false) => EntryState::Undoing,
            (true, true) => EntryState::Undone,
        }
    }

    /// All statements and the journal in one transaction.
    fn together(&self, on_statement: &mut OnStatement<'_>) -> Result<(), RunError> {
        let left = "nothing of the file took effect: mend it and run again";
        crashpoint::reach("database.migration.begin");
        let transaction = begin(self.connection)?;
        let violated = violated_references(&transaction)?;
        self.begin_entry(&transaction)?;
        for (index, statement) in self.script.migration.statements.iter().enumerate() {
            if on_statement(index).is_break() {
                return Err(self.stopped(index));
            }
            crashpoint::reach("database.statement.before");
            self.execute(statement)
                .map_err(|reason| self.failed(index, &reason, left))?;
            self.journal_statement(&transaction, index, "done")?;
            crashpoint::reach("database.statement.after");
        }
        if violated_references(&transaction)? > violated {
            let last = self.script.migration.statements.len().saturating_sub(1);
            let reason = "the file leaves references to rows that are not there (see `PRAGMA foreign_key_check`)";
            return Err(self.failed(last, reason, left));
        }
        self.end_entry(&transaction)?;
        crashpoint::reach("database.commit.before");
        transaction.commit().map_err(store)?;
        crashpoint::reach("database.commit.after");
        Ok(())
    }

    /// Each statement in a transaction of its own with its journal row.
    fn one_by_one(&self, on_statement: &mut OnStatement<'_>) -> Result<(), RunError> {
        let done = self.script.done;
        if done == 0 {
            let transaction = begin(self.connection)?;
            self.begin_entry(&transaction)?;
            crashpoint::reach("database.migration.begin");
            transaction.commit().map_err(store)?;
        }
        for (index, statement) in self.script.migration.statements.iter().enumerate().skip(done) {
            if on_statement(index).is_break() {
                return Err(self.stopped(index));
            }
            let left = format!("{index} statements before it took effect: mend it and run again, which goes on here");
            crashpoint::reach("database.statement.before");
            if outside_transactions(statement) {
                self.journal_statement(self.connection, index, "started")?;
                self.execute(statement)
                    .map_err(|reason| self.failed(index, &reason, &left))?;
                crashpoint::reach("database.statement.after");
                self.journal_statement(self.connection, index, "done")?;
            } else {
                let transaction = begin(self.connection)?;
                self.execute(statement)
                    .map_err(|reason| self.failed(index, &reason, &left))?;
                self.journal_statement(&transaction, index, "done")?;
                crashpoint::reach("database.statement.after");
                transaction.commit().map_err(store)?;
            }
        }
        crashpoint::reach("database.commit.before");
        self.end_entry(self.connection)?;
        crashpoint::reach("database.commit.after");
        Ok(())
    }

    /// Runs one statement to its end; the rows it returns are of no interest.
    fn execute(&self, statement: &Statement) -> Result<(), String> {
        let vacuum = statement.keyword() == "VACUUM";
        if vacuum {
            // `VACUUM INTO` writes another file; plain `VACUUM` attaches a temporary one by itself.
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let words: Vec<_> = statement.sql.split_whitespace().collect();
            if words.len() > 2 || words.iter().any(|word| !word.chars().all(plain)) {
                return Err("only plain `VACUUM` is for a migration: it changes its own database only".to_owned());
            }
            self.connection
                .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
                .map_err(|error| error.to_string())?;
        }
        let result = self.execute_all(&statement.sql);
        if vacuum {
            keep_to_own_file(self.connection).map_err(|error| error.to_string())?;
        }
        result.map_err(|error| {
            let hint = outside_transactions(statement) && self.script.migration.transaction;
            let hint = if hint {
                "; it may need `-- no-transaction` at the head of the file"
            } else {
                ""
            };
            format!("{error}{hint}")
        })
    }

    fn execute_all(&self, sql: &str) -> rusqlite::Result<()> {
        // A batch, so that nothing is left out should SQLite see more than one statement here.
        let mut batch = Batch::new(self.connection, sql);
        while let Some(mut prepared) = batch.next()? {
            let mut rows = prepared.raw_query();
            while rows.next()?.is_some() {}
        }
        Ok(())
    }

    fn stopped(&self, index: usize) -> RunError {
        RunError::Stopped {
            file: self.script.migration.file.clone(),
            number: index + 1,
        }
    }

    fn failed(&self, index: usize, reason: &str, left: &str) -> RunError {
        let statement = self.script.migration.statements.get(index);
        RunError::Statement {
            file: self.script.migration.file.clone(),
            line: statement.map_or(1, |statement| statement.line),
            number: index + 1,
            reason: reason.to_owned(),
            summary: statement.map(Statement::summary).unwrap_or_default(),
            left: left.to_owned(),
        }
    }

    /// The row of the migration: for an undo script, that of what it takes back.
    fn begin_entry(&self, connection: &Connection) -> Result<(), EngineError> {
        let of = self.script.takes_back.unwrap_or(self.script.migration);
        let state = state_of(connection, &of.key.to_string())?;
        let ended = self.state(true);
        if of.kind == Kind::Versioned && state.as_deref() == Some(ended.as_str()) {
            // The lock keeps runners apart that know the file by one name; this, all others.
            let location = self.connection.path().unwrap_or_default().to_owned();
            return Err(EngineError::Locked { location });
        }
        let kind = if of.kind == Kind::Repeatable {
            "repeatable"
        } else {
            "versioned"
        };
        connection
            .execute(
                "INSERT INTO throughline_migrations
                     (key, file, kind, phase, checksum, raw_checksum, state, begins_after, started_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT coalesce(max(id), 0) FROM throughline_statements), ?8)
                 ON CONFLICT (key) DO UPDATE SET
                     file = excluded.file, kind = excluded.kind, phase = excluded.phase, checksum = excluded.checksum,
                     raw_checksum = excluded.raw_checksum, state = excluded.state, begins_after = excluded.begins_after,
                     started_at = excluded.started_at, finished_at = NULL, failure = NULL",
                params![
                    of.key.to_string(),
                    of.file,
                    kind,
                    of.phase.to_string(),
                    of.checksum.to_string(),
                    of.raw_checksum.to_string(),
                    self.state(false).as_str(),
                    self.clock.now().to_string(),
                ],
            )
            .map_err(store)?;
        Ok(())
    }

    /// The end, with the checksums of the file as it is now: one that stopped may have been mended.
    fn end_entry(&self, connection: &Connection) -> Result<(), EngineError> {
        let of = self.script.takes_back.unwrap_or(self.script.migration);
        let changed = connection
            .execute(
                "UPDATE throughline_migrations
                 SET state = ?2, finished_at = ?3, failure = NULL, file = ?4, phase = ?5, checksum = ?6, raw_checksum = ?7
                 WHERE key = ?1",
                params![
                    of.key.to_string(),
                    self.state(true).as_str(),
                    self.clock.now().to_string(),
                    of.file,
                    of.phase.to_string(),
                    of.checksum.to_string(),
                    of.raw_checksum.to_string(),
                ],
            )
            .map_err(store)?;
        if changed == 1 {
            Ok(())
        } else {
            Err(journal(format!("the row of {} is gone", of.key)))
        }
    }

    fn journal_statement(&self, connection: &Connection, index: usize, state: &str) -> Result<(), EngineError> {
        let migration = self.script.migration;
        let Some(statement) = migration.statements.get(index) else {
            return Ok(());
        };
        connection
            .execute(
                "INSERT INTO throughline_statements (key, file, number, line, checksum, state, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    migration.key.to_string(),
                    migration.file,
                    index as i64 + 1,
                    statement.line,
                    Digest::of(&statement.sql).to_string(),
                    state,
                    self.clock.now().to_string(),
                ],
            )
            .map_err(store)?;
        Ok(())
    }

    fn note_failure(&self, failure: &str) -> Result<(), EngineError> {
        let transaction = begin(self.connection)?;
        let of = self.script.takes_back.unwrap_or(self.script.migration);
        let key = of.key.to_string();
        let there = state_of(&transaction, &key)?;
        // A forward script that failed as a whole leaves a row that says so; a repeatable one or an
        // undo that failed as a whole leaves the row of what is still there.
        if there.is_none_or(|state| state == EntryState::Undone.as_str()) && self.script.takes_back.is_none() {
            self.begin_entry(&transaction)?;
        }
        transaction
            .execute(
                "UPDATE throughline_migrations SET failure = ?2 WHERE key = ?1",
                params![key, failure],
            )
            .map_err(store)?;
        transaction.commit().map_err(store)
    }
}

/// Whether SQLite runs this statement, at least in some forms, outside transactions only.
fn outside_transactions(statement: &Statement) -> bool {
    matches!(statement.keyword().as_str(), "VACUUM" | "PRAGMA")
}

fn violated_references(connection: &Connection) -> Result<u64, EngineError> {
    let mut check = connection.prepare("PRAGMA foreign_key_check").map_err(store)?;
    let mut rows = check.query([]).map_err(store)?;
    let mut violated = 0;
    while rows.next().map_err(store)?.is_some() {
        violated += 1;
    }
    Ok(violated)
}
