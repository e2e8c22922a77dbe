//! The tables of views in PostgreSQL: how they are made, and how a fold reads and changes them.
//!
//! A fold changes rows in memory first. What it has read and changed is kept until the transaction is
//! about to commit, and goes to the database then, a statement for each table: a fold of many facts
//! costs a question for each row that it did not know yet, and little else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::aside;
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

    /// The name in the database of the table with those rows of a view's table that no index takes.
    pub(super) fn beside(self, table: &str) -> String {
        match self {
            Self::InUse => format!("long_{table}"),
            Self::Fresh => format!("freshlong_{table}"),
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
    session.batch(&sql)?;
    aside::create(session, table, place)
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
    session.batch(&format!("DROP TABLE IF EXISTS \"{}\"", place.name(table)))?;
    aside::drop(session, table, place)
}

/// Puts the table that a rebuild filled, with its indexes, in the place of the one in use.
pub(super) fn exchange(session: &Session, table: &Table) -> Result<(), Failure> {
    drop(session, table.name, Place::InUse)?;
    let (fresh, in_use) = (Place::Fresh.name(table.name), Place::InUse.name(table.name));
    session.batch(&format!(
        "ALTER TABLE \"{fresh}\" RENAME TO \"{in_use}\"; ALTER INDEX \"{fresh}_pkey\" RENAME TO \"{in_use}_pkey\""
    ))?;
    aside::exchange(session, table)
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
            let place = |beside| Put { table, place, beside };
            let is_beside = |known: &Known| known.values.as_ref().map(|values| aside::has(table, values));
            // A row goes, or stands in the other table from now on, which its key alone may rule out.
            let goes = |key: &[Value], known: &Known, beside: bool| {
                is_beside(known) != Some(beside)
                    && if aside::has_key(key) {
                        beside
                    } else {
                        !beside || aside::is_open(table)
                    }
            };
            for beside in [false, true] {
                let gone: Vec<_> = changed().filter(|(key, known)| goes(key, known, beside)).collect();
                if !gone.is_empty() {
                    asks.push(place(beside).delete(gone.iter().map(|(key, _)| key.as_slice())));
                }
            }
            for beside in [false, true] {
                let put: Vec<_> = changed()
                    .filter(|(_, known)| is_beside(known) == Some(beside))
                    .filter_map(|(_, known)| known.values.as_deref())
                    .collect();
                if !put.is_empty() {
                    asks.push(place(beside).upsert(&put));
                }
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

/// Where rows are written: a view's table, or the one beside it.
struct Put {
    table: &'static Table,
    place: Place,
    beside: bool,
}

impl Put {
    fn name(&self) -> String {
        match self.beside {
            true => self.place.beside(self.table.name),
            false => self.place.name(self.table.name),
        }
    }

    fn upsert(&self, rows: &[&[Value]]) -> Ask {
        let table = self.table;
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
        let key: Vec<_> = match self.beside {
            true => table.key.iter().map(|column| aside::entry(table, column)).collect(),
            false => vec![quoted(table.key.iter().copied())],
        };
        let sql = format!(
            "INSERT INTO \"{}\" SELECT * FROM unnest({}) ON CONFLICT ({}) DO {conflict}",
            self.name(),
            arrays.join(", "),
            key.join(", "),
        );
        Ask::new(sql, parameters)
    }

    fn delete<'a>(&self, keys: impl Iterator<Item = &'a [Value]> + Clone) -> Ask {
        let table = self.table;
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
            if self.beside && one == ColumnKind::Text {
                terms.push(format!("sha256(\"{name}\") = sha256(k{number})"));
            }
        }
        let sql = format!(
            "DELETE FROM \"{}\" USING unnest({}) AS gone({}) WHERE {}",
            self.name(),
            arrays.join(", "),
            names.join(", "),
            terms.join(" AND "),
        );
        Ask::new(sql, parameters)
    }
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
        let columns = quoted(table.columns.iter().map(|column| column.name));
        let question = |beside: bool| {
            let name = Put {
                table,
                place: self.place,
                beside,
            }
            .name();
            let terms = table.key.iter().enumerate().map(|(place, name)| {
                let number = place + 1;
                match beside {
                    // The index knows digests; the bytes decide.
                    true => format!(
                        "{} = {} AND \"{name}\" = ${number}",
                        aside::entry(table, name),
                        aside::asked(table, name, number)
                    ),
                    false => format!("\"{name}\" = ${number}"),
                }
            });
            let terms: Vec<_> = terms.collect();
            format!("SELECT {columns} FROM \"{name}\" WHERE {}", terms.join(" AND "))
        };
        let sql = match (aside::has_key(key), aside::is_open(table)) {
            (true, _) => question(true),
            (false, true) => format!("{} UNION ALL {}", question(false), question(true)),
            (false, false) => question(false),
        };
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
