//! Rebuilds of changes, and what they came to.

use std::sync::Arc;

use access::{Action, Resource};
use artifact::package::{Change, Difference};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use build::rebuild::{Compared, REBUILD, REPRODUCIBLE};
use engine::query::RunRow;
use ledger::{Direction, Op, Select};
use serde_json::json;

use super::changes::find;
use super::component;
use super::runs::{run_line, run_of};
use crate::auth::Caller;
use crate::changes::RebuildContext;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::way::Reader;
use crate::wire;

/// The largest difference that is read back, in bytes.
const LARGEST_DIFFERENCE: u64 = 32 * 1024 * 1024;

/// Builds a change again for the caller.
pub(crate) async fn rebuild_change(
    house: &House,
    caller: &Caller,
    (team, name, change): (&str, &str, &str),
) -> Result<facts::RunId, Problem> {
    let component = component(house, &format!("{team}/{name}")).await?;
    caller.may(Action::Read, &Resource::Component(component.name.clone()))?;
    let row = find(house, &component, change).await?;
    let actor = caller.may(Action::Run, &Resource::Component(component.name.clone()))?;
    let read = Reader(house).way(&component, row.clone()).await?;
    let (Some(build), Some(package)) = (read.build, read.package) else {
        let detail = format!(
            "{} has no package that a rebuild could be compared with",
            row.commit.short()
        );
        let problem = Problem::new(StatusCode::CONFLICT, "refused", detail);
        return Err(problem.hint("a change is built again once its build has made a package"));
    };
    Ok(house.rebuilds.ask(&component, &build, package, actor).await?)
}

/// What a rebuild came to, as far as it is known.
pub(crate) async fn told(house: &House, row: RunRow) -> Result<wire::Rebuild, Problem> {
    let context: RebuildContext = serde_json::from_value(row.context.clone()).map_err(ServerError::from)?;
    let query = Select::from(delivery::views::VERDICTS)
        .filter("subject", Op::Eq, context.package.to_string())
        .order("seq", Direction::Desc);
    let rows = house.ledger.select(query).await.map_err(ServerError::from)?.rows;
    let mut told = wire::Rebuild {
        schema: "rebuild/1".to_owned(),
        package: context.package,
        version: house
            .delivery
            .state(row.component)
            .packages
            .get(&context.package)
            .map(|package| package.version.to_string()),
        result: None,
        reasons: Vec::new(),
        rebuilt: None,
        entries: None,
        differing: None,
        files: Vec::new(),
        config: Vec::new(),
        recorded_at: None,
        run: run_line(row.clone()),
    };
    let run = row.id.to_string();
    for verdict in rows {
        let of_run = verdict.optional_text("correlation").map_err(ServerError::from)? == Some(run.as_str());
        if !of_run || verdict.text("about").map_err(ServerError::from)? != REPRODUCIBLE {
            continue;
        }
        told.result = Some(verdict.text("result").map_err(ServerError::from)?.to_owned());
        told.reasons = verdict.json("reasons").map_err(ServerError::from)?;
        told.recorded_at = Some(verdict.timestamp("recorded_at").map_err(ServerError::from)?);
        let compared: Option<Compared> = verdict.optional_json("numbers").unwrap_or_default();
        if let Some(compared) = compared.filter(|compared| compared.rebuilt.is_some()) {
            told.rebuilt = compared.rebuilt;
            told.entries = Some(compared.entries);
            told.differing = Some(compared.differing);
            told.config = compared.config.clone();
            told.files = whole(house, compared)
                .await
                .iter()
                .map(wire::DifferingFile::from)
                .collect();
        }
        break;
    }
    Ok(told)
}

/// All entries that differ; when their blob is gone, those that the verdict itself names.
async fn whole(house: &House, compared: Compared) -> Vec<Change> {
    let Some(evidence) = compared.evidence else {
        return compared.files;
    };
    let store = house.store.clone();
    let read = tokio::task::spawn_blocking(move || store.read(&evidence, LARGEST_DIFFERENCE)).await;
    let whole = read.ok().and_then(Result::ok);
    let whole = whole.and_then(|bytes| serde_json::from_slice::<Difference>(&bytes).ok());
    whole.map_or(compared.files, |whole| whole.files)
}

#[utoipa::path(
    post, path = "/api/v1/components/{team}/{name}/changes/{change}/rebuild", tag = "changes",
    params(("team" = String, Path), ("name" = String, Path), ("change" = String, Path)),
    responses((status = 201, body = wire::Rebuild))
)]
pub async fn start(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name, change)): Path<(String, String, String)>,
) -> Result<(StatusCode, Json<wire::Rebuild>), Problem> {
    let run = rebuild_change(&house, &caller, (&team, &name, &change)).await?;
    let row = run_of(&house, &caller, &run.to_string()).await?;
    Ok((StatusCode::CREATED, Json(told(&house, row).await?)))
}

#[utoipa::path(
    get, path = "/api/v1/runs/{run}/rebuild", tag = "runs", params(("run" = String, Path)),
    responses((status = 200, body = wire::Rebuild))
)]
pub async fn one(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(run): Path<String>,
) -> Result<Json<wire::Rebuild>, Problem> {
    let row = run_of(&house, &caller, &run).await?;
    if row.kind != REBUILD {
        let detail = json!(row.kind).as_str().unwrap_or_default().to_owned();
        return Err(Problem::not_found(format!("{} is a {detail}, not a rebuild", row.id))
            .hint("`throughline rebuild CHANGE` starts one"));
    }
    Ok(Json(told(&house, row).await?))
}
