//! Changes and their way.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::{Path, Query, State};
use facts::ComponentName;
use ledger::{Direction, Op, Select};
use serde::Deserialize;

use super::component;
use super::runs::LONGEST_PAGE;
use crate::auth::Caller;
use crate::changes::{Component, concerns};
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::way::{ChangeRow, On, Reader, Told, tell};
use crate::wire;

/// What a list of changes is asked by.
#[derive(Debug, Default, Deserialize)]
pub struct ChangesQuery {
    component: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// A change as a line of a list.
pub async fn change_line(
    house: &House,
    component: &Component,
    change: &ChangeRow,
    told: &Told,
) -> Result<wire::ChangeLine, ServerError> {
    let commit = house.repositories.commit(&component.name, &change.commit).await.ok();
    let state = house.delivery.state(component.id);
    let package = state.packages.values().find(|package| package.commit == change.commit);
    Ok(wire::ChangeLine {
        component: component.name.to_string(),
        commit: change.commit.to_string(),
        branch: change.branch.clone(),
        title: commit.as_ref().map(|commit| commit.title.clone()).unwrap_or_default(),
        author: commit.map(|commit| commit.author),
        arrived_at: change.arrived_at,
        version: package.map(|package| package.version.to_string()),
        package: package.map(|package| package.digest),
        state: told.state.as_str().to_owned(),
    })
}

#[utoipa::path(
    get, path = "/api/v1/changes", tag = "changes",
    params(("component" = Option<String>, Query), ("after" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = wire::Changes))
)]
pub async fn list(
    State(house): State<Arc<House>>,
    caller: Caller,
    Query(query): Query<ChangesQuery>,
) -> Result<Json<wire::Changes>, Problem> {
    let mut select = Select::from("changes").order("position", Direction::Desc);
    match &query.component {
        Some(name) => {
            let component = component(&house, name).await?;
            select = select.filter("component", Op::Eq, component.id.to_string());
            caller.may(Action::Read, &Resource::Component(component.name))?;
        }
        None => {
            caller.may(Action::Read, &Resource::Server)?;
        }
    }
    let limit = query.limit.unwrap_or(20).clamp(1, LONGEST_PAGE);
    let selected = house
        .ledger
        .select(select.limit(limit).after(query.after.map(Into::into)))
        .await?;
    let reader = Reader(&house);
    let mut changes = Vec::new();
    for row in &selected.rows {
        let change = ChangeRow::of(row)?;
        let Some(component) = house.register.by_id(change.component).await? else {
            continue;
        };
        let told = tell(&reader.way(&component, change.clone()).await?);
        changes.push(change_line(&house, &component, &change, &told).await?);
    }
    let next = selected.next.map(|cursor| cursor.to_string());
    Ok(Json(wire::Changes {
        schema: "changes/1".to_owned(),
        changes,
        next,
    }))
}

/// The change that `name` means, or a problem that says so.
pub(crate) async fn find(house: &House, component: &Component, name: &str) -> Result<ChangeRow, Problem> {
    let found = Reader(house).find(component, name).await?;
    if let Some(change) = &found
        && change.commit.as_str() != name
        && change.commit.as_str().starts_with(&name.to_ascii_lowercase())
    {
        // Part of a commit's id: it must not be part of another's too.
        super::commits::only_one(house, Some(component), name).await?;
    }
    match found {
        Some(change) => Ok(change),
        None => Err(missing(house, component, name).await?),
    }
}

/// Why there is no change of that name: in a repository that lists components, a commit is one of those that it
/// concerns alone.
async fn missing(house: &House, component: &Component, name: &str) -> Result<Problem, Problem> {
    let Some(sorted) = concerns::find(&*house.ledger, component.id, name).await? else {
        return Ok(Problem::not_found(format!("{} has no change `{name}`", component.name))
            .hint("name a commit, a version, a package digest or a branch; `throughline status` lists the newest"));
    };
    let short = sorted.commit.short().to_owned();
    let mut names = Vec::new();
    for (id, _) in &sorted.concerns {
        names.extend(house.register.by_id(*id).await?.map(|one| one.name.to_string()));
    }
    names.sort();
    Ok(match names.first() {
        None => Problem::not_found(format!(
            "the commit {short} concerns no component of {}: nothing is built or delivered for it",
            component.name
        ))
        .hint(format!(
            "none of the paths that it touches belongs to one; see {}{}",
            house.url(),
            pages::links::change(&component.name, &sorted.commit)
        )),
        Some(first) => {
            let several = names.join(", ");
            let address = format!("`throughline status {short} --component {first}`");
            Problem::not_found(format!(
                "{} lists components; the commit {short} concerns {several}",
                component.name
            ))
            .hint(format!("ask for it there: {address}"))
        }
    })
}

/// Ends what goes on for a change before it has a package: its waiting for others, or its build. The answer says which
/// in a sentence.
pub(crate) async fn cancel_change(
    house: &House,
    caller: &Caller,
    (team, name, change): (&str, &str, &str),
) -> Result<String, Problem> {
    let component = component(house, &format!("{team}/{name}")).await?;
    let actor = caller.may(Action::Run, &Resource::Component(component.name.clone()))?;
    let row = find(house, &component, change).await?;
    let short = row.commit.short();
    if house.builds.end_waiting(&row, actor).await?.is_some() {
        return Ok(format!("{short} waits no more, and is not built"));
    }
    let build = match row.run {
        Some(run) => engine::query::run(&*house.ledger, run).await?,
        None => None,
    };
    match build.filter(|run| run.state != engine::State::Finished) {
        Some(run) => {
            house.engine.cancel(run.id, actor).await?;
            Ok(format!("the build of {short} is being cancelled"))
        }
        None => {
            let status = axum::http::StatusCode::CONFLICT;
            let detail = format!("{short} waits for nothing and is not being built");
            Err(Problem::new(status, "refused", detail).hint("a deployment is cancelled by its run"))
        }
    }
}

#[utoipa::path(
    post, path = "/api/v1/components/{team}/{name}/changes/{change}/cancel", tag = "changes",
    params(("team" = String, Path), ("name" = String, Path), ("change" = String, Path)),
    responses((status = 200, body = wire::Done))
)]
pub async fn cancel(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name, change)): Path<(String, String, String)>,
) -> Result<Json<wire::Done>, Problem> {
    let done = cancel_change(&house, &caller, (&team, &name, &change)).await?;
    Ok(Json(wire::Done::new(done)))
}

#[utoipa::path(
    get, path = "/api/v1/components/{team}/{name}/changes/{change}", tag = "changes",
    params(("team" = String, Path), ("name" = String, Path), ("change" = String, Path)),
    responses((status = 200, body = wire::Change))
)]
pub async fn one(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name, change)): Path<(String, String, String)>,
) -> Result<Json<wire::Change>, Problem> {
    let component = component(&house, &format!("{team}/{name}")).await?;
    caller.may(Action::Read, &Resource::Component(component.name.clone()))?;
    let row = find(&house, &component, &change).await?;
    let read = Reader(&house).way(&component, row.clone()).await?;
    let may_see = |name: &ComponentName| caller.may(Action::Read, &Resource::Component(name.clone())).is_ok();
    let ties = Reader(&house).ties(&read, may_see).await?;
    let told = tell(&read);
    let change = change_line(&house, &component, &row, &told).await?;
    let page = pages::links::change(&component.name, &row.commit);
    Ok(Json(wire::Change {
        schema: "change/1".to_owned(),
        change,
        page: Some(format!("{}{page}", house.url())),
        stations: told.stations,
        waiting: told.waiting,
        verdicts: told.verdicts,
        never_again: told.never_again,
        depends_on: ties.on.into_iter().map(depends_on).collect(),
        depended_on_by: ties
            .by
            .into_iter()
            .map(|(component, commit)| wire::DependedOnBy {
                component: component.name.to_string(),
                commit: commit.to_string(),
            })
            .collect(),
    }))
}

fn depends_on(on: On) -> wire::DependsOn {
    let place = |place: crate::way::OnPlace| wire::DependencyPlace {
        environment: place.environment.to_string(),
        met: place.met,
        what: place.what,
    };
    wire::DependsOn {
        said: on.said,
        component: on.component.map(|name| name.to_string()),
        commit: on.commit.map(|commit| commit.to_string()),
        what: on.what,
        environments: on.places.into_iter().map(place).collect(),
    }
}
