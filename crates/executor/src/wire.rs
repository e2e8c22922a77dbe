//! What server, shim and keeper say to one another. None of it is stored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use facts::{RunId, StepName};
use process::{Ending, Usage};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::container::Container;
use crate::container::engine::Engine;
use crate::job::{AttemptKey, Job, Outcome, SecretForStep};
use crate::limits::Limits;
use crate::services::Service;

/// The number of this language. A shim that was started by an older server may speak an older one.
pub(crate) const PROTOCOL: u32 = 1;

/// What a server asks a shim, one question a message. After the answer it may ask again on the same connection, unless
/// it was refused.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) protocol: u32,
    pub(crate) ask: Ask,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Start the attempt, or say how far it is; answer when it runs or, where that is wanted, when it has ended. A shim
    /// of an earlier version does not know the wish and answers when it runs.
    Start {
        job: Box<JobMessage>,
        grace_ms: u64,
        #[serde(default)]
        until_end: bool,
    },
    /// Answer when the attempt has ended.
    Wait { attempt: Attempt },
    /// Say how far the attempt is.
    State { attempt: Attempt },
    /// End the attempt.
    Cancel { attempt: Attempt },
    /// End everything, answer, and exit.
    Close,
}

/// An attempt within the run of the shim.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) step: StepName,
    pub(crate) number: u32,
}

impl Attempt {
    pub(crate) fn of(key: &AttemptKey) -> Self {
        Self {
            step: key.step.clone(),
            number: key.attempt,
        }
    }

    /// Where its files are within the run's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        PathBuf::from("attempts").join(self.name())
    }

    /// Its name among files. The last dash parts step and number, so no two attempts share a name.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.step, self.number)
    }
}

/// What a shim answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The attempt runs.
    Running,
    /// The attempt has ended.
    Finished(Outcome),
    /// The attempt was begun by an earlier shim, and left no outcome.
    Lost,
    /// The attempt was never begun.
    Unknown,
    /// Done as asked.
    Done,
    /// Not done.
    Refused { reason: String },
}

/// A [`Job`] as a message.
#[derive(Serialize, Deserialize)]
pub(crate) struct JobMessage {
    pub(crate) run: RunId,
    pub(crate) attempt: Attempt,
    pub(crate) script: String,
    pub(crate) shell: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) secrets: Vec<SecretMessage>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) durable_outcome: bool,
    pub(crate) nice: i32,
    pub(crate) log_budget: u64,
    /// Whether it is not to be made without isolation.
    #[serde(default)]
    pub(crate) isolation_required: bool,
    #[serde(default)]
    pub(crate) limits: Limits,
    /// The container that it runs in, and by whom; or why nobody runs any.
    #[serde(default)]
    pub(crate) container: Option<Result<(Engine, Container), String>>,
    /// What runs beside it, each with the engine of its container.
    #[serde(default)]
    pub(crate) services: Vec<(Service, Option<Engine>)>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SecretMessage {
    pub(crate) name: String,
    value: String,
    pub(crate) as_variable: bool,
}

impl SecretMessage {
    pub(crate) fn value(&self) -> &str {
        &self.value
    }
}

impl Drop for SecretMessage {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.value);
    }
}

impl JobMessage {
    pub(crate) fn of(job: &Job, isolation_required: bool, engine: Option<&Result<Engine, String>>) -> Self {
        let secret = |secret: &SecretForStep| SecretMessage {
            name: secret.name.clone(),
            value: Zeroizing::clone(&secret.value).to_string(),
            as_variable: secret.as_variable,
        };
        Self {
            run: job.key.run,
            attempt: Attempt::of(&job.key),
            script: job.script.clone(),
            shell: job.shell.clone(),
            folder: job.folder.clone(),
            variables: job.variables.clone(),
            secrets: job.secrets.iter().map(secret).collect(),
            timeout_ms: job.timeout.map(milliseconds),
            durable_outcome: job.durable_outcome,
            nice: job.nice,
            log_budget: job.log_budget,
            isolation_required,
            limits: job.limits,
            container: job.container.clone().zip(engine).map(|(container, engine)| {
                let engine = engine.clone()?;
                Ok((engine, container))
            }),
            services: job
                .services
                .iter()
                .map(|service| {
                    let engine = service.container.as_ref().and(engine);
                    (service.clone(), engine.and_then(|engine| engine.clone().ok()))
                })
                .collect(),
        }
    }
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What a shim tells its keeper.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Start this. Its output goes where the keeper's own goes.
    Spawn {
        program: String,
        arguments: Vec<String>,
        folder: PathBuf,
        variables: BTreeMap<String, String>,
        nice: i32,
        #[serde(default)]
        limits: Box<Limits>,
        /// Whose secrets these are.
        run: RunId,
        attempt: Attempt,
        /// They are made files for it, and gone when nothing of it is left, even if the shim is gone.
        secrets: Vec<SecretMessage>,
        /// Whether the keeper waits until it runs, and says so; else the shim hears of its end alone.
        tell: bool,
    },
    /// End what was started.
    Stop { grace_ms: u64 },
}

/// What a keeper reports.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// It runs.
    Started,
    /// It does not, and never did. Also after it was taken to run, where nobody asked to be told.
    CouldNotStart { reason: String },
    /// It has ended, and so has everything that it started.
    Ended {
        ending: Ending,
        usage: Usage,
        /// Whether really nothing is left; what cannot be killed may still be there.
        clean: bool,
    },
}
