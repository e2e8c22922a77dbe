//! Facts put back into a file, which gets its name when all are there.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::read::integer;
use super::schema;
use super::writer::INSERT;
use crate::contract::LedgerError;
use crate::restore::RestoreError;
use crate::verify::{Checkpoint, Held};

/// A file that is being filled.
pub(crate) struct Restore {
    connection: Option<Connection>,
    draft: PathBuf,
    path: PathBuf,
}

impl Restore {
    pub(crate) fn begin(path: &Path) -> Result<Self, RestoreError> {
        let draft = path.with_extension("restoring");
        remove(&draft).map_err(|error| store(&draft, &error))?;
        Ok(Self {
            connection: Some(schema::open(&draft)?),
            draft,
            path: path.to_owned(),
        })
    }

    fn connection(&mut self) -> Result<&mut Connection, LedgerError> {
        let closed = || LedgerError::Store("the file was closed".into());
        self.connection.as_mut().ok_or_else(closed)
    }

    pub(crate) fn add(&mut self, facts: Vec<Held>) -> Result<(), RestoreError> {
        let insert = || -> Result<(), LedgerError> {
            let transaction = self
                .connection()?
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            for fact in facts {
                transaction.prepare_cached(INSERT)?.execute(params![
                    integer(fact.seq),
                    fact.stream,
                    integer(fact.version),
                    fact.id,
                    fact.kind,
                    fact.recorded_at,
                    fact.external_key,
                    fact.bytes,
                    fact.hash,
                ])?;
            }
            Ok(transaction.commit()?)
        };
        insert().map_err(RestoreError::from)
    }

    pub(crate) fn finish(mut self, last: Checkpoint) -> Result<(), RestoreError> {
        let mut end = || -> Result<(), LedgerError> {
            let connection = self.connection()?;
            let head = "UPDATE ledger_head SET position = ?1, hash = ?2";
            connection.execute(head, params![integer(last.position), last.hash.as_bytes()])?;
            // All of it stands in the file itself then.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(())
        };
        end()?;
        if let Some(connection) = self.connection.take() {
            connection.close().map_err(|(_, error)| LedgerError::from(error))?;
        }
        let named = std::fs::File::open(&self.draft)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&self.draft, &self.path))
            .and_then(|()| match self.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
                _ => Ok(()),
            });
        named.map_err(|error| store(&self.path, &error).into())
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        self.connection = None;
        // After the end it has another name.
        if let Err(error) = remove(&self.draft) {
            tracing::warn!(file = %self.draft.display(), %error, "what was put back in part could not be removed");
        }
    }
}

/// Removes a file with what SQLite keeps beside it.
fn remove(draft: &Path) -> std::io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        let mut name = draft.as_os_str().to_owned();
        name.push(ending);
        match std::fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn store(path: &Path, error: &std::io::Error) -> LedgerError {
    LedgerError::Store(format!("{}: {error}", path.display()))
}
