//! How far those have come who read all facts, one after the other.

use facts::Position;
use rusqlite::{OptionalExtension as _, params};

use crate::error::AccessError;
use crate::store::{Access, damaged};

impl Access {
    /// Up to which fact `reader` has read; `None` where it never said.
    ///
    /// # Errors
    /// When the store fails.
    pub fn read_position(&self, reader: &str) -> Result<Option<Position>, AccessError> {
        let found: Option<i64> = self
            .connection()
            .query_row(
                "SELECT position FROM read_positions WHERE reader = ?1",
                [reader],
                |row| row.get(0),
            )
            .optional()?;
        found
            .map(|position| Position::try_from(position).map_err(damaged))
            .transpose()
    }

    /// Keeps that `reader` has read up to `position`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_read_position(&self, reader: &str, position: Position) -> Result<(), AccessError> {
        let position = i64::try_from(position).map_err(damaged)?;
        self.change(|transaction| {
            transaction.execute(
                "INSERT INTO read_positions (reader, position) VALUES (?1, ?2)
                 ON CONFLICT (reader) DO UPDATE SET position = excluded.position",
                params![reader, position],
            )?;
            Ok(())
        })
    }
}
