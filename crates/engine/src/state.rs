//! The state of one run: a fold of its facts.
//!
//! [`RunState::evolve`] takes in one fact, at a cost that does not depend on the number of steps.
//! What follows from a state is decided in [`decide`](crate::decide); what a decision may forget,
//! because it can be derived again (which steps are ready, which are being observed, which deadlines
//! have passed), is kept here beside what facts say and marked as such.

mod agreement;
mod groups;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use facts::{FactId, NewFact, RunId, StepName, Timestamp};
use pipeline::{EffectClass, Plan, PlannedStep};
use serde_json::Value;

use crate::kinds::{Next, Requested, RunFact, Seen, stream_of};
use crate::mutation::{self, Mutation};
use crate::places::Load;
use crate::request::RunRequest;
use crate::result::{RunResult, State};
pub(crate) use crate::step::{Phase, Step};

/// A fact that cannot follow what was there before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fact `{kind}` cannot follow in run {run}: {why}")]
pub struct Impossible {
    /// The run.
    pub run: RunId,
    /// The kind of fact.
    pub kind: String,
    /// Why not.
    pub why: String,
}

/// The state of one run.
#[derive(Debug, Clone)]
pub struct RunState {
    pub(crate) request: Arc<RunRequest>,
    /// The steps that have been read, until all are there.
    loading: Vec<PlannedStep>,
    expected: usize,
    /// The version of the last fact in the run's stream.
    pub(crate) version: u64,
    pub(crate) last_fact: FactId,
    pub(crate) steps: Vec<Step>,
    places: HashMap<StepName, usize>,
    pub(crate) needs: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
    pub(crate) started: bool,
    pub(crate) cancelling: bool,
    pub(crate) round: u32,
    pub(crate) result: Option<RunResult>,
    pub(crate) unfinished: usize,
    ended: BTreeMap<RunResult, usize>,
    /// The first step of this round that did not succeed, and what it said.
    pub(crate) trouble: Option<(usize, String)>,
    free_kinds: Arc<BTreeSet<String>>,
    /// Derived: steps whose last need has come and that were not looked at yet.
    pub(crate) undecided: VecDeque<usize>,
    /// Derived: steps that wait for a place.
    pub(crate) ready: BTreeSet<usize>,
    /// Derived: steps that may begin and take no place.
    pub(crate) ready_free: BTreeSet<usize>,
    /// Derived: when a step has to be looked at again.
    pub(crate) deadlines: BTreeSet<(Timestamp, usize)>,
    /// What open attempts take of the machine.
    pub(crate) placed: Load,
    /// When the run was asked for.
    requested_at: Timestamp,
    /// Whether any part of it is in a group.
    pub(crate) grouped: bool,
    /// By group, the last turn that this run had.
    had: BTreeMap<String, u64>,
    /// The turn that the whole run has in its group.
    pub(crate) run_turn: Option<u64>,
    /// The group in which a newer run took this run's turn, and that run.
    pub(crate) superseded: Option<(String, RunId)>,
}

impl RunState {
    /// The state after the first fact of a run. `free_kinds` are the kinds of actions that take no
    /// place.
    ///
    /// # Errors
    /// When the fact is not `run.requested`, or its stream is not a run's.
    pub fn begin(fact: &NewFact, free_kinds: Arc<BTreeSet<String>>) -> Result<Self, Impossible> {
        let nowhere = RunId::of_key(fact.stream.as_str());
        let run: RunId = fact.stream.key().parse().unwrap_or(nowhere);
        let impossible = |why: String| Impossible {
            run,
            kind: fact.kind.clone(),
            why,
        };
        if fact.stream != stream_of(run) {
            return Err(impossible(format!("`{}` is not the stream of a run", fact.stream)));
        }
        match RunFact::read(fact) {
            Ok(Some(RunFact::Requested(body))) => Ok(Self::requested(run, fact, body, free_kinds)),
            Ok(_) => Err(impossible("a run begins with `run.requested`".to_owned())),
            Err(error) => Err(impossible(error.to_string())),
        }
    }

    fn requested(run: RunId, fact: &NewFact, body: Requested, free_kinds: Arc<BTreeSet<String>>) -> Self {
        let expected = usize::try_from(body.steps).unwrap_or(usize::MAX);
        let request = RunRequest {
            run,
            kind: body.kind,
            key: body.key,
            component: body.component,
            component_name: body.component_name,
            commit: body.commit,
            line: body.line,
            environment: body.environment,
            definition: body.definition,
            trust: body.trust,
            actor: fact.actor,
            cause: fact.cause,
            context: body.context,
            plan: match body.broken {
                Some(broken) => Err(broken),
                None => Ok(Plan {
                    concurrency: body.concurrency.map(|concurrency| *concurrency),
                    ..Plan::default()
                }),
            },
        };
        let grouped = request.plan.as_ref().is_ok_and(|plan| plan.concurrency.is_some());
        Self {
            request: Arc::new(request),
            loading: Vec::new(),
            expected,
            version: 1,
            last_fact: fact.id,
            steps: Vec::new(),
            places: HashMap::new(),
            needs: Vec::new(),
            dependents: Vec::new(),
            started: false,
            cancelling: false,
            round: 1,
            result: None,
            unfinished: 0,
            ended: BTreeMap::new(),
            trouble: None,
            free_kinds,
            undecided: VecDeque::new(),
            ready: BTreeSet::new(),
            ready_free: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            placed: Load::default(),
            requested_at: fact.occurred_at,
            grouped,
            had: BTreeMap::new(),
            run_turn: None,
            superseded: None,
        }
    }

    /// Takes in the next fact of the run's stream.
    ///
    /// # Errors
    /// When the fact cannot follow; the state is then of no use any more.
    pub fn evolve(&mut self, fact: &NewFact) -> Result<(), Impossible> {
        match RunFact::read(fact) {
            Ok(Some(read)) => self.take(&read, fact.id, fact.occurred_at),
            // A kind of a newer version: kept, and skipped.
            Ok(None) => {
                self.version += 1;
                Ok(())
            }
            Err(error) => Err(self.impossible(&fact.kind, &error.to_string())),
        }
    }

    /// Takes in a fact that was read.
    pub(crate) fn take(&mut self, fact: &RunFact, id: FactId, at: Timestamp) -> Result<(), Impossible> {
        self.version += 1;
        self.last_fact = id;
        self.fold(fact, id, at)
            .map_err(|why| self.impossible(fact.kind(), &why))
    }

    fn fold(&mut self, fact: &RunFact, id: FactId, at: Timestamp) -> Result<(), String> {
        let reopens = matches!(fact, RunFact::Reopened(_));
        if self.result.is_some() && !reopens {
            return Err("the run is finished".to_owned());
        }
        match fact {
            RunFact::Requested(_) => return Err("the run was requested before".to_owned()),
            RunFact::Planned(body) => {
                if body.first != self.loading.len() as u64 {
                    return Err("a part of the plan is missing".to_owned());
                }
                self.loading.extend(body.steps.iter().cloned());
                if self.loading.len() == self.expected {
                    self.index();
                }
            }
            RunFact::Started(_) => self.started = true,
            RunFact::AttemptStarted(body) => {
                let place = self.place(&body.step)?;
                let step = &self.steps[place];
                if !matches!(step.phase, Phase::Waiting | Phase::Ready | Phase::Backoff { .. }) || step.missing > 0 {
                    return Err(format!("step `{}` cannot begin now", body.step));
                }
                if step.doubt {
                    return Err(format!("step `{}` was not observed", body.step));
                }
                if body.attempt != step.attempt + 1 {
                    return Err(format!("step `{}` is at attempt {}", body.step, step.attempt));
                }
                self.enter(
                    place,
                    Phase::Running {
                        since: at,
                        overdue: false,
                    },
                );
                self.steps[place].attempt = body.attempt;
                self.steps[place].last_fact = Some(id);
            }
            RunFact::AttemptFinished(body) => {
                let place = self.place(&body.step)?;
                let effect = self.planned(place).effect == EffectClass::Effect;
                let step = &mut self.steps[place];
                if !matches!(step.phase, Phase::Running { .. }) || body.attempt != step.attempt {
                    return Err(format!("attempt {} of step `{}` is not open", body.attempt, body.step));
                }
                match (body.lost, body.result) {
                    (true, _) => step.losses += 1,
                    (false, RunResult::Succeeded) => {}
                    (false, _) => step.failures += 1,
                }
                step.doubt =
                    effect && body.result != RunResult::Succeeded && !mutation::is(Mutation::RepeatEffectsBlindly);
                self.follow(place, body.next, &body.outputs, body.message.as_deref(), id);
            }
            RunFact::Observed(body) => {
                let place = self.place(&body.step)?;
                let step = &mut self.steps[place];
                let may = matches!(
                    step.phase,
                    Phase::Looking | Phase::Backoff { .. } | Phase::Waiting | Phase::Ready
                );
                if !may || !step.doubt || body.attempt != step.attempt {
                    return Err(format!("step `{}` was not to be observed", body.step));
                }
                step.doubt = body.seen == Seen::Unknown;
                self.follow(place, body.next, &body.outputs, body.message.as_deref(), id);
            }
            RunFact::Resolved(body) => {
                let place = self.place(&body.step)?;
                let step = &mut self.steps[place];
                if step.phase != Phase::Asking || body.attempt != step.attempt {
                    return Err(format!("nobody was asked about step `{}`", body.step));
                }
                step.doubt = false;
                self.follow(place, body.next, &Value::Null, None, id);
            }
            RunFact::Settled(body) => {
                for name in &body.steps {
                    let place = self.place(name)?;
                    let phase = self.steps[place].phase;
                    if matches!(phase, Phase::Running { .. } | Phase::Finished(_)) {
                        return Err(format!("step `{name}` cannot be settled now"));
                    }
                    let next = Next::Finished { result: body.result };
                    self.follow(place, next, &Value::Null, Some(&body.message), id);
                }
            }
            RunFact::GroupEntered(body) => {
                let key = self.group_key(&body.group, body.step.is_some());
                self.had.insert(key, body.turn);
                match &body.step {
                    None => self.run_turn = Some(body.turn),
                    Some(step) => {
                        let place = self.place(step)?;
                        if self.steps[place].phase.finished().is_some() {
                            return Err(format!("step `{step}` is finished"));
                        }
                        self.steps[place].turn = Some(body.turn);
                    }
                }
            }
            RunFact::Superseded(body) => match &body.step {
                None => {
                    self.cancelling = true;
                    self.superseded = Some((body.group.clone(), body.by));
                }
                Some(step) => {
                    let place = self.place(step)?;
                    self.steps[place].superseded = true;
                }
            },
            RunFact::CancelRequested(_) => self.cancelling = true,
            RunFact::Reopened(body) => {
                if self.result.take().is_none() {
                    return Err("the run is not finished".to_owned());
                }
                self.round = body.round;
                self.cancelling = false;
                self.superseded = None;
                self.trouble = None;
            }
            RunFact::Reset(body) => {
                for name in &body.steps {
                    let place = self.place(name)?;
                    self.reset(place)?;
                    self.steps[place].last_fact = Some(id);
                }
            }
            RunFact::Finished(body) => {
                if self.unfinished > 0 {
                    return Err(format!("{} steps are not finished", self.unfinished));
                }
                self.result = Some(body.result);
                self.run_turn = None;
                self.undecided.clear();
            }
        }
        Ok(())
    }

    /// All of the plan is there.
    fn index(&mut self) {
        let steps = std::mem::take(&mut self.loading);
        self.places = steps
            .iter()
            .enumerate()
            .map(|(place, step)| (step.name.clone(), place))
            .collect();
        self.dependents = vec![Vec::new(); steps.len()];
        for (place, step) in steps.iter().enumerate() {
            let needs: BTreeSet<usize> = step
                .needs
                .iter()
                .filter_map(|need| self.places.get(need).copied())
                .collect();
            for need in &needs {
                self.dependents[*need].push(place);
            }
            if needs.is_empty() {
                self.undecided.push_back(place);
            }
            self.steps.push(Step {
                phase: Phase::Waiting,
                attempt: 0,
                failures: 0,
                losses: 0,
                missing: needs.len(),
                doubt: false,
                outputs: Value::Null,
                turn: None,
                superseded: false,
                last_fact: None,
            });
            self.needs.push(needs.into_iter().collect());
        }
        self.unfinished = self.steps.len();
        self.grouped = self.grouped || steps.iter().any(|step| step.concurrency.is_some());
        let mut request = (*self.request).clone();
        let concurrency = request.plan.as_ref().ok().and_then(|plan| plan.concurrency.clone());
        request.plan = Ok(Plan { steps, concurrency });
        self.request = Arc::new(request);
    }

    /// What a fact says follows for a step.
    fn follow(&mut self, place: usize, next: Next, outputs: &Value, message: Option<&str>, id: FactId) {
        match next {
            Next::Finished { result } => {
                self.steps[place].outputs = outputs.clone();
                if self.trouble.is_none() && !matches!(result, RunResult::Succeeded | RunResult::Skipped) {
                    self.trouble = Some((place, message.unwrap_or(result.as_str()).to_owned()));
                }
                self.enter(place, Phase::Finished(result));
            }
            Next::Again { at } => self.enter(place, Phase::Backoff { at }),
            Next::Ask => self.enter(place, Phase::Asking),
        }
        self.steps[place].last_fact = Some(id);
    }

    fn reset(&mut self, place: usize) -> Result<(), String> {
        let Some(result) = self.steps[place].phase.finished() else {
            return Err(format!("step `{}` is not finished", self.name(place)));
        };
        if let Some(count) = self.ended.get_mut(&result) {
            *count -= 1;
        }
        self.unfinished += 1;
        let open = |state: &Self, place: usize| state.steps[place].phase.finished().is_none();
        let missing = self.needs[place].iter().filter(|need| open(self, **need)).count();
        let step = &mut self.steps[place];
        step.phase = Phase::Waiting;
        step.missing = missing;
        step.failures = 0;
        step.losses = 0;
        step.outputs = Value::Null;
        step.superseded = false;
        for at in 0..self.dependents[place].len() {
            let dependent = self.dependents[place][at];
            if open(self, dependent) {
                self.steps[dependent].missing += 1;
            }
        }
        if missing == 0 {
            self.undecided.push_back(place);
        }
        Ok(())
    }

    /// Moves a step to another phase and keeps what is derived from phases.
    pub(crate) fn enter(&mut self, place: usize, phase: Phase) {
        let takes_place = self.takes_place(place);
        let load = self.load(place);
        match self.steps[place].phase {
            Phase::Ready => {
                self.ready.remove(&place);
                self.ready_free.remove(&place);
            }
            Phase::Running { since, .. } => {
                if let Some(due) = self.due(place, since) {
                    self.deadlines.remove(&(due, place));
                }
                if takes_place {
                    self.placed = self.placed.without(load);
                }
            }
            Phase::Backoff { at } => {
                self.deadlines.remove(&(at, place));
            }
            Phase::Waiting | Phase::Looking | Phase::Asking | Phase::Finished(_) => {}
        }
        match phase {
            Phase::Ready if takes_place => {
                self.ready.insert(place);
            }
            Phase::Ready => {
                self.ready_free.insert(place);
            }
            Phase::Running { since, overdue } => {
                if let (Some(due), false) = (self.due(place, since), overdue) {
                    self.deadlines.insert((due, place));
                }
                if takes_place {
                    self.placed = self.placed.and(load);
                }
            }
            Phase::Backoff { at } => {
                self.deadlines.insert((at, place));
            }
            Phase::Finished(result) => {
                self.steps[place].turn = None;
                self.unfinished -= 1;
                *self.ended.entry(result).or_default() += 1;
                for at in 0..self.dependents[place].len() {
                    let dependent = self.dependents[place][at];
                    let step = &mut self.steps[dependent];
                    if step.phase.finished().is_none() {
                        step.missing -= 1;
                        if step.missing == 0 || mutation::is(Mutation::BeginTooEarly) {
                            self.undecided.push_back(dependent);
                        }
                    }
                }
            }
            Phase::Waiting | Phase::Looking | Phase::Asking => {}
        }
        self.steps[place].phase = phase;
    }

    fn due(&self, place: usize, since: Timestamp) -> Option<Timestamp> {
        if mutation::is(Mutation::ForgetTimeLimits) {
            return None;
        }
        let limit = self.timeout(place)?;
        Some(later(since, limit))
    }

    pub(crate) fn timeout(&self, place: usize) -> Option<Duration> {
        self.planned(place).timeout_seconds.map(Duration::from_secs)
    }

    fn takes_place(&self, place: usize) -> bool {
        !self.free_kinds.contains(&self.planned(place).action)
    }

    /// What the step takes of the machine while it works.
    pub(crate) fn load(&self, place: usize) -> Load {
        Load::of(self.planned(place).resources)
    }

    pub(crate) fn place(&self, step: &StepName) -> Result<usize, String> {
        self.places
            .get(step)
            .copied()
            .ok_or_else(|| format!("there is no step `{step}`"))
    }

    pub(crate) fn plan(&self) -> &[PlannedStep] {
        match &self.request.plan {
            Ok(plan) => &plan.steps,
            Err(_) => &[],
        }
    }

    pub(crate) fn planned(&self, place: usize) -> &PlannedStep {
        &self.plan()[place]
    }

    pub(crate) fn name(&self, place: usize) -> &StepName {
        &self.planned(place).name
    }

    pub(crate) fn count(&self, result: RunResult) -> usize {
        self.ended.get(&result).copied().unwrap_or(0)
    }

    fn impossible(&self, kind: &str, why: &str) -> Impossible {
        Impossible {
            run: self.request.run,
            kind: kind.to_owned(),
            why: why.to_owned(),
        }
    }

    /// What was asked for.
    pub fn request(&self) -> &Arc<RunRequest> {
        &self.request
    }

    /// The run's result, once it has one.
    pub fn result(&self) -> Option<RunResult> {
        self.result
    }

    /// How many steps are not finished.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// When something has to be looked at, though nothing happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The open attempts.
    pub fn open_attempts(&self) -> impl Iterator<Item = (&StepName, u32)> {
        let running = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| matches!(step.phase, Phase::Running { .. }));
        running.map(|(place, step)| (self.name(place), step.attempt))
    }

    /// Where a step is, for people.
    pub fn state_of(&self, step: &StepName) -> Option<State> {
        let place = self.places.get(step)?;
        Some(match self.steps[*place].phase {
            Phase::Waiting => State::Waiting,
            Phase::Ready => State::Ready,
            Phase::Running { .. } => State::Running,
            Phase::Backoff { .. } | Phase::Looking => State::Backoff,
            Phase::Asking => State::Asking,
            Phase::Finished(_) => State::Finished,
        })
    }

    /// The result of a step, once it has one.
    pub fn result_of(&self, step: &StepName) -> Option<RunResult> {
        self.places
            .get(step)
            .and_then(|place| self.steps[*place].phase.finished())
    }

    /// What the needs of a step put out.
    pub(crate) fn outputs_of_needs(&self, place: usize) -> BTreeMap<StepName, Value> {
        let needs = self.needs[place].iter();
        needs
            .map(|need| (self.name(*need).clone(), self.steps[*need].outputs.clone()))
            .collect()
    }
}

/// `at` and `by` later; the end of time where that is too late.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
