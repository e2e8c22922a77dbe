//! The engine as others see it: ask for a run, wish something of one, wait for its end.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use facts::{Actor, Clock, Entropy, Fact, Position, RunId, StepName};
use ledger::{Append, AppendError, Ledger, LedgerError, Op, Select};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::action::StepAction;
use crate::decide::{Input, Refused, Situation, request_facts};
use crate::driver::{self, Origin};
use crate::groups::Waiting;
use crate::kinds::{self, claim_of, stream_of};
use crate::log::LogStore;
use crate::places::{Load, PlacePool};
use crate::query::{self, QueryError};
use crate::request::RunRequest;
use crate::result::{RunResult, State};
use crate::standby;
use crate::state::{Impossible, RunState};
use crate::view::RUNS;

/// What the engine works with.
pub struct Ports {
    /// Where facts go.
    pub ledger: Arc<dyn Ledger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random numbers.
    pub entropy: Arc<dyn Entropy>,
    /// What performs the steps, one for each kind.
    pub actions: Vec<Arc<dyn StepAction>>,
    /// The folder of all runs: an attempt's log is `RUN/attempts/STEP-ATTEMPT/log` in it.
    pub runs_folder: PathBuf,
    /// Keeps finished logs; where there is none, they stay where the attempts left them.
    pub logs: Option<Arc<dyn LogStore>>,
    /// How many steps may work at the same time.
    pub max_parallel: usize,
    /// How many bytes of memory the steps that work may say they need together; without a limit where
    /// absent.
    pub memory: Option<u64>,
    /// How long an attempt that was told to stop may take before the engine gives up on it.
    pub grace: Duration,
}

/// The grace that [`Ports::grace`] should have unless there is a reason.
pub const GRACE: Duration = Duration::from_secs(60);

/// Drives runs. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub ledger: Arc<dyn Ledger>,
    pub clock: Arc<dyn Clock>,
    pub actions: HashMap<&'static str, Arc<dyn StepAction>>,
    pub free_kinds: Arc<BTreeSet<String>>,
    pub runs_folder: PathBuf,
    pub logs: Option<Arc<dyn LogStore>>,
    pub grace: Duration,
    pub places: Arc<PlacePool>,
    /// Names this engine among all that ever drove this ledger's runs.
    pub epoch: u32,
    /// Whether this engine drives runs; else another server's does.
    pub leads: AtomicBool,
    pub stopping: CancellationToken,
    pub open: Mutex<HashMap<RunId, Handle>>,
    pub tasks: TaskTracker,
}

/// How to reach the task of an open run.
#[derive(Clone)]
pub(crate) struct Handle {
    pub inbox: mpsc::UnboundedSender<Message>,
    /// Tells the task up to where the ledger is known to have facts of its run.
    pub heard: Arc<watch::Sender<Position>>,
    /// Closed when the task ends.
    pub over: watch::Receiver<()>,
}

/// What is sent to the task of an open run.
pub(crate) struct Message {
    pub input: Input,
    pub answer: Option<Answer>,
}

pub(crate) type Answer = oneshot::Sender<Result<(), WishError>>;

/// A run that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The run.
    pub run: RunId,
    /// It was there before: nothing was recorded now.
    pub repeated: bool,
    /// Up to where the ledger was read or written.
    pub at: Position,
}

/// Why a run was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// What was to be recorded together with it rests on something that has changed, or the ledger
    /// cannot take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The plan cannot be driven.
    #[error("the plan cannot be driven: {0}")]
    Plan(#[from] pipeline::plan::PlanError),
    /// The facts do not fit together: a fault of the engine.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// The engine is stopping.
    #[error("the engine is stopping\nhint: ask again when it is back")]
    Stopping,
}

/// Why a wish was not met.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WishError {
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// The run is not in a state for it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The engine cannot drive this run.
    #[error("run {run} cannot be driven: {why}")]
    Halted {
        /// The run.
        run: RunId,
        /// Why.
        why: String,
    },
    /// The engine is stopping.
    #[error("the engine is stopping\nhint: ask again when it is back")]
    Stopping,
}

impl Engine {
    /// Starts the engine and takes up every run that is not finished. It does not wait until they
    /// have been read.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn start(ports: Ports) -> Result<Self, QueryError> {
        let engine = Self::stand_by(ports);
        engine.lead().await?;
        Ok(engine)
    }

    /// An engine that drives nothing, because another server's drives the runs of this ledger: it records
    /// what people ask for, which the other one hears of, until it is told to [lead](Self::lead).
    pub fn stand_by(ports: Ports) -> Self {
        let mut epoch = [0; 4];
        ports.entropy.fill(&mut epoch);
        let free = ports.actions.iter().filter(|action| action.waits());
        let inner = Inner {
            free_kinds: Arc::new(free.map(|action| action.kind().to_owned()).collect()),
            actions: ports
                .actions
                .into_iter()
                .map(|action| (action.kind(), action))
                .collect(),
            ledger: ports.ledger,
            clock: ports.clock,
            runs_folder: ports.runs_folder,
            logs: ports.logs,
            grace: ports.grace,
            places: PlacePool::new(ports.max_parallel, ports.memory),
            epoch: u32::from_le_bytes(epoch),
            leads: AtomicBool::new(false),
            stopping: CancellationToken::new(),
            open: Mutex::new(HashMap::new()),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether this engine drives the runs.
    pub fn leads(&self) -> bool {
        self.inner.leads()
    }

    /// Drives every run that is not finished, from now on. Nobody else may.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn lead(&self) -> Result<(), QueryError> {
        self.inner.leads.store(true, Ordering::SeqCst);
        for run in query::open_runs(&*self.inner.ledger).await? {
            self.inner.send(run, None);
        }
        Ok(())
    }

    /// Takes notice of a recorded fact, where others record facts of runs too: a run that they asked for is
    /// driven, and what they recorded about one is taken in. An engine that does not lead takes no notice.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn hear(&self, fact: &Fact) -> Result<(), QueryError> {
        if !self.inner.leads() || fact.stream().kind() != kinds::STREAM {
            return Ok(());
        }
        let Ok(run) = fact.stream().key().parse::<RunId>() else {
            return Ok(());
        };
        let driven = {
            let handles = self.inner.handles();
            let handle = handles.get(&run);
            if let Some(handle) = handle {
                // Under the lock: a task that ends looks at it before.
                handle.heard.send_if_modified(|heard| {
                    let further = fact.seq > *heard;
                    *heard = fact.seq.max(*heard);
                    further
                });
            }
            handle.is_some()
        };
        if !driven && [kinds::REQUESTED, kinds::REOPENED].contains(&fact.kind()) {
            let row = query::run(&*self.inner.ledger, run).await?;
            if row.is_some_and(|row| row.result.is_none()) {
                self.inner.send(run, None);
            }
        }
        Ok(())
    }

    /// Asks for a run. Its first facts and those of `together_with` are recorded in one commit, under
    /// the conditions of `together_with`.
    ///
    /// A key that was claimed before gives the run that claimed it, and nothing is recorded, nothing
    /// of `together_with` either.
    ///
    /// # Errors
    /// See [`SubmitError`]; nothing was recorded then, unless the store failed.
    pub async fn submit(&self, request: RunRequest, together_with: Append) -> Result<Submitted, SubmitError> {
        let inner = Arc::clone(&self.inner);
        if inner.stopping.is_cancelled() {
            return Err(SubmitError::Stopping);
        }
        // A task of its own: whoever asks may go away, a recorded run is driven all the same.
        let task = self
            .inner
            .tasks
            .spawn(async move { inner.submit(request, together_with).await });
        task.await.unwrap_or(Err(SubmitError::Stopping))
    }

    /// Ends a run: what runs is told to stop, the rest is skipped. Returns when the wish is durable.
    ///
    /// # Errors
    /// See [`WishError`].
    pub async fn cancel(&self, run: RunId, actor: Actor) -> Result<(), WishError> {
        self.wish(run, Input::Cancel { actor }).await
    }

    /// Attempts again what did not succeed in a finished run. Returns when the wish is durable.
    ///
    /// # Errors
    /// See [`WishError`].
    pub async fn retry(&self, run: RunId, actor: Actor) -> Result<(), WishError> {
        self.wish(run, Input::Retry { actor }).await
    }

    /// A person answers whether a step was done. Done counts as success; not done is attempted
    /// again. Returns when the answer is durable.
    ///
    /// # Errors
    /// See [`WishError`].
    pub async fn resolve(&self, run: RunId, step: &StepName, done: bool, actor: Actor) -> Result<(), WishError> {
        self.wish(
            run,
            Input::Resolve {
                step: step.clone(),
                done,
                actor,
            },
        )
        .await
    }

    /// Waits until the run is finished, and says its result; `None` when there is no such run or the
    /// engine stops before.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn wait(&self, run: RunId) -> Result<Option<RunResult>, QueryError> {
        let mut head = self.inner.ledger.follow();
        while !self.inner.leads() {
            head.borrow_and_update();
            match query::run(&*self.inner.ledger, run).await? {
                Some(row) if row.result.is_none() => {}
                row => return Ok(row.and_then(|row| row.result)),
            }
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return Ok(None) },
                () = self.inner.stopping.cancelled() => return Ok(None),
            }
        }
        loop {
            let handle = self.inner.handles().get(&run).cloned();
            if let Some(handle) = &handle {
                let mut over = handle.over.clone();
                // The sender never sends; the channel closes when the task ends.
                let _ = over.changed().await;
            }
            let row = query::run(&*self.inner.ledger, run).await?;
            match row {
                Some(row) if row.result.is_none() && handle.is_none() && !self.inner.stopping.is_cancelled() => {
                    // Just finished, or just begun by somebody else: look again.
                    if !self.inner.handles().contains_key(&run) {
                        return Ok(None);
                    }
                }
                Some(row) if row.result.is_none() && !self.inner.stopping.is_cancelled() => {}
                Some(row) => return Ok(row.result),
                None => return Ok(None),
            }
        }
    }

    /// What the steps of a run that is driven here, or the run itself, wait for because something else is in
    /// their group.
    pub fn waiting(&self, run: RunId) -> Vec<Waiting> {
        self.inner.places.groups().waiting(run)
    }

    /// What the steps of a run, or the run itself, wait for, whichever server drives it: one that stands by reads
    /// in the ledger who is in their groups.
    ///
    /// # Errors
    /// When there is no such run, or the ledger cannot be read.
    pub async fn waits(&self, run: RunId) -> Result<Vec<Waiting>, WishError> {
        match self.leads() {
            true => Ok(self.waiting(run)),
            false => standby::waiting(&self.inner, run).await,
        }
    }

    /// All that steps may take of this machine.
    pub fn machine(&self) -> Load {
        self.inner.places.machine()
    }

    /// How many steps work at the moment.
    pub fn working(&self) -> usize {
        self.inner.places.taken()
    }

    /// Stops driving. Attempts whose work outlives the server live on; all others are repeated or
    /// observed after the next start. Returns when nothing is driven any more.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    async fn wish(&self, run: RunId, input: Input) -> Result<(), WishError> {
        if self.inner.stopping.is_cancelled() {
            return Err(WishError::Stopping);
        }
        if !self.inner.leads() {
            return standby::wish(&self.inner, run, input).await;
        }
        let (answer, answered) = oneshot::channel();
        self.inner.send(
            run,
            Some(Message {
                input,
                answer: Some(answer),
            }),
        );
        answered.await.unwrap_or(Err(WishError::Stopping))
    }
}

impl Inner {
    pub(crate) fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    pub(crate) fn handles(&self) -> MutexGuard<'_, HashMap<RunId, Handle>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn submit(self: Arc<Self>, mut request: RunRequest, together_with: Append) -> Result<Submitted, SubmitError> {
        if let Some(there) = self.claimed(&request.key).await? {
            return Ok(there);
        }
        let run = request.run;
        let named: [(&str, Option<String>); 3] = [
            ("THROUGHLINE_COMPONENT", Some(request.component_name.to_string())),
            ("THROUGHLINE_BRANCH", request.line.as_ref().map(ToString::to_string)),
            ("THROUGHLINE_COMMIT", request.commit.as_ref().map(ToString::to_string)),
        ];
        if let Ok(plan) = &mut request.plan {
            plan.check_for(request.trust)?;
            plan.name_groups(|name| named.iter().find(|(known, _)| *known == name)?.1.clone());
        }
        let situation = Situation {
            now: self.clock.now(),
            epoch: self.epoch,
        };
        let facts = request_facts(&request, situation);
        let mut state = RunState::begin(&facts[0], Arc::clone(&self.free_kinds))?;
        for fact in &facts[1..] {
            state.evolve(fact)?;
        }
        let mut append = together_with;
        append.subjects.push(stream_of(request.run));
        append.facts.splice(0..0, facts);
        crashpoint::reach("engine.submit.before");
        match self.ledger.append(append).await {
            Ok(appended) => {
                crashpoint::reach("engine.submit.after");
                self.open(request.run, Origin::Fresh(Box::new(state), appended.last), None);
                Ok(Submitted {
                    run: request.run,
                    repeated: appended.repeated,
                    at: appended.last,
                })
            }
            Err(AppendError::Claimed { key, by }) if key == claim_of(&request.key) => {
                match self.claimed(&request.key).await? {
                    Some(there) => Ok(there),
                    None => Err(AppendError::Claimed { key, by }.into()),
                }
            }
            Err(error) => {
                if matches!(error, AppendError::Store(_)) {
                    // It may be recorded all the same: then it is driven.
                    self.send(run, None);
                }
                Err(error.into())
            }
        }
    }

    /// Sends a message to the run's task; a run without a task gets one that reads the ledger first.
    pub(crate) fn send(self: &Arc<Self>, run: RunId, message: Option<Message>) {
        self.open(run, Origin::Ledger, message);
    }

    /// Makes sure that the run has a task, and sends it a message; where another server drives it, it has
    /// none here.
    fn open(self: &Arc<Self>, run: RunId, origin: Origin, message: Option<Message>) {
        if !self.leads() {
            return;
        }
        let mut handles = self.handles();
        let handle = handles.entry(run).or_insert_with(|| {
            let (sender, inbox) = mpsc::unbounded_channel();
            let (ended, over) = watch::channel(());
            let (heard, hears) = watch::channel(0);
            let task = driver::drive(Arc::clone(self), run, origin, sender.clone(), inbox, hears);
            self.tasks.spawn(async move {
                task.await;
                drop(ended);
            });
            Handle {
                inbox: sender,
                heard: Arc::new(heard),
                over,
            }
        });
        if let Some(message) = message {
            // A task takes its handle away, under the lock held here, before it stops listening.
            let _ = handle.inbox.send(message);
        }
    }

    /// The run that claimed this key. If it is not finished, it is driven: whoever recorded it may
    /// have died right after.
    async fn claimed(self: &Arc<Self>, key: &str) -> Result<Option<Submitted>, LedgerError> {
        let Some(fact) = self.ledger.find_claim(&claim_of(key)).await? else {
            return Ok(None);
        };
        let Ok(run) = fact.stream().key().parse() else {
            return Ok(None);
        };
        if !self.handles().contains_key(&run) {
            let open = Select::from(RUNS).filter("id", Op::Eq, run.to_string()).filter(
                "state",
                Op::Ne,
                State::Finished.as_str(),
            );
            if !self.ledger.select(open).await?.rows.is_empty() {
                self.send(run, None);
            }
        }
        Ok(Some(Submitted {
            run,
            repeated: true,
            at: fact.seq,
        }))
    }
}
