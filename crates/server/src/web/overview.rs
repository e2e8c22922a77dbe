//! The first page: what is where, what moves, what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use delivery::kinds::DeploymentResult;
use engine::query::{RunRow, run_row};
use engine::view::RUNS;
use facts::{ComponentId, Digest};
use futures_util::future::try_join_all;
use ledger::{Direction, Op, Select};
use maud::Markup;
use pages::model::{Column, Coming, ComponentRow, Overview, RecentChange, RunKind, RunLine, Trouble};

use super::cells::{Gates, Spot};
use super::names::{self, Components};
use super::visit::Visit;
use super::{Memory, runs, stations};
use crate::api::environments::strategy;
use crate::changes::{BUILD, Component};
use crate::house::House;
use crate::problem::Problem;
use crate::way::{ChangeRow, Deployed, Read, tell};

/// How many open runs are shown.
const OPEN: usize = 20;
/// How many of the latest changes are shown.
const RECENT: usize = 12;

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
) -> Result<Markup, Problem> {
    let components = Components::all(&house).await?;
    let seen: Vec<&Component> = components
        .by_name()
        .into_iter()
        .filter(|one| visit.may_see(&one.name))
        .collect();
    let gates: BTreeMap<ComponentId, Gates> = seen
        .iter()
        .map(|component| (component.id, house.delivery.waiting(component.id)))
        .collect();
    let running = open_runs(&house, &memory, &components, &seen).await?;
    // A repository that lists components and has never made a package itself is none.
    let is_list = |one: &&&Component| {
        seen.iter()
            .any(|other| other.place.as_ref().is_some_and(|place| place.repository == one.id))
            && house.delivery.state(one.id).packages.is_empty()
    };
    let rows = seen.iter().filter(|one| !is_list(one));
    let rows = try_join_all(rows.map(|component| row(&visit, &house, &memory, component, &gates, &running)));
    let page = Overview {
        columns: columns(&house),
        rows: rows.await?,
        recent: recent(&house, &memory, &seen, &gates, None).await?,
        running,
        troubles: seen.iter().filter_map(|component| trouble(&house, component)).collect(),
        push_address: format!("{}/git/TEAM/NAME.git", house.url()),
    };
    Ok(pages::overview::page(&visit.frame, &page))
}

/// The environments, as columns.
pub(super) fn columns(house: &House) -> Vec<Column> {
    let path = house.delivery.path();
    let columns = path.environments().iter().map(|policy| Column {
        name: policy.name.clone(),
        strategy: strategy(policy).to_owned(),
    });
    columns.collect()
}

/// Why the component's remote cannot be followed, where that is so.
fn trouble(house: &House, component: &Component) -> Option<Trouble> {
    let trouble = house.remotes.trouble(component.id)?;
    let (told, hint) = match trouble.told.split_once("\nhint: ") {
        Some((told, hint)) => (told.to_owned(), Some(hint.to_owned())),
        None => (trouble.told, None),
    };
    Some(Trouble {
        component: component.name.clone(),
        since: trouble.since,
        told,
        hint,
    })
}

/// The open runs, oldest first.
pub(super) async fn open_runs(
    house: &Arc<House>,
    memory: &Memory,
    components: &Components,
    seen: &[&Component],
) -> Result<Vec<RunLine>, Problem> {
    let select = Select::from(RUNS)
        .any_of("state", runs::open_states())
        .order("requested_at", Direction::Asc)
        .limit(OPEN);
    let found = house.ledger.select(select).await?;
    let rows = found.rows.iter().map(run_row).collect::<Result<Vec<RunRow>, _>>()?;
    let rows: Vec<RunRow> = rows
        .into_iter()
        .filter(|row| seen.iter().any(|one| one.id == row.component))
        .collect();
    runs::lines((house, memory, components), &rows).await
}

/// A component as a row.
pub(super) async fn row(
    visit: &Visit,
    house: &Arc<House>,
    memory: &Memory,
    component: &Component,
    gates: &BTreeMap<ComponentId, Gates>,
    running: &[RunLine],
) -> Result<ComponentRow, Problem> {
    let (state, path) = (house.delivery.state(component.id), house.delivery.path());
    let none = Gates::new();
    let gates = gates.get(&component.id).unwrap_or(&none);
    let cells = try_join_all(path.environments().iter().map(|policy| {
        let spot = Spot {
            visit,
            house,
            memory,
            component,
            state: &state,
            gates,
            policy,
        };
        async move { spot.cell().await }
    }));
    let builds = running
        .iter()
        .rev()
        .filter(|run| run.kind == RunKind::Build && run.component == component.name);
    let coming = builds.filter_map(|run| {
        Some(Coming {
            change: run.change.clone()?,
            run: run.id,
            progress: run.progress,
            doing: run
                .at_step
                .as_ref()
                .map_or_else(|| "build".to_owned(), ToString::to_string),
            since: run.started_at.unwrap_or(run.requested_at),
            usually: None,
        })
    });
    Ok(ComponentRow {
        name: component.name.clone(),
        coming: coming.take(3).collect(),
        cells: cells.await?,
    })
}

/// The latest changes of those that are seen, or of some of them, told from a handful of questions for all.
pub(super) async fn recent(
    house: &Arc<House>,
    memory: &Memory,
    seen: &[&Component],
    gates: &BTreeMap<ComponentId, Gates>,
    only: Option<&[ComponentId]>,
) -> Result<Vec<RecentChange>, Problem> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let mut select = Select::from(crate::changes::view::CHANGES)
        .order("position", Direction::Desc)
        .limit(RECENT);
    if let Some([component]) = only {
        select = select.filter("component", Op::Eq, component.to_string());
    } else if let Some(components) = only {
        select = select.any_of("component", components.iter().map(ToString::to_string));
    }
    let rows = house.ledger.select(select).await?.rows;
    let changes = rows.iter().map(ChangeRow::of).collect::<Result<Vec<_>, _>>()?;
    let builds = builds(house, &changes).await?;
    let mut packages: BTreeMap<(ComponentId, String), Digest> = BTreeMap::new();
    for change in &changes {
        let state = house.delivery.state(change.component);
        let made = state.packages.values().find(|package| package.commit == change.commit);
        packages.extend(made.map(|made| ((change.component, change.commit.to_string()), made.digest)));
    }
    let deployments = deployments(house, packages.values()).await?;
    let mut recent = Vec::new();
    for change in changes {
        let Some(component) = seen.iter().find(|one| one.id == change.component) else {
            continue;
        };
        let package = packages.get(&(change.component, change.commit.to_string())).copied();
        let of_package = |one: &&Deployed| Some(one.package) == package || (one.from.is_some() && one.from == package);
        let said = memory.commits.get(house, component, &change.commit).await;
        let read = Read {
            held: house.builds.held_by(&change),
            overtaken: None,
            tag: None,
            component: (*component).clone(),
            build: build_of(&builds, &change).cloned(),
            state: house.delivery.state(component.id),
            path: house.delivery.path(),
            package,
            deployments: deployments.iter().filter(of_package).cloned().collect(),
            verdicts: Vec::new(),
            gates: stations::gates_of(gates.get(&component.id), package),
            build_usually: None,
            deployment_usually: Vec::new(),
            change,
        };
        let told = tell(&read);
        let reached: BTreeSet<_> = read
            .deployments
            .iter()
            .filter(|one| Some(one.package) == read.package && one.result == Some(DeploymentResult::Succeeded))
            .map(|one| one.environment.clone())
            .collect();
        let ended = read
            .build
            .as_ref()
            .map(|run| run.finished_at.or(run.started_at).unwrap_or(run.requested_at));
        let moves = read
            .deployments
            .iter()
            .filter(|one| Some(one.package) == read.package)
            .map(|one| one.finished_at.unwrap_or(one.intended_at));
        let moved_at = moves.chain(ended).chain([read.change.arrived_at]).max();
        recent.push(RecentChange {
            change: names::change(house, memory, component, &read.change.commit).await,
            state: stations::state(house, memory, &read, told.state).await,
            reached: reached.into_iter().collect(),
            committed_at: said.map_or(read.change.arrived_at, |said| said.committed_at),
            moved_at: moved_at.unwrap_or(read.change.arrived_at),
        });
    }
    Ok(recent)
}

/// The run that builds a change; on a second branch a commit is not built again.
fn build_of<'a>(builds: &'a [RunRow], change: &ChangeRow) -> Option<&'a RunRow> {
    let of_commit = || {
        builds
            .iter()
            .find(|row| row.component == change.component && row.commit.as_ref() == Some(&change.commit))
    };
    builds.iter().find(|row| Some(row.id) == change.run).or_else(of_commit)
}

async fn builds(house: &House, changes: &[ChangeRow]) -> Result<Vec<RunRow>, Problem> {
    let commits: BTreeSet<String> = changes.iter().map(|change| change.commit.to_string()).collect();
    if commits.is_empty() {
        return Ok(Vec::new());
    }
    let select = Select::from(RUNS)
        .any_of("commit", commits)
        .filter("kind", Op::Eq, BUILD);
    let rows = house.ledger.select(select).await?.rows;
    Ok(rows.iter().map(run_row).collect::<Result<_, _>>()?)
}

/// The deployments of these packages.
async fn deployments(house: &House, packages: impl Iterator<Item = &Digest>) -> Result<Vec<Deployed>, Problem> {
    let packages: BTreeSet<String> = packages.map(ToString::to_string).collect();
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: BTreeMap<_, Deployed> = BTreeMap::new();
    for column in ["package", "from_package"] {
        let select = Select::from(delivery::views::DEPLOYMENTS)
            .any_of(column, packages.iter().map(String::as_str))
            .order("intended_at", Direction::Desc)
            .limit(20 * RECENT);
        for row in house.ledger.select(select).await?.rows {
            let deployed = Deployed::of(&row)?;
            found.insert((deployed.intended_at, deployed.deployment), deployed);
        }
    }
    Ok(found.into_values().collect())
}
