//! The inline view, folded as the ledgers fold it.

use std::collections::BTreeMap;

use facts::Fact;
use ledger::{FoldError, Row, Rows, Value, View as _};

use crate::view::RunsView;

/// The tables of the view.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Tables(pub BTreeMap<(&'static str, Vec<Value>), Row>);

impl Tables {
    pub(crate) fn take(&mut self, fact: &Fact) {
        RunsView.apply(fact, self).expect("the view takes every fact of a run");
    }

    pub(crate) fn rows<'a>(&'a self, table: &'static str) -> impl Iterator<Item = &'a Row> {
        self.0
            .iter()
            .filter(move |((name, _), _)| *name == table)
            .map(|(_, row)| row)
    }
}

impl Rows for Tables {
    fn get(&mut self, table: &'static str, key: &[Value]) -> Result<Option<Row>, FoldError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn put(&mut self, table: &'static str, row: Row) -> Result<(), FoldError> {
        let declared = RunsView
            .tables()
            .iter()
            .find(|declared| declared.name == table)
            .expect("a table of the view");
        // A column that is not named holds nothing.
        let full = declared.columns.iter().fold(Row::new(), |full, column| {
            let value = row.get(column.name).cloned().unwrap_or(Value::Null);
            assert!(
                column.nullable || !value.is_null(),
                "{table}.{} holds nothing",
                column.name
            );
            full.with(column.name, value)
        });
        let key = declared
            .key
            .iter()
            .map(|column| full.get(column).cloned().unwrap_or(Value::Null))
            .collect();
        self.0.insert((table, key), full);
        Ok(())
    }

    fn delete(&mut self, table: &'static str, key: &[Value]) -> Result<(), FoldError> {
        self.0.remove(&(table, key.to_vec()));
        Ok(())
    }
}
