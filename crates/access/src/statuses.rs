//! What is said of commits to the hosts of their repositories, until it has been.
//!
//! Of each thing that is said only the newest state is kept: what was not said yet when a newer one came is never
//! said. It is put in together with the position up to which facts were looked at. A host that takes nothing for a
//! while is left alone as a whole.

use std::time::Duration;

use facts::{Position, Timestamp};
use rusqlite::{OptionalExtension as _, Row, params};

use crate::error::AccessError;
use crate::store::{Access, damaged, stored, time};

/// How long it is kept what was said.
pub const SHOWN: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Who reads facts for it.
const READER: &str = "statuses";

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatus {
    /// What it is about: what comes later under the same key takes its place.
    pub key: String,
    /// To whom.
    pub target: String,
    /// The fact that it follows from.
    pub position: Position,
    /// What is said.
    pub body: String,
}

/// Something that is said, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptStatus {
    /// What it is about.
    pub key: String,
    /// The fact that it follows from.
    pub position: Position,
    /// What is said.
    pub body: String,
    /// Since when it is to be said.
    pub changed_at: Timestamp,
    /// When it is tried (again); nothing once it is over.
    pub due_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it was not taken.
    pub problem: Option<String>,
    /// When it was taken.
    pub told_at: Option<Timestamp>,
    /// What was taken last under this key.
    pub told: Option<String>,
}

/// How it goes with a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetState {
    /// Until when nothing is said to it.
    pub paused_until: Option<Timestamp>,
    /// Why it takes nothing, and since when.
    pub problem: Option<(String, Timestamp)>,
}

type StatusRow = (
    String,
    i64,
    String,
    i64,
    Option<i64>,
    u32,
    Option<String>,
    Option<i64>,
    Option<String>,
);

fn status_row(row: &Row<'_>) -> rusqlite::Result<StatusRow> {
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

const COLUMNS: &str = "key, position, body, changed_at, due_at, attempts, problem, told_at, told";

fn status(row: StatusRow) -> Result<KeptStatus, AccessError> {
    let (key, position, body, changed_at, due_at, attempts, problem, told_at, told) = row;
    Ok(KeptStatus {
        key,
        position: Position::try_from(position).map_err(damaged)?,
        body,
        changed_at: time(changed_at)?,
        due_at: due_at.map(time).transpose()?,
        attempts,
        problem,
        told_at: told_at.map(time).transpose()?,
        told,
    })
}

impl Access {
    /// Up to which fact everything that is to be said was put in; nothing where nothing was ever looked at.
    ///
    /// # Errors
    /// When the store fails.
    pub fn statuses_position(&self) -> Result<Option<Position>, AccessError> {
        self.read_position(READER)
    }

    /// Puts in what is to be said now, and that facts were looked at up to `position`, in one transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put_statuses(&self, new: &[NewStatus], position: Position) -> Result<(), AccessError> {
        let now = stored(self.clock.now());
        let position = i64::try_from(position).map_err(damaged)?;
        self.change(|transaction| {
            for one in new {
                transaction.execute(
                    "INSERT INTO statuses (key, target, position, body, changed_at, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
                     ON CONFLICT (key) DO UPDATE SET target = excluded.target, position = excluded.position,
                         body = excluded.body, changed_at = excluded.changed_at, due_at = excluded.due_at, attempts = 0,
                         problem = NULL, told_at = NULL
                     WHERE excluded.position > statuses.position",
                    params![one.key, one.target, i64::try_from(one.position).map_err(damaged)?, one.body, now],
                )?;
            }
            transaction.execute(
                "INSERT INTO read_positions (reader, position) VALUES (?1, ?2)
                 ON CONFLICT (reader) DO UPDATE SET position = excluded.position",
                params![READER, position],
            )?;
            Ok(())
        })
    }

    /// Those to whom something is to be said, and when next.
    ///
    /// # Errors
    /// When the store fails.
    pub fn due_statuses(&self) -> Result<Vec<(String, Timestamp)>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(
            "SELECT s.target, max(min(s.due_at), coalesce(max(t.paused_until), 0)) FROM statuses s
             LEFT JOIN status_targets t ON t.target = s.target WHERE s.due_at IS NOT NULL GROUP BY s.target ORDER BY 2",
        )?;
        let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        rows.map(|row| {
            let (target, at) = row?;
            Ok((target, time(at)?))
        })
        .collect()
    }

    /// What is to be said next to a target, of what is due at `now`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn next_status(&self, target: &str, now: Timestamp) -> Result<Option<KeptStatus>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM statuses WHERE target = ?1 AND due_at <= ?2 ORDER BY due_at, position LIMIT 1"
        ))?;
        let found = select.query_row(params![target, stored(now)], status_row).optional()?;
        found.map(status).transpose()
    }

    /// This was taken. What came meanwhile under the same key stays to be said.
    ///
    /// # Errors
    /// When the store fails.
    pub fn status_taken(&self, target: &str, one: &KeptStatus) -> Result<(), AccessError> {
        let now = stored(self.clock.now());
        let position = i64::try_from(one.position).map_err(damaged)?;
        self.change(|transaction| {
            transaction.execute(
                "UPDATE statuses SET told = ?2 WHERE key = ?1",
                params![one.key, one.body],
            )?;
            transaction.execute(
                "UPDATE statuses SET due_at = NULL, attempts = attempts + 1, problem = NULL, told_at = ?3
                 WHERE key = ?1 AND position = ?2",
                params![one.key, position, now],
            )?;
            transaction.execute("DELETE FROM status_targets WHERE target = ?1", [target])?;
            Ok(())
        })
    }

    /// This was not taken because of `problem`, and is tried again then; no more where no time is given. Until
    /// `paused_until` nothing is said to the target.
    ///
    /// # Errors
    /// When the store fails.
    pub fn status_refused(
        &self,
        target: &str,
        one: &KeptStatus,
        problem: &str,
        again: Option<Timestamp>,
        paused_until: Option<Timestamp>,
    ) -> Result<(), AccessError> {
        let now = stored(self.clock.now());
        let position = i64::try_from(one.position).map_err(damaged)?;
        self.change(|transaction| {
            transaction.execute(
                "UPDATE statuses SET due_at = ?3, attempts = attempts + 1, problem = ?4 WHERE key = ?1 AND position = ?2",
                params![one.key, position, again.map(stored), problem],
            )?;
            transaction.execute(
                "INSERT INTO status_targets (target, paused_until, problem, problem_since) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (target) DO UPDATE SET paused_until = excluded.paused_until, problem = excluded.problem",
                params![target, paused_until.map(stored), problem, now],
            )?;
            Ok(())
        })
    }

    /// Nothing more is said to a target; what was is forgotten.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_target(&self, target: &str) -> Result<(), AccessError> {
        self.change(|transaction| {
            transaction.execute("DELETE FROM statuses WHERE target = ?1", [target])?;
            transaction.execute("DELETE FROM status_targets WHERE target = ?1", [target])?;
            Ok(())
        })
    }

    /// How it goes with a target.
    ///
    /// # Errors
    /// When the store fails.
    pub fn target_state(&self, target: &str) -> Result<TargetState, AccessError> {
        let found: Option<(Option<i64>, String, i64)> = self
            .connection()
            .query_row(
                "SELECT paused_until, problem, problem_since FROM status_targets WHERE target = ?1",
                [target],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()?;
        let Some((paused_until, problem, since)) = found else {
            return Ok(TargetState::default());
        };
        Ok(TargetState {
            paused_until: paused_until.map(time).transpose()?,
            problem: Some((problem, time(since)?)),
        })
    }

    /// What was said to a target last or is to be, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn recent_statuses(&self, target: &str, limit: usize) -> Result<Vec<KeptStatus>, AccessError> {
        let connection = self.connection();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM statuses WHERE target = ?1 ORDER BY position DESC LIMIT ?2"
        ))?;
        let rows = select.query_map(params![target, i64::try_from(limit).unwrap_or(i64::MAX)], status_row)?;
        rows.map(|row| status(row?)).collect()
    }

    /// Forgets what was said long ago.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_statuses(&self) -> Result<(), AccessError> {
        let before = stored(self.clock.now().checked_sub(SHOWN).map_err(damaged)?);
        self.change(|transaction| {
            transaction.execute(
                "DELETE FROM statuses WHERE due_at IS NULL AND changed_at <= ?1",
                [before],
            )?;
            Ok(())
        })
    }
}
