//! One open run as its driver holds it: inputs go in, appends and actions come out.
//!
//! No I/O here. Whoever drives it (the engine's task, or the simulation) does what a [`Turn`] says
//! and reports back. The rules it keeps: facts before actions; one append at a time; what an append
//! was made from is kept until the append is durable, so a refused append loses no outcome. The append
//! itself is its driver's.

use std::collections::{HashMap, VecDeque};

use facts::{Position, Timestamp};
use ledger::Append;

use crate::action::{ActionOutcome, StepResult};
use crate::decide::{Action, Claim, Decision, Input, Refused, Situation, claim, decide};
use crate::groups::{CalledOff, Holding, Wanted};
use crate::kinds::stream_of;
use crate::mutation::{self, Mutation};
use crate::places::Load;
use crate::state::{Impossible, RunState};

/// What a run shares with others: the machine, and groups of which one works at a time.
pub trait Places {
    /// All that there is of the machine.
    fn machine(&self) -> Load;
    /// Says what of the machine the run holds and what the steps take that may begin next, in their order;
    /// answers how many of those it gets now.
    fn settle(&mut self, held: Load, wanted: &[Load]) -> usize;
    /// Says which groups the run is in, as the ledger says.
    fn hold(&mut self, holding: &Holding<'_>);
    /// Says which groups the run wants to enter, all of them; answers for each the turn that it may claim.
    fn enter(&mut self, wanted: &[Wanted]) -> Vec<Option<u64>>;
    /// What of this run a newer run takes the turn of, since this was last asked.
    fn called_off(&mut self) -> Vec<CalledOff>;
}

/// What is to be done next.
#[derive(Debug)]
pub enum Turn<T> {
    /// Nothing, until an input comes or a deadline passes.
    Idle,
    /// Append this and report with [`OpenRun::committed`], [`OpenRun::conflicted`] or
    /// [`OpenRun::rejected`].
    Append(Append),
    /// Nothing is to be appended; this is to be done at once.
    Act(Done<T>),
}

/// What may be done and said now that the facts are durable.
#[derive(Debug)]
pub struct Done<T> {
    /// To be performed.
    pub actions: Vec<Action>,
    /// Answers to those who wished for something.
    pub answers: Vec<(T, Result<(), Refused>)>,
}

/// One open run. `T` is whatever the driver answers a wish through.
#[derive(Debug)]
pub struct OpenRun<T> {
    state: RunState,
    read_at: Position,
    epoch: u32,
    inbox: VecDeque<(Input, Option<T>)>,
    flight: Option<Flight<T>>,
    /// How many of the next inputs are to be appended one at a time.
    singly: usize,
    /// Whether steps may begin.
    begins: bool,
}

#[derive(Debug)]
struct Flight<T> {
    inputs: Vec<(Input, Option<T>)>,
    refused: Vec<Option<Refused>>,
    actions: Vec<Action>,
}

impl<T> OpenRun<T> {
    /// A run whose state was read from the ledger up to `read_at`. `epoch` names the driver.
    pub fn new(state: RunState, read_at: Position, epoch: u32) -> Self {
        Self {
            state,
            read_at,
            epoch,
            inbox: VecDeque::new(),
            flight: None,
            singly: 0,
            begins: true,
        }
    }

    /// The same, of which no step is begun: somebody else drives it.
    #[must_use]
    pub fn without_beginning(mut self) -> Self {
        self.begins = false;
        self
    }

    /// Up to where the ledger was read or written.
    pub fn read_at(&self) -> Position {
        self.read_at
    }

    /// The state, including what is being appended.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Whether an append is on its way.
    pub fn is_appending(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether the run is finished and nothing is left to be decided.
    pub fn is_over(&self) -> bool {
        self.state.result.is_some() && self.inbox.is_empty() && self.flight.is_none()
    }

    /// Adds an input. `answer` is handed back once it is durable what came of it.
    pub fn push(&mut self, input: Input, answer: Option<T>) {
        self.inbox.push_back((input, answer));
    }

    /// Decides on all inputs at once.
    ///
    /// # Errors
    /// See [`decide`].
    pub fn turn(&mut self, now: Timestamp, places: &mut dyn Places) -> Result<Turn<T>, Impossible> {
        if self.flight.is_some() {
            return Ok(Turn::Idle);
        }
        let situation = Situation { now, epoch: self.epoch };
        if self.state.grouped {
            // Nothing is on its way: what the state says is what the ledger says.
            places.hold(&self.state.holding());
            for off in places.called_off() {
                self.push(Input::Superseded(off), None);
            }
        }
        if self.inbox.is_empty() && self.state.next_deadline().is_some_and(|at| at <= now) {
            self.push(Input::Look, None);
        }
        let count = if self.singly > 0 { 1 } else { self.inbox.len() };
        self.singly = self.singly.saturating_sub(1);
        let inputs: Vec<_> = self.inbox.drain(..count.min(self.inbox.len())).collect();
        let mut all = Decision::default();
        let mut refused = Vec::with_capacity(inputs.len());
        for (input, _) in &inputs {
            let decision = decide(&mut self.state, input, situation)?;
            all.facts.extend(decision.facts);
            all.actions.extend(decision.actions);
            refused.push(decision.refused);
        }
        if self.state.grouped && mutation::is(Mutation::LeaveGroupsEarly) {
            places.hold(&self.state.holding());
        }
        let may = self.may_begin(places);
        let begun = claim(&mut self.state, may, situation)?;
        all.facts.extend(begun.facts);
        all.actions.extend(begun.actions);

        let append = match mutation::is(Mutation::DropTheCondition) {
            false => Append::after(self.read_at, vec![stream_of(self.state.request.run)], all.facts),
            true => Append::unconditional(all.facts),
        };
        let flight = Flight {
            inputs,
            refused,
            actions: all.actions,
        };
        if append.facts.is_empty() {
            let done = flight.done();
            return Ok(if done.actions.is_empty() && done.answers.is_empty() {
                Turn::Idle
            } else {
                Turn::Act(done)
            });
        }
        self.flight = Some(flight);
        Ok(Turn::Append(append))
    }

    /// What may begin now: what has its turn in its group, as far as there are places.
    fn may_begin(&self, places: &mut dyn Places) -> Claim {
        if !self.begins {
            return Claim::default();
        }
        let state = &self.state;
        let mut turns: HashMap<usize, Option<u64>> = HashMap::new();
        let mut run_turn = None;
        if state.grouped {
            let wanted = state.wanted();
            let given = places.enter(&wanted);
            for (wanted, given) in wanted.iter().zip(given) {
                match wanted.member.place {
                    Some(place) => _ = turns.insert(place, given),
                    None if given.is_none() => {
                        places.settle(state.placed, &[]);
                        return Claim::default();
                    }
                    None => run_turn = given,
                }
            }
        }
        let has_turn = |place: &usize| {
            !state.grouped
                || state.concurrency_of(*place).is_none()
                || state.steps[*place].turn.is_some()
                || turns.get(place).copied().flatten().is_some()
        };
        // More than the whole machine is never given at once.
        let (machine, mut sum) = (places.machine(), Load::default());
        let (mut next, mut loads) = (Vec::new(), Vec::new());
        for place in state.ready.iter().copied().filter(has_turn) {
            let load = state.load(place);
            next.push(place);
            loads.push(load);
            sum = sum.and(load);
            if sum.places_milli >= machine.places_milli || sum.memory >= machine.memory {
                break;
            }
        }
        next.truncate(places.settle(state.placed, &loads));
        next.extend(state.ready_free.iter().copied().filter(has_turn));
        let turn_of = |place: usize| (place, turns.get(&place).copied().flatten());
        Claim {
            turn: run_turn,
            steps: next.into_iter().map(turn_of).collect(),
        }
    }

    /// The append is durable up to `last`: what follows from it may be done.
    pub fn committed(&mut self, last: Position) -> Done<T> {
        self.read_at = last;
        match self.flight.take() {
            Some(flight) => flight.done(),
            None => Done {
                actions: Vec::new(),
                answers: Vec::new(),
            },
        }
    }

    /// Somebody else appended to the run's stream: `state` is what it says now, up to `read_at`. The
    /// inputs are decided on again.
    pub fn conflicted(&mut self, state: RunState, read_at: Position) {
        self.again(state, read_at);
    }

    /// Whether somebody waits for an answer to what is being appended.
    pub fn has_wishes(&self) -> bool {
        let inputs = self.flight.as_ref().map(|flight| flight.inputs.as_slice());
        inputs.unwrap_or_default().iter().any(|(_, answer)| answer.is_some())
    }

    /// Takes the wishes out of what is being appended, because nothing of it was recorded and whoever
    /// wished is told so. [`conflicted`](Self::conflicted) must follow: the state has them in it.
    pub fn withdraw_wishes(&mut self) -> Vec<T> {
        let Some(flight) = &mut self.flight else {
            return Vec::new();
        };
        let (wishes, others): (Vec<_>, Vec<_>) = std::mem::take(&mut flight.inputs)
            .into_iter()
            .partition(|(_, answer)| answer.is_some());
        flight.inputs = others;
        wishes.into_iter().filter_map(|(_, answer)| answer).collect()
    }

    /// The ledger will not take these facts, for the reason `why`. `state` is what the run's stream
    /// says, up to `read_at`.
    ///
    /// Several inputs are tried one at a time. An outcome whose published facts or outputs are refused
    /// becomes a failure that says so; anything else cannot be helped and is handed back.
    pub fn rejected(&mut self, state: RunState, read_at: Position, why: &str) -> Result<(), String> {
        let count = self.again(state, read_at);
        if count > 1 {
            self.singly = count;
            return Ok(());
        }
        self.singly = 1;
        if mutation::is(Mutation::DropRefusedOutcomes) {
            self.inbox.pop_front();
            return Ok(());
        }
        match self.inbox.front_mut() {
            Some((Input::Finished { outcome, .. }, _)) if !outcome.facts.is_empty() || !outcome.outputs.is_null() => {
                *outcome = ActionOutcome {
                    log: outcome.log,
                    ..ActionOutcome::ended(
                        StepResult::Failed {
                            message: format!("its outcome cannot be recorded: {why}"),
                            code: None,
                        },
                        serde_json::Value::Null,
                    )
                };
                Ok(())
            }
            _ => Err(why.to_owned()),
        }
    }

    /// What waits for the append to be durable and is done before it is: nothing but a deliberate
    /// fault.
    #[cfg(test)]
    pub(crate) fn hasty(&mut self) -> Done<T> {
        let mut hasty = Done {
            actions: Vec::new(),
            answers: Vec::new(),
        };
        let Some(flight) = &mut self.flight else { return hasty };
        if mutation::is(Mutation::ActBeforeCommit) {
            hasty.actions = std::mem::take(&mut flight.actions);
        }
        if mutation::is(Mutation::AnswerBeforeCommit) {
            let answers = flight.inputs.iter_mut().zip(&flight.refused);
            let answers = answers
                .filter_map(|((_, answer), refused)| Some((answer.take()?, refused.clone().map_or(Ok(()), Err))));
            hasty.answers = answers.collect();
        }
        hasty
    }

    /// Takes the inputs of the refused append up again; says how many there are.
    fn again(&mut self, state: RunState, read_at: Position) -> usize {
        self.state = state;
        self.read_at = read_at;
        let inputs = self.flight.take().map(|flight| flight.inputs).unwrap_or_default();
        let count = inputs.len();
        let inputs = if mutation::is(Mutation::ForgetRefusedInputs) {
            Vec::new()
        } else {
            inputs
        };
        for input in inputs.into_iter().rev() {
            self.inbox.push_front(input);
        }
        // What was derived in the old state is derived again; open attempts that nobody here waits
        // for are resumed.
        self.inbox.push_back((Input::Recover, None));
        count
    }
}

impl<T> Flight<T> {
    fn done(self) -> Done<T> {
        let answers = self
            .inputs
            .into_iter()
            .zip(self.refused)
            .filter_map(|((_, answer), refused)| answer.map(|answer| (answer, refused.map_or(Ok(()), Err))))
            .collect();
        Done {
            actions: self.actions,
            answers,
        }
    }
}

#[cfg(test)]
mod tests;
