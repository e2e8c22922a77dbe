//! The facts, looked through and one by one.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::{Path, Query, State};
use facts::Timestamp;
use serde::Deserialize;

use super::runs::{LONGEST_PAGE, parse};
use crate::auth::Caller;
use crate::house::House;
use crate::problem::Problem;
use crate::recorded::{Filter, Whole, list as listed, one as whole_fact};
use crate::wire;

/// What the list is asked by.
#[derive(Debug, Default, Deserialize)]
pub struct FactsQuery {
    /// A stream, or what stands before the slash in it.
    pub stream: Option<String>,
    /// A kind.
    pub kind: Option<String>,
    /// Who brought them about.
    pub actor: Option<String>,
    /// Not recorded before.
    pub since: Option<String>,
    /// Recorded before.
    pub until: Option<String>,
    /// Where the page before ended.
    pub after: Option<String>,
    /// How many.
    pub limit: Option<usize>,
}

/// A time as people and browsers write it; without a zone it is UTC.
fn time(text: &str) -> Result<Timestamp, Problem> {
    let text = text.trim();
    let forms = [
        text.to_owned(),
        format!("{text}Z"),
        format!("{text}:00Z"),
        format!("{text}T00:00:00Z"),
    ];
    forms.iter().find_map(|form| form.parse().ok()).ok_or_else(|| {
        Problem::bad_input(format!("`{text}` is no time"))
            .hint("write `2026-11-23`, `2026-11-23T09:30` or with seconds and zone `2026-11-23T09:30:00Z`")
    })
}

impl FactsQuery {
    /// The same, checked. What is empty filters nothing.
    pub(crate) fn filter(&self) -> Result<Filter, Problem> {
        let given = |text: &Option<String>| {
            text.as_deref()
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Ok(Filter {
            stream: given(&self.stream),
            kind: given(&self.kind),
            actor: given(&self.actor).map(|actor| parse(&actor)).transpose()?,
            since: given(&self.since).map(|text| time(&text)).transpose()?,
            until: given(&self.until).map(|text| time(&text)).transpose()?,
        })
    }
}

#[utoipa::path(
    get, path = "/api/v1/ledger/facts", tag = "ledger",
    params(
        ("stream" = Option<String>, Query, description = "a stream, or what stands before the slash in it"),
        ("kind" = Option<String>, Query), ("actor" = Option<String>, Query),
        ("since" = Option<String>, Query), ("until" = Option<String>, Query),
        ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)
    ),
    responses((status = 200, body = wire::Facts))
)]
pub async fn list(
    State(house): State<Arc<House>>,
    caller: Caller,
    Query(query): Query<FactsQuery>,
) -> Result<Json<wire::Facts>, Problem> {
    caller.may(Action::ReadLedger, &Resource::Server)?;
    let limit = query.limit.unwrap_or(50).clamp(1, LONGEST_PAGE);
    let found = listed(&*house.ledger, &query.filter()?, query.after.clone(), limit).await?;
    let lines = found.lines.into_iter().map(|line| wire::FactLine {
        position: line.seq,
        recorded_at: line.at,
        kind: line.kind,
        stream: line.stream,
        version: line.version,
        actor: line.actor.to_string(),
        id: line.id,
        hash: line.hash,
    });
    Ok(Json(wire::Facts {
        schema: "facts/1".to_owned(),
        as_of: found.as_of,
        facts: lines.collect(),
        next: found.next.map(|next| next.to_string()),
    }))
}

/// The fact at a position, or a problem that says there is none.
pub(crate) async fn whole(house: &House, position: u64) -> Result<Whole, Problem> {
    whole_fact(&*house.ledger, position).await?.ok_or_else(|| {
        Problem::not_found(format!("there is no fact {position}"))
            .hint("facts are numbered from 1 without gaps; the page of the ledger lists the newest")
    })
}

#[utoipa::path(
    get, path = "/api/v1/ledger/facts/{position}", tag = "ledger", params(("position" = u64, Path)),
    responses((status = 200, body = wire::Fact))
)]
pub async fn one(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(position): Path<u64>,
) -> Result<Json<wire::Fact>, Problem> {
    caller.may(Action::ReadLedger, &Resource::Server)?;
    let whole = whole(&house, position).await?;
    Ok(Json(wire::Fact {
        schema: "fact/1".to_owned(),
        position,
        whole: whole.is_whole(),
        hash: whole.hash,
        previous: whole.before,
        next: whole.after.map(|(_, hash)| hash),
        cause: whole.cause,
        fact: whole.stored,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_and_browsers_write_them() {
        for (text, expected) in [
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("2026-11-23T09:30", "2026-11-23T09:30:00Z"),
            ("2026-11-23T09:30:05", "2026-11-23T09:30:05Z"),
            (" 2026-11-23T09:30:05+02:00 ", "2026-11-23T07:30:05Z"),
        ] {
            assert_eq!(time(text).unwrap().to_string(), expected, "{text}");
        }
        assert!(time("yesterday").is_err());
    }
}
