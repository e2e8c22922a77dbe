//! The action `run`: a script in the workspace, by the executor. Scripts beside a workspace, such as
//! those by which a deployment verifies, run the same way.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::{ActionOutcome, Observation, Resumed, StepAction, StepContext, StepResult};
use executor::{Adopted, AttemptKey, Ended, Executor, ExecutorError, Job, Limits, Outcome, SecretForStep};
use facts::{Commit, ComponentName, StepName, Trust};
use pipeline::plan::{EffectClass, KeptResult, RUN, Resources, RunInput, SecretUse};

use crate::kept::{KeptResults, Looked, Sought};
use crate::machine::StepVariables;
use crate::ports::{Commits, Secrets, Workspace};
use crate::reports::{Before, Tests};
use crate::workspace::{beneath, what_is_gone};

/// How much a step may log, in bytes.
const LOG_BUDGET: u64 = 64 * 1024 * 1024;
/// How many commits' times are kept in memory.
const KEPT_TIMES: usize = 256;
/// How long a tool may take to say its version.
const TOOL_PATIENCE: Duration = Duration::from_secs(60);
/// Steps give way to the services that run on the same machine.
const NICE: i32 = 10;

/// The time that kept results take for theirs, in Unix seconds: the first of January 1980, before which
/// some archives know no time.
const KEPT_EPOCH: i64 = 315_532_800;
/// Variables that differ from run to run.
const OF_THE_RUN: &[&str] = &[
    "THROUGHLINE_RUN",
    "THROUGHLINE_EFFECT_KEY",
    "THROUGHLINE_COMMIT",
    "THROUGHLINE_BRANCH",
];

/// What is said of folders that may not be kept.
fn unkept_words(folders: &[String]) -> String {
    format!(
        "the line forbids tools' caches: {} began empty in this run, and is not kept",
        folders.join(", ")
    )
}

/// The action `run`.
pub struct RunAction {
    pub(crate) executor: Arc<dyn Executor>,
    workspace: Arc<dyn Workspace>,
    secrets: Arc<dyn Secrets>,
    commits: Arc<dyn Commits>,
    pub(crate) variables: StepVariables,
    /// When the commits were made that steps ran for last, in Unix seconds.
    made: Mutex<HashMap<Commit, i64>>,
    pub(crate) kept: Arc<KeptResults>,
}

impl RunAction {
    /// An action that runs scripts with `executor`, and keeps the results of steps in `kept`.
    pub fn new(
        executor: Arc<dyn Executor>,
        workspace: Arc<dyn Workspace>,
        secrets: Arc<dyn Secrets>,
        commits: Arc<dyn Commits>,
        variables: StepVariables,
        kept: Arc<KeptResults>,
    ) -> Self {
        Self {
            executor,
            workspace,
            secrets,
            commits,
            variables,
            made: Mutex::default(),
            kept,
        }
    }

    /// When the commit was made, in Unix seconds; nothing when that cannot be told.
    async fn made(&self, component: &ComponentName, commit: &Commit) -> Option<i64> {
        if let Some(known) = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(commit) {
            return Some(*known);
        }
        let made = self.commits.committed_at(component, commit).await.ok()?.as_second();
        let mut known = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT_TIMES {
            known.clear();
        }
        known.insert(commit.clone(), made);
        Some(made)
    }

    fn key(step: &StepContext) -> AttemptKey {
        AttemptKey {
            run: step.run,
            step: step.step.clone(),
            attempt: step.attempt,
        }
    }

    /// Where the attempt's log stands.
    pub fn log_path(&self, step: &StepContext) -> PathBuf {
        self.executor.log_path(&Self::key(step))
    }

    async fn job(&self, step: &StepContext, input: &RunInput, script: &str) -> Result<(Job, PathBuf), ActionOutcome> {
        let commit = step
            .request
            .commit
            .clone()
            .ok_or_else(|| ActionOutcome::failed("the run has no commit"))?;
        let component = &step.request.component_name;
        if let Some(gone) = what_is_gone(&*self.workspace, step) {
            return Err(ActionOutcome::failed(gone));
        }
        let workspace = self
            .workspace
            .ready(step.run, component, &commit)
            .await
            .map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?;
        self.workspace
            .take_caches(step.run, component, step.trust, &workspace, &input.cache)
            .map_err(|error| ActionOutcome::failed(error.to_string()))?;
        self.workspace
            .empty_caches(step.run, &workspace, &input.unkept)
            .await
            .map_err(|error| ActionOutcome::failed(error.to_string()))?;
        let folder =
            beneath(&workspace, input.folder.as_deref()).map_err(|error| ActionOutcome::failed(error.to_string()))?;
        let container = match &input.image {
            Some(image) => Some(self.container(step, image, &workspace).await?),
            None => None,
        };
        let mut services = Vec::with_capacity(input.services.len());
        for service in &input.services {
            services.push(self.service(step, input, service, &workspace).await?);
        }
        let mut variables = match container {
            Some(_) => self.variables.in_container(),
            None => self.variables.all().clone(),
        };
        // Tools that put a time into what they make take this one, so that it comes out the same again. What
        // a kept result does not depend on, its step does not see.
        let made = match input.kept {
            Some(_) => Some(KEPT_EPOCH),
            None => self.made(component, &commit).await,
        };
        variables.extend(made.map(|made| ("SOURCE_DATE_EPOCH".to_owned(), made.to_string())));
        variables.extend(input.variables.clone());
        for (name, value) in [
            ("CI", "true".to_owned()),
            ("THROUGHLINE", "true".to_owned()),
            ("THROUGHLINE_RUN", step.run.to_string()),
            ("THROUGHLINE_STEP", step.step.to_string()),
            ("THROUGHLINE_EFFECT_KEY", step.effect_key.clone()),
            ("THROUGHLINE_COMPONENT", component.to_string()),
            ("THROUGHLINE_COMMIT", commit.to_string()),
            (
                "THROUGHLINE_BRANCH",
                step.request.line.as_ref().map(ToString::to_string).unwrap_or_default(),
            ),
            ("THROUGHLINE_WORKSPACE", workspace.display().to_string()),
        ] {
            // What a kept result does not depend on, its step does not see.
            if input.kept.is_none() || !OF_THE_RUN.contains(&name) {
                variables.insert(name.to_owned(), value);
            }
        }
        let needs = self.workspace.needs(step.run, &workspace);
        if needs.is_dir() {
            variables.insert("THROUGHLINE_NEEDS".to_owned(), needs.display().to_string());
        }
        let depends = self.workspace.depends(step.run, &workspace);
        if depends.is_dir() {
            variables.insert("THROUGHLINE_DEPENDS".to_owned(), depends.display().to_string());
        }
        let job = Job {
            key: Self::key(step),
            script: script.to_owned(),
            shell: shell(input.shell.as_deref()),
            folder,
            variables,
            secrets: self.secrets(step, &input.secrets)?,
            timeout: step.timeout,
            durable_outcome: step.effect == EffectClass::Effect,
            nice: NICE,
            log_budget: LOG_BUDGET,
            limits: limits(step.resources),
            container,
            services,
        };
        Ok((job, workspace))
    }

    /// The secrets a step asks for. A change that is not trusted gets none.
    #[allow(clippy::result_large_err)] // reason: the error is the step's outcome, as in all of this action
    fn secrets(&self, step: &StepContext, uses: &[SecretUse]) -> Result<Vec<SecretForStep>, ActionOutcome> {
        if uses.is_empty() {
            return Ok(Vec::new());
        }
        if step.trust != Trust::Trusted {
            return Err(ActionOutcome::failed(
                "the change is not trusted: its steps get no secrets",
            ));
        }
        let mut secrets = Vec::new();
        for wanted in uses {
            let value = self.secrets.open(&wanted.secret).map_err(|error| {
                ActionOutcome::failed(format!("the secret `{}` cannot be given: {error}", wanted.secret))
            })?;
            let file = wanted.file.clone().unwrap_or_else(|| wanted.secret.clone());
            secrets.push(SecretForStep {
                name: file,
                value: value.clone(),
                as_variable: false,
            });
            if let Some(variable) = &wanted.variable {
                secrets.push(SecretForStep {
                    name: variable.clone(),
                    value,
                    as_variable: true,
                });
            }
        }
        Ok(secrets)
    }

    /// Runs the step, unless its result is kept.
    async fn run(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let input = input(step)?;
        let (job, workspace) = self.job(step, &input, &input.script).await?;
        let Some(wanted) = input.kept.as_ref().filter(|_| !input.fresh) else {
            let tests = Tests::before(&input, &job, &workspace);
            let mut outcome = self.start_and_wait(step, job).await;
            self.kept.has_run(step.run, &step.step);
            // The log is the executor's until the step has ended.
            if !input.unkept.is_empty() {
                step.log.err(&unkept_words(&input.unkept));
                if let Some(outputs) = outcome.outputs.as_object_mut() {
                    outputs.insert("unkept".to_owned(), serde_json::json!(input.unkept));
                }
            }
            return Ok(tests.told(outcome).await);
        };
        self.ask_tools(step, &job, wanted).await?;
        let mut tests = Tests::before(&input, &job, &workspace);
        let (kept, context, run_input, depends) = (self.kept.clone(), step.clone(), input.clone(), wanted.clone());
        let domain = self.kept.domain(step.trust);
        let looked = tokio::task::spawn_blocking(move || {
            let Ok(plan) = &context.request.plan else {
                return Looked::Failed("the run has no plan".to_owned());
            };
            let sought = Sought {
                run: context.run,
                step: &context.step,
                component: &context.request.component_name,
                trust: &domain,
                plan,
                input: &run_input,
                kept: &depends,
                workspace: &workspace,
            };
            kept.look(&context, &sought)
        });
        let (prepared, why) = match looked.await.map_err(|panic| ActionOutcome::failed(panic.to_string()))? {
            Looked::PutBack(outcome) => {
                // What was put back is of this step, whenever it was written.
                tests.before.clear();
                return Ok(tests.told(outcome).await);
            }
            Looked::Failed(reason) => return Err(ActionOutcome::failed_for_now(reason)),
            Looked::Run { prepared, why } => (prepared, why),
        };
        let mut known = serde_json::json!({ "why": why });
        if let Some(prepared) = &prepared {
            prepared.tell(&mut known);
        }
        let before = std::time::Instant::now();
        let mut outcome = self.start_and_wait(step, job).await;
        self.kept.has_run(step.run, &step.step);
        if let (StepResult::Succeeded, Some(prepared)) = (&outcome.result, prepared) {
            let (kept, context, wanted) = (self.kept.clone(), step.clone(), wanted.clone());
            let took = before.elapsed();
            let keeping = tokio::task::spawn_blocking(move || kept.keep(&context, &wanted, &prepared, took));
            let trouble = match keeping.await {
                Ok(Ok(true)) => None,
                Ok(Ok(false)) => Some("its inputs changed while it ran".to_owned()),
                Ok(Err(error)) => Some(error.to_string()),
                Err(panic) => Some(panic.to_string()),
            };
            if let Some(trouble) = trouble {
                step.log.err(&format!("the result is not kept: {trouble}"));
            }
        }
        outcome = tests.told(outcome).await;
        if let (Some(outputs), serde_json::Value::Object(known)) = (outcome.outputs.as_object_mut(), known) {
            outputs.extend(known);
        }
        Ok(outcome)
    }

    /// Asks the tools of a step for their versions, each once in a run.
    async fn ask_tools(&self, step: &StepContext, job: &Job, kept: &KeptResult) -> Result<(), ActionOutcome> {
        let image = job.container.as_ref().map(|container| container.image.name.as_str());
        for (number, tool) in self.kept.unasked(step.run, image, kept).into_iter().enumerate() {
            let name = StepName::new(format!("{}.tool{number}", step.step))
                .map_err(|error| ActionOutcome::failed(error.to_string()))?;
            let mut asking = job.clone();
            asking.script = tool.clone();
            asking.key.step = name;
            asking.timeout = Some(TOOL_PATIENCE);
            let log = self.executor.log_path(&asking.key);
            let ended = self.start_and_wait(step, asking).await;
            if ended.result != StepResult::Succeeded {
                return Err(ActionOutcome::failed(format!(
                    "the tool `{tool}` does not say its version: {:?}",
                    ended.result
                )));
            }
            let said = std::fs::read(&log).unwrap_or_default();
            let lines: Vec<String> = executor::logs::lines(&said).map(|line| line.text).collect();
            self.kept.asked(step.run, image, tool, lines.join("\n"));
        }
        Ok(())
    }

    async fn start_and_wait(&self, step: &StepContext, job: Job) -> ActionOutcome {
        let key = job.key.clone();
        let outcome = tokio::select! {
            outcome = self.executor.run(job.clone()) => outcome,
            () = step.cancel.cancelled() => {
                // Whether it was started is not known. Who cancels before it is would be overtaken by the start.
                return match self.executor.start(job).await {
                    Ok(()) => self.wait(step, &key).await,
                    Err(error) => not_seen(&error),
                };
            }
        };
        match outcome {
            Ok(outcome) => ended(&outcome, step.resources),
            Err(error) => not_seen(&error),
        }
    }

    async fn wait(&self, step: &StepContext, key: &AttemptKey) -> ActionOutcome {
        let waited = tokio::select! {
            outcome = self.executor.wait(key) => outcome,
            () = step.cancel.cancelled() => {
                if let Err(error) = self.executor.cancel(key).await {
                    tracing::warn!(run = %key.run, step = %key.step, %error, "an attempt could not be cancelled");
                }
                self.executor.wait(key).await
            }
        };
        match waited {
            Ok(outcome) => ended(&outcome, step.resources),
            Err(error) => not_seen(&error),
        }
    }

    /// What the tests of an attempt say whose beginning nobody saw here.
    async fn tell_tests(&self, step: &StepContext, outcome: ActionOutcome) -> ActionOutcome {
        let Ok(input) = input(step) else { return outcome };
        let Some(commit) = step.request.commit.as_ref().filter(|_| !input.reports.is_empty()) else {
            return outcome;
        };
        let workspace = self
            .workspace
            .ready(step.run, &step.request.component_name, commit)
            .await;
        let (Ok(workspace), Ok(secrets)) = (workspace, self.secrets(step, &input.secrets)) else {
            return outcome;
        };
        let tests = Tests {
            wanted: input.reports,
            workspace,
            before: Before::default(),
            secrets: secrets.into_iter().map(|secret| secret.value).collect(),
        };
        tests.told(outcome).await
    }

    async fn adopt(&self, step: &StepContext) -> Resumed {
        match self.adopted(step).await {
            Resumed::Outcome(outcome) => Resumed::Outcome(self.tell_tests(step, outcome).await),
            other => other,
        }
    }

    async fn adopted(&self, step: &StepContext) -> Resumed {
        let key = Self::key(step);
        match self.executor.adopt(&key).await {
            Ok(Adopted::Finished(outcome)) => Resumed::Outcome(ended(&outcome, step.resources)),
            Ok(Adopted::Running) => Resumed::Outcome(self.wait(step, &key).await),
            Ok(Adopted::Lost) => Resumed::Lost,
            Err(error) => Resumed::Unknown {
                reason: error.to_string(),
            },
        }
    }
}

/// What a step takes is also its limit.
fn limits(resources: Option<Resources>) -> Limits {
    Limits {
        cpus: resources
            .and_then(|resources| resources.cpus_milli)
            .map(|milli| milli as f64 / 1_000.0),
        memory_bytes: resources.and_then(|resources| resources.memory_bytes),
        pids: None,
    }
}

/// The step's input, in this action's shape.
#[allow(clippy::result_large_err)] // reason: the error is the step's outcome, as in all of this action
fn input(step: &StepContext) -> Result<RunInput, ActionOutcome> {
    serde_json::from_value(step.input.clone())
        .map_err(|error| ActionOutcome::failed(format!("the step's input does not fit: {error}")))
}

/// The program that runs a script, by the name that the definition gives it.
pub(crate) fn shell(named: Option<&str>) -> Vec<String> {
    match named {
        None | Some("sh") => vec!["sh".into(), "-eu".into(), "-c".into()],
        Some("bash") => vec!["bash".into(), "-eu".into(), "-o".into(), "pipefail".into(), "-c".into()],
        Some(other) => vec![other.into(), "-c".into()],
    }
}

/// An attempt whose end the executor could not tell.
fn not_seen(error: &ExecutorError) -> ActionOutcome {
    match error {
        ExecutorError::Lost(..) => ActionOutcome::lost(),
        other => ActionOutcome::failed_for_now(other.to_string()),
    }
}

fn ended(outcome: &Outcome, resources: Option<Resources>) -> ActionOutcome {
    let mut outputs = serde_json::json!({ "cpu_ms": outcome.cpu_ms, "peak_memory_kib": outcome.peak_memory_kib });
    if let Some(isolation) = &outcome.isolation {
        outputs["isolation"] = isolation.to_string().into();
    }
    if let Some(container) = &outcome.container {
        // What its processes used is not known.
        outputs = serde_json::json!({ "container": container });
    }
    if !outcome.services.is_empty() {
        outputs["services"] = serde_json::json!(outcome.services);
    }
    if let Some(limits) = &outcome.limits {
        outputs["limits"] = limits.told(&self::limits(resources)).into();
    }
    let failed = |message: String, code: Option<i32>, retry: bool| ActionOutcome {
        retry,
        ..ActionOutcome::ended(StepResult::Failed { message, code }, outputs.clone())
    };
    match &outcome.ended {
        Ended::Succeeded => ActionOutcome::succeeded(outputs),
        Ended::Failed { code } => failed(format!("exit code {code}"), Some(*code), true),
        Ended::Signalled { signal } => failed(format!("ended by signal {signal}"), None, true),
        Ended::TimedOut => ActionOutcome {
            retry: true,
            ..ActionOutcome::ended(StepResult::TimedOut, outputs)
        },
        Ended::Cancelled => ActionOutcome::cancelled(),
        Ended::CouldNotStart { reason } => failed(format!("could not start: {reason}"), None, true),
    }
}

#[async_trait]
impl StepAction for RunAction {
    fn kind(&self) -> &'static str {
        RUN
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.run(&step).await.unwrap_or_else(|outcome| outcome)
    }

    async fn resume(&self, step: StepContext) -> Resumed {
        self.adopt(&step).await
    }

    async fn observe(&self, step: StepContext) -> Observation {
        let unknown = |reason: String| Observation::Unknown { reason };
        let Ok(input) = input(&step) else {
            return unknown("the step's input does not fit".to_owned());
        };
        let Some(script) = &input.observe else {
            return unknown("the step does not say how to observe it".to_owned());
        };
        let Ok(name) = StepName::new(format!("{}.observe", step.step)) else {
            return unknown("the step's name is too long to be observed".to_owned());
        };
        let mut job = match self.job(&step, &input, script).await {
            Ok((job, _)) => job,
            Err(outcome) => return unknown(format!("{:?}", outcome.result)),
        };
        job.key.step = name;
        let key = job.key.clone();
        let waited = match self.executor.start(job).await {
            Ok(()) => self.executor.wait(&key).await,
            Err(error) => Err(error),
        };
        match waited.map(|outcome| outcome.ended) {
            Ok(Ended::Succeeded) => Observation::Done {
                outputs: serde_json::Value::Null,
            },
            Ok(Ended::Failed { code: 1 }) => Observation::NotDone,
            Ok(other) => unknown(format!("the observing commands ended with {other:?}")),
            Err(error) => unknown(error.to_string()),
        }
    }
}

impl RunAction {
    /// Runs a script in a folder of its own choice, with the passed variables and these.
    pub async fn run_script(
        &self,
        step: StepContext,
        script: &str,
        folder: PathBuf,
        variables: Vec<(String, String)>,
    ) -> ActionOutcome {
        let mut all = self.variables.all().clone();
        all.extend(variables);
        let job = Job {
            key: Self::key(&step),
            script: script.to_owned(),
            shell: shell(None),
            folder,
            variables: all,
            secrets: Vec::new(),
            timeout: step.timeout,
            durable_outcome: false,
            nice: 0,
            log_budget: LOG_BUDGET,
            limits: Limits::default(),
            container: None,
            services: Vec::new(),
        };
        self.start_and_wait(&step, job).await
    }
}
