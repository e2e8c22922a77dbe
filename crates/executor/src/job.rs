//! What an executor is asked to do, and the trait of whoever does it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use facts::{RunId, StepName, Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::container::{Contained, Container, Image, Pull};
use crate::isolation::Isolation;
use crate::limits::{Held, Limits};
use crate::services::{Served, Service};

/// Which attempt is meant. Everything that an executor does is idempotent by this key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttemptKey {
    /// The run.
    pub run: RunId,
    /// The step within the run.
    pub step: StepName,
    /// The attempt of the step, counted from 1.
    pub attempt: u32,
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}-{}", self.run, self.step, self.attempt)
    }
}

/// A secret that a step is given.
#[derive(Clone)]
pub struct SecretForStep {
    /// The name of its file in the folder that the step finds in `THROUGHLINE_SECRETS`, and of its
    /// variable if it is one: letters, digits and `_.-`.
    pub name: String,
    /// The value.
    pub value: Zeroizing<String>,
    /// Whether the step finds the value in a variable too. Variables are inherited by everything that
    /// the step starts, so this is to be asked for.
    pub as_variable: bool,
}

impl fmt::Debug for SecretForStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretForStep({})", self.name)
    }
}

/// One attempt to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// Which attempt.
    pub key: AttemptKey,
    /// The script.
    pub script: String,
    /// The program and the arguments before the script, such as `sh -eu -c`.
    pub shell: Vec<String>,
    /// The working folder.
    pub folder: PathBuf,
    /// The step's variables: all of them, but for `PATH` where it is absent, and
    /// `THROUGHLINE_SECRETS` where there are secrets.
    pub variables: BTreeMap<String, String>,
    /// The step's secrets.
    pub secrets: Vec<SecretForStep>,
    /// After this time the attempt is ended with everything that it started.
    pub timeout: Option<Duration>,
    /// Whether the outcome is to survive a power cut: for steps with an effect that must not happen
    /// twice.
    pub durable_outcome: bool,
    /// The nice value of its processes.
    pub nice: i32,
    /// The most bytes that its log may have; the rest of what it says is dropped.
    pub log_budget: u64,
    /// How much of the machine it may take.
    pub limits: Limits,
    /// The container that its commands run in; absent for processes of this machine.
    pub container: Option<Container>,
    /// What runs beside it, ready before it starts and gone when it has ended.
    pub services: Vec<Service>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Ended {
    /// With exit code 0.
    Succeeded,
    /// With another exit code.
    Failed {
        /// The code.
        code: i32,
    },
    /// By a signal that nobody here sent.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// Its time was up.
    TimedOut,
    /// Somebody cancelled it.
    Cancelled,
    /// It never ran.
    CouldNotStart {
        /// Why.
        reason: String,
    },
}

/// The end of an attempt, recorded once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    #[serde(flatten)]
    pub ended: Ended,
    /// When its process was started.
    pub started_at: Timestamp,
    /// When everything of it had ended.
    pub finished_at: Timestamp,
    /// Processor time of all its processes, in milliseconds.
    pub cpu_ms: u64,
    /// The most resident memory that one of its processes had, in KiB.
    pub peak_memory_kib: u64,
    /// Whether the log misses something that the step said.
    pub log_truncated: bool,
    /// What kept it apart from others; nothing where it never ran, or ran before this was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// How it was held to its limits; nothing where it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Box<Held>>,
    /// The container that it ran in; what its processes used is not known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Box<Contained>>,
    /// What became of the services beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Served>,
}

/// What became of an attempt that an earlier server started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopted {
    /// It runs; [`Executor::wait`] gives its outcome.
    Running,
    /// It has ended.
    Finished(Outcome),
    /// It does not run and left no outcome: it was never started, or died with its machine or its
    /// shim. [`Executor::start`] starts it if it never was.
    Lost,
}

/// What an executor cannot do.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The attempt was begun, does not run any more, and left no outcome.
    #[error("attempt {0} was begun and left no outcome (hint: observe its effect, or make a new attempt)")]
    Lost(AttemptKey),
    /// The executor never heard of the attempt.
    #[error("attempt {0} was never started")]
    Unknown(AttemptKey),
    /// The job cannot be run by anyone.
    #[error("attempt {key} cannot be made: {reason}")]
    Invalid {
        /// Which attempt.
        key: AttemptKey,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such image, or nobody who runs containers.
    #[error("{0}")]
    Image(String),
    /// The run's shim could not be started.
    #[error("cannot start the shim of {run}")]
    Shim {
        /// The run.
        run: RunId,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The run's shim does not do what was asked.
    #[error("the shim of {run} refused: {reason}")]
    Refused {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// A file or a socket failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// Whoever runs attempts: as local processes, in containers, on a cluster. Every method is idempotent
/// by the attempt's key, so a server that does not know how far it came asks again.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Starts the attempt, or adopts it if it was started before. Returns when it runs or has ended;
    /// a program that cannot be started is an [`Outcome`], not an error.
    ///
    /// # Errors
    /// [`ExecutorError::Lost`] when the attempt was begun before and neither runs nor left an outcome:
    /// it is never run a second time under the same key.
    async fn start(&self, job: Job) -> Result<(), ExecutorError>;

    /// [`start`](Self::start) and [`wait`](Self::wait) in one. Dropping it ends the wait alone: whether the attempt was
    /// started by then, `start` tells.
    ///
    /// # Errors
    /// Those of both.
    async fn run(&self, job: Job) -> Result<Outcome, ExecutorError> {
        let key = job.key.clone();
        self.start(job).await?;
        self.wait(&key).await
    }

    /// Waits until the attempt has ended. Dropping the wait changes nothing.
    ///
    /// # Errors
    /// [`ExecutorError::Lost`] or [`ExecutorError::Unknown`] when no outcome can come any more.
    async fn wait(&self, key: &AttemptKey) -> Result<Outcome, ExecutorError>;

    /// What became of an attempt, without waiting for its end.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn adopt(&self, key: &AttemptKey) -> Result<Adopted, ExecutorError>;

    /// Ends the attempt and everything that it started: asked first, killed after a grace. Returns
    /// when this was taken up; [`wait`](Self::wait) gives the outcome. An attempt that has ended keeps
    /// its outcome.
    ///
    /// # Errors
    /// When the attempt cannot be reached.
    async fn cancel(&self, key: &AttemptKey) -> Result<(), ExecutorError>;

    /// Ends whatever still runs in the run and frees what the executor holds for it. Logs and outcomes
    /// stay. Returns when nothing of the run is running.
    ///
    /// # Errors
    /// When the run cannot be reached.
    async fn close(&self, run: RunId) -> Result<(), ExecutorError>;

    /// The runs that something may stand by for: what was started for their attempts, and not
    /// [closed](Self::close) since.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn standing_by(&self) -> Result<Vec<RunId>, ExecutorError>;

    /// The image of this name, fetched first where `pull` says so.
    ///
    /// # Errors
    /// [`ExecutorError::Image`] when it cannot be had, or containers cannot be run here.
    async fn image(&self, name: &str, pull: Pull) -> Result<Image, ExecutorError>;

    /// Removes what ended attempts left behind outside of their folders. To be called when a server
    /// starts; what goes on is left alone.
    async fn sweep(&self);

    /// Where the log of the attempt is, or will be.
    fn log_path(&self, key: &AttemptKey) -> PathBuf;
}
