//! Tells the way of a change from what was read. Pure.

use delivery::kinds::DeploymentResult;
use delivery::{Requirement, WaitsFor};
use engine::{RunResult, State};
use facts::published::Judgement;
use facts::{Digest, EnvironmentName, Timestamp};

use engine::query::RunRow;

use super::read::{Deployed, Read};
use crate::changes::TagContext;
use crate::wire::{Place, Station, StationState, Verdict, Waiting};

/// Where a change stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    /// It is not built yet: other builds come first, or are to be mended.
    Held,
    /// Its run goes on.
    Building,
    /// Its run did not succeed.
    BuildFailed,
    /// Its run was cancelled.
    Cancelled,
    /// It was built, on a branch that is not delivered.
    Built,
    /// It waits before an environment.
    Waiting,
    /// It is being deployed.
    Deploying,
    /// It reached the end of the path.
    InProduction,
    /// It was found bad and went back.
    RolledBack,
    /// Its deployment failed, which says nothing about the package for sure.
    Failed,
    /// A newer change took its place.
    Superseded,
}

impl ChangeState {
    /// The word for it on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Building => "building",
            Self::BuildFailed => "build-failed",
            Self::Cancelled => "cancelled",
            Self::Built => "built",
            Self::Waiting => "waiting",
            Self::Deploying => "deploying",
            Self::InProduction => "in-production",
            Self::RolledBack => "rolled-back",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// The way, told.
#[derive(Debug, Clone)]
pub struct Told {
    /// Where the change stands as a whole.
    pub state: ChangeState,
    /// Its stations.
    pub stations: Vec<Station>,
    /// What it waits for.
    pub waiting: Vec<Waiting>,
    /// The verdicts on its package.
    pub verdicts: Vec<Verdict>,
    /// Why it must never be deployed again.
    pub never_again: Option<Vec<String>>,
}

/// Tells the way.
pub fn tell(read: &Read) -> Told {
    let mut stations = vec![commit(read), build(read)];
    let accepted = read.package.and_then(|digest| read.state.packages.get(&digest));
    stations.push(packaged(read, accepted.map(|package| package.accepted_at)));
    let delivered = read.change.branch.parse().is_ok_and(|line| read.path.delivers(&line));
    if delivered {
        for policy in read.path.environments() {
            stations.push(environment(read, &policy.name));
        }
    }
    let bar = accepted.and_then(|package| package.bar.as_ref());
    Told {
        state: state(read, delivered, bar.is_some()),
        waiting: waiting(read),
        verdicts: read.verdicts.iter().map(verdict).collect(),
        never_again: bar.map(|bar| bar.reasons.clone()),
        stations,
    }
}

fn commit(read: &Read) -> Station {
    Station {
        place: Place::Commit,
        state: StationState::Reached,
        started_at: Some(read.change.arrived_at),
        reached_at: Some(read.change.arrived_at),
        run: None,
        note: None,
        usually_seconds: None,
    }
}

/// What becomes of a change that waits for other builds.
const GOES_ON: &str = "it goes on by itself as soon as that is so";

fn build(read: &Read) -> Station {
    let mut station = Station {
        place: Place::Run,
        state: StationState::Waiting,
        started_at: None,
        reached_at: None,
        run: None,
        note: None,
        usually_seconds: read.build_usually.map(|time| time.as_secs()),
    };
    let Some(run) = &read.build else {
        station.started_at = (!read.held.is_empty()).then_some(read.change.arrived_at);
        station.note = (!read.held.is_empty()).then(|| {
            let further = match &read.overtaken {
                Some(newer) => format!("{} has come since and holds this change too", newer.short()),
                None => GOES_ON.to_owned(),
            };
            format!("waits: {}; {further}", read.held.join("; "))
        });
        return station;
    };
    station.run = Some(run.id);
    station.started_at = Some(run.started_at.unwrap_or(run.requested_at));
    station.state = match (run.state, run.result) {
        (State::Finished, Some(RunResult::Succeeded)) => StationState::Reached,
        (State::Finished, _) => StationState::Failed,
        (State::Waiting | State::Ready, _) => StationState::Waiting,
        _ => StationState::Underway,
    };
    if run.state == State::Finished {
        station.reached_at = run.finished_at;
    }
    if station.state == StationState::Failed {
        station.note = run
            .reason
            .clone()
            .or_else(|| run.result.map(|result| result.to_string()));
    }
    station
}

fn packaged(read: &Read, accepted_at: Option<Timestamp>) -> Station {
    let built = read
        .build
        .as_ref()
        .filter(|run| run.result == Some(RunResult::Succeeded));
    let failed = read
        .build
        .as_ref()
        .is_some_and(|run| run.state == State::Finished && built.is_none());
    Station {
        place: Place::Package,
        state: match (read.package, failed) {
            (Some(_), false) => StationState::Reached,
            (_, true) => StationState::NotComing,
            (None, false) => StationState::NotYet,
        },
        started_at: None,
        reached_at: accepted_at.or_else(|| built.and_then(|run| run.finished_at)),
        run: None,
        note: read.tag.as_ref().and_then(tagged),
        usually_seconds: None,
    }
}

/// What became of the version's tag.
fn tagged(run: &RunRow) -> Option<String> {
    let context: TagContext = serde_json::from_value(run.context.clone()).ok()?;
    let tag = context.tag;
    Some(match (run.state, run.result) {
        (State::Finished, Some(RunResult::Succeeded)) => format!("tagged {tag}"),
        (State::Finished, _) => {
            let why = run.reason.as_deref().unwrap_or("its run did not succeed");
            format!("not tagged {tag}: {}", why.lines().next().unwrap_or(why))
        }
        _ => format!("the tag {tag} is being made"),
    })
}

/// The last deployment that brought the package here.
fn arrival<'a>(read: &'a Read, environment: &EnvironmentName, package: Digest) -> Option<&'a Deployed> {
    read.deployments
        .iter()
        .rev()
        .find(|one| one.environment == *environment && one.package == package)
}

fn environment(read: &Read, name: &EnvironmentName) -> Station {
    let usually = read
        .deployment_usually
        .iter()
        .find(|(environment, _)| environment == name);
    let mut station = Station {
        place: Place::Environment(name.to_string()),
        state: StationState::NotYet,
        started_at: None,
        reached_at: None,
        run: None,
        note: None,
        usually_seconds: usually.map(|(_, time)| time.as_secs()),
    };
    let Some(package) = read.package else {
        if read.build.as_ref().is_some_and(|run| run.state == State::Finished) {
            station.state = StationState::NotComing;
        }
        return station;
    };
    let here = read.state.environment(name);
    let barred = read
        .state
        .packages
        .get(&package)
        .is_some_and(|package| package.bar.is_some());
    if let Some(arrived) = arrival(read, name, package) {
        station.run = Some(arrived.run);
        station.started_at = Some(arrived.intended_at);
        station.reached_at = arrived.finished_at;
        station.state = match arrived.result {
            None => StationState::Underway,
            Some(DeploymentResult::Succeeded) if here.current.package == Some(package) => {
                if here.is_proven {
                    StationState::Proven
                } else {
                    StationState::Reached
                }
            }
            Some(DeploymentResult::Succeeded) if left_by_return(read, name, package) => StationState::Returned,
            Some(DeploymentResult::Succeeded) => StationState::Passed,
            Some(DeploymentResult::Rejected) if left_by_return(read, name, package) => StationState::Returned,
            Some(_) => StationState::Failed,
        };
        if arrived.result != Some(DeploymentResult::Succeeded) {
            station.note = arrived.reasons.first().cloned();
        }
        return station;
    }
    if let Some(by) = here.superseded.get(&package) {
        station.state = StationState::NotComing;
        station.note = read
            .state
            .packages
            .get(by)
            .map(|package| format!("superseded by {}", package.version));
    } else if barred {
        station.state = StationState::NotComing;
    } else if let Some((_, gate)) = read.gates.iter().find(|(environment, _)| environment == name) {
        station.state = if gate.judgement == Judgement::Pass {
            StationState::NotYet
        } else {
            StationState::Waiting
        };
        station.note = gate.obstacle().map(|requirement| requirement.reason.clone());
    }
    station
}

/// Whether the package was left by a return, and not for a newer package.
fn left_by_return(read: &Read, environment: &EnvironmentName, package: Digest) -> bool {
    let mut here = read
        .deployments
        .iter()
        .filter(|one| one.environment == *environment)
        .rev();
    // The newest deployment that has to do with the package: did it lead away from it, and back?
    let away = here.find(|one| one.package != package);
    let newest_arrival = arrival(read, environment, package);
    match (away, newest_arrival) {
        (Some(away), Some(arrival)) if away.intended_at >= arrival.intended_at => away.purpose.is_return(),
        (_, Some(arrival)) => {
            // A rejected package never was the state that a return is recorded as leading away from.
            let back = read.state.environment(environment).last;
            arrival.result == Some(DeploymentResult::Rejected)
                && back.is_some_and(|last| last.intent.purpose.is_return() || last.intent.package == package)
        }
        _ => false,
    }
}

fn state(read: &Read, delivered: bool, barred: bool) -> ChangeState {
    match &read.build {
        Some(run) if run.state == State::Finished => match run.result {
            Some(RunResult::Succeeded) => {}
            Some(RunResult::Cancelled) => return ChangeState::Cancelled,
            _ => return ChangeState::BuildFailed,
        },
        None if !read.held.is_empty() => return ChangeState::Held,
        _ => return ChangeState::Building,
    }
    if !delivered {
        return ChangeState::Built;
    }
    let Some(package) = read.package else {
        return ChangeState::Built;
    };
    let underway = |environment: &delivery::Environment| {
        environment.open.as_ref().is_some_and(|open| {
            open.intent.package == package
                || (open.intent.purpose.is_return()
                    && environment
                        .last
                        .as_ref()
                        .is_some_and(|last| last.intent.package == package))
        })
    };
    if read.state.environments.values().any(underway) {
        return ChangeState::Deploying;
    }
    if barred {
        return ChangeState::RolledBack;
    }
    let ends = read.path.ends();
    let reached = |name: &EnvironmentName| {
        arrival(read, name, package).is_some_and(|one| one.result == Some(DeploymentResult::Succeeded))
    };
    if !ends.is_empty() && ends.iter().all(reached) {
        return ChangeState::InProduction;
    }
    let here = |name: &EnvironmentName| read.state.environment(name);
    let names: Vec<_> = read.path.environments().iter().map(|policy| &policy.name).collect();
    let failed = |name: &EnvironmentName| {
        here(name)
            .last
            .is_some_and(|last| last.intent.package == package && last.result != DeploymentResult::Succeeded)
    };
    if names.iter().any(|name| failed(name)) {
        return ChangeState::Failed;
    }
    if names.iter().any(|name| here(name).superseded.contains_key(&package)) {
        return ChangeState::Superseded;
    }
    ChangeState::Waiting
}

fn waiting(read: &Read) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    for (environment, gate) in &read.gates {
        for requirement in gate
            .requirements
            .iter()
            .filter(|requirement| requirement.judgement != Judgement::Pass)
        {
            waiting.push(waits(environment, requirement));
        }
    }
    waiting
}

fn waits(environment: &EnvironmentName, requirement: &Requirement) -> Waiting {
    let (whom, until) = match &requirement.waits_for {
        Some(WaitsFor::Approval { role, missing }) => (Some(format!("{missing} of {role}")), None),
        Some(WaitsFor::Soak { until, .. }) => (None, Some(*until)),
        Some(WaitsFor::Person { .. }) => (Some("a person".to_owned()), None),
        _ => (None, None),
    };
    Waiting {
        environment: environment.to_string(),
        gate: requirement.name.clone(),
        what: requirement.reason.clone(),
        whom,
        until,
    }
}

/// A verdict as it crosses the wire.
pub(crate) fn verdict(row: &super::read::VerdictRow) -> Verdict {
    Verdict {
        about: row.about.clone(),
        environment: row.environment.as_ref().map(ToString::to_string),
        result: row.result.to_string(),
        reasons: row.reasons.clone(),
        numbers: row.numbers.clone(),
        recorded_at: row.recorded_at,
    }
}
