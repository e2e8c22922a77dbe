//! Views: tables declared as data, and pure folds that fill them.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use facts::{Digest, Fact};

use crate::contract::LedgerError;
use crate::row::{Row, RowError, Value};

/// When a view takes facts in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Folding {
    /// In the transaction that appends: whoever reads it at position N sees exactly the facts up to N.
    /// So it must be quick, a few rows a fact, and a fact that it cannot take in is refused. For what
    /// decisions read.
    #[default]
    Inline,
    /// After the append, on its own, and together with the position it has come to, which readers are
    /// told. It delays nobody, and nothing is refused for it: a fact that it cannot take in stops it
    /// there. For what people look at.
    Followed,
}

/// A fold of facts into tables.
pub trait View: Send + Sync {
    /// The view's name, unique among all views.
    fn name(&self) -> &'static str;

    /// Raise it whenever the same facts would now give other rows: the view is then folded again when
    /// the ledger opens; a followed one beside the old one, which is read until then. A change of the
    /// tables is noticed without that.
    fn version(&self) -> u32;

    /// The view's tables. Their names are unique among all views.
    fn tables(&self) -> &'static [Table];

    /// When it takes facts in.
    fn folding(&self) -> Folding {
        Folding::Inline
    }

    /// Takes in one fact: a pure function of the fact and the rows it reads. Unknown kinds are skipped.
    ///
    /// # Errors
    /// When the fact's body has not the shape its kind has, or contradicts the rows.
    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError>;
}

/// The rows a view may read and change while it takes in a fact: those of its own tables.
pub trait Rows {
    /// The row with this key, if there is one.
    ///
    /// # Errors
    /// When the table is not the view's, or the key does not fit.
    fn get(&mut self, table: &'static str, key: &[Value]) -> Result<Option<Row>, FoldError>;

    /// Puts the row in the place of the one with the same key, if there is one. A column that the row
    /// does not name holds nothing afterwards.
    ///
    /// # Errors
    /// When the table is not the view's, or the row does not fit.
    fn put(&mut self, table: &'static str, row: Row) -> Result<(), FoldError>;

    /// Removes the row with this key, if there is one.
    ///
    /// # Errors
    /// When the table is not the view's, or the key does not fit.
    fn delete(&mut self, table: &'static str, key: &[Value]) -> Result<(), FoldError>;
}

/// Why a view cannot take in a fact.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FoldError {
    /// The body has not the shape of its kind.
    #[error("the body has not the expected shape: {0}")]
    Body(String),
    /// The fact contradicts what the view holds.
    #[error("{0}")]
    Contradiction(String),
    /// A row does not hold what was asked of it.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The view used a table wrongly.
    #[error("table `{table}`: {problem}")]
    Table {
        /// The table.
        table: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The view's code panicked.
    #[error("the view panicked: {0}")]
    Panic(String),
    /// The disk has no room.
    #[error("the disk is full")]
    Full,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
}

impl From<serde_json::Error> for FoldError {
    fn from(error: serde_json::Error) -> Self {
        Self::Body(error.to_string())
    }
}

/// A table of a view, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its name: lower-case letters, digits and underscores.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// The columns that name a row. They are never null.
    pub key: &'static [&'static str],
    /// Columns by which rows are looked up.
    pub indexes: &'static [&'static [&'static str]],
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name: lower-case letters, digits and underscores.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether it may hold nothing.
    pub nullable: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text, JSON documents among it.
    Text,
    /// Integers, times and truths.
    Integer,
    /// Finite numbers.
    Real,
}

impl Column {
    /// A column of text.
    pub const fn text(name: &'static str) -> Self {
        Self {
            name,
            kind: ColumnKind::Text,
            nullable: false,
        }
    }

    /// A column of integers, times or truths.
    pub const fn integer(name: &'static str) -> Self {
        Self {
            name,
            kind: ColumnKind::Integer,
            nullable: false,
        }
    }

    /// A column of numbers.
    pub const fn real(name: &'static str) -> Self {
        Self {
            name,
            kind: ColumnKind::Real,
            nullable: false,
        }
    }

    /// The column, which may hold nothing.
    #[must_use]
    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// Why `value` cannot stand in this column, if so.
    pub(crate) fn refuses(&self, value: &Value) -> Option<String> {
        match (self.kind, value) {
            (_, Value::Null) if self.nullable => None,
            (_, Value::Null) => Some(format!("`{}` may not hold nothing", self.name)),
            (ColumnKind::Text, Value::Text(_)) | (ColumnKind::Integer, Value::Integer(_)) => None,
            (ColumnKind::Real, Value::Real(number)) if number.is_finite() => None,
            (ColumnKind::Real, Value::Real(_)) => Some(format!("`{}` holds finite numbers only", self.name)),
            (kind, _) => Some(format!("`{}` holds {}", self.name, kind.what())),
        }
    }
}

impl ColumnKind {
    fn what(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integers",
            Self::Real => "numbers",
        }
    }
}

impl Table {
    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The table of that name among those a view declares.
    pub(crate) fn among(declared: &'static [Self], name: &'static str) -> Result<&'static Self, FoldError> {
        declared
            .iter()
            .find(|table| table.name == name)
            .ok_or_else(|| FoldError::Table {
                table: name,
                problem: "the view has no such table".to_owned(),
            })
    }

    fn wrong(&self, problem: String) -> FoldError {
        FoldError::Table {
            table: self.name,
            problem,
        }
    }

    /// The row's values in the order of the columns.
    pub(crate) fn arrange(&self, row: Row) -> Result<Vec<Value>, FoldError> {
        // A row that was read from the table and changed has the table's columns already.
        let names = || row.values().map(|(name, _)| name);
        if names().eq(self.columns.iter().map(|column| column.name)) {
            let wrong = self.columns.iter().zip(row.values());
            let wrong = wrong.filter_map(|(column, (_, value))| column.refuses(value)).next();
            return match wrong {
                Some(problem) => Err(self.wrong(problem)),
                None => Ok(row.into_values()),
            };
        }
        if let Some((unknown, _)) = row.values().find(|(name, _)| self.column(name).is_none()) {
            return Err(self.wrong(format!("there is no column `{unknown}`")));
        }
        self.columns
            .iter()
            .map(|column| {
                let value = row.get(column.name).cloned().unwrap_or(Value::Null);
                match column.refuses(&value) {
                    Some(problem) => Err(self.wrong(problem)),
                    None => Ok(value),
                }
            })
            .collect()
    }

    /// Checks that `key` can name a row.
    pub(crate) fn check_key(&self, key: &[Value]) -> Result<(), FoldError> {
        if key.len() != self.key.len() {
            return Err(self.wrong(format!("the key has {} columns, not {}", self.key.len(), key.len())));
        }
        for (name, value) in self.key.iter().zip(key) {
            if let Some(problem) = self.column(name).and_then(|column| column.refuses(value)) {
                return Err(self.wrong(problem));
            }
        }
        Ok(())
    }

    /// The key among values in the order of the columns.
    pub(crate) fn key_of(&self, values: &[Value]) -> Vec<Value> {
        self.key
            .iter()
            .filter_map(|name| self.columns.iter().position(|column| column.name == *name))
            .filter_map(|place| values.get(place).cloned())
            .collect()
    }

    /// The row with these values in the order of the columns.
    pub(crate) fn row(&self, values: Vec<Value>) -> Row {
        Row::of_columns(self.columns.iter().map(|column| column.name).zip(values).collect())
    }
}

/// The views of a ledger, checked.
#[derive(Clone)]
pub(crate) struct Views(Arc<[Arc<dyn View>]>);

impl Views {
    /// Checks that names are names, unique, and that keys and indexes name columns.
    pub(crate) fn new(views: Vec<Arc<dyn View>>) -> Result<Self, LedgerError> {
        let mut names = BTreeSet::new();
        let mut tables = BTreeSet::new();
        for view in &views {
            let wrong = |problem: String| LedgerError::Declaration {
                view: view.name(),
                problem,
            };
            if !names.insert(view.name()) {
                return Err(wrong("there are two views of that name".into()));
            }
            for table in view.tables() {
                if !tables.insert(table.name) {
                    return Err(wrong(format!("another view has a table `{}`", table.name)));
                }
                check_table(table).map_err(wrong)?;
            }
        }
        Ok(Self(views.into()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<dyn View>> {
        self.0.iter()
    }

    /// Those that take facts in so.
    pub(crate) fn of(&self, folding: Folding) -> Self {
        Self(self.iter().filter(|view| view.folding() == folding).cloned().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The view that has a table of that name.
    pub(crate) fn with_table(&self, name: &str) -> Option<&Arc<dyn View>> {
        self.iter()
            .find(|view| view.tables().iter().any(|table| table.name == name))
    }

    pub(crate) fn table(&self, name: &str) -> Option<&'static Table> {
        self.0
            .iter()
            .flat_map(|view| view.tables())
            .find(|table| table.name == name)
    }
}

fn check_table(table: &Table) -> Result<(), String> {
    let mut columns = BTreeSet::new();
    for name in std::iter::once(table.name).chain(table.columns.iter().map(|column| column.name)) {
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain || name.is_empty() || name.len() > 50 {
            return Err(format!(
                "`{name}` is no name: lower-case letters, digits and `_` are expected"
            ));
        }
    }
    for column in table.columns {
        if !columns.insert(column.name) {
            return Err(format!("`{}` has two columns `{}`", table.name, column.name));
        }
    }
    if table.key.is_empty() {
        return Err(format!("`{}` has no key", table.name));
    }
    for name in table.key.iter().chain(table.indexes.iter().copied().flatten()) {
        if !columns.contains(name) {
            return Err(format!("`{}` has no column `{name}`", table.name));
        }
    }
    match table
        .key
        .iter()
        .find(|name| table.column(name).is_some_and(|column| column.nullable))
    {
        Some(name) => Err(format!(
            "`{}` has `{name}` in its key, which may hold nothing",
            table.name
        )),
        None => Ok(()),
    }
}

/// Lets `view` take in `fact`; a panic of the view is an error of the view.
pub(crate) fn fold(view: &dyn View, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
    catch_unwind(AssertUnwindSafe(|| view.apply(fact, rows))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Err(FoldError::Panic(text.unwrap_or_else(|| "without a message".into())))
    })
}

/// The view's tables as one text, by which a change of them is seen.
pub(crate) fn shape(view: &dyn View) -> String {
    Digest::of(format!("{:?}", view.tables())).to_string()
}
