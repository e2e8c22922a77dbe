//! Folding all inline views again beside the ones in use, and swapping them in. Appends go on meanwhile, also
//! while what was folded is compared with what is in use: both as of one moment, over a connection that sees
//! that moment however long it takes.

use facts::Position;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::failure::Failure;
use super::read;
use super::rows::{self, Place};
use super::schema;
use super::writer::Writer;
use crate::contract::{LedgerError, Rebuilt, RebuiltView};
use crate::view::{Table, Views};

/// How far a rebuild has come after a step.
pub(super) enum Step {
    /// It has folded the facts up to here.
    At(Position),
    /// It has folded all there is up to here; who compares sees this moment.
    Whole(Position, Comparing),
    /// It is done.
    Done(Rebuilt),
}

/// A view of the moment at which what is in use and what is folded beside it are of the same position.
pub(super) struct Comparing {
    connection: Connection,
    views: Views,
}

impl Comparing {
    /// Begins to see the moment; nothing may be written meanwhile.
    fn begin(writer: &Writer) -> Result<Self, Failure> {
        let connection = read::open(std::path::Path::new(writer.connection.path().unwrap_or_default()))?;
        connection.execute_batch("BEGIN")?;
        schema::head(&connection)?;
        Ok(Self {
            connection,
            views: writer.views.clone(),
        })
    }

    /// Which views are not what their facts say. Nobody waits for it.
    pub(super) fn compare(self) -> Result<Vec<RebuiltView>, LedgerError> {
        let mut compared = Vec::new();
        for view in self.views.iter() {
            let mut differed = false;
            for table in view.tables() {
                differed = differed || differs(&self.connection, table)?;
            }
            compared.push(RebuiltView {
                name: view.name(),
                differed,
            });
        }
        Ok(compared)
    }
}

/// Makes empty tables beside the ones in use.
pub(super) fn begin(writer: &mut Writer) -> Result<(), LedgerError> {
    writer.usable()?;
    let transaction = writer
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)?;
    schema::drop_fresh(&transaction)?;
    for table in writer.views.iter().flat_map(|view| view.tables()) {
        rows::create(&transaction, table, Place::Fresh)?;
    }
    Ok(transaction.commit()?)
}

/// Folds some more facts. When none is left and both were `compared`, swaps in the same transaction.
pub(super) fn step(
    writer: &mut Writer,
    after: Position,
    compared: Option<Vec<RebuiltView>>,
) -> Result<Step, LedgerError> {
    writer.usable()?;
    let transaction = writer
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)?;
    let facts = read::facts(&transaction, &writer.upcasters, after, read::CHUNK)?;
    for fact in &facts {
        for view in writer.views.iter() {
            schema::fold_into(&transaction, view.as_ref(), fact, Place::Fresh)
                .map_err(|error| schema::fold_error(view.name(), fact.seq, error))?;
        }
    }
    let position = facts.last().map_or(after, |last| last.seq);
    if facts.len() == read::CHUNK {
        transaction.commit()?;
        return Ok(Step::At(position));
    }
    let Some(views) = compared else {
        transaction.commit()?;
        return Ok(Step::Whole(position, Comparing::begin(writer)?));
    };
    swap(&transaction, &writer.views)?;
    crashpoint::reach("ledger.before-swap");
    transaction.commit()?;
    crashpoint::reach("ledger.after-swap");
    Ok(Step::Done(Rebuilt { position, views }))
}

/// Removes what a failed rebuild has made.
pub(super) fn abandon(writer: &mut Writer) {
    if let Err(error) = schema::drop_fresh(&writer.connection) {
        // The next rebuild or opening does it.
        tracing::warn!(?error, "the tables of a failed rebuild could not be removed");
    }
}

fn swap(connection: &Connection, views: &Views) -> Result<(), Failure> {
    for table in views.iter().flat_map(|view| view.tables()) {
        rows::drop(connection, table.name, Place::InUse)?;
        let (fresh, in_use) = (Place::Fresh.name(table.name), Place::InUse.name(table.name));
        connection.execute_batch(&format!("ALTER TABLE \"{fresh}\" RENAME TO \"{in_use}\""))?;
        rows::create_indexes(connection, table)?;
    }
    Ok(())
}

/// Whether what was folded beside the table differs from it.
pub(super) fn differs(connection: &Connection, table: &Table) -> Result<bool, Failure> {
    let columns = rows::quoted(table.columns.iter().map(|column| column.name));
    let (fresh, in_use) = (Place::Fresh.name(table.name), Place::InUse.name(table.name));
    let there = connection
        .query_row(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1",
            [&in_use],
            |_| Ok(()),
        )
        .optional()?;
    if there.is_none() {
        return Ok(true);
    }
    let sql = format!(
        "SELECT EXISTS (SELECT {columns} FROM \"{in_use}\" EXCEPT SELECT {columns} FROM \"{fresh}\")
             OR EXISTS (SELECT {columns} FROM \"{fresh}\" EXCEPT SELECT {columns} FROM \"{in_use}\")"
    );
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}
