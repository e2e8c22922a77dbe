//! Decisions: from a state and an input to facts and actions.
//!
//! One file for each input. A decision reads no clock, makes no ids and does no I/O: the time comes
//! in, and the id of a fact is derived from its place. As it decides it folds the facts it makes into
//! the state, so that one decision sees what the one before it in the same append came to; the state
//! is therefore ahead of the ledger until the append is durable, and thrown away when it is refused.
//!
//! Actions are taken only after the facts are durable. Each can be derived again from the state, so
//! a crash between the two loses nothing.

mod cancel;
mod claim;
mod condition;
mod finished;
mod observed;
mod recovery;
mod resolve;
mod retry;
mod settle;
mod start;
mod superseded;
mod timer;

use facts::{Actor, FactId, NewFact, StepName, Timestamp};

use crate::action::{ActionOutcome, Observation};
use crate::groups::CalledOff;
use crate::kinds::{RunFact, VERSION, stream_of};
use crate::mutation::{self, Mutation};
use crate::state::{Impossible, RunState};

pub use claim::Claim;
pub use start::request_facts;

/// What may happen to a run.
#[derive(Debug, Clone)]
pub enum Input {
    /// Look at what follows by itself: the run is new, or a deadline has passed.
    Look,
    /// The run was read from the ledger: attempts may be open that nobody waits for.
    Recover,
    /// An attempt ended.
    Finished {
        /// The step.
        step: StepName,
        /// The attempt.
        attempt: u32,
        /// How; [`StepResult::Lost`](crate::StepResult::Lost) when nobody saw it end.
        outcome: ActionOutcome,
    },
    /// The effect of a step's last attempt was looked for.
    Observed {
        /// The step.
        step: StepName,
        /// The attempt.
        attempt: u32,
        /// What was seen.
        observation: Observation,
    },
    /// A newer run takes the turn of a step, or of the whole run, in a group.
    Superseded(CalledOff),
    /// Somebody wants the run to end.
    Cancel {
        /// Who.
        actor: Actor,
    },
    /// Somebody wants what did not succeed to be attempted again.
    Retry {
        /// Who.
        actor: Actor,
    },
    /// A person says whether a step was done.
    Resolve {
        /// The step.
        step: StepName,
        /// Whether it was done.
        done: bool,
        /// Who.
        actor: Actor,
    },
}

/// What is to be done once the facts are durable. Doing one twice is harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Perform this attempt.
    Perform(Attempt),
    /// Find out what became of this attempt, and wait for it if it goes on.
    Resume(Attempt),
    /// Look for the effect of this attempt.
    Observe(Attempt),
    /// Tell this attempt to stop.
    Stop(Attempt),
}

/// One attempt of one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The step.
    pub step: StepName,
    /// Which attempt, from 1.
    pub number: u32,
}

/// Why a wish cannot be met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The run has its result already.
    #[error("the run is finished\nhint: a finished run can be retried, unless it succeeded")]
    Finished,
    /// The run still goes on.
    #[error("the run still goes on\nhint: cancel it or wait until it is finished, then retry")]
    NotFinished,
    /// Everything succeeded.
    #[error("every step of the run succeeded: there is nothing to retry")]
    NothingToRetry,
    /// The definition is broken, so there are no steps.
    #[error(
        "the run's definition is broken: retrying would fail again\nhint: push a commit with a definition that can be read"
    )]
    Broken,
    /// There is no such step.
    #[error("the run has no step `{0}`")]
    NoStep(StepName),
    /// Nobody was asked about this step.
    #[error("step `{0}` is not waiting for an answer")]
    NotAsking(StepName),
}

/// What follows from an input.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// Facts to append, in order.
    pub facts: Vec<NewFact>,
    /// What to do once they are durable.
    pub actions: Vec<Action>,
    /// Why nothing follows, where somebody wished for something.
    pub refused: Option<Refused>,
}

/// What a decision is made with.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// The time now.
    pub now: Timestamp,
    /// Which driver decides: a number drawn at its start. Two drivers that decide at the same place
    /// in the same millisecond make different ids, so one never takes the other's fact for its own.
    pub epoch: u32,
}

/// Decides what follows from `input`, and folds it into `state`.
///
/// # Errors
/// When a fact cannot follow: a fault of the engine, or a ledger that holds what it cannot. The state
/// is then of no use any more.
pub fn decide(state: &mut RunState, input: &Input, situation: Situation) -> Result<Decision, Impossible> {
    let mut deciding = Deciding::new(state, situation);
    match input {
        Input::Look => {}
        Input::Recover => recovery::recover(&mut deciding),
        Input::Finished { step, attempt, outcome } => finished::finished(&mut deciding, step, *attempt, outcome)?,
        Input::Observed {
            step,
            attempt,
            observation,
        } => {
            observed::observed(&mut deciding, step, *attempt, observation)?;
        }
        Input::Superseded(off) => superseded::superseded(&mut deciding, off)?,
        Input::Cancel { actor } => cancel::cancel(&mut deciding, *actor)?,
        Input::Retry { actor } => retry::retry(&mut deciding, *actor)?,
        Input::Resolve { step, done, actor } => resolve::resolve(&mut deciding, step, *done, *actor)?,
    }
    timer::timer(&mut deciding);
    settle::settle(&mut deciding)?;
    Ok(deciding.decision)
}

/// Begins attempts of these ready steps.
///
/// # Errors
/// As for [`decide`].
pub fn claim(state: &mut RunState, claim: Claim, situation: Situation) -> Result<Decision, Impossible> {
    let mut deciding = Deciding::new(state, situation);
    claim::claim(&mut deciding, &claim)?;
    Ok(deciding.decision)
}

/// A decision on its way.
struct Deciding<'a> {
    state: &'a mut RunState,
    situation: Situation,
    actor: Actor,
    decision: Decision,
}

impl<'a> Deciding<'a> {
    fn new(state: &'a mut RunState, situation: Situation) -> Self {
        Self {
            state,
            situation,
            actor: Actor::System,
            decision: Decision::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.situation.now
    }

    /// Makes a fact, folds it into the state and says its id.
    fn emit(&mut self, fact: RunFact, cause: FactId) -> Result<FactId, Impossible> {
        self.emit_claiming(fact, cause, None)
    }

    /// The same, with what the fact claims.
    fn emit_claiming(&mut self, fact: RunFact, cause: FactId, claim: Option<String>) -> Result<FactId, Impossible> {
        let request = &self.state.request;
        let stream = stream_of(request.run);
        let id = fact_id(self.situation, &stream, self.state.version + 1);
        let new = NewFact {
            id,
            kind: fact.kind().to_owned(),
            kind_version: VERSION,
            occurred_at: self.now(),
            actor: self.actor,
            on_behalf_of: None,
            trust: request.trust,
            cause: Some(cause),
            correlation: Some(request.run.to_string()),
            external_key: claim,
            body: fact.body(),
            stream,
        };
        self.state.take(&fact, id, self.situation.now)?;
        self.decision.facts.push(new);
        Ok(id)
    }

    fn act(&mut self, action: Action) {
        self.decision.actions.push(action);
    }

    fn refuse(&mut self, why: Refused) {
        self.decision.refused = Some(why);
    }

    fn attempt(&self, place: usize) -> Attempt {
        Attempt {
            step: self.state.name(place).clone(),
            number: self.state.steps[place].attempt,
        }
    }

    /// The last fact about a step; the last of the run where there is none.
    fn cause(&self, place: usize) -> FactId {
        self.state.steps[place].last_fact.unwrap_or(self.state.last_fact)
    }
}

fn fact_id(situation: Situation, stream: &facts::Stream, version: u64) -> FactId {
    let epoch = if mutation::is(Mutation::SameIdsEverywhere) {
        0
    } else {
        situation.epoch
    };
    FactId::derived(situation.now, stream, version, epoch)
}

#[cfg(test)]
mod tests;
