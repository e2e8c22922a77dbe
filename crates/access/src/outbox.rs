//! What is to be sent to people and machines outside, kept until it has been.
//!
//! A row is put in together with the position up to which facts were looked at, so that after a crash
//! nothing is missing and nothing is looked at twice. Its id says what it is: what was put in once is
//! not put in again, also long after it was sent. Addresses and texts are forgotten after
//! [`SHOWN`]; erasing a person forgets theirs at once.

use std::time::Duration;

use facts::{Position, Timestamp};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use crate::error::AccessError;
use crate::store::{Access, damaged, stored, time};

/// How long it is kept where something was sent and what.
pub const SHOWN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long ids are kept, so that nothing is told twice.
pub const KNOWN: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOut {
    /// Its id.
    pub id: String,
    /// Where it goes.
    pub recipient: String,
    /// What is sent.
    pub body: String,
    /// Not before then.
    pub due_at: Timestamp,
}

/// Something that is sent, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Out {
    /// Its id.
    pub id: String,
    /// Where it goes; empty once forgotten.
    pub recipient: String,
    /// What is sent; empty once forgotten.
    pub body: String,
    /// When it was put in.
    pub created_at: Timestamp,
    /// When it is tried (again); `None` once it is over.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
    /// Whether it arrived.
    pub delivered: bool,
}

const COLUMNS: &str = "id, recipient, body, created_at, due_at, attempts, problem, finished_at, delivered";

type OutRow = (
    String,
    String,
    String,
    i64,
    Option<i64>,
    u32,
    Option<String>,
    Option<i64>,
    bool,
);

fn out_row(row: &Row<'_>) -> rusqlite::Result<OutRow> {
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
    ))
}

fn out(row: OutRow) -> Result<Out, AccessError> {
    let (id, recipient, body, created_at, due_at, attempts, problem, finished_at, delivered) = row;
    Ok(Out {
        id,
        recipient,
        body,
        created_at: time(created_at)?,
        due_at: due_at.map(time).transpose()?,
        attempts,
        problem,
        finished_at: finished_at.map(time).transpose()?,
        delivered,
    })
}

impl Access {
    /// Up to which fact everything that is to be told was put in; `None` where nothing was ever looked at.
    ///
    /// # Errors
    /// When the store fails.
    pub fn outbox_position(&self) -> Result<Option<Position>, AccessError> {
        let found: Option<i64> = self
            .connection()
            .query_row("SELECT position FROM outbox_position", [], |row| row.get(0))
            .optional()?;
        found
            .map(|position| Position::try_from(position).map_err(damaged))
            .transpose()
    }

    /// Puts in what is new, and that facts were looked at up to `position`, in one transaction. What
    /// was put in before stays as it is.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put_out(&self, new: &[NewOut], position: Option<Position>) -> Result<usize, AccessError> {
        let now = stored(self.clock.now());
        self.change(|transaction| {
            let mut count = 0;
            for one in new {
                count += transaction.execute(
                    "INSERT INTO outbox (id, recipient, body, created_at, due_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (id) DO NOTHING",
                    params![one.id, one.recipient, one.body, now, stored(one.due_at)],
                )?;
            }
            if let Some(position) = position {
                transaction.execute("DELETE FROM outbox_position", [])?;
                let position = i64::try_from(position).map_err(damaged)?;
                transaction.execute("INSERT INTO outbox_position (position) VALUES (?1)", [position])?;
            }
            Ok(count)
        })
    }

    /// Whether something with this id was ever put in.
    ///
    /// # Errors
    /// When the store fails.
    pub fn was_put_out(&self, id: &str) -> Result<bool, AccessError> {
        let found = self
            .connection()
            .query_row("SELECT 1 FROM outbox WHERE id = ?1", [id], |_| Ok(()))
            .optional()?;
        Ok(found.is_some())
    }

    /// The recipients for whom something is due at `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn due_recipients(&self, now: Timestamp) -> Result<Vec<String>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT recipient FROM outbox WHERE due_at <= ?1 GROUP BY recipient ORDER BY min(due_at)",
        )?;
        let rows = select.query_map([stored(now)], |row| row.get(0))?;
        rows.map(|row| Ok(row?)).collect()
    }

    /// When something is due next for a recipient who is not among `busy`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_due(&self, busy: &[String]) -> Result<Option<Timestamp>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT recipient, min(due_at) FROM outbox WHERE due_at IS NOT NULL GROUP BY recipient ORDER BY 2",
        )?;
        let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        for row in rows {
            let (recipient, due) = row?;
            if !busy.contains(&recipient) {
                return Ok(Some(time(due)?));
            }
        }
        Ok(None)
    }

    /// The oldest that still waits to be sent to a recipient, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn pending_out(&self, recipient: &str, limit: usize) -> Result<Vec<Out>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE recipient = ?1 AND due_at IS NOT NULL ORDER BY created_at, id LIMIT ?2"
        ))?;
        let rows = select.query_map(params![recipient, i64::try_from(limit).unwrap_or(i64::MAX)], out_row)?;
        rows.map(|row| out(row?)).collect()
    }

    /// When something arrived at a recipient last.
    ///
    /// # Errors
    /// When the store fails.
    pub fn last_delivered(&self, recipient: &str) -> Result<Option<Timestamp>, AccessError> {
        let last: Option<i64> = self.connection().query_row(
            "SELECT max(finished_at) FROM outbox WHERE recipient = ?1 AND delivered",
            [recipient],
            |row| row.get(0),
        )?;
        last.map(time).transpose()
    }

    /// These arrived, in one message.
    ///
    /// # Errors
    /// When the store fails.
    pub fn delivered_out(&self, ids: &[String]) -> Result<(), AccessError> {
        let now = stored(self.clock.now());
        self.each_out(ids, |transaction, id| {
            transaction.execute(
                "UPDATE outbox SET due_at = NULL, attempts = attempts + 1, finished_at = ?2, delivered = 1 WHERE id = ?1",
                params![id, now],
            )
        })
    }

    /// These could not be sent because of `problem`, and are tried again then; no more, where no time is
    /// given.
    ///
    /// # Errors
    /// When the store fails.
    pub fn failed_out(&self, ids: &[String], problem: &str, again: Option<Timestamp>) -> Result<(), AccessError> {
        let over = again.is_none().then(|| stored(self.clock.now()));
        self.each_out(ids, |transaction, id| {
            transaction.execute(
                "UPDATE outbox SET due_at = ?2, attempts = attempts + 1, problem = ?3, finished_at = ?4 WHERE id = ?1",
                params![id, again.map(stored), problem, over],
            )
        })
    }

    fn each_out(
        &self,
        ids: &[String],
        mut change: impl FnMut(&Transaction<'_>, &str) -> rusqlite::Result<usize>,
    ) -> Result<(), AccessError> {
        self.change(|transaction| {
            for id in ids {
                change(transaction, id)?;
            }
            Ok(())
        })
    }

    /// Those that are over and whose end is not recorded yet, the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unrecorded_out(&self, limit: usize) -> Result<Vec<Out>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE finished_at IS NOT NULL AND NOT recorded ORDER BY finished_at, id LIMIT ?1"
        ))?;
        let rows = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], out_row)?;
        rows.map(|row| out(row?)).collect()
    }

    /// The end of these is recorded.
    ///
    /// # Errors
    /// When the store fails.
    pub fn recorded_out(&self, ids: &[String]) -> Result<(), AccessError> {
        self.each_out(ids, |transaction, id| {
            transaction.execute("UPDATE outbox SET recorded = 1 WHERE id = ?1", [id])
        })
    }

    /// What was sent last or waits to be, the newest first; what was forgotten is left out.
    ///
    /// # Errors
    /// When the store fails.
    pub fn recent_out(&self, limit: usize) -> Result<Vec<Out>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox WHERE recipient <> '' ORDER BY created_at DESC, id DESC LIMIT ?1"
        ))?;
        let rows = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], out_row)?;
        rows.map(|row| out(row?)).collect()
    }

    /// Forgets where and what was sent long ago, and ids that nothing comes under any more.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_out(&self) -> Result<(), AccessError> {
        let now = self.clock.now();
        let shown = stored(now.checked_sub(SHOWN).map_err(damaged)?);
        let known = stored(now.checked_sub(KNOWN).map_err(damaged)?);
        self.change(|transaction| {
            transaction.execute("DELETE FROM outbox WHERE finished_at <= ?1 AND recorded", [known])?;
            transaction.execute(
                "UPDATE outbox SET recipient = '', body = '', problem = NULL
                 WHERE finished_at <= ?1 AND recorded AND recipient <> ''",
                [shown],
            )?;
            Ok(())
        })?;
        // An address must not live on in the write-ahead log.
        let connection = self.connection();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Nobody looks at facts any more: whoever looks again begins anew.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_outbox_position(&self) -> Result<(), AccessError> {
        self.change(|transaction| {
            transaction.execute("DELETE FROM outbox_position", [])?;
            Ok(())
        })
    }
}

/// Nothing more is sent to an address, and nothing says that anything ever was.
pub(crate) fn forget_address(transaction: &Transaction<'_>, address: &str) -> Result<(), AccessError> {
    transaction.execute(
        "DELETE FROM outbox WHERE recipient = ?1 AND finished_at IS NULL",
        [address],
    )?;
    transaction.execute(
        "UPDATE outbox SET recipient = '', body = '', problem = NULL WHERE recipient = ?1",
        [address],
    )?;
    Ok(())
}
