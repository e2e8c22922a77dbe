//! Names: of people, of changes, and how long something usually takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use delivery::State;
use engine::query::RunRow;
use facts::{Actor, Commit, ComponentId, Digest, EnvironmentName, Timestamp, Version};
use ledger::{Direction, Op, Select};
use pages::model::{ChangeName, Outcome, Progress, RunKind, Usually};

use super::Memory;
use crate::api::blocking;
use crate::changes::{BUILD, Component};
use crate::error::ServerError;
use crate::house::House;
use crate::problem::Problem;
use crate::way::Deployed;

/// How many earlier ones say how long something usually takes.
const EARLIER: usize = 20;

/// The names of people and machines.
pub(super) struct People(BTreeMap<Actor, String>);

impl People {
    /// Looks all of them up at once.
    pub async fn of(house: &House, actors: impl IntoIterator<Item = Actor>) -> Result<Self, Problem> {
        let actors: Vec<Actor> = actors.into_iter().collect();
        let access = house.access.clone();
        Ok(Self(blocking(move || access.names_of(actors)).await??))
    }

    /// The name to show.
    pub fn name(&self, actor: Actor) -> String {
        self.0.get(&actor).cloned().unwrap_or_else(|| actor.to_string())
    }

    /// The name to show; nothing for what Throughline did by itself.
    pub fn somebody(&self, actor: Actor) -> Option<String> {
        (!matches!(actor, Actor::System | Actor::Run(_))).then(|| self.name(actor))
    }
}

/// The version of a commit's package.
fn version(state: &State, commit: &Commit) -> Option<Version> {
    state
        .packages
        .values()
        .find(|package| package.commit == *commit)
        .map(|package| package.version.clone())
}

/// A change, named.
pub(super) async fn change(house: &House, memory: &Memory, component: &Component, commit: &Commit) -> ChangeName {
    let said = memory.commits.get(house, component, commit).await;
    let state = house.delivery.state(component.id);
    ChangeName {
        component: component.name.clone(),
        commit: commit.clone(),
        title: said
            .as_ref()
            .map_or_else(|| format!("commit {}", commit.short()), |said| said.title.clone()),
        author: said.map(|said| said.author.clone()),
        version: version(&state, commit),
    }
}

/// The change a package was made from; `None` for a package that is not on the path.
pub(super) async fn package(
    house: &House,
    memory: &Memory,
    component: &Component,
    package: Digest,
) -> Option<ChangeName> {
    let commit = house
        .delivery
        .state(component.id)
        .packages
        .get(&package)?
        .commit
        .clone();
    Some(change(house, memory, component, &commit).await)
}

/// How far a run is.
pub(super) fn run_progress(run: &RunRow) -> Progress {
    progress(run.state, run.result, None)
}

/// How far something that runs is.
pub(super) fn progress(state: engine::State, result: Option<engine::RunResult>, due_at: Option<Timestamp>) -> Progress {
    match state {
        engine::State::Waiting => Progress::Waiting,
        engine::State::Ready => Progress::Ready,
        engine::State::Running => Progress::Running,
        engine::State::Backoff => match due_at {
            Some(until) => Progress::Backoff { until },
            None => Progress::Waiting,
        },
        engine::State::Asking => Progress::Asking,
        engine::State::Finished => Progress::Finished(result.map_or(Outcome::Unknown, outcome)),
    }
}

/// What something came to.
pub(super) fn outcome(result: engine::RunResult) -> Outcome {
    match result {
        engine::RunResult::Succeeded => Outcome::Succeeded,
        engine::RunResult::Failed => Outcome::Failed,
        engine::RunResult::Cancelled => Outcome::Cancelled,
        engine::RunResult::Skipped => Outcome::Skipped,
        engine::RunResult::TimedOut => Outcome::TimedOut,
        engine::RunResult::Unknown => Outcome::Unknown,
    }
}

/// What a run is for.
pub(super) fn run_kind(kind: &str) -> RunKind {
    match kind {
        BUILD => RunKind::Build,
        "deployment" => RunKind::Deployment,
        "return" => RunKind::Return,
        other => RunKind::Other(other.to_owned()),
    }
}

/// What earlier times say.
pub(super) fn usually(mut times: Vec<Duration>) -> Option<Usually> {
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get((times.len() * share / 100).min(times.len().saturating_sub(1)))
            .copied()
    };
    Some(Usually {
        median: at(50)?,
        ninetieth: at(90)?,
        of: u32::try_from(times.len()).unwrap_or(u32::MAX),
    })
}

/// The time between two moments, where both are known and in order.
pub(super) fn between(from: Timestamp, to: Option<Timestamp>) -> Option<Duration> {
    Duration::try_from(to?.duration_since(from)).ok()
}

/// How long a deployment there usually takes.
pub(super) async fn deployment_usually(
    house: &House,
    component: ComponentId,
    environment: &EnvironmentName,
) -> Result<Option<Usually>, ServerError> {
    let query = Select::from(delivery::views::DEPLOYMENTS)
        .filter("component", Op::Eq, component.to_string())
        .filter("environment", Op::Eq, environment.as_str())
        .filter("result", Op::Eq, "succeeded")
        .order("generation", Direction::Desc)
        .limit(EARLIER);
    let rows = house.ledger.select(query).await?.rows;
    let deployed = rows.iter().map(Deployed::of).collect::<Result<Vec<_>, _>>()?;
    let forward = deployed.iter().filter(|one| !one.purpose.is_return());
    Ok(usually(
        forward
            .filter_map(|one| between(one.intended_at, one.finished_at))
            .collect(),
    ))
}

/// How long a run of that kind usually takes.
pub(super) async fn run_usually(house: &House, run: &RunRow) -> Result<Option<Usually>, ServerError> {
    let filter = engine::query::RunFilter {
        component: Some(run.component),
        kind: Some(run.kind.clone()),
        environment: run.environment.clone(),
        result: Some(engine::RunResult::Succeeded),
        ..Default::default()
    };
    let runs = engine::query::runs(&*house.ledger, &filter, EARLIER, None).await?.rows;
    let others = runs.iter().filter(|one| one.id != run.id);
    Ok(usually(
        others
            .filter_map(|one| between(one.requested_at, one.finished_at))
            .collect(),
    ))
}

/// The components by their ids.
pub(super) struct Components(BTreeMap<ComponentId, Component>);

impl Components {
    /// All of them: there are as many as the first page has rows.
    pub async fn all(house: &House) -> Result<Self, Problem> {
        let all = house.register.all().await?;
        Ok(Self(
            all.into_iter().map(|component| (component.id, component)).collect(),
        ))
    }

    /// The component of that id.
    pub fn get(&self, id: ComponentId) -> Option<&Component> {
        self.0.get(&id)
    }

    /// Whether it is a repository that lists others.
    pub fn lists(&self, id: ComponentId) -> bool {
        let mut places = self.0.values().filter_map(|one| one.place.as_ref());
        places.any(|place| place.repository == id)
    }

    /// All of them, by name.
    pub fn by_name(&self) -> Vec<&Component> {
        let mut all: Vec<&Component> = self.0.values().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// Shared by the pages that show runs: what the page needs beside the rows.
pub(super) type Shared<'a> = (&'a Arc<House>, &'a Memory, &'a Components);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_the_median_and_the_ninetieth() {
        let seconds = |list: &[u64]| list.iter().map(|one| Duration::from_secs(*one)).collect::<Vec<_>>();
        assert_eq!(usually(Vec::new()), None);
        let found = usually(seconds(&[9, 1, 5])).unwrap();
        assert_eq!((found.median.as_secs(), found.ninetieth.as_secs(), found.of), (5, 9, 3));
        assert_eq!(usually(seconds(&[4])).unwrap().ninetieth.as_secs(), 4);
    }
}
