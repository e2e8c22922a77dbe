//! The tables of views in SQLite: how they are made, and how a fold reads and changes them.

use std::fmt::Write as _;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::failure::Failure;
use crate::row::{Row, Value};
use crate::view::{ColumnKind, FoldError, Rows, Table};

/// Where the rows of views live: the tables in use, or those that a rebuild fills beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    InUse,
    Fresh,
}

impl Place {
    /// The name in SQLite of a view's table.
    pub(super) fn name(self, table: &str) -> String {
        match self {
            Self::InUse => format!("view_{table}"),
            Self::Fresh => format!("fresh_{table}"),
        }
    }
}

/// Makes the table, without its indexes.
pub(super) fn create(connection: &Connection, table: &Table, place: Place) -> Result<(), Failure> {
    let mut sql = format!("CREATE TABLE \"{}\" (", place.name(table.name));
    for column in table.columns {
        let kind = match column.kind {
            ColumnKind::Text => "TEXT",
            ColumnKind::Integer => "INTEGER",
            ColumnKind::Real => "REAL",
        };
        let _ = write!(
            sql,
            "\"{}\" {kind}{}, ",
            column.name,
            if column.nullable { "" } else { " NOT NULL" }
        );
    }
    let _ = write!(sql, "PRIMARY KEY ({})) STRICT", quoted(table.key.iter().copied()));
    Ok(connection.execute_batch(&sql)?)
}

/// Makes the indexes of a table in use.
pub(super) fn create_indexes(connection: &Connection, table: &Table) -> Result<(), Failure> {
    for (number, columns) in table.indexes.iter().enumerate() {
        let name = Place::InUse.name(table.name);
        let columns = quoted(columns.iter().copied());
        connection.execute_batch(&format!("CREATE INDEX \"{name}_{number}\" ON \"{name}\" ({columns})"))?;
    }
    Ok(())
}

/// Removes the table with its indexes, if it is there.
pub(super) fn drop(connection: &Connection, table: &str, place: Place) -> Result<(), Failure> {
    Ok(connection.execute_batch(&format!("DROP TABLE IF EXISTS \"{}\"", place.name(table)))?)
}

pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// The rows of one view's tables, during a transaction.
pub(super) struct SqliteRows<'a> {
    pub connection: &'a Connection,
    pub declared: &'static [Table],
    pub place: Place,
}

impl SqliteRows<'_> {
    fn key_condition(table: &Table) -> String {
        let terms = table
            .key
            .iter()
            .enumerate()
            .map(|(place, name)| format!("\"{name}\" = ?{}", place + 1));
        terms.collect::<Vec<_>>().join(" AND ")
    }
}

impl Rows for SqliteRows<'_> {
    fn get(&mut self, table: &'static str, key: &[Value]) -> Result<Option<Row>, FoldError> {
        let table = Table::among(self.declared, table)?;
        table.check_key(key)?;
        let sql = format!(
            "SELECT {} FROM \"{}\" WHERE {}",
            quoted(table.columns.iter().map(|column| column.name)),
            self.place.name(table.name),
            Self::key_condition(table)
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(key))?;
        match rows.next()? {
            Some(row) => Ok(Some(table.row(values(row, table)?))),
            None => Ok(None),
        }
    }

    fn put(&mut self, table: &'static str, row: Row) -> Result<(), FoldError> {
        let table = Table::among(self.declared, table)?;
        let values = table.arrange(row)?;
        let places: Vec<_> = (1..=values.len()).map(|place| format!("?{place}")).collect();
        let sql = format!(
            "INSERT OR REPLACE INTO \"{}\" VALUES ({})",
            self.place.name(table.name),
            places.join(", ")
        );
        self.connection
            .prepare_cached(&sql)?
            .execute(params_from_iter(&values))?;
        Ok(())
    }

    fn delete(&mut self, table: &'static str, key: &[Value]) -> Result<(), FoldError> {
        let table = Table::among(self.declared, table)?;
        table.check_key(key)?;
        let sql = format!(
            "DELETE FROM \"{}\" WHERE {}",
            self.place.name(table.name),
            Self::key_condition(table)
        );
        self.connection.prepare_cached(&sql)?.execute(params_from_iter(key))?;
        Ok(())
    }
}

/// The values of a row that was selected with all columns of `table`.
pub(super) fn values(row: &rusqlite::Row<'_>, table: &Table) -> Result<Vec<Value>, Failure> {
    (0..table.columns.len())
        .map(|place| {
            Ok(match row.get_ref(place)? {
                ValueRef::Null | ValueRef::Blob(_) => Value::Null,
                ValueRef::Integer(number) => Value::Integer(number),
                ValueRef::Real(number) => Value::Real(number),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            })
        })
        .collect()
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
        }))
    }
}
