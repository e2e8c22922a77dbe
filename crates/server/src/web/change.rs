//! The page of a change.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::{Path, State};
use delivery::judge::CanaryVerdict;
use delivery::{DeploymentContext, EnvironmentPolicy};
use facts::published::Judgement;
use facts::{Digest, Trust};
use futures_util::future::try_join_all;
use ledger::{Op, Select};
use maud::Markup;
use pages::links;
use pages::model::{Asks, Button, ButtonWeight, Canary, Cell, ChangePage, NeverAgain, Usually, Waiting};

use super::canary::Compared;
use super::cells::{Gates, Spot};
use super::guard::sentence;
use super::names::{self, People};
use super::visit::Visit;
use super::waits::Before;
use super::{Memory, commits, happened, repository, stations, together};
use crate::api::changes::find;
use crate::api::component;
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::way::{ChangeRow, Deployed, Read, Reader, VerdictRow, tell};

/// How many earlier changes say how long the whole way usually takes.
const EARLIER: usize = 20;

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Path((team, name, change)): Path<(String, String, String)>,
) -> Result<Markup, Problem> {
    let component = component(&house, &format!("{team}/{name}")).await?;
    visit
        .caller
        .may(Action::Read, &Resource::Component(component.name.clone()))?;
    let row = match find(&house, &component, &change).await {
        Ok(row) => row,
        // A commit of a repository that lists components is a change of those that it concerns alone.
        Err(problem) => match repository::commit(&house, &memory, &visit, &component, &change).await? {
            Some(page) => return Ok(page),
            None => return Err(problem),
        },
    };
    let read = Reader(&house).way(&component, row).await?;
    let told = tell(&read);
    let gates = house.delivery.waiting(component.id);
    let page = Telling {
        visit: &visit,
        house: &house,
        memory: &memory,
        read: &read,
        gates: &gates,
    };
    let said = memory.commits.get(&house, &component, &read.change.commit).await;
    let cells = page.cells().await?;
    let returns = happened::returns(&house, &read).await?;
    let people = People::of(&house, happened::actors(&read, &returns)).await?;
    let mut back = Vec::new();
    for one in returns.iter().rev() {
        back.extend(happened::card(&house, &memory, &read, &people, one).await);
    }
    let mut usually = Vec::new();
    for policy in read.path.environments() {
        let known = names::deployment_usually(&house, component.id, &policy.name).await?;
        usually.extend(known.map(|usually| (policy.name.clone(), usually)));
    }
    let (concern, together) = together::of(&house, &memory, &visit, &read).await?;
    let (depends_on, depended_on_by) = together::ties(&house, &memory, &visit, &read).await?;
    let model = ChangePage {
        change: names::change(&house, &memory, &component, &read.change.commit).await,
        body: said.as_ref().map(|said| said.body.clone()).unwrap_or_default(),
        committed_at: said.map_or(read.change.arrived_at, |said| said.committed_at),
        line: read.change.branch.parse().ok(),
        trust: read.build.as_ref().map_or(Trust::Trusted, |run| run.trust),
        package: read.package,
        parts: commits::touched(&house, &component, &read.change.commit).await,
        state: stations::state(&house, &memory, &read, told.state).await,
        stations: stations::stations(&read, &told.stations, &cells, &usually),
        arrived_at: read.change.arrived_at,
        held: match read.build {
            None => read.held.clone(),
            Some(_) => Vec::new(),
        },
        overtaken: match &read.overtaken {
            Some(newer) => Some(names::change(&house, &memory, &component, newer).await),
            None => None,
        },
        waiting: page.waiting(),
        usually: page.whole_way().await?,
        concern,
        together,
        depends_on,
        depended_on_by,
        canaries: page.canaries(&cells).await?,
        returns: back,
        never_again: page.never_again(),
        entries: happened::entries(&read, &people, &returns),
        actions: page.actions().await,
    };
    Ok(pages::change::page(&visit.frame, &model))
}

/// The page of a change while it is put together.
struct Telling<'a> {
    visit: &'a Visit,
    house: &'a Arc<House>,
    memory: &'a Memory,
    read: &'a Read,
    gates: &'a Gates,
}

impl Telling<'_> {
    fn spot<'b>(&'b self, policy: &'b EnvironmentPolicy) -> Spot<'b> {
        Spot {
            visit: self.visit,
            house: self.house,
            memory: self.memory,
            component: &self.read.component,
            state: &self.read.state,
            gates: self.gates,
            policy,
        }
    }

    /// What the environments hold, where it matters to the change.
    async fn cells(&self) -> Result<Vec<(facts::EnvironmentName, Cell)>, Problem> {
        let cells = try_join_all(
            self.read
                .path
                .environments()
                .iter()
                .map(|policy| async { Ok::<_, Problem>((policy.name.clone(), self.spot(policy).cell().await?)) }),
        );
        cells.await
    }

    fn package(&self) -> Option<&delivery::Package> {
        self.read.state.packages.get(&self.read.package?)
    }

    fn waiting(&self) -> Vec<Waiting> {
        let Some(package) = self.package() else {
            return Vec::new();
        };
        let all = self.read.gates.iter().filter_map(|(environment, gate)| {
            let before = Before {
                visit: self.visit,
                component: &self.read.component.name,
                state: &self.read.state,
                policy: self.read.path.get(environment)?,
                package,
            };
            Some(before.all(gate))
        });
        all.flatten().collect()
    }

    /// From the commit to the end of the path, over the last changes that came there.
    async fn whole_way(&self) -> Result<Option<Usually>, Problem> {
        let Some(end) = self.read.path.ends().into_iter().next() else {
            return Ok(None);
        };
        let query = Select::from(delivery::views::DEPLOYMENTS)
            .filter("component", Op::Eq, self.read.component.id.to_string())
            .filter("environment", Op::Eq, end.as_str())
            .filter("result", Op::Eq, "succeeded")
            .order("generation", ledger::Direction::Desc)
            .limit(EARLIER);
        let rows = self.house.ledger.select(query).await?.rows;
        let mut arrived: std::collections::BTreeMap<u64, facts::Timestamp> = std::collections::BTreeMap::new();
        for row in &rows {
            let deployed = Deployed::of(row)?;
            let package = self
                .read
                .state
                .packages
                .get(&deployed.package)
                .filter(|_| !deployed.purpose.is_return() && Some(deployed.package) != self.read.package);
            if let (Some(package), Some(at)) = (package, deployed.finished_at) {
                arrived
                    .entry(package.order)
                    .and_modify(|first| *first = at.min(*first))
                    .or_insert(at);
            }
        }
        if arrived.is_empty() {
            return Ok(None);
        }
        let orders = arrived.keys().map(|order| i64::try_from(*order).unwrap_or(i64::MAX));
        let query = Select::from(crate::changes::view::CHANGES).any_of("position", orders);
        let rows = self.house.ledger.select(query).await?.rows;
        let mut times = Vec::with_capacity(rows.len());
        for row in &rows {
            let change = ChangeRow::of(row)?;
            let said = self
                .memory
                .commits
                .get(self.house, &self.read.component, &change.commit)
                .await;
            let committed_at = said.map_or(change.arrived_at, |said| said.committed_at);
            times.extend(names::between(committed_at, arrived.get(&change.position).copied()));
        }
        Ok(names::usually(times))
    }

    /// The canaries: the one that runs, then the recorded verdicts, latest first.
    async fn canaries(&self, cells: &[(facts::EnvironmentName, Cell)]) -> Result<Vec<Canary>, Problem> {
        let ours = |cell: &&Cell| {
            cell.coming
                .as_ref()
                .is_some_and(|coming| coming.change.commit == self.read.change.commit)
        };
        let running = cells
            .iter()
            .map(|(_, cell)| cell)
            .filter(ours)
            .filter_map(|cell| cell.canary.clone());
        let mut canaries: Vec<Canary> = running.collect();
        for verdict in self
            .read
            .verdicts
            .iter()
            .rev()
            .filter(|verdict| verdict.about == "canary")
        {
            canaries.extend(self.recorded(verdict).await?);
        }
        Ok(canaries)
    }

    async fn recorded(&self, verdict: &VerdictRow) -> Result<Option<Canary>, ServerError> {
        let Ok(numbers) = serde_json::from_value::<CanaryVerdict>(verdict.numbers.clone()) else {
            return Ok(None);
        };
        let deployed = self.read.deployments.iter().rev().find(|one| {
            Some(one.package) == self.read.package
                && Some(&one.environment) == verdict.environment.as_ref()
                && one.intended_at <= verdict.recorded_at
        });
        let Some(deployed) = deployed else { return Ok(None) };
        let Some(run) = engine::query::run(&*self.house.ledger, deployed.run).await? else {
            return Ok(None);
        };
        let Ok(context) = serde_json::from_value::<DeploymentContext>(run.context) else {
            return Ok(None);
        };
        let rules = context.canary();
        Ok(Some(Compared::of(&context, &rules, &self.read.state).card(&numbers)))
    }

    fn never_again(&self) -> Option<NeverAgain> {
        let package = self.package()?;
        let bar = package.bar.as_ref()?;
        let reason = bar.reasons.first().map_or("no reason is recorded", String::as_str);
        Some(NeverAgain {
            package: package.digest,
            since: bar.at,
            reason: sentence(&format!("found bad in {}: {reason}", bar.environment)),
            hint:
                "push a change that mends it: it becomes a new package; or link the cause, and this one may come again"
                    .to_owned(),
        })
    }

    /// What the viewer may do to the change.
    async fn actions(&self) -> Vec<Button> {
        let component = &self.read.component;
        let mut buttons = Vec::new();
        let may_run = self
            .visit
            .may(Action::Run, &Resource::Component(component.name.clone()));
        if self.read.package.is_some() && self.read.build.is_some() && may_run {
            buttons.push(Button {
                label: "Build again and compare".to_owned(),
                path: links::rebuild(&component.name, &self.read.change.commit),
                fields: Vec::new(),
                weight: ButtonWeight::Plain,
                asks: None,
            });
        }
        if self.read.build.is_none() && !self.read.held.is_empty() && may_run {
            buttons.push(Button {
                label: "Stop waiting".to_owned(),
                path: links::cancel_change(&component.name, &self.read.change.commit),
                fields: Vec::new(),
                weight: ButtonWeight::Danger,
                asks: None,
            });
        }
        let Some(package) = self.package() else {
            return buttons;
        };
        for policy in self.read.path.environments() {
            let place = Resource::Placement(component.name.clone(), policy.name.clone());
            let here = self.read.state.environment(&policy.name);
            let is_here = here.current.package == Some(package.digest);
            if is_here
                && here.open.is_none()
                && self.visit.may(Action::Return, &place)
                && here
                    .return_target(Some(package.digest), &self.read.state.packages)
                    .is_some()
            {
                buttons.push(roll_back(&component.name, policy));
            }
            let waits = self
                .read
                .gates
                .iter()
                .any(|(environment, _)| *environment == policy.name);
            let coming = here
                .open
                .as_ref()
                .is_some_and(|open| open.intent.package == package.digest);
            if !is_here
                && !waits
                && !coming
                && self.visit.may(Action::Deploy, &place)
                && self.may_enter(policy, package.digest).await
            {
                buttons.push(Button {
                    label: format!("Deploy to {}", policy.name),
                    path: links::promote(&component.name, &package.commit, &policy.name),
                    fields: Vec::new(),
                    weight: ButtonWeight::Plain,
                    asks: None,
                });
            }
        }
        if package.bar.is_some()
            && self
                .visit
                .may(Action::Deploy, &Resource::Component(component.name.clone()))
        {
            buttons.push(Button {
                label: "Allow it again".to_owned(),
                path: links::unbar(&component.name, &package.commit),
                fields: Vec::new(),
                weight: ButtonWeight::Plain,
                asks: Some(Asks {
                    name: "reason".to_owned(),
                    label: "What made it fail".to_owned(),
                }),
            });
        }
        buttons
    }

    async fn may_enter(&self, policy: &EnvironmentPolicy, package: Digest) -> bool {
        let gate = self
            .house
            .delivery
            .gate(self.read.component.id, &policy.name, package)
            .await;
        gate.is_ok_and(|gate| gate.judgement != Judgement::Fail)
    }
}

/// The button that takes an environment back.
pub(super) fn roll_back(component: &facts::ComponentName, policy: &EnvironmentPolicy) -> Button {
    Button {
        label: format!("Roll back {}", policy.name),
        path: links::roll_back(component, &policy.name),
        fields: Vec::new(),
        weight: ButtonWeight::Danger,
        asks: Some(Asks {
            name: "reason".to_owned(),
            label: "Why".to_owned(),
        }),
    }
}
