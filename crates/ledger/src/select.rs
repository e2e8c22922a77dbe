//! Questions about the rows of views, as data.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use facts::Position;

use crate::contract::LedgerError;
use crate::row::{Row, Value};
use crate::view::{ColumnKind, Table, Views};

/// How a column is compared with a value.
///
/// `Eq` with [`Value::Null`] finds rows that hold nothing, and `Ne` counts nothing as different from
/// any value. The others never find a row that holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Equal.
    Eq,
    /// Different.
    Ne,
    /// Before.
    Lt,
    /// Before or equal.
    Le,
    /// After.
    Gt,
    /// After or equal.
    Ge,
}

/// In which direction rows are ordered. Rows that hold nothing are the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// A condition that a row must meet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    /// The column compares so with the value.
    Is(Cow<'static, str>, Op, Value),
    /// The column holds one of the values.
    In(Cow<'static, str>, Vec<Value>),
}

/// A question: the rows of one table that meet all filters, in an order, a page at a time.
#[derive(Debug, Clone)]
pub struct Select {
    table: Cow<'static, str>,
    filters: Vec<Filter>,
    order: Vec<(Cow<'static, str>, Direction)>,
    limit: Option<usize>,
    after: Option<Cursor>,
}

impl Select {
    /// All rows of `table`, ordered by its key.
    pub fn from(table: impl Into<Cow<'static, str>>) -> Self {
        Self {
            table: table.into(),
            filters: Vec::new(),
            order: Vec::new(),
            limit: None,
            after: None,
        }
    }

    /// Only rows whose `column` compares so with `value`.
    #[must_use]
    pub fn filter(mut self, column: impl Into<Cow<'static, str>>, op: Op, value: impl Into<Value>) -> Self {
        self.filters.push(Filter::Is(column.into(), op, value.into()));
        self
    }

    /// Only rows whose `column` holds one of `values`.
    #[must_use]
    pub fn any_of<V: Into<Value>>(
        mut self,
        column: impl Into<Cow<'static, str>>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.filters.push(Filter::In(column.into(), values));
        self
    }

    /// Ordered by `column`, after what was ordered by before; rows that are equal so far are ordered
    /// by the table's key.
    #[must_use]
    pub fn order(mut self, column: impl Into<Cow<'static, str>>, direction: Direction) -> Self {
        self.order.push((column.into(), direction));
        self
    }

    /// At most `limit` rows.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Only rows after the one at which an earlier page of the same question ended.
    #[must_use]
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }
}

/// Where a page of rows ended. Opaque; safe to stand in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Cursor {
    /// Whether it is a cursor of the question is seen when the question is asked.
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The answer to a [`Select`].
#[derive(Debug, Clone)]
pub struct Selected {
    /// The rows, each with all columns of the table.
    pub rows: Vec<Row>,
    /// The position the rows are of.
    pub as_of: Position,
    /// Where to go on, if there is more.
    pub next: Option<Cursor>,
}

/// A question that fits its table: columns by their place, the order complete.
pub(crate) struct Checked {
    pub table: &'static Table,
    pub filters: Vec<Condition>,
    pub order: Vec<(usize, Direction)>,
    pub limit: Option<usize>,
    /// The values of the order's columns at which the page before ended.
    pub after: Option<Vec<Value>>,
}

/// A filter that fits its table.
pub(crate) enum Condition {
    Is(usize, Op, Value),
    In(usize, Vec<Value>),
}

impl Select {
    pub(crate) fn check(self, views: &Views) -> Result<Checked, LedgerError> {
        let wrong = LedgerError::Select;
        let table = views
            .table(&self.table)
            .ok_or_else(|| wrong(format!("there is no table `{}`", self.table)))?;
        let place = |name: &str| {
            let place = table.columns.iter().position(|column| column.name == name);
            place.ok_or_else(|| wrong(format!("`{}` has no column `{name}`", table.name)))
        };
        let fits = |place: usize, value: &Value| match table.columns[place].nullable().refuses(value) {
            Some(problem) => Err(wrong(problem)),
            None => Ok(()),
        };
        let mut filters = Vec::new();
        for filter in self.filters {
            filters.push(match filter {
                Filter::Is(name, op, value) => {
                    let place = place(&name)?;
                    fits(place, &value)?;
                    Condition::Is(place, op, value)
                }
                Filter::In(name, values) => {
                    let place = place(&name)?;
                    for value in &values {
                        fits(place, value)?;
                    }
                    Condition::In(place, values)
                }
            });
        }
        let mut order: Vec<(usize, Direction)> = Vec::new();
        for (name, direction) in &self.order {
            order.push((place(name)?, *direction));
        }
        // Ties go by the key, in the direction of what stands before, so that one index serves all.
        let last = order.last().map_or(Direction::Asc, |(_, direction)| *direction);
        for name in table.key {
            let place = place(name)?;
            if !order.iter().any(|(other, _)| *other == place) {
                order.push((place, last));
            }
        }
        let after = match &self.after {
            None => None,
            Some(cursor) => Some(
                read_cursor(cursor, table, &order)
                    .ok_or_else(|| LedgerError::Cursor(cursor.to_string().chars().take(200).collect()))?,
            ),
        };
        Ok(Checked {
            table,
            filters,
            order,
            limit: self.limit,
            after,
        })
    }
}

impl Checked {
    /// Whether a row with these values, in the order of the columns, is asked for.
    pub(crate) fn matches(&self, values: &[Value]) -> bool {
        let filtered = self.filters.iter().all(|condition| match condition {
            Condition::Is(place, op, value) => op.holds(&values[*place], value),
            Condition::In(place, set) => set.contains(&values[*place]),
        });
        filtered
            && self.after.as_ref().is_none_or(|after| {
                let ends = self
                    .order
                    .iter()
                    .zip(after)
                    .map(|((place, direction), end)| direction.of(values[*place].cmp(end)));
                ends.fold(Ordering::Equal, Ordering::then) == Ordering::Greater
            })
    }

    /// How two rows stand to one another in the asked order.
    pub(crate) fn compare(&self, a: &[Value], b: &[Value]) -> Ordering {
        self.order
            .iter()
            .map(|(place, direction)| direction.of(a[*place].cmp(&b[*place])))
            .fold(Ordering::Equal, Ordering::then)
    }

    /// The answer, from ordered rows of which there may be one more than the limit.
    pub(crate) fn answer(&self, mut rows: Vec<Vec<Value>>, as_of: Position) -> Selected {
        let mut next = None;
        if let Some(limit) = self.limit
            && rows.len() > limit
        {
            rows.truncate(limit);
            next = rows.last().map(|last| self.cursor(last));
        }
        Selected {
            rows: rows.into_iter().map(|values| self.table.row(values)).collect(),
            as_of,
            next,
        }
    }

    fn cursor(&self, values: &[Value]) -> Cursor {
        let parts = self.order.iter().map(|(place, _)| match &values[*place] {
            Value::Null => serde_json::Value::Null,
            Value::Text(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            // By its bits: a decimal form may come back as the neighbour.
            Value::Real(number) => number.to_bits().into(),
        });
        Cursor(URL_SAFE_NO_PAD.encode(serde_json::Value::Array(parts.collect()).to_string()))
    }
}

fn read_cursor(cursor: &Cursor, table: &Table, order: &[(usize, Direction)]) -> Option<Vec<Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(&cursor.0).ok()?;
    let parts: Vec<serde_json::Value> = serde_json::from_slice(&bytes).ok()?;
    if parts.len() != order.len() {
        return None;
    }
    order
        .iter()
        .zip(parts)
        .map(|((place, _), part)| match (table.columns[*place].kind, part) {
            (_, serde_json::Value::Null) => Some(Value::Null),
            (ColumnKind::Text, serde_json::Value::String(text)) => Some(Value::Text(text)),
            (ColumnKind::Integer, part) => part.as_i64().map(Value::Integer),
            (ColumnKind::Real, part) => part.as_u64().map(|bits| Value::Real(f64::from_bits(bits))),
            _ => None,
        })
        .collect()
}

impl Op {
    fn holds(self, found: &Value, asked: &Value) -> bool {
        match self {
            Self::Eq => found == asked,
            Self::Ne => found != asked,
            _ if found.is_null() || asked.is_null() => false,
            Self::Lt => found < asked,
            Self::Le => found <= asked,
            Self::Gt => found > asked,
            Self::Ge => found >= asked,
        }
    }
}

impl Direction {
    fn of(self, ordering: Ordering) -> Ordering {
        match self {
            Self::Asc => ordering,
            Self::Desc => ordering.reverse(),
        }
    }
}
