//! Environments: what is where, and what people ask of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use access::{Action, Resource};
use axum::Json;
use axum::extract::{Path, State};
use delivery::decide::AskError;
use delivery::{DeliveryError, EnvironmentPolicy, Strategy};
use facts::{ComponentName, Digest, EnvironmentName};
use target::Placement;

use super::runs::parse;
use super::{changes, component};
use crate::auth::Caller;
use crate::changes::Component;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::wire;

/// The word for a strategy.
pub(crate) fn strategy(policy: &EnvironmentPolicy) -> &'static str {
    match policy.strategy {
        Strategy::Rolling => "rolling",
        Strategy::BlueGreen => "blue-green",
        Strategy::Canary(_) => "canary",
    }
}

/// What an environment holds of a component.
pub(crate) async fn placed(house: &House, component: &Component, environment: &EnvironmentName) -> wire::Placed {
    let state = house.delivery.state(component.id);
    let here = state.environment(environment);
    let package = here.current.package.and_then(|digest| state.packages.get(&digest));
    let placement = Placement {
        component: component.id,
        component_name: component.name.clone(),
        environment: environment.clone(),
    };
    // A target that cannot be reached shows as one without instances: the page must still come.
    let observed = match house.targets.target(environment) {
        Some(target) if here.generation > 0 => target.observe(&placement).await.unwrap_or_default(),
        _ => target::Observed::default(),
    };
    let coming = here.open.as_ref().map(|open| {
        let package = state.packages.get(&open.intent.package);
        package.map_or_else(|| open.intent.package.short(), |package| package.version.to_string())
    });
    wire::Placed {
        component: component.name.to_string(),
        generation: here.generation,
        package: here.current.package,
        version: package.map(|package| package.version.to_string()),
        commit: package.map(|package| package.commit.to_string()),
        configuration: here.current.configuration,
        schema_state: here.current.schema.clone(),
        since: here.since,
        proven: here.is_proven,
        url: observed.url,
        coming,
        run: here.open.as_ref().map(|open| open.intent.run),
        traffic: observed
            .groups
            .into_iter()
            .map(|group| wire::Traffic {
                group: group.name,
                package: group.package,
                instances: group.instances,
                healthy: group.healthy,
                weight: group.weight,
            })
            .collect(),
    }
}

#[utoipa::path(
    get, path = "/api/v1/environments", tag = "environments", responses((status = 200, body = wire::Environments))
)]
pub async fn list(State(house): State<Arc<House>>, caller: Caller) -> Result<Json<wire::Environments>, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    let path = house.delivery.path();
    let components = house.register.all().await?;
    let mut environments = Vec::new();
    for policy in path.environments() {
        let mut line = wire::EnvironmentLine {
            name: policy.name.to_string(),
            after: policy.after.iter().map(ToString::to_string).collect(),
            strategy: strategy(policy).to_owned(),
            soak_seconds: policy.soak.as_secs(),
            components: Vec::new(),
        };
        for component in &components {
            let place = Resource::Placement(component.name.clone(), policy.name.clone());
            if caller.may(Action::Read, &place).is_ok() {
                line.components.push(placed(&house, component, &policy.name).await);
            }
        }
        environments.push(line);
    }
    Ok(Json(wire::Environments {
        schema: "environments/1".to_owned(),
        policy: path.revision,
        environments,
    }))
}

fn policy_of(house: &House, name: &str) -> Result<EnvironmentPolicy, Problem> {
    let name: EnvironmentName = parse(name)?;
    let path = house.delivery.path();
    let found = path.get(&name).cloned();
    found.ok_or_else(|| DeliveryError::Ask(AskError::UnknownEnvironment(name)).into())
}

/// The settings of the environments that differ, as a person reads them.
pub(crate) fn settings(policy: &EnvironmentPolicy) -> Vec<(&'static str, String)> {
    let names = |names: Vec<String>| {
        if names.is_empty() {
            "all".to_owned()
        } else {
            names.join(", ")
        }
    };
    vec![
        ("strategy", strategy(policy).to_owned()),
        ("instances", policy.target.instances().to_string()),
        ("soak", format!("{} s", policy.soak.as_secs())),
        ("lines", names(policy.lines.iter().map(ToString::to_string).collect())),
        (
            "approvals",
            policy
                .approvals
                .iter()
                .map(|rule| format!("{} of {}", rule.of, rule.role))
                .collect::<Vec<_>>()
                .join(", "),
        ),
        (
            "gates",
            policy
                .gates
                .iter()
                .map(|gate| gate.name.clone())
                .collect::<Vec<_>>()
                .join(", "),
        ),
    ]
}

#[utoipa::path(
    get, path = "/api/v1/environments/{left}/difference/{right}", tag = "environments",
    params(("left" = String, Path), ("right" = String, Path)), responses((status = 200, body = wire::Difference))
)]
pub async fn difference(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path((left, right)): Path<(String, String)>,
) -> Result<Json<wire::Difference>, Problem> {
    caller.may(Action::Enter, &Resource::Server)?;
    let (left, right) = (policy_of(&house, &left)?, policy_of(&house, &right)?);
    let mut differing = Vec::new();
    for ((what, of_left), (_, of_right)) in settings(&left).into_iter().zip(settings(&right)) {
        if of_left != of_right {
            let what = what.to_owned();
            differing.push(wire::Differing {
                component: None,
                what,
                left: Some(of_left),
                right: Some(of_right),
            });
        }
    }
    for component in house.register.all().await? {
        if caller
            .may(Action::Read, &Resource::Component(component.name.clone()))
            .is_ok()
        {
            of_component(&house, &component, &left.name, &right.name, &mut differing).await?;
        }
    }
    Ok(Json(wire::Difference {
        schema: "difference/1".to_owned(),
        left: left.name.to_string(),
        right: right.name.to_string(),
        differing,
    }))
}

async fn of_component(
    house: &House,
    component: &Component,
    left: &EnvironmentName,
    right: &EnvironmentName,
    differing: &mut Vec<wire::Differing>,
) -> Result<(), Problem> {
    let state = house.delivery.state(component.id);
    let (here, there) = (state.environment(left).current, state.environment(right).current);
    let mut push = |what: String, left: Option<String>, right: Option<String>| {
        if left != right {
            differing.push(wire::Differing {
                component: Some(component.name.to_string()),
                what,
                left,
                right,
            });
        }
    };
    let version = |digest: Option<Digest>| {
        digest.map(|digest| {
            state
                .packages
                .get(&digest)
                .map_or(digest.short(), |package| package.version.to_string())
        })
    };
    push("version".to_owned(), version(here.package), version(there.package));
    for database in here.schema.keys().chain(there.schema.keys()).collect::<BTreeSet<_>>() {
        push(
            format!("schema of {database}"),
            here.schema.get(database).cloned(),
            there.schema.get(database).cloned(),
        );
    }
    let (ours, theirs) = (
        rendered(house, here.package, left).await?,
        rendered(house, there.package, right).await?,
    );
    for setting in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let text = |value: Option<&serde_json::Value>| {
            value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        };
        push(
            format!("setting {setting}"),
            text(ours.get(setting)),
            text(theirs.get(setting)),
        );
    }
    Ok(())
}

pub(crate) async fn rendered(
    house: &House,
    package: Option<Digest>,
    environment: &EnvironmentName,
) -> Result<std::collections::BTreeMap<String, serde_json::Value>, Problem> {
    let Some(package) = package else {
        return Ok(Default::default());
    };
    let inside = |error: String| Problem::from(ServerError::Internal(error));
    let document = delivery::ports::Packages::document(&*house.packages, package).await;
    let document = document.map_err(|error| inside(error.to_string()))?;
    let configuration = document.configuration.clone().unwrap_or_default();
    Ok(configuration
        .render(environment)
        .map_err(|error| inside(error.to_string()))?
        .values)
}

/// The component and the package that a caller names.
async fn package_of(house: &House, name: &str, change: &str) -> Result<(Component, Digest), Problem> {
    let component = component(house, name).await?;
    let row = changes::find(house, &component, change).await?;
    let state = house.delivery.state(component.id);
    let package = state
        .packages
        .values()
        .find(|package| package.commit == row.commit)
        .map(|package| package.digest);
    let package = package.ok_or_else(|| {
        let commit = row.commit.short();
        let status = axum::http::StatusCode::CONFLICT;
        Problem::new(
            status,
            "refused",
            format!("the change {commit} has no package on the path"),
        )
        .hint("its build has not succeeded, or its branch is no release line; `throughline status` says which")
    })?;
    Ok((component, package))
}

fn placement(component: &ComponentName, environment: &EnvironmentName) -> Resource {
    Resource::Placement(component.clone(), environment.clone())
}

#[utoipa::path(
    post, path = "/api/v1/environments/{environment}/approve", tag = "environments",
    params(("environment" = String, Path)), request_body = wire::Approve, responses((status = 200, body = wire::Done))
)]
pub async fn approve(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(environment): Path<String>,
    Json(ask): Json<wire::Approve>,
) -> Result<Json<wire::Done>, Problem> {
    let policy = policy_of(&house, &environment)?;
    let (component, package) = package_of(&house, &ask.component, &ask.change).await?;
    let actor = caller.may(Action::Approve, &placement(&component.name, &policy.name))?;
    let role = match ask.role {
        Some(role) => role,
        None if policy.approvals.len() == 1 => policy.approvals[0].role.clone(),
        None => {
            let roles: Vec<_> = policy.approvals.iter().map(|rule| rule.role.as_str()).collect();
            return Err(
                Problem::bad_input(format!("{} asks for approvals by: {}", policy.name, roles.join(", ")))
                    .hint("say in which role with --role"),
            );
        }
    };
    if !caller.principal.has_duty(&role) {
        return Err(
            Problem::denied(format!("you may not approve as `{role}`")).hint(format!(
                "an admin makes a token that may: `throughline token create NAME --role operator --duty {role}`"
            )),
        );
    }
    house
        .delivery
        .approve(component.id, &policy.name, package, &role, actor)
        .await?;
    Ok(Json(wire::Done::new(format!(
        "{} is approved for {} by {role}",
        package.short(),
        policy.name
    ))))
}

#[utoipa::path(
    post, path = "/api/v1/environments/{environment}/promote", tag = "environments",
    params(("environment" = String, Path)), request_body = wire::Promote, responses((status = 200, body = wire::Done))
)]
pub async fn promote(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(environment): Path<String>,
    Json(ask): Json<wire::Promote>,
) -> Result<Json<wire::Done>, Problem> {
    let policy = policy_of(&house, &environment)?;
    let (component, package) = package_of(&house, &ask.component, &ask.change).await?;
    let actor = caller.may(Action::Deploy, &placement(&component.name, &policy.name))?;
    house
        .delivery
        .promote(component.id, &policy.name, package, actor)
        .await?;
    Ok(Json(wire::Done::new(format!(
        "{} goes to {} as soon as its gate lets it in",
        package.short(),
        policy.name
    ))))
}

#[utoipa::path(
    post, path = "/api/v1/environments/{environment}/rollback", tag = "environments",
    params(("environment" = String, Path)), request_body = wire::RollBack,
    responses((status = 200, body = wire::RolledBack))
)]
pub async fn roll_back(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(environment): Path<String>,
    Json(ask): Json<wire::RollBack>,
) -> Result<Json<wire::RolledBack>, Problem> {
    let policy = policy_of(&house, &environment)?;
    let (component, to) = match &ask.to {
        Some(change) => package_of(&house, &ask.component, change)
            .await
            .map(|(component, to)| (component, Some(to)))?,
        None => (component(&house, &ask.component).await?, None),
    };
    let actor = caller.may(Action::Return, &placement(&component.name, &policy.name))?;
    let run = house
        .delivery
        .roll_back(component.id, &policy.name, to, &ask.reason, actor)
        .await?;
    Ok(Json(wire::RolledBack {
        schema: "rolled-back/1".to_owned(),
        run,
    }))
}

#[utoipa::path(
    post, path = "/api/v1/packages/{digest}/unbar", tag = "environments", params(("digest" = String, Path)),
    request_body = wire::Unbar, responses((status = 200, body = wire::Done))
)]
pub async fn unbar(
    State(house): State<Arc<House>>,
    caller: Caller,
    Path(digest): Path<String>,
    Json(ask): Json<wire::Unbar>,
) -> Result<Json<wire::Done>, Problem> {
    let (component, package) = package_of(&house, &ask.component, &digest).await?;
    let actor = caller.may(Action::Deploy, &Resource::Component(component.name))?;
    house.delivery.unbar(component.id, package, &ask.cause, actor).await?;
    Ok(Json(wire::Done::new(format!(
        "{} may be deployed again",
        package.short()
    ))))
}
