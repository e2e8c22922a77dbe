//! The file: its format, the table of facts, and the views as they are when it opens.

use std::path::Path;

use facts::{Digest, Position};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};

use super::failure::Failure;
use super::read;
use super::rows::{self, Place, SqliteRows};
use crate::contract::LedgerError;
use crate::upcast::Upcasters;
use crate::verify::Checkpoint;
use crate::view::{FoldError, View, Views, fold, shape};

/// "THRL": says that a file is a ledger.
const APPLICATION_ID: i64 = 0x5448_524c;

/// The format of the file. A change that this version could not read raises it.
const FORMAT: i64 = 1;

/// Facts are inserted one after the other and stay. Whoever gets around the triggers is found by
/// `verify`. `ledger_head` says how far the log had come, so that a cut end is noticed.
const CREATE: &str = "
CREATE TABLE facts (
  seq          INTEGER PRIMARY KEY,
  stream       TEXT NOT NULL,
  version      INTEGER NOT NULL,
  id           TEXT NOT NULL UNIQUE,
  kind         TEXT NOT NULL,
  recorded_at  INTEGER NOT NULL,
  external_key TEXT UNIQUE,
  bytes        BLOB NOT NULL,
  hash         BLOB NOT NULL CHECK (length(hash) = 32),
  UNIQUE (stream, version)
) STRICT;
CREATE TRIGGER facts_are_not_changed BEFORE UPDATE ON facts
BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
CREATE TRIGGER facts_are_not_removed BEFORE DELETE ON facts
BEGIN SELECT RAISE(ABORT, 'facts are never removed'); END;
CREATE TRIGGER facts_come_at_the_end BEFORE INSERT ON facts
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM facts)
BEGIN SELECT RAISE(ABORT, 'a fact is added at the end'); END;
CREATE TABLE ledger_head (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  position INTEGER NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO ledger_head VALUES (1, 0, zeroblob(32));
CREATE TABLE ledger_views (
  name    TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  shape   TEXT NOT NULL,
  tables  TEXT NOT NULL
) STRICT;
";

/// Opens the writer's connection: makes the file when there is none, refuses what it cannot write.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    make_private(path).map_err(|error| LedgerError::Store(format!("{}: {error}", path.display())))?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(512);
    let not_a_ledger = |reason: &str| LedgerError::NotALedger {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    };
    let application_id = match pragma(&connection, "application_id") {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(not_a_ledger("it is no SQLite database"));
        }
        other => other?,
    };
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if application_id != APPLICATION_ID && (application_id != 0 || tables > 0) {
        return Err(not_a_ledger("it is a SQLite database of another program"));
    }
    let format = pragma(&connection, "user_version")?;
    if format > FORMAT {
        return Err(LedgerError::Newer {
            found: format,
            known: FORMAT,
        });
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // With NORMAL a power cut could take the last commits back.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    if tables == 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been quicker.
        if pragma(&transaction, "user_version")? == 0 {
            transaction.execute_batch(CREATE)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Makes the file readable by its owner alone, and its name in the folder durable.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(file) => {
            file.sync_all()?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// The last fact, after a check that the log ends where the ledger had come to.
pub(super) fn head(connection: &Connection) -> Result<Checkpoint, Failure> {
    let recorded = recorded_head(connection)?;
    let last: Option<(i64, Vec<u8>)> = connection
        .prepare_cached("SELECT seq, hash FROM facts ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let same = match &last {
        None => recorded.position == 0,
        Some((seq, hash)) => recorded.position == *seq as Position && hash == recorded.hash.as_bytes(),
    };
    if same {
        Ok(recorded)
    } else {
        Err(Failure::Other(format!(
            "the log ends at fact {}, not at fact {} that was recorded last: somebody has changed the file\n\
             hint: restore a backup; `throughline ledger verify` names the first bad fact",
            last.map_or(0, |(seq, _)| seq),
            recorded.position
        )))
    }
}

/// How far the ledger says it had come.
pub(super) fn recorded_head(connection: &Connection) -> Result<Checkpoint, Failure> {
    let (position, hash): (i64, Vec<u8>) = connection
        .prepare_cached("SELECT position, hash FROM ledger_head")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let hash = <[u8; 32]>::try_from(hash).map_err(|_| Failure::Other("the recorded head has no hash".into()))?;
    Ok(Checkpoint {
        position: position as Position,
        hash: Digest::from_bytes(hash),
    })
}

/// Brings the tables to what the views declare, and folds again those that changed: all or nothing.
pub(super) fn open_views(connection: &mut Connection, views: &Views, upcasters: &Upcasters) -> Result<(), LedgerError> {
    match drop_fresh(connection) {
        // They take room, but nothing depends on their being gone; what is recorded can be read.
        Err(Failure::Full) => tracing::warn!("the disk is full: the tables of an interrupted rebuild stay for now"),
        other => other?,
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut kept = Vec::new();
    for stored in stored_views(&transaction)? {
        let declared = views.iter().find(|view| view.name() == stored.name);
        if declared
            .is_some_and(|view| i64::from(view.version()) == stored.version && shape(view.as_ref()) == stored.shape)
        {
            kept.push(stored.name);
            continue;
        }
        for table in stored.tables.split_whitespace() {
            rows::drop(&transaction, table, Place::InUse)?;
        }
        transaction.execute("DELETE FROM ledger_views WHERE name = ?1", [&stored.name])?;
    }
    let changed: Vec<&dyn View> = views
        .iter()
        .map(AsRef::as_ref)
        .filter(|view| !kept.iter().any(|name| name == view.name()))
        .collect();
    if !changed.is_empty() {
        fold_anew(&transaction, &changed, upcasters)?;
    }
    Ok(transaction.commit()?)
}

fn fold_anew(transaction: &Connection, views: &[&dyn View], upcasters: &Upcasters) -> Result<(), LedgerError> {
    for table in views.iter().flat_map(|view| view.tables()) {
        rows::create(transaction, table, Place::InUse)?;
    }
    let mut position = 0;
    loop {
        let facts = read::facts(transaction, upcasters, position, read::CHUNK)?;
        let Some(last) = facts.last() else { break };
        position = last.seq;
        for fact in &facts {
            for view in views {
                fold_into(transaction, *view, fact, Place::InUse)
                    .map_err(|error| fold_error(view.name(), fact.seq, error))?;
            }
        }
    }
    for view in views {
        for table in view.tables() {
            rows::create_indexes(transaction, table)?;
        }
        let tables: Vec<_> = view.tables().iter().map(|table| table.name).collect();
        transaction.execute(
            "INSERT INTO ledger_views VALUES (?1, ?2, ?3, ?4)",
            (view.name(), view.version(), shape(*view), tables.join(" ")),
        )?;
        tracing::info!(view = view.name(), facts = position, "folded");
    }
    Ok(())
}

/// A failed fold of a recorded fact, told apart from a failure of the store.
pub(super) fn fold_error(view: &'static str, seq: Position, error: FoldError) -> LedgerError {
    match error {
        FoldError::Full => LedgerError::Full,
        FoldError::Store(text) => LedgerError::Store(text),
        error => LedgerError::Fold { view, seq, error },
    }
}

/// Lets a view take in a fact, into the tables of `place`.
pub(super) fn fold_into(
    connection: &Connection,
    view: &dyn View,
    fact: &facts::Fact,
    place: Place,
) -> Result<(), FoldError> {
    fold(
        view,
        fact,
        &mut SqliteRows {
            connection,
            declared: view.tables(),
            place,
        },
    )
}

/// Removes what a rebuild that did not end has left.
pub(super) fn drop_fresh(connection: &Connection) -> Result<(), Failure> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'fresh_*'")?;
    let names: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for name in names {
        connection.execute_batch(&format!("DROP TABLE \"{name}\""))?;
    }
    Ok(())
}

struct StoredView {
    name: String,
    version: i64,
    shape: String,
    tables: String,
}

fn stored_views(connection: &Connection) -> rusqlite::Result<Vec<StoredView>> {
    let mut statement = connection.prepare("SELECT name, version, shape, tables FROM ledger_views")?;
    let views = statement.query_map([], |row| {
        Ok(StoredView {
            name: row.get(0)?,
            version: row.get(1)?,
            shape: row.get(2)?,
            tables: row.get(3)?,
        })
    })?;
    views.collect()
}
