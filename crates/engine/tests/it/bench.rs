//! An engine on a ledger, with one scripted action whose steps say in their input how they behave.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use engine::invariants::{Groups, History};
use engine::{
    ActionOutcome, BrokenDefinition, Engine, LogStore, Observation, Ports, Resumed, RunRequest, RunResult, RunsView,
    StepAction, StepContext, StepResult,
};
use facts::{Actor, ComponentId, ComponentName, Digest, RunId, StepName, SystemClock, SystemEntropy, Trust};
use ledger::{Append, Ledger, MemoryLedger, SqliteLedger};
use pipeline::plan::Retries;
use pipeline::{EffectClass, Plan, PlannedStep};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// What the steps did, and what they may do.
#[derive(Default)]
pub struct World {
    /// `STEP-ATTEMPT` of each performed attempt, in the order in which they began.
    pub performed: Mutex<Vec<String>>,
    /// How many steps work now, and the most that ever did.
    working: Mutex<(usize, usize)>,
    /// Steps that may go on.
    open: Mutex<BTreeSet<String>>,
    opened: Notify,
    /// What the world shows of effects: step to outputs.
    pub done: Mutex<BTreeMap<String, Value>>,
    /// What becomes of attempts that were open at a restart: step to outputs; others are lost.
    pub survived: Mutex<BTreeMap<String, Value>>,
}

impl World {
    /// Lets the step `name`, which holds, go on.
    pub fn release(&self, name: &str) {
        self.open.lock().unwrap().insert(name.to_owned());
        self.opened.notify_waiters();
    }

    async fn released(&self, name: &str) {
        loop {
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if self.open.lock().unwrap().contains(name) {
                return;
            }
            opened.await;
        }
    }

    /// What was performed until now.
    pub fn performed(&self) -> Vec<String> {
        self.performed.lock().unwrap().clone()
    }

    /// The most steps that worked at the same time.
    pub fn most_working(&self) -> usize {
        self.working.lock().unwrap().1
    }

    /// Waits until `attempt` (`STEP-ATTEMPT`) has begun.
    pub async fn begun(&self, attempt: &str) {
        for _ in 0..2_000 {
            if self.performed().iter().any(|performed| performed == attempt) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{attempt} never began; begun: {:?}", self.performed());
    }
}

/// Performs steps as their input says: `hold` (until released), `fail` (so many attempts), `say`
/// (a line of log), `outputs`, `panic`, `unknown`, `deaf` (does not hear that it should stop), `publish`.
pub struct Scripted {
    pub world: Arc<World>,
    pub kind: &'static str,
}

#[async_trait]
impl StepAction for Scripted {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn waits(&self) -> bool {
        self.kind == "approve"
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        let name = step.step.to_string();
        self.world
            .performed
            .lock()
            .unwrap()
            .push(format!("{name}-{}", step.attempt));
        {
            let mut working = self.world.working.lock().unwrap();
            working.0 += 1;
            working.1 = working.1.max(working.0);
        }
        let outcome = self.follow(&step, &name).await;
        self.world.working.lock().unwrap().0 -= 1;
        outcome
    }

    async fn resume(&self, step: StepContext) -> Resumed {
        match self.world.survived.lock().unwrap().get(step.step.as_str()) {
            Some(outputs) => Resumed::Outcome(ActionOutcome::succeeded(outputs.clone())),
            None => Resumed::Lost,
        }
    }

    async fn observe(&self, step: StepContext) -> Observation {
        if step.input["blind"] == true {
            return Observation::Unknown {
                reason: "it cannot be seen".to_owned(),
            };
        }
        match self.world.done.lock().unwrap().get(step.step.as_str()) {
            Some(outputs) => Observation::Done {
                outputs: outputs.clone(),
            },
            None => Observation::NotDone,
        }
    }
}

impl Scripted {
    async fn follow(&self, step: &StepContext, name: &str) -> ActionOutcome {
        let input = &step.input;
        if let Some(text) = input["say"].as_str() {
            step.log.out(text);
        }
        if input["hold"] == true {
            tokio::select! {
                () = self.world.released(name) => {}
                () = step.cancel.cancelled(), if input["deaf"] != true => return ActionOutcome::cancelled(),
            }
        }
        assert!(input["panic"] != true, "as asked");
        if input["unknown"] == true && step.attempt == 1 {
            return ActionOutcome::unknown("the wire was cut");
        }
        if u64::from(step.attempt) <= input["fail"].as_u64().unwrap_or(0) {
            let message = "exit code 3".to_owned();
            let failed = StepResult::Failed { message, code: Some(3) };
            return ActionOutcome {
                retry: true,
                ..ActionOutcome::ended(failed, Value::Null)
            };
        }
        let mut outputs = input["outputs"].clone();
        if input["needs"] == true {
            outputs = json!(step.outputs_of_needs);
        }
        ActionOutcome::succeeded(outputs)
    }
}

/// Keeps logs in memory.
#[derive(Default)]
pub struct Logs(pub Mutex<BTreeMap<Digest, String>>);

#[async_trait]
impl LogStore for Logs {
    async fn keep(&self, path: &Path) -> std::io::Result<Digest> {
        let text = std::fs::read_to_string(path)?;
        let digest = Digest::of(&text);
        self.0.lock().unwrap().insert(digest, text);
        Ok(digest)
    }
}

/// All that outlives an engine.
pub struct Bench {
    pub ledger: Arc<dyn Ledger>,
    pub world: Arc<World>,
    pub logs: Arc<Logs>,
    pub folder: tempfile::TempDir,
    pub max_parallel: usize,
    pub grace: Duration,
}

impl Bench {
    /// On a ledger in memory.
    pub fn new() -> Self {
        Self::on(Arc::new(
            MemoryLedger::new(vec![Arc::new(RunsView)], Arc::new(SystemClock)).unwrap(),
        ))
    }

    /// On a ledger in a file.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let views: Vec<Arc<dyn ledger::View>> = vec![Arc::new(RunsView)];
        let ledger = SqliteLedger::open(&folder.path().join("ledger.db"), views, Arc::new(SystemClock)).unwrap();
        Self {
            folder,
            ..Self::on(Arc::new(ledger))
        }
    }

    pub fn on(ledger: Arc<dyn Ledger>) -> Self {
        Self {
            ledger,
            world: Arc::default(),
            logs: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
            max_parallel: 8,
            grace: Duration::from_secs(20),
        }
    }

    /// An engine that drives.
    pub async fn engine(&self) -> Engine {
        Engine::start(self.ports()).await.unwrap()
    }

    /// An engine that drives nothing yet.
    pub fn standing_by(&self) -> Engine {
        Engine::stand_by(self.ports())
    }

    fn ports(&self) -> Ports {
        let scripted = |kind| -> Arc<dyn StepAction> {
            Arc::new(Scripted {
                world: Arc::clone(&self.world),
                kind,
            })
        };
        Ports {
            ledger: Arc::clone(&self.ledger),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            actions: vec![scripted("run"), scripted("approve")],
            runs_folder: self.folder.path().join("runs"),
            logs: Some(self.logs.clone()),
            max_parallel: self.max_parallel,
            memory: None,
            grace: self.grace,
        }
    }

    /// Asks for a run and waits for its end.
    pub async fn finish(&self, engine: &Engine, request: RunRequest) -> RunResult {
        let run = engine.submit(request, nothing()).await.unwrap().run;
        engine.wait(run).await.unwrap().unwrap()
    }

    /// `STEP: STATE [RESULT] [MESSAGE]` of each step.
    pub async fn steps(&self, run: RunId) -> Vec<String> {
        let steps = engine::query::steps(&*self.ledger, run).await.unwrap().rows;
        steps
            .iter()
            .map(|step| {
                let word = step.result.map_or(step.state.to_string(), |result| result.to_string());
                let message = step
                    .message
                    .as_ref()
                    .map(|message| format!(" ({message})"))
                    .unwrap_or_default();
                format!("{}: {word}{message}", step.step)
            })
            .collect()
    }

    /// What `look` finds, once it finds something; that somebody waits is no fact that could be followed.
    pub async fn until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        let found = async {
            loop {
                match look() {
                    Some(found) => return found,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.unwrap()
    }

    /// The views are what the facts say, and the chain holds.
    pub async fn check(&self) {
        assert!(!self.ledger.rebuild(&|_| {}).await.unwrap().differed());
        let mut histories: BTreeMap<_, History> = BTreeMap::new();
        let mut groups = Groups::default();
        for fact in self.ledger.read(0, 100_000).await.unwrap() {
            if fact.stream().kind() == "run" {
                groups.check(&fact).unwrap();
                histories
                    .entry(fact.stream().clone())
                    .or_default()
                    .check(&fact)
                    .unwrap();
            }
        }
        assert!(self.ledger.verify(None, &|_| {}).await.unwrap().fault.is_none());
    }
}

/// Nothing else is recorded with a request.
pub fn nothing() -> Append {
    Append::unconditional(Vec::new())
}

pub fn name(text: &str) -> StepName {
    StepName::new(text).unwrap()
}

/// A step `run` with this input and these needs.
pub fn step(step: &str, needs: &[&str], input: Value) -> PlannedStep {
    PlannedStep::new(name(step), "run", input).needing(needs.iter().map(|need| name(need)))
}

/// A step of class `effect`.
pub fn effect(name: &str, input: Value) -> PlannedStep {
    PlannedStep {
        effect: EffectClass::Effect,
        ..step(name, &[], input)
    }
}

/// So many further attempts, a few milliseconds apart.
pub fn retrying(step: PlannedStep, times: u32) -> PlannedStep {
    let retries = Retries {
        times,
        first_delay_ms: 2,
        factor: 2,
        longest_delay_ms: 8,
    };
    PlannedStep { retries, ..step }
}

/// A request for a run of these steps, with a key of its own.
pub fn request(steps: Vec<PlannedStep>) -> RunRequest {
    let run = RunId::new(facts::Clock::now(&SystemClock), &SystemEntropy);
    RunRequest {
        run,
        kind: "build".to_owned(),
        key: run.to_string(),
        component: ComponentId::of_key("shop/cart"),
        component_name: ComponentName::new("shop/cart").unwrap(),
        commit: None,
        line: None,
        environment: None,
        definition: Digest::of("definition"),
        trust: Trust::Trusted,
        actor: Actor::System,
        cause: None,
        context: json!({"ref": "refs/heads/main"}),
        plan: Ok(Plan::of(steps)),
    }
}

/// A request whose definition cannot be read.
pub fn broken() -> RunRequest {
    let broken = BrokenDefinition {
        file: "throughline.yaml".to_owned(),
        line: 3,
        column: 5,
        message: "unknown key `setps`".to_owned(),
        hint: Some("did you mean `steps`?".to_owned()),
    };
    RunRequest {
        plan: Err(broken),
        ..request(Vec::new())
    }
}
