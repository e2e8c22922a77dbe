//! What happened to a change, as lines of a timeline, and the returns it led to.

use std::sync::Arc;

use build::rebuild::REPRODUCIBLE;
use delivery::kinds::{DeploymentResult, Purpose};
use facts::published::Judgement;
use facts::{Actor, Timestamp};
use ledger::{Op, Row, Select};
use pages::links;
use pages::model::{Entry, Return, Tone};

use super::guard::sentence;
use super::names::{self, People};
use super::{Memory, stations};
use crate::error::ServerError;
use crate::house::House;
use crate::way::{Deployed, Read};

/// A deployment of the change with the return that followed it.
pub(super) struct Returned {
    /// The deployment.
    pub of: Deployed,
    /// The way back.
    pub by: Deployed,
    /// What the state that was brought back holds beside the package.
    pub with: Vec<String>,
}

/// The deployment that followed another in its environment.
async fn next(house: &House, read: &Read, deployed: &Deployed) -> Result<Option<Row>, ServerError> {
    let generation =
        Select::from(delivery::views::DEPLOYMENTS).filter("deployment", Op::Eq, deployed.deployment.to_string());
    let found = house.ledger.select(generation).await?.rows;
    let Some(generation) = found.first().map(|row| row.natural("generation")).transpose()? else {
        return Ok(None);
    };
    let next = Select::from(delivery::views::DEPLOYMENTS)
        .filter("component", Op::Eq, read.component.id.to_string())
        .filter("environment", Op::Eq, deployed.environment.as_str())
        .filter("generation", Op::Eq, generation + 1);
    Ok(house.ledger.select(next).await?.rows.into_iter().next())
}

/// The returns that deployments of the change led to, oldest first.
pub(super) async fn returns(house: &House, read: &Read) -> Result<Vec<Returned>, ServerError> {
    let mut returns = Vec::new();
    for deployed in read.deployments.iter().filter(|one| Some(one.package) == read.package) {
        if deployed.finished_at.is_none() {
            continue;
        }
        let Some(row) = next(house, read, deployed).await? else {
            continue;
        };
        let by = Deployed::of(&row)?;
        if by.purpose.is_return() && by.package != deployed.package {
            let state: Option<facts::published::StateVector> = row.optional_json("state")?;
            let configured = state.is_some_and(|state| state.configuration.is_some());
            let with = if configured {
                vec!["configuration".to_owned()]
            } else {
                Vec::new()
            };
            returns.push(Returned {
                of: deployed.clone(),
                by,
                with,
            });
        }
    }
    Ok(returns)
}

/// A return as a card.
pub(super) async fn card(
    house: &House,
    memory: &Memory,
    read: &Read,
    people: &People,
    one: &Returned,
) -> Option<Return> {
    let by = match (one.by.purpose, one.of.result) {
        (Purpose::Rollback, _) => people.name(one.by.actor),
        _ if is_of_canary(read, one) => "the canary's verdict".to_owned(),
        _ => "the deployment's failure".to_owned(),
    };
    let reasons = match one.by.purpose {
        Purpose::Rollback => &one.by.why,
        _ => &one.of.reasons,
    };
    Some(Return {
        environment: one.by.environment.clone(),
        to: names::package(house, memory, &read.component, one.by.package).await?,
        to_package: one.by.package,
        decided_at: one.by.intended_at,
        finished_at: one.by.finished_at,
        by,
        reasons: reasons.iter().map(|reason| sentence(reason)).collect(),
        with: one.with.clone(),
        run: Some(one.by.run),
    })
}

fn is_of_canary(read: &Read, one: &Returned) -> bool {
    read.verdicts.iter().any(|verdict| {
        verdict.about == "canary"
            && verdict.result != Judgement::Pass
            && verdict.environment.as_ref() == Some(&one.of.environment)
            && verdict.recorded_at >= one.of.intended_at
    })
}

/// Everybody who is named on the page.
pub(super) fn actors(read: &Read, returns: &[Returned]) -> Vec<Actor> {
    let mut actors = vec![read.change.actor];
    actors.extend(read.build.iter().map(|run| run.actor));
    actors.extend(read.deployments.iter().map(|one| one.actor));
    actors.extend(returns.iter().map(|one| one.by.actor));
    let approvals = read
        .state
        .environments
        .values()
        .flat_map(|environment| &environment.approvals);
    actors.extend(approvals.map(|approval| approval.by));
    actors
}

/// Gathers what happened.
struct Entries<'a> {
    read: &'a Read,
    people: &'a People,
    entries: Vec<Entry>,
}

/// What happened to a change, latest first.
pub(super) fn entries(read: &Read, people: &People, returns: &[Returned]) -> Vec<Entry> {
    let mut entries = Entries {
        read,
        people,
        entries: Vec::new(),
    };
    entries.built();
    entries.known();
    for deployed in read.deployments.iter().filter(|one| Some(one.package) == read.package) {
        entries.deployed(deployed);
    }
    for returned in returns {
        entries.returned(&returned.by);
    }
    entries.judged();
    let mut entries = entries.entries;
    // Of equal moments the later one was added later.
    entries.reverse();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    entries
}

impl Entries<'_> {
    fn push(&mut self, at: Timestamp, tone: Tone, text: impl Into<String>) -> &mut Entry {
        self.entries.push(Entry {
            at,
            tone,
            text: text.into(),
            detail: None,
            by: None,
            link: None,
        });
        let last = self.entries.len() - 1;
        &mut self.entries[last]
    }

    fn built(&mut self) {
        let change = &self.read.change;
        let by = self.people.somebody(change.actor);
        self.push(change.arrived_at, Tone::Quiet, format!("Pushed to {}", change.branch))
            .by = by;
        let Some(run) = self.read.build.clone() else { return };
        let link = Some(links::run(run.id));
        if let Some(at) = run.started_at {
            self.push(at, Tone::Active, "Build started").link = link.clone();
        }
        let (Some(at), Some(result)) = (run.finished_at, run.result) else {
            return;
        };
        let (tone, text) = match result {
            engine::RunResult::Succeeded => (Tone::Good, "Built and tested".to_owned()),
            engine::RunResult::Cancelled => (Tone::Quiet, "The build was cancelled".to_owned()),
            other => (Tone::Bad, format!("The build ended: {other}")),
        };
        let took = run.started_at.and_then(|start| names::between(start, Some(at)));
        let entry = self.push(at, tone, text);
        entry.link = link;
        entry.detail = run.reason.or_else(|| took.map(pages::time::length));
        let cancelled = run.cancelled_by;
        let by = cancelled.and_then(|actor| self.people.somebody(actor));
        if let (engine::RunResult::Cancelled, Some(entry)) = (result, self.entries.last_mut()) {
            entry.by = by;
        }
    }

    fn deployed(&mut self, deployed: &Deployed) {
        let place = &deployed.environment;
        let link = Some(links::run(deployed.run));
        let by = self.people.somebody(deployed.actor);
        let text = match deployed.purpose {
            Purpose::Promotion => format!("Promoted to {place}"),
            Purpose::Return | Purpose::Rollback => format!("{place} goes back to this change"),
            Purpose::Advance => format!("Deployment to {place} started"),
        };
        let entry = self.push(deployed.intended_at, Tone::Active, text);
        entry.by = by;
        entry.link = link.clone();
        let (Some(at), Some(result)) = (deployed.finished_at, deployed.result) else {
            return;
        };
        let took = names::between(deployed.intended_at, Some(at)).map(pages::time::length);
        let (tone, text) = match result {
            DeploymentResult::Succeeded => (Tone::Good, format!("In {place}, and verified there")),
            DeploymentResult::Rejected => (Tone::Bad, format!("Found bad in {place}")),
            DeploymentResult::Failed => (Tone::Bad, format!("The deployment to {place} failed")),
            DeploymentResult::Cancelled => (Tone::Quiet, format!("The deployment to {place} was cancelled")),
            DeploymentResult::Unknown => (Tone::Attention, format!("Nobody can say what is in {place}")),
        };
        // What a verdict says stands with the verdict.
        let judged = self.read.verdicts.iter().any(|verdict| {
            verdict.result == Judgement::Fail
                && verdict.environment.as_ref() == Some(place)
                && (deployed.intended_at..=at).contains(&verdict.recorded_at)
        });
        let reason = deployed
            .reasons
            .first()
            .filter(|_| !judged)
            .map(|reason| sentence(reason));
        let entry = self.push(at, tone, text);
        entry.detail = if result == DeploymentResult::Succeeded {
            took
        } else {
            reason
        };
        entry.link = link;
    }

    fn returned(&mut self, back: &Deployed) {
        let version = self.read.state.packages.get(&back.package);
        let version = version.map_or_else(|| back.package.short(), |package| package.version.to_string());
        let (place, link) = (back.environment.clone(), Some(links::run(back.run)));
        let by = self.people.somebody(back.actor);
        let entry = self.push(
            back.intended_at,
            Tone::Attention,
            format!("{place} goes back to {version}"),
        );
        entry.by = by;
        entry.link = link.clone();
        if let (Some(at), Some(DeploymentResult::Succeeded)) = (back.finished_at, back.result) {
            let took = names::between(back.intended_at, Some(at)).map(pages::time::length);
            let entry = self.push(at, Tone::Good, format!("{place} is back on {version}"));
            entry.detail = took;
            entry.link = link;
        }
    }

    fn judged(&mut self) {
        for verdict in &self.read.verdicts.clone() {
            let place = verdict
                .environment
                .as_ref()
                .map(|place| format!(" in {place}"))
                .unwrap_or_default();
            let (tone, word) = match verdict.result {
                Judgement::Pass => (Tone::Good, "passed"),
                Judgement::Fail => (Tone::Bad, "failed"),
                Judgement::Wait => (Tone::Attention, "waits"),
                Judgement::Unknown => (Tone::Attention, "could not be judged"),
            };
            let about = match verdict.about.as_str() {
                "canary" => "The canary".to_owned(),
                REPRODUCIBLE => "The rebuild".to_owned(),
                other => stations::about(other).to_owned(),
            };
            let reason = verdict.reasons.first().map(|reason| sentence(reason));
            let text = sentence(&format!("{about} {word}{place}"));
            let text = text.trim_end_matches('.').to_owned();
            let entry = self.push(verdict.recorded_at, tone, text);
            entry.detail = reason;
            entry.link = verdict.run.filter(|_| verdict.about == REPRODUCIBLE).map(links::run);
        }
    }

    /// What the state knows: accepted, proven, approved, superseded, barred.
    fn known(&mut self) {
        let state = Arc::clone(&self.read.state);
        let Some(package) = self.read.package.and_then(|digest| state.packages.get(&digest)) else {
            return;
        };
        self.push(
            package.accepted_at,
            Tone::Good,
            format!("Package {} made", package.version),
        )
        .detail = Some(package.digest.short());
        for (name, environment) in &state.environments {
            if let Some(proven) = environment
                .proven
                .iter()
                .find(|proven| proven.package == package.digest)
            {
                self.push(proven.at, Tone::Good, format!("Proven in {name}"));
            }
            for approval in environment
                .approvals
                .iter()
                .filter(|approval| approval.package == package.digest)
            {
                let by = self.people.somebody(approval.by);
                self.push(
                    approval.at,
                    Tone::Good,
                    format!("Approved for {name} as {}", approval.role),
                )
                .by = by;
            }
        }
        if let Some(bar) = &package.bar {
            self.push(
                bar.at,
                Tone::Bad,
                format!("Never again, because of {}", bar.environment),
            );
        }
    }
}
