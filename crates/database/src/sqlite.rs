//! The engine for SQLite.
//!
//! - `VACUUM` and `PRAGMA`, which SQLite runs outside transactions only, can be repeated without harm, so
//!   there is nothing to observe.
//! - Foreign keys are not enforced while a migration runs, since otherwise rebuilding a table deletes
//!   what refers to it (the procedure of SQLite's documentation of `ALTER TABLE`). Before the commit,
//!   a migration that leaves more violated references than it found is refused.
//! - The lock is an advisory lock on a file beside the database. The kernel releases it with the
//!   process, so it is never left behind.
//! - A migration reaches its own file only: SQLite's authorizer refuses `ATTACH`.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, OpenFlags, ToSql};

use crate::dialect::Dialect;
use crate::engine::{Cell, Engine, EngineError, Observed, Trouble};
use crate::statement::Statement;

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

impl Engine for SqliteEngine {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn is_there(&self) -> bool {
        self.connection.is_some() || self.path.exists()
    }

    fn try_lock(&mut self) -> Result<bool, EngineError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.lock_path())
            .map_err(|error| self.cannot_open(error))?;
        match file.try_lock() {
            Ok(()) => {
                self.lock = Some(file);
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(self.cannot_open(error)),
        }
    }

    fn unlock(&mut self) {
        // Said, and not left to closing: a process that was forked off meanwhile has the file open for a moment too.
        // It is not removed: somebody may be waiting on it.
        if let Some(file) = self.lock.take() {
            let _ = file.unlock();
        }
    }

    fn refresh(&mut self) -> Result<(), EngineError> {
        // An earlier script may have said otherwise.
        self.connection()?
            .pragma_update(None, "foreign_keys", false)
            .map_err(store)
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        // The write lock at once: taken later, somebody else's could make it fail.
        self.connection()?.execute_batch("BEGIN IMMEDIATE").map_err(store)
    }

    fn begin_reading(&mut self) -> Result<(), EngineError> {
        self.connection()?.execute_batch("BEGIN").map_err(store)
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.connection()?.execute_batch("COMMIT").map_err(store)
    }

    fn roll_back(&mut self) {
        if let Ok(connection) = self.connection()
            && !connection.is_autocommit()
        {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }

    fn query(&mut self, sql: &str, cells: &[Cell]) -> Result<Vec<Vec<Cell>>, EngineError> {
        let mut statement = self.connection()?.prepare(sql).map_err(store)?;
        let columns = statement.column_count();
        let cells = cells.iter().map(|cell| match cell {
            Cell::Null => &rusqlite::types::Null as &dyn ToSql,
            Cell::Integer(number) => number,
            Cell::Text(text) => text,
        });
        let mut rows = statement.query(rusqlite::params_from_iter(cells)).map_err(store)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store)? {
            let cell = |column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => Cell::Null,
                    ValueRef::Integer(number) => Cell::Integer(number),
                    other => Cell::Text(other.as_str()?.to_owned()),
                })
            };
            let cells = (0..columns).map(cell).collect::<rusqlite::Result<_>>();
            found.push(cells.map_err(store)?);
        }
        Ok(found)
    }

    fn apply(&mut self, statement: &Statement) -> Result<(), Trouble> {
        let connection = self.connection().map_err(Trouble::Engine)?;
        execute(connection, statement).map_err(Trouble::Failed)
    }

    fn harm(&mut self) -> Result<u64, EngineError> {
        violated_references(self.connection()?)
    }

    fn mark(&mut self, _: &Statement) -> Result<String, EngineError> {
        Ok(String::new())
    }

    fn observe(&mut self, _: &Statement, _: &str) -> Result<Observed, EngineError> {
        Ok(Observed::NotDone)
    }
}

/// Runs one statement to its end; the rows it returns are of no interest.
fn execute(connection: &Connection, statement: &Statement) -> Result<(), String> {
    let vacuum = statement.keyword() == "VACUUM";
    if vacuum {
        // `VACUUM INTO` writes another file; plain `VACUUM` attaches a temporary one by itself.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words: Vec<_> = statement.sql.split_whitespace().collect();
        if words.len() > 2 || words.iter().any(|word| !word.chars().all(plain)) {
            return Err("only plain `VACUUM` is for a migration: it changes its own database only".to_owned());
        }
        connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>)
            .map_err(|error| error.to_string())?;
    }
    let result = execute_all(connection, &statement.sql);
    if vacuum {
        keep_to_own_file(connection).map_err(|error| error.to_string())?;
    }
    result.map_err(|error| error.to_string())
}

fn execute_all(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    // A batch, so that nothing is left out should SQLite see more than one statement here.
    let mut batch = Batch::new(connection, sql);
    while let Some(mut prepared) = batch.next()? {
        let mut rows = prepared.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(())
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
