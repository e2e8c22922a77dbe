//! A [`Select`](crate::Select) as SQL.

use std::fmt::Write as _;

use rusqlite::{Connection, params_from_iter};

use super::failure::Failure;
use super::followed;
use super::read::count;
use super::rows::{Place, quoted, values};
use super::schema;
use crate::contract::LedgerError;
use crate::row::Value;
use crate::select::{Checked, Condition, Direction, Op, Selected};

/// Asks the question of one state of the ledger, or of the followed view named.
pub(super) fn select(
    connection: &Connection,
    query: &Checked,
    followed: Option<&'static str>,
) -> Result<Selected, LedgerError> {
    let (sql, parameters) = sql(query);
    // The position and the rows must be of the same state.
    let transaction = connection.unchecked_transaction()?;
    let as_of = match followed {
        None => schema::recorded_head(&transaction)?.position,
        Some(view) => followed::position(&transaction, view)?,
    };
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&parameters))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(Failure::from)? {
        found.push(values(row, query.table)?);
    }
    Ok(query.answer(found, as_of))
}

/// How the question would be answered: a line for each table or index that is gone through.
pub(super) fn plan(connection: &Connection, query: &Checked) -> Result<Vec<String>, LedgerError> {
    let (sql, parameters) = sql(query);
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let lines = statement.query_map(params_from_iter(&parameters), |row| row.get("detail"))?;
    Ok(lines.collect::<Result<_, _>>()?)
}

fn sql(query: &Checked) -> (String, Vec<Value>) {
    let mut parameters = Vec::new();
    let mut terms: Vec<String> = Vec::new();
    let name = |place: usize| format!("\"{}\"", query.table.columns[place].name);
    let mut bind = |value: &Value| {
        parameters.push(value.clone());
        format!("?{}", parameters.len())
    };
    for condition in &query.filters {
        terms.push(match condition {
            Condition::Is(place, op, value) => {
                let op = match op {
                    Op::Eq => "IS",
                    Op::Ne => "IS NOT",
                    Op::Lt => "<",
                    Op::Le => "<=",
                    Op::Gt => ">",
                    Op::Ge => ">=",
                };
                format!("{} {op} {}", name(*place), bind(value))
            }
            Condition::In(place, set) => {
                let some: Vec<_> = set.iter().filter(|value| !value.is_null()).map(&mut bind).collect();
                let nothing = if some.len() < set.len() {
                    format!(" OR {} IS NULL", name(*place))
                } else {
                    String::new()
                };
                format!("({} IN ({}){nothing})", name(*place), some.join(", "))
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
            let end_place = bind(end);
            if number == 0 && !query.table.columns[*place].nullable {
                let op = if *direction == Direction::Asc { ">=" } else { "<=" };
                terms.push(format!("{column} {op} {end_place}"));
            }
            let beyond = match (direction, end.is_null()) {
                (Direction::Asc, true) => format!("{column} IS NOT NULL"),
                (Direction::Asc, false) => format!("{column} > {end_place}"),
                (Direction::Desc, true) => "FALSE".to_owned(),
                (Direction::Desc, false) => format!("({column} < {end_place} OR {column} IS NULL)"),
            };
            cases.push(format!("({equal}{beyond})"));
            let _ = write!(equal, "{column} IS {end_place} AND ");
        }
        terms.push(format!("({})", cases.join(" OR ")));
    }
    let mut sql = format!(
        "SELECT {} FROM \"{}\"",
        quoted(query.table.columns.iter().map(|column| column.name)),
        Place::InUse.name(query.table.name)
    );
    if !terms.is_empty() {
        let _ = write!(sql, " WHERE {}", terms.join(" AND "));
    }
    let order: Vec<_> = query
        .order
        .iter()
        .map(|(place, direction)| {
            format!(
                "{}{}",
                name(*place),
                if *direction == Direction::Asc { "" } else { " DESC" }
            )
        })
        .collect();
    let _ = write!(sql, " ORDER BY {}", order.join(", "));
    if let Some(limit) = query.limit {
        let _ = write!(sql, " LIMIT {}", count(limit.saturating_add(1)));
    }
    (sql, parameters)
}
