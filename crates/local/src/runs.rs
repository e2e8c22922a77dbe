//! A run in a folder: everything opened, the run asked for, its end.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact::{BlobStore, Platform};
use build::rebuild::LeaveOutAction;
use build::{BesideAction, KeptResults, PackageAction, RunAction, StepVariables, VersionAction};
use cache::{Limits, Memory};
use engine::{Engine, RunRequest};
use executor::{ContainerChoice, Executor, IsolationMode, LocalExecutor, LocalOptions};
use facts::{Actor, Clock, ComponentId, ComponentName, Digest, Entropy, ReleaseLine, RunId, Trust};
use ledger::{Append, Ledger, MemoryLedger};
use pipeline::Plan;
use serde_json::json;
use zeroize::Zeroizing;

use crate::folders::Folders;
use crate::here::{Component, Here};
use crate::leftovers;

/// What is kept of results at most, and for how long.
const LIMITS: Limits = Limits {
    most_bytes: 10 << 30,
    unused_for: Duration::from_secs(30 * 24 * 3600),
};
/// How often old results are looked for.
const COLLECTING: Duration = Duration::from_secs(24 * 3600);
/// How long the shim of a run stays when the command was killed and nothing of the run is left.
const ALONE: Duration = Duration::from_secs(2);
/// How long a cancelled step may take before it is left to its shim.
const GRACE: Duration = Duration::from_secs(20);

/// Why a local run cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Another run works in the same folder.
    #[error(
        "another run works in this folder\nhint: wait until it has ended, or end it; two runs at a time would write the same files"
    )]
    Busy,
    /// A folder or file cannot be used.
    #[error("{} cannot be used: {source}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A part could not be opened.
    #[error("{what} could not be opened: {reason}")]
    Part {
        /// Which.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The run was not taken.
    #[error("the run was not taken: {0}")]
    Refused(String),
}

/// What local runs work with.
pub struct Options {
    /// What is built.
    pub component: Component,
    /// Where everything is kept that is not the folder's.
    pub folders: Folders,
    /// This program, which becomes the shim of a run.
    pub executable: PathBuf,
    /// The variables that every step starts with.
    pub variables: StepVariables,
    /// The values of secrets, by their names.
    pub secrets: BTreeMap<String, Zeroizing<String>>,
    /// Other repositories that commits are taken from: the git folders of checkouts, by name.
    pub others: BTreeMap<ComponentName, PathBuf>,
    /// Results that other machines use as well.
    pub sharing: Option<cache::Sharing>,
    /// Files and folders elsewhere that isolated steps do not see.
    pub hidden: Vec<PathBuf>,
    /// How many steps may run beside one another.
    pub max_parallel: usize,
    /// Whether steps are isolated.
    pub isolation: IsolationMode,
    /// Who runs containers.
    pub containers: ContainerChoice,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
}

/// A folder in which a definition is run.
pub struct Local {
    /// The facts of its runs.
    pub ledger: Arc<dyn Ledger>,
    /// What drives them.
    pub engine: Engine,
    /// The packages.
    pub store: Arc<BlobStore>,
    pub(crate) kept: Arc<KeptResults>,
    pub(crate) component: Component,
    executor: Arc<dyn Executor>,
    memory: Arc<Memory>,
    runs: PathBuf,
    collected: PathBuf,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    _lock: File,
}

fn part<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> LocalError {
    move |error| LocalError::Part {
        what,
        reason: error.to_string(),
    }
}

impl Local {
    /// Opens everything that a run in the folder needs, and ends what a killed command left running there.
    ///
    /// # Errors
    /// When another run works in the folder, or something cannot be opened.
    pub async fn open(options: Options) -> Result<Self, LocalError> {
        let Options {
            component,
            folders,
            clock,
            entropy,
            ..
        } = options;
        let lock = folders.lock()?;
        let store = Arc::new(BlobStore::open(&folders.blobs).map_err(part("the store of packages"))?);
        let results = cache::Store::open(&folders.results, options.sharing);
        let results = results.map_err(part("the store of kept results"))?;
        let memory = Arc::new(Memory::open(&folders.digests()));
        let kept = KeptResults::new(results, Platform::here().to_string(), clock.clone());
        let kept = Arc::new(kept.remembering(memory.clone()));
        let executor = LocalExecutor::new(LocalOptions {
            idle: ALONE,
            isolation: options.isolation,
            containers: options.containers,
            hidden: [vec![folders.results.clone(), folders.blobs.clone()], options.hidden].concat(),
            ..LocalOptions::new(&folders.own, options.executable)
        });
        let executor: Arc<dyn Executor> = Arc::new(executor.map_err(part("the executor"))?);
        leftovers::end(&folders.runs(), &*executor).await;
        let sweeping = executor.clone();
        tokio::spawn(async move { sweeping.sweep().await });

        let ledger = MemoryLedger::new(vec![Arc::new(engine::RunsView)], clock.clone());
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.map_err(part("the ledger"))?);
        let here = Arc::new(Here {
            component: component.clone(),
            secrets: options.secrets,
            runs: folders.runs(),
            others: options.others,
            emptied: tokio::sync::Mutex::default(),
        });
        let run = Arc::new(RunAction::new(
            executor.clone(),
            here.clone(),
            here.clone(),
            here.clone(),
            options.variables,
            kept.clone(),
        ));
        let package = PackageAction::new(store.clone(), here.clone(), here.clone());
        let beside = BesideAction::new(store.clone(), here.clone(), here.clone());
        let version = VersionAction::new(run.clone(), here);
        let engine = Engine::start(engine::Ports {
            ledger: ledger.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            actions: vec![
                run,
                Arc::new(package),
                Arc::new(version),
                Arc::new(beside),
                Arc::new(LeaveOutAction),
            ],
            runs_folder: folders.runs(),
            logs: None,
            max_parallel: options.max_parallel,
            memory: executor::machine::memory(),
            grace: GRACE,
        });
        Ok(Self {
            engine: engine.await.map_err(part("the engine"))?,
            ledger,
            store,
            kept,
            component,
            executor,
            memory,
            runs: folders.runs(),
            collected: folders.results.join("collected"),
            clock,
            entropy,
            _lock: lock,
        })
    }

    /// Asks for a run of `plan`, made from the definition with this digest.
    ///
    /// # Errors
    /// When the plan cannot be driven.
    pub async fn start(&self, plan: Plan, definition: Digest, line: Option<ReleaseLine>) -> Result<RunId, LocalError> {
        let run = RunId::new(self.clock.now(), &*self.entropy);
        let request = RunRequest {
            run,
            kind: "build".to_owned(),
            key: run.to_string(),
            component: ComponentId::of_key(self.component.name.as_str()),
            component_name: self.component.name.clone(),
            commit: Some(self.component.commit.clone()),
            line,
            environment: None,
            definition,
            trust: Trust::Trusted,
            actor: Actor::System,
            cause: None,
            context: json!({}),
            plan: Ok(plan),
        };
        let submitted = self.engine.submit(request, Append::unconditional(Vec::new())).await;
        submitted.map_err(|error| LocalError::Refused(error.to_string()))?;
        Ok(run)
    }

    /// Where the log of an attempt lies.
    pub fn log(&self, run: RunId, step: &facts::StepName, attempt: u32) -> PathBuf {
        engine::log::log_path(&self.runs, run, step, attempt)
    }

    /// Ends everything, and writes down what is remembered. What cannot be written is worked out again.
    pub async fn close(self, run: Option<RunId>) {
        if let Some(run) = run {
            // Of a run that failed or was cancelled a step may be left that would not end.
            let row = engine::query::run(&*self.ledger, run).await.ok().flatten();
            let succeeded = row.is_some_and(|row| row.result == Some(engine::RunResult::Succeeded));
            match self.executor.close(run).await {
                Err(error) => tracing::warn!(%run, %error, "the shim of the run could not be closed"),
                Ok(()) if succeeded => leftovers::note_end(&self.runs, run),
                Ok(()) => {}
            }
        }
        self.engine.stop().await;
        if let Err(error) = self.memory.save() {
            tracing::warn!(%error, "the digests of files are not remembered");
        }
    }

    /// Waits for at most `limit` until what the run made is shared, where it is.
    pub fn finish_sharing(&self, limit: Duration) -> impl Future<Output = ()> + use<> {
        let kept = self.kept.clone();
        let finishing = tokio::task::spawn_blocking(move || kept.store().finish_sharing(limit));
        async move {
            // What is not shared is made anew elsewhere.
            let _ = finishing.await;
        }
    }

    /// Removes kept results that nobody used for long, or that are too many; at most once a day, and beside
    /// whatever else is done.
    pub fn collect_later(&self) -> impl Future<Output = ()> + use<> {
        let (kept, now, note) = (self.kept.clone(), self.clock.now(), self.collected.clone());
        let collecting = tokio::task::spawn_blocking(move || {
            let last = note.metadata().and_then(|note| note.modified()).ok();
            let age = last.and_then(|last| std::time::SystemTime::from(now).duration_since(last).ok());
            if last.is_some() && age.is_none_or(|age| age < COLLECTING) {
                return;
            }
            let collected = kept.store().collect(LIMITS, now);
            if let Err(error) = collected {
                tracing::warn!(%error, "old results could not be removed");
            }
            if let Err(error) = std::fs::write(&note, "") {
                tracing::warn!(%error, "that old results were removed could not be noted");
            }
        });
        async move {
            // What is left is removed another day.
            let _ = collecting.await;
        }
    }
}
