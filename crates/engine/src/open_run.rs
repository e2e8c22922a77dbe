//! One open run as its driver holds it: inputs go in, appends and actions come out.
//!
//! No I/O here. Whoever drives it (the engine's task, or the simulation) does what a [`Turn`] says
//! and reports back. The rules it keeps: facts before actions; one append at a time; what an append
//! was made from is kept until the append is durable, so a refused append loses no outcome.

use std::collections::VecDeque;

use facts::{Position, Timestamp};
use ledger::Append;

use crate::action::{ActionOutcome, StepResult};
use crate::decide::{Action, Claim, Decision, Input, Refused, Situation, claim, decide};
use crate::kinds::stream_of;
use crate::mutation::{self, Mutation};
use crate::state::{Impossible, RunState};

/// Places among the limited number of steps that work at the same time.
pub trait Places {
    /// Says how many places the run holds and how many more it wants; answers how many of those it
    /// gets now.
    fn settle(&mut self, held: usize, wanted: usize) -> usize;
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
}

#[derive(Debug)]
struct Flight<T> {
    append: Append,
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
        }
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
        let granted = places.settle(self.state.placed, self.state.ready.len());
        let begun = claim(
            &mut self.state,
            Claim {
                places: granted,
                free: usize::MAX,
            },
            situation,
        )?;
        all.facts.extend(begun.facts);
        all.actions.extend(begun.actions);

        let append = match mutation::is(Mutation::DropTheCondition) {
            false => Append::after(self.read_at, vec![stream_of(self.state.request.run)], all.facts),
            true => Append::unconditional(all.facts),
        };
        let flight = Flight {
            append,
            inputs,
            refused,
            actions: all.actions,
        };
        if flight.append.facts.is_empty() {
            let done = flight.done();
            return Ok(if done.actions.is_empty() && done.answers.is_empty() {
                Turn::Idle
            } else {
                Turn::Act(done)
            });
        }
        let append = flight.append.clone();
        self.flight = Some(flight);
        Ok(Turn::Append(append))
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
