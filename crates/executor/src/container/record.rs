//! What is written down of an attempt's container beside its log, before the container is there: enough
//! to find it, to read what it says and to remove it.

use std::io;
use std::path::{Path, PathBuf};

use disk::{Draft, LocalDisk};
use facts::{RunId, Timestamp};
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::life::Known;
use super::{Contained, Container, said};
use crate::wire::Attempt;
use crate::{limits::Held, logs};

/// The file's name in the attempt's folder.
const NAME: &str = "container.json";
/// The folder beside it with what follows.
const IO: &str = "io";
/// The file into which the container writes whether the step has started.
pub(crate) const STATUS: &str = "status";
/// The file into which Podman writes which process watches the container.
pub(crate) const WATCHER: &str = "conmon.pid";
/// The file into which the command that starts the container writes its own number.
pub(crate) const STARTER: &str = "starter.pid";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) attempt: Attempt,
    pub(crate) engine: Engine,
    /// The container's name.
    pub(crate) name: String,
    pub(crate) container: Container,
    /// The folder with the files that it writes what it says to.
    #[serde(default)]
    pub(crate) said: PathBuf,
    pub(crate) limits: Option<Held>,
    /// When the machine was started: no container outlives that.
    boot: String,
    pub(crate) started_at: Timestamp,
    /// When its time is up.
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) grace_ms: u64,
    pub(crate) durable: bool,
    pub(crate) log_budget: u64,
    /// Whether it can go on without the shim that started it: services that are processes end with it.
    pub(crate) stands_alone: bool,
}

/// The name of an attempt's container. A server has one data folder, and each run's id is its own.
pub(crate) fn name(run: RunId, attempt: &Attempt) -> String {
    format!("throughline-{run}-{}", attempt.name())
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// The folder of what stands between the container and who looks after it, by the run's folder.
pub(crate) fn io(run_folder: &Path, attempt: &Attempt) -> PathBuf {
    run_folder.join(attempt.folder()).join(IO)
}

/// What the container has said about its start.
pub(crate) fn status(io: &Path) -> String {
    std::fs::read_to_string(io.join(STATUS)).unwrap_or_default()
}

/// Where what a container says is written that has no secrets.
pub(crate) fn said(run_folder: &Path, attempt: &Attempt) -> PathBuf {
    run_folder.join(attempt.folder()).join("said")
}

impl Record {
    pub(crate) fn new(attempt: Attempt, engine: Engine, name: String, container: Container, now: Timestamp) -> Self {
        Self {
            attempt,
            engine,
            name,
            container,
            said: PathBuf::new(),
            limits: None,
            boot: boot(),
            started_at: now,
            deadline: None,
            grace_ms: 0,
            durable: false,
            log_budget: 0,
            stands_alone: true,
        }
    }

    /// Whether the machine has been started anew since.
    pub(crate) fn is_of_another_boot(&self) -> bool {
        self.boot != boot()
    }

    pub(crate) fn contained(&self) -> Contained {
        Contained::new(&self.engine, &self.container)
    }

    /// The container as it is looked at from outside.
    pub(crate) fn known(&self, run_folder: &Path) -> Known {
        Known {
            engine: self.engine.clone(),
            name: self.name.clone(),
            watcher: io(run_folder, &self.attempt).join(WATCHER),
        }
    }

    /// Makes the files that the container writes to, and writes the record. To be called before the container is made.
    pub(crate) fn write(&self, run_folder: &Path) -> io::Result<()> {
        said::make(&io(run_folder, &self.attempt), &[STATUS])?;
        said::make(&self.said, &[said::OUTPUT, said::ERROR])?;
        let folder = run_folder.join(self.attempt.folder());
        let mut draft = Draft::begin(&LocalDisk, &folder.join(NAME), 0o600)?;
        draft.add(&serde_json::to_vec(self)?)?;
        match self.durable {
            true => draft.seal()?.name()?.sync(),
            // After a power cut nothing of the container runs.
            false => draft.name_unsealed(),
        }
    }

    /// Removes record and files: nothing of the container is left.
    pub(crate) fn remove(&self, run_folder: &Path) {
        let folder = run_folder.join(self.attempt.folder());
        let _ = std::fs::remove_dir_all(folder.join(IO));
        let _ = std::fs::remove_dir_all(&self.said);
        said::Heard::forget(&folder);
        let _ = std::fs::remove_file(folder.join(NAME));
    }
}

/// Whether there is a record of this attempt's container, and no outcome.
pub(crate) fn is_open(run_folder: &Path, attempt: &Attempt) -> bool {
    is_open_in(&run_folder.join(attempt.folder()))
}

/// The same by the attempt's folder.
pub(crate) fn is_open_in(attempt_folder: &Path) -> bool {
    attempt_folder.join(NAME).exists() && !attempt_folder.join(logs::OUTCOME).exists()
}

/// All records of a run, each with whether its attempt has an outcome.
pub(crate) fn of_run(run_folder: &Path) -> Vec<(Record, bool)> {
    let entries = std::fs::read_dir(run_folder.join("attempts")).into_iter().flatten();
    let read = |folder: PathBuf| {
        let bytes = std::fs::read(folder.join(NAME)).ok()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        Some((record, folder.join(logs::OUTCOME).exists()))
    };
    entries.flatten().filter_map(|entry| read(entry.path())).collect()
}
