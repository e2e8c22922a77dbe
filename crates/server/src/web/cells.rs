//! What an environment holds of a component, for the first page and for the environment's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use delivery::kinds::DeploymentResult;
use delivery::{DeploymentContext, Environment, EnvironmentPolicy, GateVerdict, State};
use engine::query::StepRow;
use facts::{Digest, EnvironmentName};
use ledger::{Op, Select};
use pages::model::{Cell, ChangeName, Coming, GroupKind, Health, Placed, Progress, Share, Standing, WaitingChange};
use target::{Observed, Placement};

use super::visit::Visit;
use super::waits::Before;
use super::{Memory, canary, names};
use crate::changes::Component;
use crate::house::House;
use crate::problem::Problem;
use crate::way::Deployed;
use crate::way::has_come_so_far;

/// What the gates of the environments say to the packages that could come.
pub(super) type Gates = BTreeMap<EnvironmentName, Vec<(Digest, GateVerdict)>>;

/// One component in one environment.
pub(super) struct Spot<'a> {
    /// Who looks.
    pub visit: &'a Visit,
    /// The house.
    pub house: &'a Arc<House>,
    /// What pages remember.
    pub memory: &'a Memory,
    /// The component.
    pub component: &'a Component,
    /// What is known of it.
    pub state: &'a State,
    /// What its gates say.
    pub gates: &'a Gates,
    /// The environment.
    pub policy: &'a EnvironmentPolicy,
}

impl Spot<'_> {
    /// Where it is, for the target.
    pub fn placement(&self) -> Placement {
        Placement {
            component: self.component.id,
            component_name: self.component.name.clone(),
            environment: self.policy.name.clone(),
        }
    }

    async fn named(&self, package: Digest) -> Option<ChangeName> {
        names::package(self.house, self.memory, self.component, package).await
    }

    /// The cell.
    pub async fn cell(&self) -> Result<Cell, Problem> {
        let here = self.state.environment(&self.policy.name);
        let observed = match here.generation {
            0 => None,
            _ => self.memory.observations.look(self.house, self.placement()).await,
        };
        let steps = match &here.open {
            Some(open) => engine::query::steps(&*self.house.ledger, open.intent.run).await?.rows,
            None => Vec::new(),
        };
        Ok(Cell {
            placed: self.placed(&here).await,
            health: health(&here, observed.as_ref()),
            traffic: observed
                .as_ref()
                .map(|observed| self.traffic(observed))
                .unwrap_or_default(),
            url: observed.and_then(|observed| observed.url),
            coming: self.coming(&here, &steps).await?,
            canary: self.canary(&here, &steps).await?,
            waiting: self.waiting().await,
            returned_from: self.returned_from(&here).await?,
        })
    }

    async fn placed(&self, here: &Environment) -> Option<Placed> {
        let digest = here.current.package?;
        let package = self.state.packages.get(&digest)?;
        let named = self.named(digest).await?;
        let brought = here
            .last
            .as_ref()
            .filter(|last| last.intent.package == digest && last.result == DeploymentResult::Succeeded);
        Some(Placed {
            version: Some(package.version.clone()),
            package: digest,
            commit: package.commit.clone(),
            title: named.title,
            since: here.since.unwrap_or(package.accepted_at),
            standing: if here.is_proven {
                Standing::Proven
            } else {
                Standing::Verified
            },
            run: brought.map(|last| last.intent.run),
        })
    }

    fn traffic(&self, observed: &Observed) -> Vec<Share> {
        let shares = observed.groups.iter().map(|group| Share {
            group: group_kind(&group.name),
            version: self
                .state
                .packages
                .get(&group.package)
                .map(|package| package.version.clone()),
            package: group.package,
            weight: group.weight,
        });
        shares.collect()
    }

    async fn coming(&self, here: &Environment, steps: &[StepRow]) -> Result<Option<Coming>, Problem> {
        let Some(open) = &here.open else { return Ok(None) };
        let Some(change) = self.named(open.intent.package).await else {
            return Ok(None);
        };
        let current = steps
            .iter()
            .find(|step| !matches!(step.state, engine::State::Finished | engine::State::Waiting));
        Ok(Some(Coming {
            change,
            run: open.intent.run,
            progress: current.map_or(Progress::Running, |step| {
                names::progress(step.state, step.result, step.due_at)
            }),
            doing: match current {
                _ if open.intent.purpose.is_return() => "going back".to_owned(),
                Some(step) => step.step.to_string(),
                None => "starting".to_owned(),
            },
            since: open.at,
            usually: names::deployment_usually(self.house, self.component.id, &self.policy.name).await?,
        }))
    }

    /// The canary that is compared here now.
    pub async fn canary(&self, here: &Environment, steps: &[StepRow]) -> Result<Option<pages::model::Canary>, Problem> {
        let Some(open) = &here.open else { return Ok(None) };
        if !steps
            .iter()
            .any(|step| step.action == delivery::plan::ANALYZE && step.started_at.is_some())
        {
            return Ok(None);
        }
        let Some(run) = engine::query::run(&*self.house.ledger, open.intent.run).await? else {
            return Ok(None);
        };
        let Ok(context) = serde_json::from_value::<DeploymentContext>(run.context) else {
            return Ok(None);
        };
        Ok(canary::running(self.house, self.state, &self.placement(), &context, steps).await)
    }

    /// The newest package that stands before the environment and may not enter.
    async fn waiting(&self) -> Option<WaitingChange> {
        let held = self
            .gates
            .get(&self.policy.name)?
            .iter()
            .filter(|(_, gate)| has_come_so_far(gate));
        let known = held.filter_map(|(digest, gate)| Some((self.state.packages.get(digest)?, gate)));
        let (package, gate) = known.max_by_key(|(package, _)| package.order)?;
        let before = Before {
            visit: self.visit,
            component: &self.component.name,
            state: self.state,
            policy: self.policy,
            package,
        };
        let waiting = before.foremost(gate)?;
        Some(WaitingChange {
            change: self.named(package.digest).await?,
            waiting,
        })
    }

    /// What the environment was taken back from by its last deployment.
    async fn returned_from(&self, here: &Environment) -> Result<Option<ChangeName>, Problem> {
        let Some(last) = here.last.as_ref().filter(|last| last.intent.purpose.is_return()) else {
            return Ok(None);
        };
        let query = Select::from(delivery::views::DEPLOYMENTS)
            .filter("component", Op::Eq, self.component.id.to_string())
            .filter("environment", Op::Eq, self.policy.name.as_str())
            .filter("generation", Op::Eq, last.intent.generation.saturating_sub(1));
        let rows = self.house.ledger.select(query).await?.rows;
        match rows.first().map(Deployed::of).transpose()? {
            Some(before) if Some(before.package) != here.current.package => Ok(self.named(before.package).await),
            _ => Ok(None),
        }
    }
}

/// The kind of a group of instances, by its name.
fn group_kind(name: &str) -> GroupKind {
    match name {
        delivery::shape::BASELINE => GroupKind::Baseline,
        delivery::shape::CANARY => GroupKind::Canary,
        delivery::shape::NEXT => GroupKind::Next,
        _ => GroupKind::Stable,
    }
}

/// How the instances do.
fn health(here: &Environment, observed: Option<&Observed>) -> Health {
    let Some(observed) = observed.filter(|observed| !observed.groups.is_empty()) else {
        return Health::Unknown;
    };
    let instances: u32 = observed.groups.iter().map(|group| group.instances).sum();
    let healthy: u32 = observed.groups.iter().map(|group| group.healthy).sum();
    match healthy {
        // Instances that are just being started are no reason to worry.
        _ if here.open.is_some() && healthy > 0 => Health::Healthy { instances: healthy },
        0 if instances > 0 => Health::Down { instances },
        _ if healthy < instances => Health::Degraded { healthy, instances },
        _ => Health::Healthy { instances },
    }
}
