//! A [`Select`](crate::Select) as SQL.

use std::fmt::Write as _;

use tokio_postgres::Row;

use super::aside;
use super::rows::{Place, quoted};
use super::session::{Ask, BEGIN_READING, Parameter, ReadFailure, Session};
use crate::row::Value;
use crate::select::{Checked, Condition, Direction, Op, Selected};
use crate::view::{ColumnKind, Table};

/// Asks the question of one state of the ledger, or of the followed view named.
pub(super) fn select(
    session: &Session,
    query: &Checked,
    followed: Option<&'static str>,
) -> Result<Selected, ReadFailure> {
    let position = match followed {
        None => Ask::new("SELECT position FROM ledger_head", []),
        Some(view) => Ask::new(
            "SELECT position FROM followed WHERE name = $1 AND place = 'in use'",
            [Parameter::name(view)],
        ),
    };
    // The table is locked against being exchanged before the state is chosen that all is read of; so the
    // position and the rows are of the same one.
    let mut lock = format!("LOCK TABLE \"{}\"", Place::InUse.name(query.table.name));
    if aside::is_possible(query.table) {
        let _ = write!(lock, ", \"{}\"", Place::InUse.beside(query.table.name));
    }
    lock.push_str(" IN ACCESS SHARE MODE");
    let asks = [
        Ask::new(BEGIN_READING, []),
        Ask::new(lock, []),
        position,
        sql(query, &aside::all(query.table)),
        Ask::new("COMMIT", []),
    ];
    let mut answers = match session.all(&asks) {
        Ok(answers) => answers,
        Err(failure) => {
            session.roll_back();
            return Err(failure.into());
        }
    };
    let rows = std::mem::take(&mut answers[3]);
    let as_of = answers[2].first().map(|row| row.try_get::<_, i64>(0)).transpose()?;
    let found: Result<Vec<_>, _> = rows.iter().map(|row| values(row, query.table)).collect();
    Ok(query.answer(found?, as_of.unwrap_or(0) as u64))
}

/// How the question would be answered of tables of any size, a line for each part: with an index where one fits.
/// The few rows that no index takes are left out: they are gone through.
pub(super) fn plan(session: &Session, query: &Checked) -> Result<Vec<String>, ReadFailure> {
    let ask = sql(query, &format!("\"{}\"", Place::InUse.name(query.table.name)));
    let asks = [
        Ask::new(BEGIN_READING, []),
        // Tables that are small are gone through and sorted whatever indexes there are.
        Ask::new("SET LOCAL enable_seqscan TO off", []),
        Ask::new("SET LOCAL enable_sort TO off", []),
        Ask::new("SET LOCAL enable_incremental_sort TO off", []),
        Ask::new(format!("EXPLAIN (COSTS off) {}", ask.sql), ask.parameters),
        Ask::new("COMMIT", []),
    ];
    match session.all(&asks) {
        Ok(answers) => {
            let lines = answers[4].iter().map(|row| row.try_get(0));
            Ok(lines.collect::<Result<_, _>>()?)
        }
        Err(failure) => {
            session.roll_back();
            Err(failure.into())
        }
    }
}

/// The values of a row that was selected with all columns of `table`.
pub(super) fn values(row: &Row, table: &Table) -> Result<Vec<Value>, ReadFailure> {
    table
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let value = match column.kind {
                ColumnKind::Integer => row.try_get::<_, Option<i64>>(place)?.map(Value::Integer),
                ColumnKind::Real => row.try_get::<_, Option<f64>>(place)?.map(Value::Real),
                ColumnKind::Text => row
                    .try_get::<_, Option<&[u8]>>(place)?
                    .map(|bytes| Value::Text(String::from_utf8_lossy(bytes).into_owned())),
            };
            Ok(value.unwrap_or(Value::Null))
        })
        .collect()
}

/// The question, asked of the table, or of several as one.
fn sql(query: &Checked, of: &str) -> Ask {
    let mut parameters = Vec::new();
    let mut terms: Vec<String> = Vec::new();
    let columns = query.table.columns;
    let name = |place: usize| format!("\"{}\"", columns[place].name);
    let mut bind = |parameter: Parameter| {
        parameters.push(parameter);
        format!("${}", parameters.len())
    };
    for condition in &query.filters {
        terms.push(match condition {
            Condition::Is(place, Op::Eq, Value::Null) => format!("{} IS NULL", name(*place)),
            Condition::Is(place, Op::Ne, Value::Null) => format!("{} IS NOT NULL", name(*place)),
            Condition::Is(_, _, Value::Null) => "FALSE".to_owned(),
            Condition::Is(place, op, value) => {
                let op = match op {
                    Op::Eq => "=",
                    Op::Ne => "IS DISTINCT FROM",
                    Op::Lt => "<",
                    Op::Le => "<=",
                    Op::Gt => ">",
                    Op::Ge => ">=",
                };
                format!("{} {op} {}", name(*place), bind(value.into()))
            }
            Condition::In(place, set) => {
                let some = set.iter().filter(|value| !value.is_null()).collect::<Vec<_>>();
                let nothing = if some.len() < set.len() {
                    format!(" OR {} IS NULL", name(*place))
                } else {
                    String::new()
                };
                let many = super::rows::column(columns[*place].kind, some.into_iter());
                format!("({} = ANY ({}){nothing})", name(*place), bind(many))
            }
        });
    }
    if let Some(after) = &query.after {
        // The first column bounds the rows, which an index can use; then: after in the first column,
        // or equal in it and after in the second, and so on.
        let mut equal = String::new();
        let mut cases = Vec::new();
        for (number, ((place, direction), end)) in query.order.iter().zip(after).enumerate() {
            let column = name(*place);
            if end.is_null() {
                if *direction == Direction::Asc {
                    cases.push(format!("({equal}{column} IS NOT NULL)"));
                }
                let _ = write!(equal, "{column} IS NULL AND ");
                continue;
            }
            let end_place = bind(end.into());
            if number == 0 && !columns[*place].nullable {
                let op = if *direction == Direction::Asc { ">=" } else { "<=" };
                terms.push(format!("{column} {op} {end_place}"));
            }
            cases.push(match direction {
                Direction::Asc => format!("({equal}{column} > {end_place})"),
                Direction::Desc => format!("({equal}({column} < {end_place} OR {column} IS NULL))"),
            });
            let _ = write!(equal, "{column} = {end_place} AND ");
        }
        terms.push(match cases.is_empty() {
            true => "FALSE".to_owned(),
            false => format!("({})", cases.join(" OR ")),
        });
    }
    let mut sql = format!("SELECT {} FROM {of}", quoted(columns.iter().map(|column| column.name)));
    if !terms.is_empty() {
        let _ = write!(sql, " WHERE {}", terms.join(" AND "));
    }
    // Rows that hold nothing are the smallest, which the indexes know of columns that may hold nothing.
    let order: Vec<_> = query
        .order
        .iter()
        .map(|(place, direction)| {
            let words = match (direction, columns[*place].nullable) {
                (Direction::Asc, false) => "",
                (Direction::Asc, true) => " NULLS FIRST",
                (Direction::Desc, false) => " DESC",
                (Direction::Desc, true) => " DESC NULLS LAST",
            };
            format!("{}{words}", name(*place))
        })
        .collect();
    let _ = write!(sql, " ORDER BY {}", order.join(", "));
    if let Some(limit) = query.limit {
        let _ = write!(sql, " LIMIT {}", bind(Parameter::count(limit.saturating_add(1))));
    }
    Ask::new(sql, parameters)
}
