//! Runs.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::{Path, Query, State};
use engine::groups::Waiting;
use engine::query::{AttemptRow, RunFilter, RunRow, StepRow};
use facts::{Actor, RunId, StepName};
use serde::Deserialize;

use super::component;
use super::planned::AsPlanned;
use crate::auth::Caller;
use build::rebuild::REBUILD;

use crate::changes::{BUILD, TAG};
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// What a list of runs is asked by.
#[derive(Debug, Default, Deserialize)]
pub struct RunsQuery {
    component: Option<String>,
    kind: Option<String>,
    environment: Option<String>,
    state: Option<String>,
    result: Option<String>,
    commit: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Reads a text as what it should be.
pub(crate) fn parse<T>(text: &str) -> Result<T, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse()
        .map_err(|error: T::Err| Problem::bad_input(error.to_string()))
}

pub(super) fn optional<T>(text: Option<&String>) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.map(|text| parse(text)).transpose()
}

/// A page is at most so long.
pub(super) const LONGEST_PAGE: usize = 500;

pub(crate) fn run_line(run: RunRow) -> wire::RunLine {
    wire::RunLine {
        id: run.id,
        kind: run.kind,
        component: run.component_name.to_string(),
        commit: run.commit.map(|commit| commit.to_string()),
        line: run.line.map(|line| line.to_string()),
        environment: run.environment.map(|environment| environment.to_string()),
        state: run.state.to_string(),
        result: run.result.map(|result| result.to_string()),
        reason: run.reason,
        requested_at: run.requested_at,
        started_at: run.started_at,
        finished_at: run.finished_at,
    }
}

fn step_line(step: StepRow, attempts: &[AttemptRow], waiting: &[Waiting], planned: &AsPlanned) -> wire::StepLine {
    let waits = waiting.iter().find(|waiting| waiting.step.as_ref() == Some(&step.step));
    let attempts = attempts
        .iter()
        .filter(|attempt| attempt.step == step.step)
        .map(|attempt| wire::AttemptLine {
            attempt: attempt.attempt,
            result: attempt.result.map(|result| result.to_string()),
            code: attempt.code.and_then(|code| i32::try_from(code).ok()),
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            log: attempt.log,
        });
    wire::StepLine {
        attempts: attempts.collect(),
        modules: planned.modules(&step.step),
        name: step.step.to_string(),
        action: step.action,
        needs: step.needs.iter().map(ToString::to_string).collect(),
        state: step.state.to_string(),
        result: step.result.map(|result| result.to_string()),
        message: step.message.or_else(|| waits.map(ToString::to_string)),
        outputs: step.outputs.unwrap_or_default(),
        started_at: step.started_at,
        finished_at: step.finished_at,
    }
}

#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs",
    params(
        ("component" = Option<String>, Query), ("kind" = Option<String>, Query), ("environment" = Option<String>, Query),
        ("state" = Option<String>, Query), ("result" = Option<String>, Query), ("commit" = Option<String>, Query),
        ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)
    ),
    responses((status = 200, body = wire::Runs))
)]
pub async fn list(
    State(house): State<Arc<House>>,
    caller: Caller,
    Query(query): Query<RunsQuery>,
) -> Result<Json<wire::Runs>, Problem> {
    let of_component = match &query.component {
        Some(name) => {
            let component = component(&house, name).await?;
            caller.may(Action::Read, &Resource::Component(component.name))?;
            Some(component.id)
        }
        None => {
            caller.may(Action::Read, &Resource::Server)?;
            None
        }
    };
    let commit = match &query.commit {
        Some(name) => {
            let of = match of_component {
                Some(id) => house.register.by_id(id).await?,
                None => None,
            };
            Some(super::commits::only_one(&house, of.as_ref(), name).await?)
        }
        None => None,
    };
    let filter = RunFilter {
        component: of_component,
        kind: query.kind.clone(),
        commit,
        environment: optional(query.environment.as_ref())?,
        state: optional(query.state.as_ref())?,
        result: optional(query.result.as_ref())?,
    };
    let limit = query.limit.unwrap_or(50).clamp(1, LONGEST_PAGE);
    let page = engine::query::runs(&*house.ledger, &filter, limit, query.after.map(Into::into)).await?;
    Ok(Json(wire::Runs {
        schema: "runs/1".to_owned(),
        runs: page.rows.into_iter().map(run_line).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// The run, when the caller may see it.
pub(crate) async fn run_of(house: &House, caller: &Caller, run: &str) -> Result<RunRow, Problem> {
    let id: RunId = parse(run)?;
    let row = engine::query::run(&*house.ledger, id).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("there is no run {id}")))?;
    caller.may(Action::Read, &Resource::Component(row.component_name.clone()))?;
    Ok(row)
}

#[utoipa::path(
    get, path = "/api/v1/runs/{run}", tag = "runs", params(("run" = String, Path)),
    responses((status = 200, body = wire::Run))
)]
pub async fn one(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<wire::Run>, Problem> {
    let row = run_of(&house, &caller, &run).await?;
    let steps = engine::query::steps(&*house.ledger, row.id).await?.rows;
    let attempts = engine::query::attempts(&*house.ledger, row.id, None).await?;
    let waiting = match row.result {
        None => house.engine.waits(row.id).await?,
        Some(_) => Vec::new(),
    };
    let planned = AsPlanned::read(&house, row.id).await?;
    let mut run = run_line(row.clone());
    if let Some(whole) = waiting.iter().find(|waiting| waiting.step.is_none()) {
        run.reason.get_or_insert_with(|| whole.to_string());
    }
    Ok(Json(wire::Run {
        schema: "run/1".to_owned(),
        page: Some(format!("{}{}", house.url(), pages::links::run(row.id))),
        run,
        steps: steps
            .into_iter()
            .map(|step| step_line(step, &attempts, &waiting, &planned))
            .collect(),
    }))
}

/// Who may touch this run: builds are developers', deployments are operators'.
fn may_touch(caller: &Caller, row: &RunRow) -> Result<Actor, Problem> {
    match &row.environment {
        Some(environment) => caller.may(
            Action::Deploy,
            &Resource::Placement(row.component_name.clone(), environment.clone()),
        ),
        None => caller.may(Action::Run, &Resource::Component(row.component_name.clone())),
    }
}

/// Cancels a run for the caller.
pub(crate) async fn cancel_run(house: &House, caller: &Caller, run: &str) -> Result<RunId, Problem> {
    let row = run_of(house, caller, run).await?;
    let actor = may_touch(caller, &row)?;
    house.engine.cancel(row.id, actor).await?;
    Ok(row.id)
}

/// Attempts again what did not succeed in a build.
pub(crate) async fn retry_run(house: &House, caller: &Caller, run: &str) -> Result<RunId, Problem> {
    let row = run_of(house, caller, run).await?;
    let actor = may_touch(caller, &row)?;
    if ![BUILD, TAG].contains(&row.kind.as_str()) {
        let status = axum::http::StatusCode::CONFLICT;
        let (detail, hint) = if row.kind == REBUILD {
            (
                "a rebuild that has ended is not attempted again: it would not begin from nothing",
                "start another one with `throughline rebuild`",
            )
        } else {
            (
                "a deployment that has ended is not attempted again",
                "ask for the package anew with `throughline promote`",
            )
        };
        return Err(Problem::new(status, "refused", detail).hint(hint));
    }
    if !house.workspaces.folder(row.id).exists() && row.steps > 0 {
        tracing::info!(run = %row.id, "the workspace is made anew for another attempt");
    }
    house.engine.retry(row.id, actor).await?;
    Ok(row.id)
}

#[utoipa::path(
    post, path = "/api/v1/runs/{run}/cancel", tag = "runs", params(("run" = String, Path)),
    responses((status = 200, body = wire::Done))
)]
pub async fn cancel(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<wire::Done>, Problem> {
    let run = cancel_run(&house, &caller, &run).await?;
    Ok(Json(wire::Done::new(format!("{run} is being cancelled"))))
}

#[utoipa::path(
    post, path = "/api/v1/runs/{run}/retry", tag = "runs", params(("run" = String, Path)),
    responses((status = 200, body = wire::Done))
)]
pub async fn retry(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<wire::Done>, Problem> {
    let run = retry_run(&house, &caller, &run).await?;
    Ok(Json(wire::Done::new(format!(
        "what did not succeed in {run} is attempted again"
    ))))
}

#[utoipa::path(
    post, path = "/api/v1/runs/{run}/steps/{step}/resolve", tag = "runs",
    params(("run" = String, Path), ("step" = String, Path)), request_body = wire::Resolve,
    responses((status = 200, body = wire::Done))
)]
pub async fn resolve(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((run, step)): Path<(String, String)>,
    Json(answer): Json<wire::Resolve>,
) -> Result<Json<wire::Done>, Problem> {
    let row = run_of(&house, &caller, &run).await?;
    let step: StepName = parse(&step)?;
    let actor = caller.may(Action::Resolve, &Resource::Component(row.component_name.clone()))?;
    house.engine.resolve(row.id, &step, answer.done, actor).await?;
    Ok(Json(wire::Done::new(format!(
        "the step `{step}` was {}",
        if answer.done { "done" } else { "not done" }
    ))))
}
