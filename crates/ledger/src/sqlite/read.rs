//! Reading: a pool of connections that cannot write, and facts out of rows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use facts::{Digest, Fact, Position, Stream};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use tokio::sync::Semaphore;

use super::failure::Failure;
use crate::contract::{Exported, LedgerError};
use crate::upcast::Upcasters;
use crate::verify::{Checkpoint, Fault, Held, named_otherwise};

/// How many facts are held at once where all are gone through.
pub(super) const CHUNK: usize = 1_000;

/// How many readers work at the same time.
const READERS: usize = 4;

/// Connections that only read, each used by one thread at a time.
#[derive(Clone)]
pub(super) struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self(Arc::new(Pool {
            path: path.to_owned(),
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(READERS)),
        }))
    }

    /// Runs `work` on a connection, on a thread where it may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let stopped = |what: &dyn std::fmt::Display| LedgerError::Store(format!("a reader stopped: {what}"));
        let permit = self
            .0
            .free
            .clone()
            .acquire_owned()
            .await
            .map_err(|error| stopped(&error))?;
        let pool = self.0.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let connection = pool.take()?;
            let result = work(&connection);
            pool.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            result
        });
        done.await.map_err(|error| stopped(&error))?
    }
}

impl Pool {
    fn take(&self) -> Result<Connection, LedgerError> {
        if let Some(connection) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(connection);
        }
        Ok(open(&self.path)?)
    }
}

/// A connection that cannot write.
pub(super) fn open(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Up to `limit` facts after `after`.
pub(super) fn facts(
    connection: &Connection,
    upcasters: &Upcasters,
    after: Position,
    limit: usize,
) -> Result<Vec<Arc<Fact>>, LedgerError> {
    let mut statement =
        connection.prepare_cached("SELECT seq, bytes, hash FROM facts WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = statement.query(params![integer(after), count(limit)])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        facts.push(fact(row, upcasters)?);
    }
    Ok(facts)
}

/// Up to `limit` facts of a stream after `after_version`.
pub(super) fn stream(
    connection: &Connection,
    upcasters: &Upcasters,
    stream: &Stream,
    after_version: u64,
    limit: usize,
) -> Result<Vec<Arc<Fact>>, LedgerError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, bytes, hash FROM facts WHERE stream = ?1 AND version > ?2 ORDER BY version LIMIT ?3",
    )?;
    let mut rows = statement.query(params![stream.as_str(), integer(after_version), count(limit)])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        facts.push(fact(row, upcasters)?);
    }
    Ok(facts)
}

/// The fact that holds a claim.
pub(super) fn claim(
    connection: &Connection,
    upcasters: &Upcasters,
    key: &str,
) -> Result<Option<Arc<Fact>>, LedgerError> {
    let mut statement = connection.prepare_cached("SELECT seq, bytes, hash FROM facts WHERE external_key = ?1")?;
    let mut rows = statement.query([key])?;
    match rows.next()? {
        Some(row) => fact(row, upcasters).map(Some),
        None => Ok(None),
    }
}

/// A fact from a row of (seq, bytes, hash).
fn fact(row: &rusqlite::Row<'_>, upcasters: &Upcasters) -> Result<Arc<Fact>, LedgerError> {
    let seq: i64 = row.get(0)?;
    let damaged = |reason: String| LedgerError::Damaged {
        seq: seq as Position,
        reason,
    };
    let blob = |place: usize| -> Result<&[u8], LedgerError> {
        row.get_ref(place)?
            .as_blob()
            .map_err(|error| damaged(error.to_string()))
    };
    let fact = upcasters.read(blob(1)?).map_err(|error| damaged(error.to_string()))?;
    if blob(2)? != fact.hash.as_bytes() {
        return Err(damaged("its bytes do not have the hash stored with them".into()));
    }
    Ok(Arc::new(fact))
}

/// Up to `limit` facts after `after` as they are stored.
pub(super) fn export(connection: &Connection, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError> {
    let mut statement =
        connection.prepare_cached("SELECT seq, bytes, hash FROM facts WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = statement.query(params![integer(after), count(limit)])?;
    let mut exported = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)? as Position;
        let hash = <[u8; 32]>::try_from(row.get::<_, Vec<u8>>(2)?).map_err(|_| LedgerError::Damaged {
            seq,
            reason: "it has no hash".into(),
        })?;
        exported.push(Exported {
            seq,
            bytes: row.get(1)?,
            hash: Digest::from_bytes(hash),
        });
    }
    Ok(exported)
}

/// Up to `limit` facts after `after`, columns and bytes.
pub(super) fn held(connection: &Connection, after: Position, limit: usize) -> Result<Vec<Held>, LedgerError> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, stream, version, id, kind, recorded_at, external_key, bytes, hash,
                (SELECT b.version FROM facts b
                 WHERE b.stream = f.stream AND b.version < f.version AND b.seq < f.seq
                 ORDER BY b.version DESC LIMIT 1)
         FROM facts f WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let rows = statement.query_map(params![integer(after), count(limit)], |row| {
        Ok(Held {
            seq: row.get::<_, i64>(0)? as Position,
            stream: row.get(1)?,
            version: row.get::<_, i64>(2)? as u64,
            id: row.get(3)?,
            kind: row.get(4)?,
            recorded_at: row.get(5)?,
            external_key: row.get(6)?,
            bytes: row.get(7)?,
            hash: row.get(8)?,
            version_before: row.get::<_, Option<i64>>(9)?.unwrap_or(0) as u64,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether the fact that a checkpoint names is another one, or not there.
pub(super) fn checkpoint_fault(connection: &Connection, checkpoint: &Checkpoint) -> Result<Option<Fault>, LedgerError> {
    let state = connection.unchecked_transaction()?;
    let there = "SELECT bytes FROM facts WHERE seq = ?1";
    let found: Option<Vec<u8>> = state
        .query_row(there, [integer(checkpoint.position)], |row| row.get(0))
        .optional()?;
    let last: i64 = state.query_row("SELECT coalesce(max(seq), 0) FROM facts", [], |row| row.get(0))?;
    Ok(named_otherwise(checkpoint, found.as_deref(), last as Position))
}

/// SQLite's integers are signed; no position gets near the end of them.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A limit for SQLite.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
