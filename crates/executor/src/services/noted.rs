//! What is written down of an attempt's services, before they are started: enough to find their
//! containers, to take them up with the step's own, and to remove them.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{LOGS, Service};
use crate::container::engine::Engine;
use crate::container::life::{self, Known};
use crate::container::{Contained, leftovers, record};
use crate::shim::Shim;
use crate::wire::Attempt;

/// The file's name in the attempt's folder.
const NAME: &str = "services.json";

/// The services of one attempt.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(super) services: Vec<NotedService>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NotedService {
    pub(super) name: String,
    /// Its container; absent for processes, which end with their shim.
    pub(super) container: Option<NotedContainer>,
    /// After how many milliseconds it was ready.
    pub(super) ready_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NotedContainer {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) contained: Contained,
}

/// Beside the logs of services: by which process the container is watched, and started.
pub(super) fn watcher(attempt_folder: &Path, service: &str) -> PathBuf {
    attempt_folder.join(LOGS).join(format!("{service}.conmon.pid"))
}

pub(super) fn starter(attempt_folder: &Path, service: &str) -> PathBuf {
    attempt_folder.join(LOGS).join(format!("{service}.starter.pid"))
}

impl Noted {
    pub(super) fn of(shim: &Shim, attempt: &Attempt, wanted: &[(Service, Option<Engine>)]) -> Self {
        let services = wanted.iter().map(|(service, engine)| NotedService {
            name: service.name.clone(),
            container: service
                .container
                .as_ref()
                .zip(engine.as_ref())
                .map(|(container, engine)| NotedContainer {
                    engine: engine.clone(),
                    name: format!("{}.service.{}", record::name(shim.run, attempt), service.name),
                    contained: Contained::new(engine, container),
                }),
            ready_ms: None,
        });
        Self {
            services: services.collect(),
        }
    }

    /// Those of an attempt, by its folder.
    pub(super) fn read(attempt_folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(attempt_folder.join(NAME)).ok()?).ok()
    }

    pub(super) fn write(&self, attempt_folder: &Path) -> io::Result<()> {
        let unfinished = attempt_folder.join("services.json.unfinished");
        std::fs::write(&unfinished, serde_json::to_vec(self)?)?;
        std::fs::rename(unfinished, attempt_folder.join(NAME))
    }

    pub(super) fn forget(attempt_folder: &Path) {
        let _ = std::fs::remove_file(attempt_folder.join(NAME));
    }

    /// Their containers, each once nobody is about to start it any more.
    async fn settled(&self, attempt_folder: &Path) -> Vec<&NotedContainer> {
        let mut all = Vec::new();
        for service in &self.services {
            if let Some(container) = &service.container {
                life::until_started(&starter(attempt_folder, &service.name), &container.name).await;
                all.push(container);
            }
        }
        all
    }
}

impl NotedContainer {
    pub(super) fn known(&self, attempt_folder: &Path, service: &str) -> Known {
        Known {
            engine: self.engine.clone(),
            name: self.name.clone(),
            watcher: watcher(attempt_folder, service),
        }
    }
}

/// The services of an attempt that were processes.
pub(crate) fn processes(attempt_folder: &Path) -> Vec<String> {
    let noted = Noted::read(attempt_folder).unwrap_or_default();
    let processes = noted.services.into_iter().filter(|service| service.container.is_none());
    processes.map(|service| service.name).collect()
}

/// The folders of a run's attempts that have services written down.
fn folders(run_folder: &Path) -> Vec<(PathBuf, Noted)> {
    let entries = std::fs::read_dir(run_folder.join("attempts")).into_iter().flatten();
    entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), Noted::read(&entry.path())?)))
        .collect()
}

/// What a run without a shim leaves of services: removed, but for those of attempts in containers that another
/// shim may take up, unless `all` is to go. Those that cannot be removed are found by their label later.
pub(crate) async fn remove_of_run(run_folder: &Path, all: bool) {
    for (folder, noted) in folders(run_folder) {
        if !all && record::is_open_in(&folder) {
            continue;
        }
        for container in noted.settled(&folder).await {
            if let Err(why) = leftovers::remove(&container.engine, &container.name).await {
                tracing::warn!(
                    name = container.name,
                    why,
                    "the container of a service cannot be removed"
                );
            }
        }
        Noted::forget(&folder);
    }
}

/// The same by a shim that has not started any yet.
pub(crate) async fn remove_forgotten(shim: &Shim) {
    for (folder, _) in folders(&shim.folder) {
        if !record::is_open_in(&folder) {
            remove_of_attempt(shim, &folder).await;
        }
    }
}

/// Removes the containers of an attempt's services.
pub(crate) async fn remove_of_attempt(shim: &Shim, attempt_folder: &Path) {
    let Some(noted) = Noted::read(attempt_folder) else {
        return;
    };
    for container in noted.settled(attempt_folder).await {
        if let Err(why) = life::remove(shim, &container.engine, &container.name).await {
            eprintln!(
                "throughline shim: the container {} cannot be removed: {why}",
                container.name
            );
        }
    }
    Noted::forget(attempt_folder);
}
