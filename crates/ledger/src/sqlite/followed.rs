//! The file of followed views: which are there, how far each has come, and what a fold of some more
//! facts changes in it.
//!
//! It stands beside the ledger's file and holds nothing that cannot be folded again. A power cut may
//! take its last commits back; each is whole, because a view and its position share it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use facts::{Digest, Fact, Position, envelope::GENESIS};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

use super::failure::Failure;
use super::read::integer;
use super::rows::{self, Place};
use super::schema;
use crate::contract::LedgerError;
use crate::verify::Checkpoint;
use crate::view::{FoldError, View, Views, shape};

/// "THRF": says that a file holds followed views.
const APPLICATION_ID: i64 = 0x5448_5246;

/// The format of the file; one of another format is made anew.
const FORMAT: i64 = 1;

const CREATE: &str = "
CREATE TABLE followed (
  name     TEXT NOT NULL,
  place    TEXT NOT NULL CHECK (place IN ('in use', 'fresh')),
  version  INTEGER NOT NULL,
  shape    TEXT NOT NULL,
  tables   TEXT NOT NULL,
  position INTEGER NOT NULL,
  hash     BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (name, place)
) STRICT;
";

/// Where followed views of the ledger at `path` are kept.
pub(super) fn path_of(path: &Path) -> PathBuf {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}-followed.db"))
}

/// Opens the file to write it. One that cannot be read, or is of another format, is made anew.
pub(super) fn open(path: &Path) -> Result<Connection, LedgerError> {
    match open_as_it_is(path)? {
        Some(connection) => Ok(connection),
        None => {
            tracing::warn!(path = %path.display(), "the followed views are of another format or damaged; they are folded again");
            for ending in ["", "-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(ending);
                if let Err(error) = std::fs::remove_file(PathBuf::from(name))
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    return Err(LedgerError::Store(format!("{}: {error}", path.display())));
                }
            }
            open_as_it_is(path)?.ok_or_else(|| LedgerError::Store(format!("{} cannot be made", path.display())))
        }
    }
}

fn open_as_it_is(path: &Path) -> Result<Option<Connection>, LedgerError> {
    schema::make_private(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => LedgerError::Full,
        _ => LedgerError::Store(format!("{}: {error}", path.display())),
    })?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(128);
    let application_id = match schema::pragma(&connection, "application_id") {
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
            ) =>
        {
            return Ok(None);
        }
        other => other?,
    };
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if application_id != APPLICATION_ID && (application_id != 0 || tables > 0) {
        return Err(LedgerError::NotALedger {
            path: path.display().to_string(),
            reason: "it is a SQLite database of another program".to_owned(),
        });
    }
    if tables > 0 && schema::pragma(&connection, "user_version")? != FORMAT {
        return Ok(None);
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What a power cut takes back is folded again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    if tables == 0 {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(CREATE)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
    }
    Ok(Some(connection))
}

/// A view as it stands in the file.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// The version that folded it.
    pub version: u32,
    shape: String,
    tables: String,
    /// The last fact it has taken in.
    pub at: Checkpoint,
}

fn word(place: Place) -> &'static str {
    match place {
        Place::InUse => "in use",
        Place::Fresh => "fresh",
    }
}

/// How a view stands, if it does.
pub(super) fn standing(connection: &Connection, view: &str, place: Place) -> Result<Option<Standing>, Failure> {
    let found = connection
        .prepare_cached("SELECT version, shape, tables, position, hash FROM followed WHERE name = ?1 AND place = ?2")?
        .query_row([view, word(place)], |row| {
            Ok((
                row.get::<_, u32>(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get::<_, i64>(3)?,
                row.get::<_, [u8; 32]>(4)?,
            ))
        })
        .optional()?;
    Ok(found.map(|(version, shape, tables, position, hash)| Standing {
        version,
        shape,
        tables,
        at: Checkpoint {
            position: position as Position,
            hash: Digest::from_bytes(hash),
        },
    }))
}

/// How far the view that is in use has come.
pub(super) fn position(connection: &Connection, view: &str) -> Result<Position, Failure> {
    Ok(standing(connection, view, Place::InUse)?.map_or(0, |standing| standing.at.position))
}

/// Brings the file to what the views declare. `knows` says whether the ledger has that fact: after a
/// backup was put back it may not, and the view is then folded again.
pub(super) fn prepare(
    connection: &mut Connection,
    views: &Views,
    knows: impl Fn(&Checkpoint) -> Result<bool, LedgerError>,
) -> Result<(), LedgerError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stored: Vec<(String, String)> = {
        let mut statement = transaction.prepare("SELECT name, place FROM followed")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    for (name, of_place) in stored {
        let place = if of_place == word(Place::Fresh) {
            Place::Fresh
        } else {
            Place::InUse
        };
        let Some(standing) = standing(&transaction, &name, place)? else {
            continue;
        };
        let declared = views.iter().find(|view| view.name() == name);
        let fits = declared.is_some_and(|view| {
            let same = shape(view.as_ref()) == standing.shape;
            // What is in use is read until its next version is there; what is fresh is to be that.
            same && (place == Place::InUse || view.version() == standing.version)
        });
        if !fits || !knows(&standing.at)? {
            forget(&transaction, &name, place, &standing.tables)?;
        }
    }
    for view in views.iter() {
        match standing(&transaction, view.name(), Place::InUse)? {
            None => {
                if let Some(fresh) = standing(&transaction, view.name(), Place::Fresh)? {
                    forget(&transaction, view.name(), Place::Fresh, &fresh.tables)?;
                }
                begin(&transaction, view.as_ref(), Place::InUse)?;
            }
            Some(old) if old.version != view.version() => {
                if standing(&transaction, view.name(), Place::Fresh)?.is_none() {
                    begin(&transaction, view.as_ref(), Place::Fresh)?;
                }
            }
            // An earlier process was asked to fold it again, and did not end.
            Some(_) => abandon(&transaction, view.as_ref())?,
        }
    }
    Ok(transaction.commit()?)
}

fn forget(connection: &Connection, name: &str, place: Place, tables: &str) -> Result<(), Failure> {
    for table in tables.split_whitespace() {
        rows::drop(connection, table, place)?;
    }
    connection.execute(
        "DELETE FROM followed WHERE name = ?1 AND place = ?2",
        [name, word(place)],
    )?;
    Ok(())
}

/// Makes the view's empty tables.
pub(super) fn begin(connection: &Connection, view: &dyn View, place: Place) -> Result<(), Failure> {
    for table in view.tables() {
        rows::create(connection, table, place)?;
        if place == Place::InUse {
            rows::create_indexes(connection, table)?;
        }
    }
    let tables: Vec<_> = view.tables().iter().map(|table| table.name).collect();
    connection.execute(
        "INSERT INTO followed VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
        params![
            view.name(),
            word(place),
            view.version(),
            shape(view),
            tables.join(" "),
            GENESIS.as_bytes()
        ],
    )?;
    Ok(())
}

/// Removes what was folded beside the view.
pub(super) fn abandon(connection: &Connection, view: &dyn View) -> Result<(), Failure> {
    match standing(connection, view.name(), Place::Fresh)? {
        Some(fresh) => forget(connection, view.name(), Place::Fresh, &fresh.tables),
        None => Ok(()),
    }
}

/// A view that cannot take in a fact.
#[derive(Debug)]
pub(super) struct Stopped {
    /// The fact.
    pub seq: Position,
    /// Why not.
    pub error: FoldError,
}

/// Lets the view take in these facts, and notes how far it has come; all in the caller's transaction.
pub(super) fn take_in(
    connection: &Connection,
    view: &dyn View,
    place: Place,
    facts: &[Arc<Fact>],
) -> Result<(), Stopped> {
    for fact in facts {
        schema::fold_into(connection, view, fact, place).map_err(|error| Stopped { seq: fact.seq, error })?;
    }
    let Some(last) = facts.last() else { return Ok(()) };
    let noted = connection
        .prepare_cached("UPDATE followed SET position = ?3, hash = ?4 WHERE name = ?1 AND place = ?2")
        .and_then(|mut statement| {
            statement.execute(params![
                view.name(),
                word(place),
                integer(last.seq),
                last.hash.as_bytes()
            ])
        });
    noted.map(|_| ()).map_err(|error| Stopped {
        seq: last.seq,
        error: error.into(),
    })
}

/// Puts what was folded beside the view in its place.
pub(super) fn swap(connection: &Connection, view: &dyn View) -> Result<(), Failure> {
    let tables: Vec<&str> = view.tables().iter().map(|table| table.name).collect();
    forget(connection, view.name(), Place::InUse, &tables.join(" "))?;
    for table in view.tables() {
        let (fresh, in_use) = (Place::Fresh.name(table.name), Place::InUse.name(table.name));
        connection.execute_batch(&format!("ALTER TABLE \"{fresh}\" RENAME TO \"{in_use}\""))?;
        rows::create_indexes(connection, table)?;
    }
    connection.execute(
        "UPDATE followed SET place = ?2 WHERE name = ?1",
        [view.name(), word(Place::InUse)],
    )?;
    Ok(())
}

/// Whether the ledger in `connection` has the fact of a checkpoint.
pub(super) fn knows(connection: &Connection, checkpoint: &Checkpoint) -> Result<bool, LedgerError> {
    if checkpoint.position == 0 {
        return Ok(true);
    }
    let hash: Option<Vec<u8>> = connection
        .query_row(
            "SELECT hash FROM facts WHERE seq = ?1",
            [integer(checkpoint.position)],
            |row| row.get(0),
        )
        .optional()?;
    Ok(hash.is_some_and(|hash| hash == checkpoint.hash.as_bytes()))
}
