//! Webhooks for followed repositories: made, shown, changed, removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use access::kinds::{SECRET_REMOVED, SECRET_SET, SecretRemoved, SecretSet};
use access::{Action, Delivery, MadeHook, Resource, SecretName, Verdict};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use facts::{Actor, Commit, ComponentName, RunId};
use ledger::{Op, Select};
use serde_json::json;

use super::access::record;
use super::{blocking, component};
use crate::auth::Caller;
use crate::changes::Component;
use crate::changes::view::{CHANGES, REFS};
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// For how long the secret before counts too, unless somebody says otherwise.
const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that somebody may say: a month.
const LONGEST_OVERLAP: u64 = 31 * 24 * 60 * 60;
/// How many deliveries are shown.
const SHOWN: usize = 50;

pub(super) fn resource(team: &str, name: &str) -> Result<Resource, Problem> {
    let name = ComponentName::new(format!("{team}/{name}"));
    name.map(Resource::Component)
        .map_err(|error| Problem::bad_input(error.to_string()))
}

/// The followed repository of that name.
pub(super) async fn followed(house: &House, team: &str, name: &str) -> Result<Component, Problem> {
    let found = component(house, &format!("{team}/{name}")).await?;
    let name = &found.name;
    if found.place.is_some() {
        let repository = house.repositories.name_of(name);
        return Err(refused(format!("{name} lies in the repository {repository}")).hint(format!("name {repository}")));
    }
    if found.remote.is_none() {
        return Err(refused(format!("{name} follows no repository elsewhere"))
            .hint("what is pushed here needs no webhook; `throughline repo add` follows a repository elsewhere"));
    }
    Ok(found)
}

fn refused(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "refused", detail)
}

fn none_yet(component: &Component) -> Problem {
    Problem::not_found(format!("there is no webhook for {}", component.name))
        .hint("`throughline repo webhook create NAME` makes one")
}

fn url(house: &House, hook: &access::Hook) -> String {
    format!("{}/hooks/{}", house.url(), hook.id)
}

#[utoipa::path(
    get, path = "/api/v1/repositories/{team}/{name}/webhook", tag = "repositories",
    params(("team" = String, Path), ("name" = String, Path)), responses((status = 200, body = wire::Webhook))
)]
pub async fn show(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Result<Json<wire::Webhook>, Problem> {
    caller.may(Action::ListSecrets, &resource(&team, &name)?)?;
    let component = followed(&house, &team, &name).await?;
    Ok(Json(webhook(&house, &component).await?))
}

/// The webhook for a followed repository as it is shown.
pub(crate) async fn webhook(house: &Arc<House>, component: &Component) -> Result<wire::Webhook, Problem> {
    let (access, id) = (house.access.clone(), component.id);
    let found = blocking(move || {
        let Some(hook) = access.hook_of(id)? else {
            return Ok(None);
        };
        let deliveries = access.deliveries(&hook.id, SHOWN)?;
        Ok::<_, access::AccessError>(Some((hook, deliveries)))
    });
    let found = found.await??;
    let now = house.clock.now();
    let deliveries = match &found {
        Some((_, deliveries)) => lines(house, component, deliveries).await?,
        None => Vec::new(),
    };
    let hook = found.map(|(hook, _)| hook);
    Ok(wire::Webhook {
        schema: "webhook/1".to_owned(),
        component: component.name.to_string(),
        url: hook.as_ref().map(|hook| url(house, hook)),
        created_at: hook.as_ref().map(|hook| hook.created_at),
        works: hook.as_ref().is_some_and(|hook| hook.works),
        previous_until: hook.and_then(|hook| hook.previous_until).filter(|until| *until > now),
        deliveries,
    })
}

/// The deliveries with what came of each.
async fn lines(
    house: &House,
    component: &Component,
    deliveries: &[Delivery],
) -> Result<Vec<wire::WebhookDelivery>, Problem> {
    let query = Select::from(REFS).filter("component", Op::Eq, component.id.to_string());
    let mut refs = BTreeMap::new();
    for row in house.ledger.select(query).await?.rows {
        refs.insert(row.text("name")?.to_owned(), row.parse::<Commit>("head")?);
    }
    let heads: BTreeSet<&Commit> = deliveries.iter().filter_map(|one| one.what.head.as_ref()).collect();
    let mut came: BTreeMap<&Commit, Option<RunId>> = BTreeMap::new();
    for head in heads {
        // The change may be that of a component that lies in the repository.
        let query = Select::from(CHANGES).filter("head", Op::Eq, head.as_str());
        for row in house.ledger.select(query).await?.rows {
            let run = row.optional_parse("run")?;
            let known = came.entry(head).or_default();
            *known = known.or(run);
        }
    }
    let trouble = house.remotes.trouble(component.id);
    let lines = deliveries.iter().map(|one| {
        let what = &one.what;
        let run = what.head.as_ref().and_then(|head| *came.get(head)?);
        let about = matches!(what.verdict, Verdict::Accepted | Verdict::Repeated);
        let outcome = what.name.as_ref().filter(|_| about).map(|name| {
            let here = refs.get(name);
            match (&what.head, &trouble) {
                (None, _) if here.is_none() => "it is gone here too".to_owned(),
                (Some(head), _) if here == Some(head) => "it is here".to_owned(),
                (Some(head), _) if came.contains_key(head) => "it came, and something newer came after it".to_owned(),
                (_, Some(trouble)) => trouble.told.lines().next().unwrap_or_default().to_owned(),
                (Some(_), None) => "it was not there when the repository was looked at".to_owned(),
                (None, None) => "it was there when the repository was looked at".to_owned(),
            }
        });
        wire::WebhookDelivery {
            at: one.at,
            host: what.host.clone(),
            event: what.event.clone(),
            delivery: what.delivery.clone(),
            verdict: what.verdict.as_str().to_owned(),
            detail: what.detail.clone(),
            name: what.name.clone(),
            commit: what.head.as_ref().map(ToString::to_string),
            outcome,
            run: run.map(|run| run.to_string()),
        }
    });
    Ok(lines.collect())
}

#[utoipa::path(
    post, path = "/api/v1/repositories/{team}/{name}/webhook", tag = "repositories",
    params(("team" = String, Path), ("name" = String, Path)), responses((status = 201, body = wire::MadeWebhook))
)]
pub async fn create(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Result<(StatusCode, Json<wire::MadeWebhook>), Problem> {
    let actor = caller.may(Action::SetSecret, &resource(&team, &name)?)?;
    let component = followed(&house, &team, &name).await?;
    let (access, id, name) = (house.access.clone(), component.id, component.name.clone());
    let Some(made) = blocking(move || access.make_hook(id, &name)).await?? else {
        return Err(refused(format!("there is a webhook for {} already", component.name))
            .hint("`throughline repo webhook rotate NAME` gives it another secret"));
    };
    let made = told(&house, &component, &made, actor).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

#[utoipa::path(
    post, path = "/api/v1/repositories/{team}/{name}/webhook/rotate", tag = "repositories",
    params(("team" = String, Path), ("name" = String, Path)), request_body = wire::RotateWebhook,
    responses((status = 200, body = wire::MadeWebhook))
)]
pub async fn rotate(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
    Json(how): Json<wire::RotateWebhook>,
) -> Result<Json<wire::MadeWebhook>, Problem> {
    let actor = caller.may(Action::SetSecret, &resource(&team, &name)?)?;
    let component = followed(&house, &team, &name).await?;
    if how.overlap_seconds.is_some_and(|seconds| seconds > LONGEST_OVERLAP) {
        return Err(Problem::bad_input(
            "two secrets count beside one another for a month at most",
        ));
    }
    let overlap = how.overlap_seconds.map_or(OVERLAP, Duration::from_secs);
    let (access, id, name) = (house.access.clone(), component.id, component.name.clone());
    let changed = blocking(move || access.change_hook_secret(id, &name, overlap)).await??;
    let made = changed.ok_or_else(|| none_yet(&component))?;
    Ok(Json(told(&house, &component, &made, actor).await?))
}

/// Records that a secret was made, and shows it.
async fn told(
    house: &House,
    component: &Component,
    made: &MadeHook,
    actor: Actor,
) -> Result<wire::MadeWebhook, Problem> {
    let body = SecretSet {
        secret: made.info.id,
        name: made.info.name.to_string(),
        version: made.info.version,
    };
    record(house, SECRET_SET, &made.info.id.to_string(), actor, json!(body)).await?;
    let now = house.clock.now();
    Ok(wire::MadeWebhook {
        schema: "made-webhook/1".to_owned(),
        component: component.name.to_string(),
        url: url(house, &made.hook),
        secret: made.secret.to_string(),
        previous_until: made.hook.previous_until.filter(|until| *until > now),
    })
}

#[utoipa::path(
    delete, path = "/api/v1/repositories/{team}/{name}/webhook", tag = "repositories",
    params(("team" = String, Path), ("name" = String, Path)), responses((status = 200, body = wire::Done))
)]
pub async fn remove(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((team, name)): Path<(String, String)>,
) -> Result<Json<wire::Done>, Problem> {
    let actor = caller.may(Action::SetSecret, &resource(&team, &name)?)?;
    let component = component(&house, &format!("{team}/{name}")).await?;
    let (access, id, name) = (house.access.clone(), component.id, component.name.clone());
    let removed = blocking(move || access.remove_hook(id, &name)).await??;
    if let Some(secret) = removed {
        let body = SecretRemoved {
            secret,
            name: SecretName::of_hook(&component.name).to_string(),
        };
        record(&house, SECRET_REMOVED, &secret.to_string(), actor, json!(body)).await?;
    }
    Ok(Json(wire::Done::new(format!(
        "there is no webhook for {} any more",
        component.name
    ))))
}
