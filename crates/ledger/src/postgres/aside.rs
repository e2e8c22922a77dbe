//! Rows that no index takes.
//!
//! An entry of a b-tree in PostgreSQL is at most a third of a page. A row whose texts are too long for that
//! stands in a table of its own beside the view's: its key is found there by digests, and questions are asked
//! of both tables as of one, in the order of the bytes. Where a row stands follows from its values alone. Such
//! rows are few, so that the table beside has no index to order by, and costs next to nothing where it is empty.

use std::fmt::Write as _;

use super::failure::Failure;
use super::rows::{Place, quoted};
use super::session::Session;
use crate::row::Value;
use crate::view::{ColumnKind, Table};

/// How many bytes of text an entry of an index takes here. PostgreSQL takes 2,704 with all that belongs to it.
const MOST: usize = 2_000;

fn holds_text(table: &Table, column: &str) -> bool {
    table
        .column(column)
        .is_some_and(|column| column.kind == ColumnKind::Text)
}

/// Whether rows of the table can be too long for an index at all.
pub(super) fn is_possible(table: &Table) -> bool {
    let indexed = table.key.iter().chain(table.indexes.iter().copied().flatten());
    indexed.into_iter().any(|column| holds_text(table, column))
}

/// Whether a row can be too long although its key is not, so that the key does not say where it stands.
pub(super) fn is_open(table: &Table) -> bool {
    let mut indexed = table.indexes.iter().copied().flatten();
    indexed.any(|column| holds_text(table, column) && !table.key.contains(column))
}

fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        _ => 0,
    }
}

/// Whether the rows with this key stand beside the table, whatever else they hold.
pub(super) fn has_key(key: &[Value]) -> bool {
    key.iter().map(length).sum::<usize>() > MOST
}

/// Whether a row with these values, in the order of the columns, stands beside the table.
pub(super) fn has(table: &Table, values: &[Value]) -> bool {
    let long = |columns: &[&str]| {
        let indexed = table
            .columns
            .iter()
            .zip(values)
            .filter(|(column, _)| columns.contains(&column.name));
        indexed.map(|(_, value)| length(value)).sum::<usize>() > MOST
    };
    long(table.key) || table.indexes.iter().any(|columns| long(columns))
}

/// A column of the key as the index beside has it.
pub(super) fn entry(table: &Table, column: &str) -> String {
    match holds_text(table, column) {
        true => format!("sha256(\"{column}\")"),
        false => format!("\"{column}\""),
    }
}

/// The parameter of that number as an entry of the index beside.
pub(super) fn asked(table: &Table, column: &str, number: usize) -> String {
    match holds_text(table, column) {
        true => format!("sha256(${number})"),
        false => format!("${number}"),
    }
}

/// The table beside, as a copy of the one that was just made.
pub(super) fn create(session: &Session, table: &Table, place: Place) -> Result<(), Failure> {
    if !is_possible(table) {
        return Ok(());
    }
    let (name, beside) = (place.name(table.name), place.beside(table.name));
    let key: Vec<_> = table.key.iter().map(|column| entry(table, column)).collect();
    session.batch(&format!(
        "CREATE TABLE \"{beside}\" (LIKE \"{name}\"); CREATE UNIQUE INDEX ON \"{beside}\" ({})",
        key.join(", ")
    ))
}

/// Removes the table beside, if it is there.
pub(super) fn drop(session: &Session, table: &str, place: Place) -> Result<(), Failure> {
    session.batch(&format!("DROP TABLE IF EXISTS \"{}\"", place.beside(table)))
}

/// Puts the table beside that a rebuild filled in the place of the one in use.
pub(super) fn exchange(session: &Session, table: &Table) -> Result<(), Failure> {
    if !is_possible(table) {
        return Ok(());
    }
    let (fresh, in_use) = (Place::Fresh.beside(table.name), Place::InUse.beside(table.name));
    session.batch(&format!("ALTER TABLE \"{fresh}\" RENAME TO \"{in_use}\""))
}

/// What a question about all rows of the table in use is asked of.
pub(super) fn all(table: &Table) -> String {
    let name = Place::InUse.name(table.name);
    if !is_possible(table) {
        return format!("\"{name}\"");
    }
    let columns = quoted(table.columns.iter().map(|column| column.name));
    let mut both = format!("(SELECT {columns} FROM \"{name}\"");
    let beside = Place::InUse.beside(table.name);
    let _ = write!(both, " UNION ALL SELECT {columns} FROM \"{beside}\") AS rows");
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Column;

    const TABLE: Table = Table {
        name: "files",
        columns: &[
            Column::text("path"),
            Column::integer("line"),
            Column::text("note").nullable(),
            Column::text("document"),
        ],
        key: &["path", "line"],
        indexes: &[&["note", "path"]],
    };

    fn row(path: usize, note: usize, document: usize) -> Vec<Value> {
        let text = |length: usize| Value::from("x".repeat(length));
        vec![text(path), Value::from(1), text(note), text(document)]
    }

    #[test]
    fn a_row_stands_beside_where_a_key_or_an_index_would_be_too_long() {
        assert!(is_possible(&TABLE) && is_open(&TABLE));
        for (path, note, document, expected) in [
            (2_000, 0, 9_000, false),
            (2_001, 0, 0, true),
            (1_000, 1_000, 0, false),
            (1_000, 1_001, 0, true),
            (0, 2_001, 0, true),
        ] {
            assert_eq!(has(&TABLE, &row(path, note, document)), expected, "{path} {note}");
        }
        assert!(!has_key(&row(2_000, 0, 0)[..2]));
        assert!(has_key(&row(2_001, 0, 0)[..2]));
    }

    #[test]
    fn tables_that_index_no_text_need_none_beside() {
        let numbered = Table {
            key: &["line"],
            indexes: &[],
            ..TABLE
        };
        assert!(!is_possible(&numbered));
        assert_eq!(all(&numbered), "\"view_files\"");
        let by_key_alone = Table {
            indexes: &[&["line", "path"]],
            ..TABLE
        };
        assert!(is_possible(&by_key_alone) && !is_open(&by_key_alone));
    }
}
