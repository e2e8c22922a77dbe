//! What is said of commits to the hosts of followed repositories.

use std::sync::Arc;

use access::{Action, KeptStatus, SecretName};
use axum::Json;
use axum::extract::{Path, State};
use facts::{Actor, FactId, NewFact, Trust};
use forge::{Host, Status, Target};
use ledger::Append;
use serde_json::json;

use super::blocking;
use super::runs::parse;
use super::webhooks::{followed, resource};
use crate::auth::Caller;
use crate::changes::Component;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::statuses::kinds::{STATUSES_CHANGED, Said, StatusesChanged, stream};
use crate::statuses::said;
use crate::wire;

/// How many are shown.
const SHOWN: usize = 50;
/// What the names of tokens for statuses begin with: no other secret is ever sent to an address that somebody says.
const TOKENS: &str = "statuses/";

#[utoipa::path(
    get, path = "/api/v1/repositories/{team}/{name}/statuses", tag = "repositories",
    params(("team" = String, Path), ("name" = String, Path)), responses((status = 200, body = wire::Statuses))
)]
pub async fn show(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Result<Json<wire::Statuses>, Problem> {
    caller.may(Action::ListSecrets, &resource(&team, &name)?)?;
    let component = followed(&house, &team, &name).await?;
    let said = said(&house, component.id).await?;
    let (access, target) = (house.access.clone(), component.id.to_string());
    let known = blocking(move || {
        let state = access.target_state(&target)?;
        Ok::<_, access::AccessError>((state, access.recent_statuses(&target, SHOWN)?))
    });
    let (state, recent) = known.await??;
    let (problem, problem_since) = state.problem.unzip();
    let (to, token) = said.map(|said| (said.to, said.token)).unzip();
    Ok(Json(wire::Statuses {
        schema: "statuses/1".to_owned(),
        component: component.name.to_string(),
        host: to.as_ref().map(|to| to.host.to_string()),
        api: to.as_ref().map(|to| to.api.clone()),
        project: to.map(|to| to.project),
        token,
        problem,
        problem_since,
        statuses: recent.into_iter().filter_map(line).collect(),
    }))
}

fn line(one: KeptStatus) -> Option<wire::StatusLine> {
    let status: Status = serde_json::from_str(&one.body).ok()?;
    let told = match (one.told_at, one.due_at) {
        (Some(_), None) => "told",
        (_, Some(_)) => "waiting",
        (None, None) => "given-up",
    };
    Some(wire::StatusLine {
        commit: status.commit.to_string(),
        context: status.context,
        state: status.state.as_str().to_owned(),
        told: told.to_owned(),
        at: one.changed_at,
        attempts: one.attempts,
        next_at: one.due_at,
        problem: one.problem,
    })
}

#[utoipa::path(
    put, path = "/api/v1/repositories/{team}/{name}/statuses", tag = "repositories",
    params(("team" = String, Path), ("name" = String, Path)), request_body = wire::NewStatuses,
    responses((status = 200, body = wire::Done))
)]
pub async fn set(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
    Json(new): Json<wire::NewStatuses>,
) -> Result<Json<wire::Done>, Problem> {
    let actor = caller.may(Action::SetSecret, &resource(&team, &name)?)?;
    let component = followed(&house, &team, &name).await?;
    let host: Host = parse(&new.host)?;
    let token = SecretName::new(&new.token)?;
    if !token.as_str().starts_with(TOKENS) {
        let told = format!("the token's secret `{token}` does not begin with `{TOKENS}`");
        let hint = "tokens for statuses have names of their own, so that no other secret is sent to an address that somebody says: `throughline secret set statuses/NAME`";
        return Err(Problem::bad_input(told).hint(hint));
    }
    let remote = component.remote.as_deref().unwrap_or_default();
    let to = Target::new(host, remote, new.api.as_deref(), new.project.as_deref())
        .map_err(|error| Problem::bad_input(error.to_string()).hint(error.hint()))?;
    if !to.is_encrypted() && !house.settings.is_local() {
        return Err(Problem::bad_input("the token would be sent without encryption").hint("name an address with https"));
    }
    let told = format!(
        "{} is told how the commits of {} stand, as {}",
        to.host.name(),
        component.name,
        to.project
    );
    let body = StatusesChanged {
        said: Some(Said {
            to,
            token: token.to_string(),
        }),
    };
    record(&house, &component, &body, actor).await?;
    Ok(Json(wire::Done::new(told)))
}

#[utoipa::path(
    delete, path = "/api/v1/repositories/{team}/{name}/statuses", tag = "repositories",
    params(("team" = String, Path), ("name" = String, Path)), responses((status = 200, body = wire::Done))
)]
pub async fn end(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Result<Json<wire::Done>, Problem> {
    let actor = caller.may(Action::SetSecret, &resource(&team, &name)?)?;
    let component = followed(&house, &team, &name).await?;
    if said(&house, component.id).await?.is_some() {
        record(&house, &component, &StatusesChanged { said: None }, actor).await?;
    }
    let (access, target) = (house.access.clone(), component.id.to_string());
    blocking(move || access.forget_target(&target)).await??;
    Ok(Json(wire::Done::new(format!(
        "nobody is told any more how the commits of {} stand",
        component.name
    ))))
}

async fn record(house: &House, component: &Component, body: &StatusesChanged, actor: Actor) -> Result<(), Problem> {
    let now = house.clock.now();
    let fact = NewFact {
        stream: stream(component.id),
        id: FactId::new(now, &*house.entropy),
        kind: STATUSES_CHANGED.to_owned(),
        kind_version: 1,
        occurred_at: now,
        actor,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body: json!(body),
    };
    let appended = house.ledger.append(Append::unconditional(vec![fact])).await;
    appended.map(drop).map_err(|error| ServerError::from(error).into())
}
