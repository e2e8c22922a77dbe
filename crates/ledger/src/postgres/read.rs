//! Facts out of rows.

use std::sync::Arc;

use facts::{Digest, Fact, Position, Stream};
use tokio_postgres::Row;

use super::session::{BEGIN_READING, Parameter, ReadFailure, Session};
use crate::contract::{Exported, LedgerError};
use crate::upcast::Upcasters;
use crate::verify::{Checkpoint, Fault, Held, named_otherwise};

/// How many facts are held at once where all are gone through.
pub(super) const CHUNK: usize = 1_000;

/// Up to `limit` facts after `after`.
pub(super) fn facts(
    session: &Session,
    upcasters: &Upcasters,
    after: Position,
    limit: usize,
) -> Result<Vec<Arc<Fact>>, ReadFailure> {
    let sql = "SELECT seq, bytes, hash FROM facts WHERE seq > $1 ORDER BY seq LIMIT $2";
    let rows = session.query(sql, &[Parameter::natural(after), Parameter::count(limit)])?;
    rows.iter().map(|row| fact(row, upcasters)).collect()
}

/// Up to `limit` facts of a stream after `after_version`.
pub(super) fn stream(
    session: &Session,
    upcasters: &Upcasters,
    stream: &Stream,
    after_version: u64,
    limit: usize,
) -> Result<Vec<Arc<Fact>>, ReadFailure> {
    let sql = "SELECT seq, bytes, hash FROM facts WHERE sha256(stream) = sha256($1) AND version > $2
               ORDER BY version LIMIT $3";
    let parameters = [
        Parameter::bytes(stream.as_str()),
        Parameter::natural(after_version),
        Parameter::count(limit),
    ];
    let rows = session.query(sql, &parameters)?;
    rows.iter().map(|row| fact(row, upcasters)).collect()
}

/// The fact that holds a claim.
pub(super) fn claim(session: &Session, upcasters: &Upcasters, key: &str) -> Result<Option<Arc<Fact>>, ReadFailure> {
    let sql = "SELECT seq, bytes, hash FROM facts WHERE sha256(external_key) = sha256($1) AND external_key IS NOT NULL";
    let row = session.first(sql, &[Parameter::bytes(key)])?;
    row.map(|row| fact(&row, upcasters)).transpose()
}

/// A fact from a row of (seq, bytes, hash).
fn fact(row: &Row, upcasters: &Upcasters) -> Result<Arc<Fact>, ReadFailure> {
    let seq: i64 = row.try_get(0)?;
    let damaged = |reason: String| LedgerError::Damaged {
        seq: seq as Position,
        reason,
    };
    let (bytes, hash): (&[u8], &[u8]) = (row.try_get(1)?, row.try_get(2)?);
    let fact = upcasters.read(bytes).map_err(|error| damaged(error.to_string()))?;
    if hash != fact.hash.as_bytes() {
        return Err(damaged("its bytes do not have the hash stored with them".into()).into());
    }
    Ok(Arc::new(fact))
}

/// Up to `limit` facts after `after` as they are stored.
pub(super) fn export(session: &Session, after: Position, limit: usize) -> Result<Vec<Exported>, ReadFailure> {
    let sql = "SELECT seq, bytes, hash FROM facts WHERE seq > $1 ORDER BY seq LIMIT $2";
    let rows = session.query(sql, &[Parameter::natural(after), Parameter::count(limit)])?;
    let mut exported = Vec::with_capacity(rows.len());
    for row in rows {
        let seq = row.try_get::<_, i64>(0)? as Position;
        let hash = <[u8; 32]>::try_from(row.try_get::<_, &[u8]>(2)?).map_err(|_| LedgerError::Damaged {
            seq,
            reason: "it has no hash".into(),
        })?;
        exported.push(Exported {
            seq,
            bytes: row.try_get(1)?,
            hash: Digest::from_bytes(hash),
        });
    }
    Ok(exported)
}

/// Up to `limit` facts after `after`, columns and bytes.
pub(super) fn held(session: &Session, after: Position, limit: usize) -> Result<Vec<Held>, ReadFailure> {
    let sql = "SELECT seq, stream, version, id, kind, recorded_at, external_key, bytes, hash,
                      (SELECT b.version FROM facts b
                       WHERE sha256(b.stream) = sha256(f.stream) AND b.version < f.version AND b.seq < f.seq
                       ORDER BY b.version DESC LIMIT 1)
               FROM facts f WHERE seq > $1 ORDER BY seq LIMIT $2";
    let rows = session.query(sql, &[Parameter::natural(after), Parameter::count(limit)])?;
    let text = |row: &Row, place: usize| -> Result<Option<String>, ReadFailure> {
        let bytes: Option<&[u8]> = row.try_get(place)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    };
    rows.iter()
        .map(|row| {
            Ok(Held {
                seq: row.try_get::<_, i64>(0)? as Position,
                stream: text(row, 1)?.unwrap_or_default(),
                version: row.try_get::<_, i64>(2)? as u64,
                id: row.try_get(3)?,
                kind: text(row, 4)?.unwrap_or_default(),
                recorded_at: row.try_get(5)?,
                external_key: text(row, 6)?,
                bytes: row.try_get(7)?,
                hash: row.try_get(8)?,
                version_before: row.try_get::<_, Option<i64>>(9)?.unwrap_or(0) as u64,
            })
        })
        .collect()
}

/// Whether the fact that a checkpoint names is another one, or not there.
pub(super) fn checkpoint_fault(session: &Session, checkpoint: &Checkpoint) -> Result<Option<Fault>, ReadFailure> {
    let sql = "SELECT (SELECT bytes FROM facts WHERE seq = $1), (SELECT coalesce(max(seq), 0) FROM facts)";
    let row = session.first(sql, &[Parameter::natural(checkpoint.position)])?;
    let Some(row) = row else { return Ok(None) };
    let last = row.try_get::<_, i64>(1)? as Position;
    Ok(named_otherwise(checkpoint, row.try_get(0)?, last))
}

/// How far the ledger says it had come, from a row of (position, hash).
pub(super) fn place(row: &Row) -> Result<Checkpoint, ReadFailure> {
    let (position, hash): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    let hash = <[u8; 32]>::try_from(hash).map_err(|_| LedgerError::Store("the recorded head has no hash".into()))?;
    Ok(Checkpoint {
        position: position as Position,
        hash: Digest::from_bytes(hash),
    })
}

/// How far the ledger says it had come.
pub(super) fn recorded_head(session: &Session) -> Result<Checkpoint, ReadFailure> {
    let row = session.first("SELECT position, hash FROM ledger_head", &[])?;
    let row = row.ok_or_else(|| LedgerError::Store("the note of the last fact is gone".into()))?;
    place(&row)
}

/// The next facts to check, and how far the ledger says it had come, of one state.
pub(super) fn to_check(session: &Session, after: Position) -> Result<(Vec<Held>, Checkpoint), ReadFailure> {
    session.transaction(BEGIN_READING, || {
        let chunk = held(session, after, CHUNK)?;
        let recorded = recorded_head(session)?;
        session.batch("COMMIT")?;
        Ok((chunk, recorded))
    })
}
