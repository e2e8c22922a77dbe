//! Values and rows of views.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use facts::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value in a row. Times are integers (microseconds since 1970), so that they sort; truths are 0
/// and 1; JSON documents are text.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// Text, ordered by its bytes.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A finite number.
    Real(f64),
}

impl Value {
    /// The text form of anything that has one: an id, a digest, a name.
    pub fn of(value: impl fmt::Display) -> Self {
        Self::Text(value.to_string())
    }

    /// A JSON document.
    ///
    /// # Errors
    /// When `value` has no JSON form, such as a map whose keys are no texts.
    pub fn json(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self::Text)
    }

    /// Whether it is [`Value::Null`].
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Integer(_) => 1,
            Self::Real(_) => 2,
            Self::Text(_) => 3,
        }
    }
}

impl Ord for Value {
    /// Null comes first. Values of one column are all of one kind, so how kinds compare matters
    /// nowhere.
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for Value {
    /// What does not fit becomes the largest integer: positions, counts and durations never get there.
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        // The two zeros are one value in a store.
        Self::Real(if number == 0.0 { 0.0 } else { number })
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Integer(truth.into())
    }
}

impl From<Timestamp> for Value {
    fn from(time: Timestamp) -> Self {
        Self::Integer(time.as_microsecond())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row that does not hold what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the column `{column}` {problem}")]
pub struct RowError {
    /// The column.
    pub column: String,
    /// What is the matter with it.
    pub problem: String,
}

/// A row of a view's table: values by column name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    values: Vec<(&'static str, Value)>,
}

impl Row {
    /// A row without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// The row with `column` set to `value`.
    #[must_use]
    pub fn with(mut self, column: &'static str, value: impl Into<Value>) -> Self {
        self.set(column, value);
        self
    }

    /// The row with `column` set to the text form of `value`: an id, a digest, a name.
    #[must_use]
    pub fn with_text(self, column: &'static str, value: impl fmt::Display) -> Self {
        self.with(column, Value::of(value))
    }

    /// The row with `column` set to a JSON document.
    ///
    /// # Errors
    /// When `value` has no JSON form.
    pub fn with_json(self, column: &'static str, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(self.with(column, Value::json(value)?))
    }

    /// Sets `column` to `value`.
    pub fn set(&mut self, column: &'static str, value: impl Into<Value>) {
        let value = value.into();
        match self.values.iter_mut().find(|(name, _)| *name == column) {
            Some((_, old)) => *old = value,
            None => self.values.push((column, value)),
        }
    }

    /// The columns and values.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.values.iter().map(|(name, value)| (*name, value))
    }

    /// The values, in the order in which they were set.
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.values.into_iter().map(|(_, value)| value).collect()
    }

    pub(crate) fn of_columns(values: Vec<(&'static str, Value)>) -> Self {
        Self { values }
    }

    /// The value of `column`, if the row has that column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.values
            .iter()
            .find(|(name, _)| *name == column)
            .map(|(_, value)| value)
    }

    fn required<T>(&self, column: &str, value: Result<Option<T>, RowError>) -> Result<T, RowError> {
        value?.ok_or_else(|| wrong(column, "holds nothing"))
    }

    /// The text in `column`.
    ///
    /// # Errors
    /// When the column is missing, holds nothing, or holds something else. So for all that follow; the
    /// `optional` ones answer `None` for a column that holds nothing.
    pub fn text(&self, column: &str) -> Result<&str, RowError> {
        self.required(column, self.optional_text(column))
    }

    /// The text in `column`, if it holds something.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_text(&self, column: &str) -> Result<Option<&str>, RowError> {
        match self.get(column) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) => Ok(None),
            other => Err(unfit(column, other, "text")),
        }
    }

    /// The integer in `column`.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn integer(&self, column: &str) -> Result<i64, RowError> {
        self.required(column, self.optional_integer(column))
    }

    /// The integer in `column`, if it holds something.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_integer(&self, column: &str) -> Result<Option<i64>, RowError> {
        match self.get(column) {
            Some(Value::Integer(number)) => Ok(Some(*number)),
            Some(Value::Null) => Ok(None),
            other => Err(unfit(column, other, "an integer")),
        }
    }

    /// The integer in `column` as a count, position or other natural number.
    ///
    /// # Errors
    /// See [`Row::text`]; also when it is negative.
    pub fn natural(&self, column: &str) -> Result<u64, RowError> {
        u64::try_from(self.integer(column)?).map_err(|_| wrong(column, "is negative"))
    }

    /// The number in `column`.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn real(&self, column: &str) -> Result<f64, RowError> {
        self.required(column, self.optional_real(column))
    }

    /// The number in `column`, if it holds something.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_real(&self, column: &str) -> Result<Option<f64>, RowError> {
        match self.get(column) {
            Some(Value::Real(number)) => Ok(Some(*number)),
            Some(Value::Null) => Ok(None),
            other => Err(unfit(column, other, "a number")),
        }
    }

    /// The truth in `column`.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn boolean(&self, column: &str) -> Result<bool, RowError> {
        match self.integer(column)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(wrong(column, "is neither true nor false")),
        }
    }

    /// The time in `column`.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn timestamp(&self, column: &str) -> Result<Timestamp, RowError> {
        self.required(column, self.optional_timestamp(column))
    }

    /// The time in `column`, if it holds something.
    ///
    /// # Errors
    /// See [`Row::text`].
    pub fn optional_timestamp(&self, column: &str) -> Result<Option<Timestamp>, RowError> {
        self.optional_integer(column)?
            .map(|micros| Timestamp::from_microsecond(micros).map_err(|_| wrong(column, "is no time")))
            .transpose()
    }

    /// The text in `column` read as `T`: an id, a digest, a name.
    ///
    /// # Errors
    /// See [`Row::text`]; also when the text is no `T`.
    pub fn parse<T: FromStr<Err: fmt::Display>>(&self, column: &str) -> Result<T, RowError> {
        self.required(column, self.optional_parse(column))
    }

    /// The text in `column` read as `T`, if it holds something.
    ///
    /// # Errors
    /// See [`Row::parse`].
    pub fn optional_parse<T: FromStr<Err: fmt::Display>>(&self, column: &str) -> Result<Option<T>, RowError> {
        self.optional_text(column)?
            .map(|text| {
                text.parse()
                    .map_err(|error| wrong(column, &format!("cannot be read: {error}")))
            })
            .transpose()
    }

    /// The JSON document in `column`.
    ///
    /// # Errors
    /// See [`Row::text`]; also when the document is no `T`.
    pub fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, RowError> {
        self.required(column, self.optional_json(column))
    }

    /// The JSON document in `column`, if it holds something.
    ///
    /// # Errors
    /// See [`Row::json`].
    pub fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, RowError> {
        self.optional_text(column)?
            .map(|text| serde_json::from_str(text).map_err(|error| wrong(column, &format!("cannot be read: {error}"))))
            .transpose()
    }
}

fn wrong(column: &str, problem: &str) -> RowError {
    RowError {
        column: column.to_owned(),
        problem: problem.to_owned(),
    }
}

fn unfit(column: &str, found: Option<&Value>, expected: &str) -> RowError {
    match found {
        None => wrong(column, "is not in the row"),
        Some(_) => wrong(column, &format!("does not hold {expected}")),
    }
}
