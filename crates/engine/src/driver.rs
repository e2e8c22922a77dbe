//! The driver of one open run: a task that carries inputs in, appends facts, and has actions
//! performed once the facts are durable.
//!
//! It decides nothing itself; see [`OpenRun`]. It sleeps until an input comes, a place becomes free
//! or a deadline passes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use facts::{Position, RunId};
use ledger::{Append, AppendError, Appended, Ledger, LedgerError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::attempt::{Live, Work};
use crate::decide::{Action, Attempt, Input};
use crate::engine::{Answer, Inner, Message, WishError};
use crate::groups::{Member, TurnSearch, group_of_claim, turn_claim};
use crate::kinds::stream_of;
use crate::open_run::{Done, OpenRun, Turn};
use crate::places::RunPlaces;
use crate::state::{Impossible, RunState};

/// How many facts of a run are read at once.
const FACTS_AT_ONCE: usize = 1_000;
/// The longest pause before a failed store is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often a run that waits, or keeps others waiting, asks the ledger whether that is still so.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The longest sleep: a clock that was set, or a machine that slept, is noticed after so long.
const LONGEST_SLEEP: Duration = Duration::from_secs(300);

/// Where the state of a run comes from.
pub(crate) enum Origin {
    /// It was recorded just now, up to this position.
    Fresh(Box<RunState>, Position),
    /// It is read from the ledger.
    Ledger,
}

/// Why a run is not driven any further.
#[derive(Debug, thiserror::Error)]
enum Halt {
    #[error("there is no such run")]
    NoRun,
    #[error(transparent)]
    Impossible(#[from] Impossible),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the ledger refuses its facts: {0}")]
    Rejected(String),
    #[error("the engine is stopping")]
    Stopping,
}

/// Drives a run until it is finished or the engine stops.
pub(crate) async fn drive(
    inner: Arc<Inner>,
    run: RunId,
    origin: Origin,
    sender: UnboundedSender<Message>,
    mut inbox: UnboundedReceiver<Message>,
    heard: watch::Receiver<Position>,
) {
    let ended = Task::run(&inner, run, origin, sender, &mut inbox, heard).await;
    if let Err(halt) = ended {
        inner.handles().remove(&run);
        inbox.close();
        match &halt {
            Halt::Stopping | Halt::NoRun => {}
            halt => error!(%run, "the run cannot be driven: {halt}"),
        }
        while let Ok(message) = inbox.try_recv() {
            let Some(answer) = message.answer else { continue };
            let _ = answer.send(Err(halt.to_whoever_wished(run)));
        }
    }
}

impl Halt {
    fn to_whoever_wished(&self, run: RunId) -> WishError {
        match self {
            Self::NoRun => WishError::NoRun(run),
            Self::Stopping => WishError::Stopping,
            Self::Ledger(error) => WishError::Ledger(error.clone()),
            halt => WishError::Halted {
                run,
                why: halt.to_string(),
            },
        }
    }
}

/// Reads a run's state from the ledger, and up to where, for whoever does not drive it.
pub(crate) async fn read_run(inner: &Inner, run: RunId) -> Result<(RunState, Position), WishError> {
    let read = load(inner, run).await;
    read.map_err(|halt| halt.to_whoever_wished(run))
}

struct Task<'a> {
    inner: &'a Arc<Inner>,
    run: RunId,
    open: OpenRun<Answer>,
    places: RunPlaces,
    sender: UnboundedSender<Message>,
    /// The position of the last fact of this run that the ledger is known to hold.
    heard: watch::Receiver<Position>,
    live: HashMap<(Work, Attempt), Live>,
}

impl<'a> Task<'a> {
    async fn run(
        inner: &'a Arc<Inner>,
        run: RunId,
        origin: Origin,
        sender: UnboundedSender<Message>,
        inbox: &mut UnboundedReceiver<Message>,
        heard: watch::Receiver<Position>,
    ) -> Result<(), Halt> {
        let (state, read_at, first) = match origin {
            Origin::Fresh(state, read_at) => (*state, read_at, Input::Look),
            Origin::Ledger => {
                let (state, read_at) = load(inner, run).await?;
                (state, read_at, Input::Recover)
            }
        };
        let mut open = OpenRun::new(state, read_at, inner.epoch);
        if open.state().result().is_none() {
            open.push(first, None);
        }
        let task = Self {
            inner,
            run,
            open,
            places: inner.places.share(run),
            sender,
            heard,
            live: HashMap::new(),
        };
        task.go(inbox).await
    }

    async fn go(mut self, inbox: &mut UnboundedReceiver<Message>) -> Result<(), Halt> {
        let changed = self.places.changed();
        let mut look_at: Option<Instant> = None;
        loop {
            while let Ok(message) = inbox.try_recv() {
                self.take(message);
            }
            match self.open.turn(self.inner.clock.now(), &mut self.places)? {
                Turn::Append(append) => {
                    if let Some(done) = self.append(append, inbox).await? {
                        self.act(done);
                    }
                    continue;
                }
                Turn::Act(done) => {
                    self.act(done);
                    continue;
                }
                Turn::Idle => {}
            }
            if self.open.is_over() {
                {
                    let mut handles = self.inner.handles();
                    // Whoever sends or tells holds the same lock, so nothing comes after this look.
                    let further = *self.heard.borrow() > self.open.read_at();
                    match inbox.try_recv() {
                        Ok(message) => {
                            drop(handles);
                            self.take(message);
                            continue;
                        }
                        Err(_) if further => {}
                        Err(_) => {
                            handles.remove(&self.run);
                            return Ok(());
                        }
                    }
                }
                // Somebody has asked for another attempt meanwhile.
                self.reload().await?;
                continue;
            }
            let groups = self.inner.places.groups();
            let (elsewhere, keeps_waiting) = (groups.held_elsewhere(self.run), groups.keeps_waiting(self.run));
            look_at = match elsewhere.is_empty() && !keeps_waiting {
                true => None,
                false => Some(look_at.unwrap_or_else(|| Instant::now() + LOOK_AGAIN)),
            };
            let deadline = self.sleep();
            tokio::select! {
                biased;
                () = self.inner.stopping.cancelled() => return Err(Halt::Stopping),
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return Err(Halt::Stopping),
                },
                () = changed.notified() => {}
                Ok(()) = self.heard.changed() => {
                    let at = *self.heard.borrow_and_update();
                    if at > self.open.read_at() {
                        self.reload().await?;
                    }
                }
                () = tokio::time::sleep(deadline.unwrap_or_default()), if deadline.is_some() => {}
                () = tokio::time::sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => {
                    look_at = None;
                    for group in &elsewhere {
                        learn(self.inner, group).await?;
                    }
                    if keeps_waiting {
                        self.look_whether_driven_further().await?;
                    }
                }
            }
        }
    }

    /// Takes in what another server has recorded of this run. Nothing may be on its way.
    async fn look_whether_driven_further(&mut self) -> Result<(), Halt> {
        let known = self.open.state().version;
        // A store that fails says so where something is appended; this look comes again.
        let next = self.inner.ledger.read_stream(&stream_of(self.run), known, 1).await;
        if next.is_ok_and(|facts| !facts.is_empty()) {
            self.reload().await?;
        }
        Ok(())
    }

    /// Reads the run again; what is driven here goes on from there.
    async fn reload(&mut self) -> Result<(), Halt> {
        let (state, read_at) = load(self.inner, self.run).await?;
        let open: BTreeSet<Attempt> = attempts(&state);
        self.live
            .retain(|(work, attempt), _| *work == Work::Observation || open.contains(attempt));
        self.open.conflicted(state, read_at);
        Ok(())
    }

    fn take(&mut self, message: Message) {
        match &message.input {
            Input::Finished { step, attempt, .. } => {
                self.live.remove(&(
                    Work::Attempt,
                    Attempt {
                        step: step.clone(),
                        number: *attempt,
                    },
                ));
            }
            Input::Observed { step, attempt, .. } => {
                self.live.remove(&(
                    Work::Observation,
                    Attempt {
                        step: step.clone(),
                        number: *attempt,
                    },
                ));
            }
            _ => {}
        }
        self.open.push(message.input, message.answer);
    }

    /// How long until a deadline passes.
    fn sleep(&self) -> Option<Duration> {
        let at = self.open.state().next_deadline()?;
        let left = at.duration_since(self.inner.clock.now());
        // Timers have milliseconds; one more, so that the deadline has passed when they end.
        let left = Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1);
        Some(left.min(LONGEST_SLEEP))
    }

    /// Appends, whatever it takes. `None` when the inputs have to be decided on again.
    async fn append(
        &mut self,
        append: Append,
        inbox: &mut UnboundedReceiver<Message>,
    ) -> Result<Option<Done<Answer>>, Halt> {
        crashpoint::reach("engine.append.before");
        match self.append_durably(append, inbox).await {
            Ok(appended) => {
                crashpoint::reach("engine.append.after");
                Ok(Some(self.open.committed(appended.last)))
            }
            Err(AppendError::Conflict { .. } | AppendError::Reused { .. }) => {
                self.reload().await?;
                Ok(None)
            }
            // Somebody else has this turn of a group: whose it is now stands in the ledger.
            Err(AppendError::Claimed { key, .. }) if group_of_claim(&key).is_some() => {
                if let Some(group) = group_of_claim(&key) {
                    learn(self.inner, group).await?;
                }
                let (state, read_at) = load(self.inner, self.run).await?;
                self.open.conflicted(state, read_at);
                Ok(None)
            }
            // There is no room. Whoever wished for something hears that; outcomes wait for room.
            Err(AppendError::Full) if !self.inner.stopping.is_cancelled() => {
                let wishes = self.open.withdraw_wishes();
                let (state, read_at) = load(self.inner, self.run).await?;
                self.open.conflicted(state, read_at);
                for answer in wishes {
                    let _ = answer.send(Err(WishError::Ledger(LedgerError::Full)));
                }
                Ok(None)
            }
            // Another server drives it now, or nobody.
            Err(AppendError::Full | AppendError::Store(_) | AppendError::Fenced { .. }) => Err(Halt::Stopping),
            Err(refused) => {
                warn!(run = %self.run, "the ledger refuses an outcome: {refused}");
                let (state, read_at) = load(self.inner, self.run).await?;
                self.open
                    .rejected(state, read_at, &refused.to_string())
                    .map_err(Halt::Rejected)?;
                Ok(None)
            }
        }
    }

    /// Appends; while the store has no room or fails, tries the very same append again, so that it is
    /// recorded once. Other refusals, and those at the stop of the engine, are handed back; and the
    /// lack of room, where somebody waits for an answer.
    async fn append_durably(
        &mut self,
        append: Append,
        inbox: &mut UnboundedReceiver<Message>,
    ) -> Result<Appended, AppendError> {
        let mut pause = Duration::from_millis(100);
        loop {
            let error = match self.inner.ledger.append(append.clone()).await {
                Err(error @ (AppendError::Full | AppendError::Store(_))) => error,
                other => return other,
            };
            let is_full = matches!(error, AppendError::Full);
            if is_full && self.open.has_wishes() {
                return Err(error);
            }
            warn!(run = %self.run, "an outcome waits to be recorded: {error}");
            let again = tokio::time::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            tokio::pin!(again);
            loop {
                tokio::select! {
                    () = self.inner.stopping.cancelled() => return Err(error),
                    () = &mut again => break,
                    Some(message) = inbox.recv() => match message.answer {
                        Some(answer) if is_full => {
                            let _ = answer.send(Err(WishError::Ledger(LedgerError::Full)));
                        }
                        _ => self.take(message),
                    },
                }
            }
        }
    }

    fn act(&mut self, done: Done<Answer>) {
        for (answer, said) in done.answers {
            let _ = answer.send(said.map_err(WishError::Refused));
        }
        for action in done.actions {
            match action {
                Action::Perform(attempt) => self.begin(Work::Attempt, attempt, false),
                Action::Resume(attempt) => self.begin(Work::Attempt, attempt, true),
                Action::Observe(attempt) => self.begin(Work::Observation, attempt, false),
                Action::Stop(attempt) => {
                    if let Some(live) = self.live.get(&(Work::Attempt, attempt)) {
                        live.stop();
                    }
                }
            }
        }
    }

    /// Begins to perform, resume or observe, unless that goes on already.
    fn begin(&mut self, work: Work, attempt: Attempt, resume: bool) {
        let key = (work, attempt);
        if self.live.contains_key(&key) {
            return;
        }
        let state = self.open.state();
        if let Some(live) = Live::begin(self.inner, state, work, &key.1, resume, self.sender.clone()) {
            self.live.insert(key, live);
        }
    }
}

fn attempts(state: &RunState) -> BTreeSet<Attempt> {
    state
        .open_attempts()
        .map(|(step, number)| Attempt {
            step: step.clone(),
            number,
        })
        .collect()
}

/// Reads a run's state from the ledger; while the store fails, tries again.
async fn load(inner: &Inner, run: RunId) -> Result<(RunState, Position), Halt> {
    let mut pause = Duration::from_millis(100);
    loop {
        match read(&*inner.ledger, run, inner).await {
            Err(Halt::Ledger(error @ LedgerError::Store(_))) => {
                warn!(%run, "the run waits to be read: {error}");
                tokio::select! {
                    () = inner.stopping.cancelled() => return Err(Halt::Stopping),
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                }
            }
            other => return other,
        }
    }
}

/// Reads from the ledger which turn of a group was the last, and who is in it.
async fn learn(inner: &Inner, group: &str) -> Result<(), Halt> {
    let (turn, holder) = last_turn(inner, group).await?;
    inner.places.groups().learn(group, turn, holder);
    Ok(())
}

/// Reads from the ledger who is in a group, for whoever drives none of its runs.
pub(crate) async fn holder(inner: &Inner, group: &str, of: RunId) -> Result<Option<Member>, WishError> {
    let found = last_turn(inner, group).await;
    found
        .map(|(_, holder)| holder)
        .map_err(|halt| halt.to_whoever_wished(of))
}

async fn last_turn(inner: &Inner, group: &str) -> Result<(u64, Option<Member>), Halt> {
    let mut search = TurnSearch::default();
    let mut last = None;
    while let Some(turn) = search.next() {
        let fact = inner.ledger.find_claim(&turn_claim(group, turn)).await?;
        search.found(fact.is_some());
        last = fact.or(last);
    }
    let holder = match last.and_then(|fact| fact.stream().key().parse().ok()) {
        Some(run) => load(inner, run).await?.0.holder(group),
        None => None,
    };
    Ok((search.last(), holder))
}

async fn read(ledger: &dyn Ledger, run: RunId, inner: &Inner) -> Result<(RunState, Position), Halt> {
    let stream = stream_of(run);
    let (mut state, mut version, mut read_at): (Option<RunState>, _, _) = (None, 0, 0);
    loop {
        let facts = ledger.read_stream(&stream, version, FACTS_AT_ONCE).await?;
        for fact in &facts {
            match &mut state {
                None => state = Some(RunState::begin(&fact.new, Arc::clone(&inner.free_kinds))?),
                Some(state) => state.evolve(&fact.new)?,
            }
            version = fact.stream_version;
            read_at = fact.seq;
        }
        if facts.len() < FACTS_AT_ONCE {
            return Ok((state.ok_or(Halt::NoRun)?, read_at));
        }
    }
}
