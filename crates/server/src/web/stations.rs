//! The way of a change as the pages draw it: what the API tells, with verdicts, shares and words added.

use delivery::kinds::DeploymentResult;
use delivery::{GateVerdict, Strategy};
use facts::published::Judgement;
use facts::{Digest, EnvironmentName};
use pages::model::{Cell, ChangeState, GroupKind, Place, Station, StationState, Usually, VerdictMark};

use super::cells::Gates;
use super::{Memory, names};
use crate::house::House;
use crate::way::has_come_so_far;
use crate::way::{ChangeState as Told, Read};
use crate::wire;

/// What the gates say to one package.
pub(super) fn gates_of(gates: Option<&Gates>, package: Option<Digest>) -> Vec<(EnvironmentName, GateVerdict)> {
    let Some(package) = package else { return Vec::new() };
    let of_package = gates.into_iter().flatten().filter_map(|(environment, packages)| {
        let (_, verdict) = packages.iter().find(|(digest, _)| *digest == package)?;
        Some((environment.clone(), verdict.clone()))
    });
    of_package.collect()
}

/// Where a change stands, in the words of the pages.
pub(super) async fn state(house: &House, memory: &Memory, read: &Read, told: Told) -> ChangeState {
    match told {
        Told::Held => ChangeState::Waiting,
        Told::Building | Told::Deploying => ChangeState::Underway,
        Told::BuildFailed | Told::Failed => ChangeState::Failed,
        Told::Cancelled => ChangeState::Cancelled,
        Told::Built => ChangeState::BuiltOnly,
        // Nobody has to do anything, and the next deployment begins in a moment.
        Told::Waiting if read.gates.iter().all(|(_, gate)| gate.judgement == Judgement::Pass) => ChangeState::Underway,
        Told::Waiting => ChangeState::Waiting,
        Told::InProduction => ChangeState::Delivered,
        Told::RolledBack => ChangeState::Returned,
        Told::Superseded => {
            let package = read.package.as_ref();
            let by = package.and_then(|package| {
                read.state
                    .environments
                    .values()
                    .find_map(|environment| environment.superseded.get(package))
            });
            match by {
                Some(by) => match names::package(house, memory, &read.component, *by).await {
                    Some(by) => ChangeState::Superseded { by },
                    None => ChangeState::Waiting,
                },
                None => ChangeState::Waiting,
            }
        }
    }
}

/// How long the way to the environments usually takes.
pub(super) type EnvironmentsUsually = Vec<(EnvironmentName, Usually)>;

/// The stations of the way.
pub(super) fn stations(
    read: &Read,
    told: &[wire::Station],
    cells: &[(EnvironmentName, Cell)],
    usually: &EnvironmentsUsually,
) -> Vec<Station> {
    let mut stations: Vec<Station> = told
        .iter()
        .filter_map(|station| self::station(read, station, cells, usually))
        .collect();
    stations.extend(users(read, &stations, cells));
    stations
}

fn station(
    read: &Read,
    told: &wire::Station,
    cells: &[(EnvironmentName, Cell)],
    usually: &EnvironmentsUsually,
) -> Option<Station> {
    let place = match &told.place {
        wire::Place::Commit => Place::Commit,
        wire::Place::Run => Place::Run,
        wire::Place::Package => Place::Package,
        wire::Place::Environment(name) => Place::Environment(name.parse().ok()?),
    };
    let mut station = Station {
        state: state_of(told.state),
        started_at: told.started_at,
        reached_at: told.reached_at,
        note: told.note.as_deref().map(brief),
        verdicts: Vec::new(),
        run: told.run,
        usually: None,
        place,
    };
    match &station.place {
        // The way to the commit is not ours.
        Place::Commit => station.started_at = None,
        Place::Run => {
            if read.build.is_none() && !read.held.is_empty() {
                // What it waits for stands on a card of its own.
                station.note = Some("waits for other builds".to_owned());
            }
            if let Some(run) = &read.build
                && station.note.is_none()
                && run.steps > 0
            {
                station.note = Some(if run.steps == 1 {
                    "1 step".to_owned()
                } else {
                    format!("{} steps", run.steps)
                });
            }
            let seconds = told.usually_seconds.map(std::time::Duration::from_secs);
            station.usually = seconds.map(|median| Usually {
                median,
                ninetieth: median,
                of: 1,
            });
        }
        Place::Package => {
            if let Some(package) = read.package {
                station.note = station.note.or_else(|| Some(package.short()));
                let barred = read
                    .state
                    .packages
                    .get(&package)
                    .is_some_and(|package| package.bar.is_some());
                if barred && station.state == StationState::Reached {
                    station.state = StationState::Returned;
                }
            }
        }
        Place::Environment(name) => {
            let name = name.clone();
            station.usually = usually.iter().find(|(of, _)| *of == name).map(|(_, usually)| *usually);
            environment(read, &name, &mut station, cells);
        }
        Place::Users => {}
    }
    Some(station)
}

fn state_of(state: wire::StationState) -> StationState {
    match state {
        wire::StationState::NotYet => StationState::NotYet,
        wire::StationState::Waiting => StationState::Waiting,
        wire::StationState::Underway => StationState::Underway,
        wire::StationState::Reached => StationState::Reached,
        wire::StationState::Proven => StationState::Proven,
        wire::StationState::Passed => StationState::Passed,
        wire::StationState::Failed => StationState::Failed,
        wire::StationState::Returned => StationState::Returned,
        wire::StationState::NotComing => StationState::NotComing,
    }
}

/// A note for a place with little room.
fn brief(note: &str) -> String {
    const ROOM: usize = 80;
    let mut text: String = note.chars().take(ROOM).collect();
    if text.len() < note.len() {
        text.truncate(text.trim_end().len());
        text.push('…');
    }
    text
}

/// What a verdict is about, in a word: a check's own name.
pub(super) fn about(about: &str) -> &str {
    about.strip_prefix("verify ").unwrap_or(about)
}

/// The marks of an environment: the last verdict on each subject, and the gates that hold it.
fn environment(read: &Read, name: &EnvironmentName, station: &mut Station, cells: &[(EnvironmentName, Cell)]) {
    for verdict in read
        .verdicts
        .iter()
        .filter(|verdict| verdict.environment.as_ref() == Some(name))
    {
        let about = about(&verdict.about);
        station.verdicts.retain(|mark| mark.about != about);
        station.verdicts.push(VerdictMark {
            about: about.to_owned(),
            result: verdict.result,
            reasons: verdict
                .reasons
                .iter()
                .map(|reason| super::guard::sentence(reason))
                .collect(),
        });
    }
    let cell = cells.iter().find(|(of, _)| of == name).map(|(_, cell)| cell);
    let coming = cell.and_then(|cell| cell.coming.as_ref());
    if station.state == StationState::Underway
        && let Some(coming) = coming.filter(|coming| Some(coming.run) == station.run)
    {
        let canary = cell.and_then(|cell| cell.canary.as_ref());
        station.note = Some(match canary {
            Some(_) => format!("canary at {} %", percent(canary_share(read, cell))),
            None => coming.doing.clone(),
        });
        if let Some(canary) = canary {
            station.verdicts.retain(|mark| mark.about != "canary");
            station.verdicts.push(VerdictMark {
                about: "canary".to_owned(),
                result: canary.result,
                reasons: canary.reasons.clone(),
            });
        }
    }
    if station.state == StationState::Returned {
        // Why stands on a card of its own.
        station.note = None;
    }
    let gate = read
        .gates
        .iter()
        .find(|(environment, _)| environment == name)
        .map(|(_, gate)| gate);
    if let (StationState::Waiting, Some(gate)) = (station.state, gate) {
        // What holds it stands on a card of its own.
        station.note = None;
        if has_come_so_far(gate) {
            station.started_at = read.package.and_then(|package| proven_before(read, name, package));
            let unmet = gate.requirements.iter().filter(|one| one.judgement != Judgement::Pass);
            station.verdicts.extend(unmet.map(|one| VerdictMark {
                about: one.name.clone(),
                result: one.judgement,
                reasons: vec![super::guard::sentence(&one.reason)],
            }));
        } else {
            station.state = StationState::NotYet;
        }
    }
}

/// When the package was proven in the last of what comes before an environment.
fn proven_before(read: &Read, name: &EnvironmentName, package: Digest) -> Option<facts::Timestamp> {
    let policy = read.path.get(name)?;
    let proven = policy.after.iter().filter_map(|earlier| {
        let there = read.state.environments.get(earlier)?;
        there
            .proven
            .iter()
            .find(|proven| proven.package == package)
            .map(|proven| proven.at)
    });
    proven.max()
}

/// The canary's share of the requests, between 0 and 1.
fn canary_share(read: &Read, cell: Option<&Cell>) -> f64 {
    let Some(cell) = cell else { return 0.0 };
    let all: u32 = cell.traffic.iter().map(|share| share.weight).sum();
    let new = cell
        .traffic
        .iter()
        .filter(|share| Some(share.package) == read.package && share.group != GroupKind::Baseline);
    let new: u32 = new.map(|share| share.weight).sum();
    if all == 0 { 0.0 } else { f64::from(new) / f64::from(all) }
}

fn percent(share: f64) -> u64 {
    (share * 100.0).round() as u64
}

/// The people at the end of the way: how many of their requests the change answers. A path with
/// several ends has no one station for them.
fn users(read: &Read, stations: &[Station], cells: &[(EnvironmentName, Cell)]) -> Option<Station> {
    let ends = read.path.ends();
    let [end] = &ends[..] else { return None };
    let last = stations
        .iter()
        .find(|station| station.place == Place::Environment(end.clone()))?;
    let cell = cells.iter().find(|(of, _)| of == end).map(|(_, cell)| cell);
    let share = canary_share(read, cell);
    let of_requests = |share: f64| format!("{} % of requests", percent(share));
    let mut users = Station {
        place: Place::Users,
        state: StationState::NotYet,
        started_at: None,
        reached_at: None,
        note: None,
        verdicts: Vec::new(),
        run: None,
        usually: None,
    };
    match last.state {
        StationState::Underway if share > 0.0 => {
            users.state = StationState::Underway;
            users.note = Some(of_requests(share));
        }
        StationState::Reached | StationState::Proven => {
            users.state = StationState::Reached;
            users.reached_at = last.reached_at;
            // While another change comes in by canary, some requests are answered by that one.
            let all = cell.is_none_or(|cell| cell.traffic.len() < 2) || share == 0.0;
            users.note = Some(if all {
                "all requests".to_owned()
            } else {
                of_requests(share)
            });
        }
        StationState::Passed => users.state = StationState::Passed,
        StationState::Returned => {
            users.state = StationState::Returned;
            users.reached_at = last.reached_at;
        }
        StationState::Failed | StationState::NotComing => users.state = StationState::NotComing,
        StationState::NotYet | StationState::Waiting | StationState::Underway => {}
    }
    // A package that a canary found bad was with some of them for a while.
    if users.state == StationState::Returned
        && let Some(policy) = read.path.get(end)
        && let Strategy::Canary(canary) = &policy.strategy
        && let Some(rejected) = read.deployments.iter().rev().find(|one| {
            one.environment == *end
                && Some(one.package) == read.package
                && one.result == Some(DeploymentResult::Rejected)
        })
        && let Some(took) = names::between(rejected.intended_at, rejected.finished_at)
    {
        users.note = Some(format!(
            "{} % of requests, at most {} s",
            canary.weight.clamp(1, 50),
            took.as_secs().max(1)
        ));
    }
    Some(users)
}
