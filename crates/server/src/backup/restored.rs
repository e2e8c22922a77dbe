//! What is kept in a data folder that was filled from a backup until its server has started: whether it is whole, and
//! whether the server may act in the place of the one that the backup is of. The first start compares what runs in the
//! environments with what the facts say, since the facts may be older than the world.

use std::path::Path;
use std::sync::Arc;

use delivery::views::{COMPONENTS, DEPLOYMENTS};
use facts::published::StateVector;
use facts::{Actor, Clock, Digest, FactId, NewFact, Timestamp, Trust};
use ledger::{Append, AppendError, Direction, Ledger, Op, Select};
use pipeline::Environments;
use serde::{Deserialize, Serialize};
use target::{Observed, Placement};

use super::BackupError;
use super::kinds::{Found, RESTORED, Restored, There, stream};
use crate::error::ServerError;
use crate::house::OpenError;
use crate::ports::EnvironmentTargets;
use crate::wire::Backup;

/// The name of the file.
const FILE: &str = "restored.json";

/// What stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When the backup was taken.
    pub taken_at: Timestamp,
    /// How many facts it had.
    pub facts: u64,
    /// The hash of the last one.
    pub hash: Digest,
    /// Whether everything is there.
    pub whole: bool,
    /// Whether the server may act in the place of the one that the backup is of.
    pub take_over: bool,
}

impl Mark {
    pub(super) fn of(backup: &Backup, take_over: bool) -> Self {
        Self {
            taken_at: backup.taken_at,
            facts: backup.facts,
            hash: backup.hash,
            whole: false,
            take_over,
        }
    }
}

/// What was put back into a data folder whose server has not started since.
///
/// # Errors
/// When it cannot be read.
pub fn read(data: &Path) -> Result<Option<Mark>, BackupError> {
    let path = data.join(FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::file(&path, error)),
    };
    let mark = serde_json::from_slice(&text);
    mark.map(Some).map_err(|error| BackupError::file(&path, error.into()))
}

/// Writes it whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write(data: &Path, mark: &Mark) -> Result<(), BackupError> {
    let path = data.join(FILE);
    crate::data::write_whole(&path, &serde_json::to_vec_pretty(mark).unwrap_or_default())
        .map_err(|error| BackupError::file(&path, error))
}

/// Whether a server may start in the folder; what was put back into it, where it was and nobody started since.
pub(crate) fn may_start(data: &Path) -> Result<Option<Mark>, OpenError> {
    let mark = read(data).map_err(|error| OpenError::Room {
        room: "the data folder",
        reason: error.to_string(),
    })?;
    match mark {
        Some(mark) if !mark.whole => Err(OpenError::HalfRestored(data.to_owned())),
        Some(mark) if !mark.take_over => Err(OpenError::Restored {
            folder: data.to_owned(),
            taken_at: mark.taken_at,
        }),
        mark => Ok(mark),
    }
}

/// What the first start works with.
pub(crate) struct FirstStart<'a> {
    pub data: &'a Path,
    pub ledger: &'a Arc<dyn Ledger>,
    pub clock: &'a Arc<dyn Clock>,
    pub targets: &'a EnvironmentTargets,
    pub environments: &'a Environments,
}

impl FirstStart<'_> {
    /// Looks what runs in the environments, says where it is not what the facts say, and records it, once.
    pub async fn look(&self, mark: Mark) -> Result<(), ServerError> {
        let mut environments = Vec::new();
        for row in self.ledger.select(Select::from(COMPONENTS)).await?.rows {
            for environment in self.environments.iter() {
                let placement = Placement {
                    component: row.parse("component")?,
                    component_name: row.parse("name")?,
                    environment: environment.name.clone(),
                };
                environments.extend(self.found(&placement).await?);
            }
        }
        let now = self.clock.now();
        let fact = NewFact {
            stream: stream(),
            id: FactId::derived(now, &stream(), mark.facts, 0),
            kind: RESTORED.to_owned(),
            kind_version: 1,
            occurred_at: now,
            actor: Actor::System,
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            // A start that died before the file was removed has recorded it.
            external_key: Some(format!("{RESTORED}:{}:{}", mark.facts, mark.hash)),
            body: serde_json::to_value(Restored {
                taken_at: mark.taken_at,
                facts: mark.facts,
                hash: mark.hash,
                environments,
            })?,
        };
        match self.ledger.append(Append::unconditional(vec![fact])).await {
            Ok(_) | Err(AppendError::Claimed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        std::fs::remove_file(self.data.join(FILE)).map_err(|error| ServerError::Internal(error.to_string()))
    }

    /// What is found of a component in an environment; nothing where the facts know of no deployment.
    async fn found(&self, placement: &Placement) -> Result<Option<Found>, ServerError> {
        let query = Select::from(DEPLOYMENTS)
            .filter("component", Op::Eq, placement.component.to_string())
            .filter("environment", Op::Eq, placement.environment.as_str())
            .order("generation", Direction::Desc)
            .limit(1);
        let rows = self.ledger.select(query).await?.rows;
        let Some(row) = rows.first() else { return Ok(None) };
        let generation = u64::try_from(row.integer("generation")?).unwrap_or_default();
        let (package, ended) = match row.optional_text("state")? {
            Some(state) => (serde_json::from_str::<StateVector>(state)?.package, true),
            None => (row.optional_parse("from_package")?, false),
        };
        let observed = match self.targets.target(&placement.environment) {
            Some(target) => target.found(placement).await.map_err(|error| error.to_string()),
            None => Err("there is no such environment any more".to_owned()),
        };
        let (there, there_generation) = match &observed {
            Ok(observed) => compare(generation, package, observed),
            Err(_) => (There::Unknown, None),
        };
        say(placement, generation, there, there_generation, ended);
        Ok(Some(Found {
            component: placement.component,
            environment: placement.environment.clone(),
            generation,
            package,
            there,
            there_generation,
        }))
    }
}

/// What is there, compared with what the facts say.
fn compare(generation: u64, package: Option<Digest>, observed: &Observed) -> (There, Option<u64>) {
    let found = observed.stamp.map(|stamp| stamp.generation);
    let serving: Vec<Digest> = observed.groups.iter().map(|group| group.package).collect();
    let there = match package {
        _ if found.is_some_and(|found| found > generation) => There::Later,
        Some(package) if !serving.is_empty() && serving.iter().all(|one| *one == package) => There::AsRecorded,
        None if serving.is_empty() => There::AsRecorded,
        Some(_) if serving.is_empty() => There::Nothing,
        _ => There::SomethingElse,
    };
    (there, found)
}

/// Says what somebody should look at.
fn say(placement: &Placement, generation: u64, there: There, found: Option<u64>, ended: bool) {
    let place = format!("{} in {}", placement.component_name, placement.environment);
    let found = found.map(|found| found.to_string()).unwrap_or_default();
    match there {
        There::AsRecorded => {}
        There::Nothing if !ended => {}
        There::Nothing => tracing::warn!(
            "{place}: the facts say that something runs, and nothing does; `throughline promote` brings it back"
        ),
        There::SomethingElse => tracing::warn!("{place}: what runs is not what the facts say"),
        There::Later => tracing::warn!(
            "{place}: generation {found} is there, and the facts end at {generation}: they are older than what was done there"
        ),
        There::Unknown => {
            tracing::warn!("{place}: what runs there cannot be seen; look at it before anything is deployed")
        }
    }
}

#[cfg(test)]
mod tests {
    use target::{ObservedGroup, Stamp};

    use super::*;

    #[test]
    fn what_runs_is_compared_with_what_the_facts_say() {
        let package = |name: &str| Digest::of(name.as_bytes());
        let serving = |names: &[&str], generation: Option<u64>| Observed {
            stamp: generation.map(|generation| Stamp { generation, phase: 1 }),
            groups: names
                .iter()
                .map(|name| ObservedGroup {
                    name: "stable".to_owned(),
                    package: package(name),
                    configuration: package("configuration"),
                    instances: 1,
                    healthy: 1,
                    weight: 1,
                    restarts: 0,
                })
                .collect(),
            url: None,
        };
        let one = Some(package("one"));
        for (said, observed, expected) in [
            (one, serving(&["one"], Some(3)), There::AsRecorded),
            (one, serving(&["one"], None), There::AsRecorded),
            (None, serving(&[], None), There::AsRecorded),
            (one, serving(&[], None), There::Nothing),
            (one, serving(&["two"], Some(3)), There::SomethingElse),
            (one, serving(&["one", "two"], Some(2)), There::SomethingElse),
            (None, serving(&["one"], Some(2)), There::SomethingElse),
            (one, serving(&["one"], Some(4)), There::Later),
            (one, serving(&[], Some(4)), There::Later),
        ] {
            assert_eq!(compare(3, said, &observed).0, expected, "{observed:?}");
        }
    }
}
