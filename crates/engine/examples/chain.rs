//! What a durable step costs: a chain of no-op steps, and as many independent ones, on a ledger in a
//! file. `cargo run --release -p engine --example chain [STEPS] [FOLDER]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use engine::{ActionOutcome, Engine, GRACE, LogStore, Ports, RunRequest, RunsView, StepAction, StepContext};
use facts::{
    Actor, Clock as _, ComponentId, ComponentName, Digest, RunId, StepName, SystemClock, SystemEntropy, Trust,
};
use ledger::{Append, Ledger, SqliteLedger};
use pipeline::{Plan, PlannedStep};
use serde_json::Value;

struct Nothing;

#[async_trait]
impl StepAction for Nothing {
    fn kind(&self) -> &'static str {
        "nothing"
    }

    async fn perform(&self, _: StepContext) -> ActionOutcome {
        ActionOutcome::succeeded(Value::Null)
    }
}

struct NoLogs;

#[async_trait]
impl LogStore for NoLogs {
    async fn keep(&self, _: &Path) -> std::io::Result<Digest> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

fn request(steps: usize, chain: bool) -> Result<RunRequest, Box<dyn std::error::Error>> {
    let run = RunId::new(SystemClock.now(), &SystemEntropy);
    let name = |at: usize| StepName::new(format!("s{at}"));
    let mut plan = Plan::default();
    for at in 0..steps {
        let mut step = PlannedStep::new(name(at)?, "nothing", Value::Null);
        if chain && at > 0 {
            step.needs.push(name(at - 1)?);
        }
        plan.steps.push(step);
    }
    Ok(RunRequest {
        run,
        kind: "build".to_owned(),
        key: run.to_string(),
        component: ComponentId::of_key("bench/chain"),
        component_name: ComponentName::new("bench/chain")?,
        commit: None,
        line: None,
        environment: None,
        definition: Digest::of("definition"),
        trust: Trust::Trusted,
        actor: Actor::System,
        cause: None,
        context: Value::Null,
        plan: Ok(plan),
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let steps: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("throughline-chain-{}", std::process::id()));
    std::fs::create_dir_all(&path)?;
    let ledger = SqliteLedger::open(&path.join("ledger.db"), vec![Arc::new(RunsView)], Arc::new(SystemClock))?;
    let ledger: Arc<dyn Ledger> = Arc::new(ledger);
    let engine = Engine::start(Ports {
        ledger: Arc::clone(&ledger),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        actions: vec![Arc::new(Nothing)],
        runs_folder: path.join("runs"),
        logs: Some(Arc::new(NoLogs)),
        max_parallel: 64,
        memory: None,
        grace: GRACE,
    })
    .await?;
    for (what, chain) in [("chain", true), ("independent", false), ("chain again", true)] {
        let request = request(steps, chain)?;
        let before = ledger.head().await?;
        let began = Instant::now();
        let run = engine.submit(request, Append::unconditional(Vec::new())).await?.run;
        let submitted = began.elapsed();
        let result = engine.wait(run).await?;
        let took = began.elapsed();
        println!(
            "{what}: {steps} steps, {result:?}, {:.3} ms a step ({:.1} ms in all, {:.1} ms to submit), {} facts",
            took.as_secs_f64() * 1e3 / steps as f64,
            took.as_secs_f64() * 1e3,
            submitted.as_secs_f64() * 1e3,
            ledger.head().await? - before,
        );
    }
    engine.stop().await;
    std::fs::remove_dir_all(path)?;
    Ok(())
}
