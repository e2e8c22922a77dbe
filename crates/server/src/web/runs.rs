//! The list of runs, and runs as lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::{Query, State};
use engine::query::{RunRow, run_row};
use engine::view::{RUNS, STEPS};
use facts::{ComponentName, RunId, StepName};
use ledger::{Direction, Op, Select};
use maud::Markup;
use pages::links;
use pages::model::{RunLine, RunsFilter, RunsPage, RunsShown};
use serde::Deserialize;

use super::Memory;
use super::names::{self, Components, People, Shared};
use super::visit::Visit;
use crate::house::House;
use crate::problem::Problem;

/// How many runs a page shows.
const SHOWN: usize = 40;

/// What the list is asked by.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RunsQuery {
    component: Option<String>,
    show: Option<String>,
    after: Option<String>,
}

/// The states of runs that are open.
pub(super) fn open_states() -> impl Iterator<Item = &'static str> {
    engine::State::ALL
        .iter()
        .filter(|state| **state != engine::State::Finished)
        .map(|state| state.as_str())
}

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Query(query): Query<RunsQuery>,
) -> Result<Markup, Problem> {
    let components = Components::all(&house).await?;
    let seen: Vec<_> = components
        .by_name()
        .into_iter()
        .filter(|one| visit.may_see(&one.name))
        .collect();
    let asked = query.component.as_deref().filter(|name| !name.is_empty());
    let component = match asked {
        None => None,
        Some(name) => {
            let found = seen.iter().find(|one| one.name.as_str() == name);
            Some(*found.ok_or_else(|| Problem::not_found(format!("there is no component `{name}`")))?)
        }
    };
    let shown = match query.show.as_deref() {
        Some("open") => RunsShown::Open,
        Some("failed") => RunsShown::Failed,
        _ => RunsShown::All,
    };
    let mut select = Select::from(RUNS)
        .order("requested_at", Direction::Desc)
        .order("id", Direction::Desc);
    match component {
        Some(component) => select = select.filter("component", Op::Eq, component.id.to_string()),
        // Who may see some components only is shown the runs of those.
        None if visit.may(Action::Read, &Resource::Server) => {}
        None => select = select.any_of("component", seen.iter().map(|one| one.id.to_string())),
    }
    select = match shown {
        RunsShown::All => select,
        RunsShown::Open => select.any_of("state", open_states()),
        RunsShown::Failed => select.any_of("result", ["failed", "timed-out", "unknown"]),
    };
    let select = select.limit(SHOWN).after(query.after.clone().map(Into::into));
    let found = house.ledger.select(select).await.map_err(|error| match error {
        ledger::LedgerError::Select(what) => Problem::bad_input(what),
        other => other.into(),
    })?;
    let rows = found.rows.iter().map(run_row).collect::<Result<Vec<_>, _>>()?;
    let (filter, names) = (
        RunsFilter {
            component: component.map(|one| one.name.clone()),
            show: shown,
        },
        seen.iter().map(|one| one.name.clone()).collect::<Vec<ComponentName>>(),
    );
    let of_filter = |after: Option<String>| {
        let mut path = String::new();
        for (name, value) in [
            ("component", asked),
            ("show", query.show.as_deref()),
            ("after", after.as_deref()),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                path = links::with_query(&path, name, value);
            }
        }
        path.trim_start_matches('?').to_owned()
    };
    let page = RunsPage {
        filter,
        components: names,
        runs: lines((&house, &memory, &components), &rows).await?,
        newer: query.after.as_ref().map(|_| of_filter(None)),
        older: found.next.map(|next| of_filter(Some(next.to_string()))),
    };
    Ok(pages::runs::page(&visit.frame, &page))
}

/// The steps at which runs are: that run now, or else that went wrong.
async fn at_steps(house: &House, rows: &[RunRow]) -> Result<BTreeMap<RunId, StepName>, Problem> {
    let (open, ended): (Vec<&RunRow>, Vec<&RunRow>) = rows
        .iter()
        .filter(|row| row.result != Some(engine::RunResult::Succeeded))
        .partition(|row| row.state != engine::State::Finished);
    let ids = |rows: Vec<&RunRow>| rows.into_iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    let mut at = BTreeMap::new();
    let questions = [
        (ids(open), "state", vec!["running", "backoff", "asking"]),
        (ids(ended), "result", vec!["failed", "timed-out", "unknown"]),
    ];
    for (ids, column, values) in questions {
        if ids.is_empty() {
            continue;
        }
        let select = Select::from(STEPS)
            .any_of("run", ids)
            .any_of(column, values)
            .limit(10 * SHOWN);
        for row in house.ledger.select(select).await?.rows {
            at.entry(row.parse("run")?).or_insert(row.parse("step")?);
        }
    }
    Ok(at)
}

/// Runs as lines, with one question each for all of them.
pub(super) async fn lines((house, memory, components): Shared<'_>, rows: &[RunRow]) -> Result<Vec<RunLine>, Problem> {
    let people = People::of(house, rows.iter().map(|row| row.actor)).await?;
    let at_steps = at_steps(house, rows).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let change = match (components.get(row.component), &row.commit) {
            (Some(component), Some(commit)) => Some(names::change(house, memory, component, commit).await),
            _ => None,
        };
        lines.push(RunLine {
            id: row.id,
            kind: names::run_kind(&row.kind),
            component: row.component_name.clone(),
            change,
            line: row.line.clone(),
            environment: row.environment.clone(),
            progress: names::run_progress(row),
            reason: row.reason.clone(),
            requested_at: row.requested_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            by: people.somebody(row.actor),
            at_step: at_steps.get(&row.id).cloned(),
        });
    }
    Ok(lines)
}
