//! The tables of views in PostgreSQL: how they are made, and how a fold reads and changes them.
//!
//! A fold changes rows in memory first. What it has read and changed is kept until the transaction is
//! about to commit, and goes to the database then, a statement for each table: a fold of many facts
//! costs a question for each row that it did not know yet, and little else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::failure::Failure;
use super::select::values;
use super::session::{Ask, Parameter, ReadFailure, Session};
use crate::row::{Row, Value};
use crate::view::{ColumnKind, FoldError, Rows, Table};

/// Where the rows of views live: the tables in use, or those that a rebuild fills beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    InUse,
    Fresh,
}

impl Place {
    /// The name in the database of a view's table.
    pub(super) fn name(self, table: &str) -> String {
        match self {
            Self::InUse => format!("view_{table}"),
            Self::Fresh => format!("fresh_{table}"),
        }
    }
}

/// The type in which a column is kept. Texts are bytes: they are ordered by them, whatever the database's
/// language, and may hold what PostgreSQL's `text` may not.
pub(super) fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "bytea",
        ColumnKind::Integer => "bigint",
        ColumnKind::Real => "double precision",
    }
}

/// Values of one column as one parameter.
pub(super) fn column<'a>(kind: ColumnKind, values: impl Iterator<Item = &'a Value>) -> Parameter {
    match kind {
        ColumnKind::Text => Parameter::ManyBytes(
            values
                .map(|value| match value {
                    Value::Text(text) => Some(text.as_bytes().to_vec()),
                    _ => None,
                })
                .collect(),
        ),
        ColumnKind::Integer => Parameter::Integers(
            values
                .map(|value| match value {
                    Value::Integer(number) => Some(*number),
                    _ => None,
                })
                .collect(),
        ),
        ColumnKind::Real => Parameter::Reals(
            values
                .map(|value| match value {
                    Value::Real(number) => Some(*number),
                    _ => None,
                })
                .collect(),
        ),
    }
}

/// Makes the table, without its indexes.
pub(super) fn create(session: &Session, table: &Table, place: Place) -> Result<(), Failure> {
    let mut sql = format!("CREATE TABLE \"{}\" (", place.name(table.name));
    for column in table.columns {
        let _ = write!(
            sql,
            "\"{}\" {}{}, ",
            column.name,
            kind(column.kind),
            if column.nullable { "" } else { " NOT NULL" }
        );
    }
    let _ = write!(sql, "PRIMARY KEY ({}))", quoted(table.key.iter().copied()));
    session.batch(&sql)
}

/// Makes the indexes of a table. They keep their names, which PostgreSQL chooses, where the table gets another.
pub(super) fn create_indexes(session: &Session, table: &Table, place: Place) -> Result<(), Failure> {
    // Where rows are numbered, those that are alike in an index are in their order, as in SQLite.
    let number = match table.key {
        [key]
            if table
                .column(key)
                .is_some_and(|column| column.kind == ColumnKind::Integer) =>
        {
            Some(*key)
        }
        _ => None,
    };
    for columns in table.indexes {
        let columns: Vec<_> = columns
            .iter()
            .copied()
            .chain(number.filter(|number| !columns.contains(number)))
            .map(|name| {
                let nullable = table.column(name).is_some_and(|column| column.nullable);
                format!("\"{name}\"{}", if nullable { " NULLS FIRST" } else { "" })
            })
            .collect();
        let name = place.name(table.name);
        session.batch(&format!("CREATE INDEX ON \"{name}\" ({})", columns.join(", ")))?;
    }
    Ok(())
}

/// Removes the table with its indexes, if it is there.
pub(super) fn drop(session: &Session, table: &str, place: Place) -> Result<(), Failure> {
    session.batch(&format!("DROP TABLE IF EXISTS \"{}\"", place.name(table)))
}

/// Puts the table that a rebuild filled, with its indexes, in the place of the one in use.
pub(super) fn exchange(session: &Session, table: &Table) -> Result<(), Failure> {
    drop(session, table.name, Place::InUse)?;
    let (fresh, in_use) = (Place::Fresh.name(table.name), Place::InUse.name(table.name));
    session.batch(&format!(
        "ALTER TABLE \"{fresh}\" RENAME TO \"{in_use}\"; ALTER INDEX \"{fresh}_pkey\" RENAME TO \"{in_use}_pkey\""
    ))
}

pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// A row as it is known: its values, or that there is none.
#[derive(Debug, Clone)]
struct Known {
    values: Option<Vec<Value>>,
    /// It has yet to be written.
    changed: bool,
}

/// Rows that were read or changed, by table and key.
#[derive(Default)]
pub(super) struct Overlay {
    tables: BTreeMap<&'static str, (&'static Table, BTreeMap<Vec<Value>, Known>)>,
    size: usize,
    /// What was known before, since the last [`Overlay::keep`].
    undo: Vec<(&'static str, Vec<Value>, Option<Known>)>,
    /// A question about a row that failed, whatever the view made of it.
    failure: Option<Failure>,
}

impl Overlay {
    /// What is changed from here on can be taken back.
    pub(super) fn keep(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was changed since it was last kept.
    pub(super) fn take_back(&mut self) {
        for (table, key, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            let Some((_, rows)) = self.tables.get_mut(table) else {
                continue;
            };
            match before {
                Some(known) => rows.insert(key, known),
                None => rows.remove(&key),
            };
        }
    }

    /// Forgets everything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// What failed in the store since this was asked last.
    pub(super) fn failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// How many rows are known.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    fn get(&self, table: &str, key: &[Value]) -> Option<&Known> {
        self.tables.get(table).and_then(|(_, rows)| rows.get(key))
    }

    fn know(&mut self, table: &'static Table, key: Vec<Value>, known: Known) {
        let (_, rows) = self
            .tables
            .entry(table.name)
            .or_insert_with(|| (table, BTreeMap::new()));
        let changed = known.changed;
        let before = rows.insert(key.clone(), known);
        self.size += usize::from(before.is_none());
        if changed {
            self.undo.push((table.name, key, before));
        }
    }

    /// The statements that write what has changed.
    pub(super) fn writes(&self, place: Place) -> Vec<Ask> {
        let mut asks = Vec::new();
        for (table, rows) in self.tables.values() {
            let changed = || rows.iter().filter(|(_, known)| known.changed);
            let gone: Vec<_> = changed().filter(|(_, known)| known.values.is_none()).collect();
            if !gone.is_empty() {
                asks.push(delete(table, place, gone.iter().map(|(key, _)| key.as_slice())));
            }
            let put: Vec<_> = changed().filter_map(|(_, known)| known.values.as_deref()).collect();
            if !put.is_empty() {
                asks.push(upsert(table, place, &put));
            }
        }
        asks
    }

    /// What has changed is written.
    pub(super) fn written(&mut self) {
        self.undo.clear();
        for (_, rows) in self.tables.values_mut() {
            for known in rows.values_mut() {
                known.changed = false;
            }
        }
    }
}

fn upsert(table: &Table, place: Place, rows: &[&[Value]]) -> Ask {
    let parameters: Vec<_> = table
        .columns
        .iter()
        .enumerate()
        .map(|(place, one)| column(one.kind, rows.iter().map(|values| &values[place])))
        .collect();
    let arrays: Vec<_> = table
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| format!("${}::{}[]", place + 1, kind(column.kind)))
        .collect();
    let others: Vec<_> = table
        .columns
        .iter()
        .filter(|column| !table.key.contains(&column.name))
        .map(|column| format!("\"{0}\" = EXCLUDED.\"{0}\"", column.name))
        .collect();
    let conflict = match others.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", others.join(", ")),
    };
    let sql = format!(
        "INSERT INTO \"{}\" SELECT * FROM unnest({}) ON CONFLICT ({}) DO {conflict}",
        place.name(table.name),
        arrays.join(", "),
        quoted(table.key.iter().copied()),
    );
    Ask::new(sql, parameters)
}

fn delete<'a>(table: &Table, place: Place, keys: impl Iterator<Item = &'a [Value]> + Clone) -> Ask {
    let kinds = table
        .key
        .iter()
        .filter_map(|name| table.column(name))
        .map(|column| column.kind);
    let (mut parameters, mut arrays, mut names, mut terms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (number, (one, name)) in kinds.zip(table.key).enumerate() {
        parameters.push(column(one, keys.clone().map(|key| &key[number])));
        arrays.push(format!("${}::{}[]", number + 1, kind(one)));
        names.push(format!("k{number}"));
        terms.push(format!("\"{name}\" = k{number}"));
    }
    let sql = format!(
        "DELETE FROM \"{}\" USING unnest({}) AS gone({}) WHERE {}",
        place.name(table.name),
        arrays.join(", "),
        names.join(", "),
        terms.join(" AND "),
    );
    Ask::new(sql, parameters)
}

/// The rows of one view's tables, during a transaction.
pub(super) struct PostgresRows<'a> {
    pub session: &'a Session,
    pub overlay: &'a mut Overlay,
    pub declared: &'static [Table],
    pub place: Place,
}

impl PostgresRows<'_> {
    fn find(&mut self, table: &'static Table, key: &[Value]) -> Result<Option<Vec<Value>>, FoldError> {
        let terms: Vec<_> = table
            .key
            .iter()
            .enumerate()
            .map(|(place, name)| format!("\"{name}\" = ${}", place + 1))
            .collect();
        let sql = format!(
            "SELECT {} FROM \"{}\" WHERE {}",
            quoted(table.columns.iter().map(|column| column.name)),
            self.place.name(table.name),
            terms.join(" AND ")
        );
        let parameters: Vec<_> = key.iter().map(Parameter::from).collect();
        let row = self.session.first(&sql, &parameters).map_err(ReadFailure::from);
        let found = row.and_then(|row| row.map(|row| values(&row, table)).transpose());
        found.map_err(|failure| {
            let failure = Failure::from(failure);
            self.overlay.failure = Some(failure.clone());
            failure.into()
        })
    }
}

impl Rows for PostgresRows<'_> {
    fn get(&mut self, table: &'static str, key: &[Value]) -> Result<Option<Row>, FoldError> {
        let table = Table::among(self.declared, table)?;
        table.check_key(key)?;
        if let Some(known) = self.overlay.get(table.name, key) {
            return Ok(known.values.clone().map(|values| table.row(values)));
        }
        let values = self.find(table, key)?;
        let known = Known {
            values: values.clone(),
            changed: false,
        };
        self.overlay.know(table, key.to_vec(), known);
        Ok(values.map(|values| table.row(values)))
    }

    fn put(&mut self, table: &'static str, row: Row) -> Result<(), FoldError> {
        let table = Table::among(self.declared, table)?;
        let values = table.arrange(row)?;
        let known = Known {
            values: Some(values.clone()),
            changed: true,
        };
        self.overlay.know(table, table.key_of(&values), known);
        Ok(())
    }

    fn delete(&mut self, table: &'static str, key: &[Value]) -> Result<(), FoldError> {
        let table = Table::among(self.declared, table)?;
        table.check_key(key)?;
        let known = Known {
            values: None,
            changed: true,
        };
        self.overlay.know(table, key.to_vec(), known);
        Ok(())
    }
}
