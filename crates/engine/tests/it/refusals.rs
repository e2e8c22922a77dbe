use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::{ActionOutcome, Engine, Ports, RunResult, RunsView, StepAction, StepContext};
use facts::{Actor, Digest, Fact, FactId, NewFact, Position, Stream, SystemClock, SystemEntropy, Timestamp, Trust};
use ledger::{
    Append, AppendError, Appended, Checkpoint, Exported, Ledger, LedgerError, MemoryLedger, Rebuilt, Select, Selected,
    Verification,
};
use serde_json::json;

use crate::bench::{Bench, nothing, request, step};

/// Publishes one fact with its outcome; the input says in which stream and with which claim.
struct Publishing;

#[async_trait]
impl StepAction for Publishing {
    fn kind(&self) -> &'static str {
        "run"
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        let stream = step.input["stream"]
            .as_str()
            .map_or_else(|| format!("run/{}", step.run), str::to_owned);
        ActionOutcome::succeeded(json!({"published": true})).publishing([NewFact {
            stream: Stream::from(stream),
            id: FactId::new(Timestamp::UNIX_EPOCH, &SystemEntropy),
            kind: "verdict.recorded".to_owned(),
            kind_version: 1,
            occurred_at: Timestamp::UNIX_EPOCH,
            actor: Actor::Run(step.run),
            on_behalf_of: None,
            trust: Trust::Trusted,
            cause: None,
            correlation: None,
            external_key: step.input["claim"].as_str().map(str::to_owned),
            body: json!({}),
        }])
    }
}

async fn publishing(bench: &Bench) -> Engine {
    Engine::start(Ports {
        ledger: Arc::clone(&bench.ledger),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        actions: vec![Arc::new(Publishing)],
        runs_folder: bench.folder.path().to_owned(),
        logs: Some(bench.logs.clone()),
        max_parallel: 4,
        memory: None,
        grace: engine::GRACE,
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn facts_published_with_an_outcome_are_recorded_in_the_same_commit() {
    let bench = Bench::new();
    let engine = publishing(&bench).await;
    let asked = request(vec![step("a", &[], json!({"stream": "package/x"}))]);
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Succeeded);
    let facts = bench.ledger.read(0, 100).await.unwrap();
    let at = |kind: &str| facts.iter().find(|fact| fact.kind() == kind).unwrap();
    assert_eq!(at("verdict.recorded").seq, at("attempt.finished").seq + 1);
    assert_eq!(at("verdict.recorded").recorded_at, at("attempt.finished").recorded_at);
}

#[tokio::test]
async fn an_outcome_whose_facts_are_refused_fails_the_step_and_no_other() {
    let bench = Bench::new();
    let engine = publishing(&bench).await;
    let claiming = |name: &str| step(name, &[], json!({"stream": "package/x", "claim": "once"}));
    let asked = request(vec![
        claiming("a"),
        claiming("b"),
        step("c", &[], json!({"stream": "package/y"})),
    ]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    let steps = bench.steps(run).await;
    let refused: Vec<_> = steps
        .iter()
        .filter(|step| step.contains("its outcome cannot be recorded: `once`"))
        .collect();
    assert_eq!(refused.len(), 1, "{steps:?}");
    assert_eq!(
        steps.iter().filter(|step| step.ends_with(": succeeded")).count(),
        2,
        "{steps:?}"
    );
    bench.check().await;
}

#[tokio::test]
async fn an_action_cannot_write_the_history_of_its_run() {
    let bench = Bench::new();
    let engine = publishing(&bench).await;
    let asked = request(vec![step("a", &[], json!({}))]);
    let run = asked.run;
    assert_eq!(bench.finish(&engine, asked).await, RunResult::Failed);
    assert_eq!(
        bench.steps(run).await,
        ["a: failed (its outcome publishes facts in the run's own stream)"]
    );
}

/// A ledger whose store fails now and then: half of the failures come after the commit.
struct Unsteady {
    inner: MemoryLedger,
    appends: AtomicUsize,
    steady: bool,
    full_for: Mutex<usize>,
}

#[async_trait]
impl Ledger for Unsteady {
    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        {
            let mut full = self.full_for.lock().unwrap();
            if *full > 0 {
                *full -= 1;
                return Err(AppendError::Full);
            }
        }
        match self.appends.fetch_add(1, Ordering::SeqCst) % 6 {
            _ if self.steady => self.inner.append(append).await,
            2 => Err(AppendError::Store("the cable is loose".to_owned())),
            4 => {
                self.inner.append(append).await?;
                Err(AppendError::Store("the answer was lost".to_owned()))
            }
            _ => self.inner.append(append).await,
        }
    }

    async fn head(&self) -> Result<Position, LedgerError> {
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError> {
        self.inner.read(after, limit).await
    }

    async fn read_stream(&self, stream: &Stream, after: u64, limit: usize) -> Result<Vec<Arc<Fact>>, LedgerError> {
        self.inner.read_stream(stream, after, limit).await
    }

    async fn find_claim(&self, key: &str) -> Result<Option<Arc<Fact>>, LedgerError> {
        self.inner.find_claim(key).await
    }

    fn follow(&self) -> tokio::sync::watch::Receiver<Position> {
        self.inner.follow()
    }

    async fn select(&self, query: Select) -> Result<Selected, LedgerError> {
        self.inner.select(query).await
    }

    async fn verify(
        &self,
        from: Option<Checkpoint>,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<Verification, LedgerError> {
        self.inner.verify(from, progress).await
    }

    async fn rebuild(&self, progress: &(dyn Fn(Position) + Sync)) -> Result<Rebuilt, LedgerError> {
        self.inner.rebuild(progress).await
    }

    async fn export(&self, after: Position, limit: usize) -> Result<Vec<Exported>, LedgerError> {
        self.inner.export(after, limit).await
    }
}

#[tokio::test]
async fn outcomes_wait_while_the_store_fails_and_are_recorded_once() {
    let inner = MemoryLedger::new(vec![Arc::new(RunsView)], Arc::new(SystemClock)).unwrap();
    let ledger = Unsteady {
        inner,
        appends: AtomicUsize::new(0),
        steady: false,
        full_for: Mutex::new(0),
    };
    let bench = Bench::on(Arc::new(ledger));
    let engine = bench.engine().await;
    let steps: Vec<_> = (0..8)
        .map(|n| {
            let need = format!("s{}", n - 1);
            let needs = if n == 0 { vec![] } else { vec![need.as_str()] };
            step(&format!("s{n}"), &needs, json!({"outputs": Digest::of("x")}))
        })
        .collect();
    assert_eq!(bench.finish(&engine, request(steps)).await, RunResult::Succeeded);
    let performed: Vec<_> = (0..8).map(|n| format!("s{n}-1")).collect();
    assert_eq!(bench.world.performed(), performed);
    bench.check().await;
}

#[tokio::test]
async fn a_request_whose_acknowledgement_was_lost_is_driven_all_the_same() {
    let inner = MemoryLedger::new(vec![Arc::new(RunsView)], Arc::new(SystemClock)).unwrap();
    let bench = Bench::on(Arc::new(Unsteady {
        inner,
        appends: AtomicUsize::new(4),
        steady: false,
        full_for: Mutex::new(0),
    }));
    let engine = bench.engine().await;
    let asked = request(vec![step("a", &[], json!({}))]);
    let unknown = engine.submit(asked.clone(), nothing()).await.unwrap_err();
    assert!(unknown.to_string().contains("the answer was lost"), "{unknown}");
    assert_eq!(engine.wait(asked.run).await.unwrap(), Some(RunResult::Succeeded));
    let again = engine.submit(asked, nothing()).await.unwrap();
    assert!(again.repeated);
}

#[tokio::test]
async fn a_request_is_driven_though_nobody_waits_for_the_answer() {
    let bench = Bench::new();
    let engine = bench.engine().await;
    let asked = request(vec![step("a", &[], json!({}))]);
    let run = asked.run;
    {
        let submitting = engine.submit(asked, nothing());
        tokio::pin!(submitting);
        // Polled once, then dropped.
        let _ = tokio::time::timeout(std::time::Duration::ZERO, submitting).await;
    }
    bench.world.begun("a-1").await;
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
}

#[tokio::test]
async fn a_full_disk_refuses_new_runs_and_lets_open_ones_end() {
    let inner = MemoryLedger::new(vec![Arc::new(RunsView)], Arc::new(SystemClock)).unwrap();
    let ledger = Arc::new(Unsteady {
        inner,
        appends: AtomicUsize::new(0),
        steady: false,
        full_for: Mutex::new(0),
    });
    let bench = Bench::on(ledger.clone());
    let engine = bench.engine().await;
    let run = engine
        .submit(request(vec![step("a", &[], json!({"hold": true}))]), nothing())
        .await
        .unwrap()
        .run;
    bench.world.begun("a-1").await;
    *ledger.full_for.lock().unwrap() = 2;
    let refused = engine.submit(request(Vec::new()), nothing()).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the disk that holds the ledger is full"),
        "{refused}"
    );
    bench.world.release("a");
    assert_eq!(engine.wait(run).await.unwrap(), Some(RunResult::Succeeded));
}

#[tokio::test]
async fn a_full_disk_refuses_wishes_at_once_and_what_runs_goes_on() {
    let inner = MemoryLedger::new(vec![Arc::new(RunsView)], Arc::new(SystemClock)).unwrap();
    let ledger = Arc::new(Unsteady {
        inner,
        appends: AtomicUsize::new(0),
        steady: true,
        full_for: Mutex::new(0),
    });
    let bench = Bench::on(ledger.clone());
    let engine = bench.engine().await;
    let submit = |steps| engine.submit(request(steps), nothing());
    let held = submit(vec![step("a", &[], json!({"hold": true}))]).await.unwrap().run;
    bench.world.begun("a-1").await;
    let is_full = |wish: Result<(), engine::WishError>| {
        let told = wish.unwrap_err().to_string();
        assert!(told.starts_with("the disk that holds the ledger is full"), "{told}");
    };
    *ledger.full_for.lock().unwrap() = usize::MAX;
    is_full(engine.cancel(held, Actor::System).await);
    // Also while an outcome waits for room.
    bench.world.release("a");
    while *ledger.full_for.lock().unwrap() > usize::MAX - 3 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    is_full(engine.cancel(held, Actor::System).await);
    *ledger.full_for.lock().unwrap() = 0;
    // The wish was refused and is not made later.
    assert_eq!(engine.wait(held).await.unwrap(), Some(RunResult::Succeeded));

    let failed = submit(vec![step("b", &[], json!({"fail": 1}))]).await.unwrap().run;
    assert_eq!(engine.wait(failed).await.unwrap(), Some(RunResult::Failed));
    *ledger.full_for.lock().unwrap() = usize::MAX;
    is_full(engine.retry(failed, Actor::System).await);
    *ledger.full_for.lock().unwrap() = 0;
    engine.retry(failed, Actor::System).await.unwrap();
    assert_eq!(engine.wait(failed).await.unwrap(), Some(RunResult::Succeeded));
}
