//! The page of an environment.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::{Path, Query, State};
use delivery::kinds::{DeploymentResult, Purpose};
use delivery::path::TargetPolicy;
use delivery::{EnvironmentPolicy, Strategy};
use facts::EnvironmentName;
use futures_util::future::try_join_all;
use ledger::{Direction, Op, Select};
use maud::Markup;
use pages::links;
use pages::model::{DeploymentKind, DeploymentLine, EnvironmentComponent, EnvironmentPage, Outcome, Progress};
use serde::Deserialize;

use super::cells::Spot;
use super::names::{self, Components, People};
use super::visit::Visit;
use super::{Memory, change};
use crate::api::environments::strategy;
use crate::api::runs::parse;
use crate::changes::Component;
use crate::house::House;
use crate::problem::Problem;
use crate::way::Deployed;

/// How many deployments a page shows.
const SHOWN: usize = 25;

/// From where older deployments are shown.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Older {
    before: Option<String>,
}

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Path(environment): Path<String>,
    Query(query): Query<Older>,
) -> Result<Markup, Problem> {
    let name: EnvironmentName = parse(&environment)?;
    let path = house.delivery.path();
    let policy = path
        .get(&name)
        .ok_or_else(|| Problem::not_found(format!("there is no environment `{name}`")))?;
    let components = Components::all(&house).await?;
    let seen: Vec<&Component> = components
        .by_name()
        .into_iter()
        .filter(|one| visit.may(Action::Read, &Resource::Placement(one.name.clone(), name.clone())))
        .collect();
    let here = try_join_all(
        seen.iter()
            .map(|component| held(&visit, &house, &memory, component, policy)),
    );
    let (deployments, older) = deployments(&house, &memory, &seen, &name, query.before).await?;
    let page = EnvironmentPage {
        after: policy.after.clone(),
        target: match &policy.target {
            TargetPolicy::Process { instances: 1 } => "process, 1 instance".to_owned(),
            TargetPolicy::Process { instances } => format!("process, {instances} instances"),
            TargetPolicy::Command { .. } => "command".to_owned(),
        },
        strategy: strategy(policy).to_owned(),
        rules: rules(policy),
        all: path.environments().iter().map(|policy| policy.name.clone()).collect(),
        policy: Some(path.revision),
        components: here.await?.into_iter().flatten().collect(),
        deployments,
        older,
        name,
    };
    Ok(pages::environment::page(&visit.frame, &page))
}

/// What stands before the environment, each a sentence.
fn rules(policy: &EnvironmentPolicy) -> Vec<String> {
    let mut rules = Vec::new();
    let lines: Vec<String> = policy.lines.iter().map(|line| format!("`{line}`")).collect();
    match &lines[..] {
        [] => rules.push("Takes what comes on the main line.".to_owned()),
        lines => rules.push(format!("Takes what comes on {}.", lines.join(", "))),
    }
    for earlier in &policy.after {
        rules.push(format!("A package must be proven in {earlier} before."));
    }
    if policy.soak > Duration::ZERO {
        let soak = pages::time::length(policy.soak);
        rules.push(format!(
            "Counts as proven once it is verified and has stayed for {soak}."
        ));
    }
    for approval in &policy.approvals {
        rules.push(match approval.of {
            1 => format!("Somebody of {} must approve; the author does not count.", approval.role),
            of => format!("{of} of {} must approve; the author does not count.", approval.role),
        });
    }
    for gate in &policy.gates {
        rules.push(format!("Gate `{}` must hold.", gate.name));
    }
    if let Strategy::Canary(canary) = &policy.strategy {
        let margin = format!("{} percentage points", (canary.margin * 100_000.0).round() / 1_000.0);
        let needed = delivery::judge::requests_for_a_pass(canary);
        let needed = needed
            .map(|needed| format!(", which takes about {needed} requests"))
            .unwrap_or_default();
        rules.push(format!(
            "Canary at {} % beside a baseline: failed requests may rise by less than {margin}{needed}.",
            canary.weight.clamp(1, 50)
        ));
    }
    rules
}

/// What the environment holds of a component; `None` where nothing was ever deployed nor waits.
pub(super) async fn held(
    visit: &Visit,
    house: &Arc<House>,
    memory: &Memory,
    component: &Component,
    policy: &EnvironmentPolicy,
) -> Result<Option<EnvironmentComponent>, Problem> {
    let state = house.delivery.state(component.id);
    let here = state.environment(&policy.name);
    let gates = house.delivery.waiting(component.id);
    let cell = Spot {
        visit,
        house,
        memory,
        component,
        state: &state,
        gates: &gates,
        policy,
    }
    .cell()
    .await?;
    if here.generation == 0 && cell.waiting.is_none() {
        return Ok(None);
    }
    let place = Resource::Placement(component.name.clone(), policy.name.clone());
    let mut actions = Vec::new();
    if here.open.is_none()
        && here.return_target(here.current.package, &state.packages).is_some()
        && visit.may(Action::Return, &place)
    {
        actions.push(change::roll_back(&component.name, policy));
    }
    Ok(Some(EnvironmentComponent {
        component: component.name.clone(),
        cell,
        configuration: here.current.configuration,
        schema: here.current.schema.into_iter().collect(),
        generation: here.generation,
        actions,
    }))
}

async fn deployments(
    house: &Arc<House>,
    memory: &Memory,
    seen: &[&Component],
    environment: &EnvironmentName,
    before: Option<String>,
) -> Result<(Vec<DeploymentLine>, Option<String>), Problem> {
    let query = Select::from(delivery::views::DEPLOYMENTS)
        .filter("environment", Op::Eq, environment.as_str())
        .order("intended_at", Direction::Desc)
        .limit(SHOWN)
        .after(before.map(Into::into));
    let found = house.ledger.select(query).await.map_err(|error| match error {
        ledger::LedgerError::Select(what) => Problem::bad_input(what),
        other => other.into(),
    })?;
    let mut rows = Vec::new();
    for row in &found.rows {
        let component: facts::ComponentId = row.parse("component")?;
        if let Some(component) = seen.iter().find(|one| one.id == component) {
            rows.push((*component, Deployed::of(row)?));
        }
    }
    let actors: BTreeSet<_> = rows.iter().map(|(_, one)| one.actor).collect();
    let people = People::of(house, actors).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for (component, deployed) in rows {
        let Some(change) = names::package(house, memory, component, deployed.package).await else {
            continue;
        };
        let from = match deployed.from.filter(|from| *from != deployed.package) {
            Some(from) => names::package(house, memory, component, from).await,
            None => None,
        };
        let failed = deployed
            .result
            .is_some_and(|result| result != DeploymentResult::Succeeded);
        let why = if failed { &deployed.reasons } else { &deployed.why };
        let told = failed || deployed.purpose == Purpose::Rollback || deployed.purpose == Purpose::Return;
        lines.push(DeploymentLine {
            run: deployed.run,
            kind: match deployed.purpose {
                Purpose::Advance => DeploymentKind::Automatic,
                Purpose::Promotion => DeploymentKind::Promotion,
                Purpose::Return | Purpose::Rollback => DeploymentKind::Return,
            },
            component: component.name.clone(),
            change,
            package: deployed.package,
            from,
            progress: match deployed.result {
                None => Progress::Running,
                Some(DeploymentResult::Succeeded) => Progress::Finished(Outcome::Succeeded),
                Some(DeploymentResult::Rejected | DeploymentResult::Failed) => Progress::Finished(Outcome::Failed),
                Some(DeploymentResult::Cancelled) => Progress::Finished(Outcome::Cancelled),
                Some(DeploymentResult::Unknown) => Progress::Finished(Outcome::Unknown),
            },
            reason: why
                .first()
                .filter(|_| told)
                .map(|reason| super::guard::sentence(reason)),
            started_at: deployed.intended_at,
            finished_at: deployed.finished_at,
            by: people.name(deployed.actor),
        });
    }
    let older = found
        .next
        .map(|next| links::with_query("", "before", &next.to_string()));
    Ok((lines, older.map(|query| query.trim_start_matches('?').to_owned())))
}
