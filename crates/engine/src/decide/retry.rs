//! Somebody wants what did not succeed to be attempted again, within the same run.

use facts::{Actor, StepName};

use super::settle::NAMES_IN_A_FACT;
use super::{Deciding, Refused};
use crate::kinds::{Reopened, RunFact, StepsReset};
use crate::result::RunResult;
use crate::state::Impossible;

/// Reopens the run: each step that did not succeed begins again, with new attempts. What succeeded
/// stays. A step of class `effect` is observed before it is attempted again.
pub(super) fn retry(deciding: &mut Deciding<'_>, actor: Actor) -> Result<(), Impossible> {
    let state = &deciding.state;
    let refused = match state.result {
        None => Some(Refused::NotFinished),
        Some(_) if state.request.plan.is_err() => Some(Refused::Broken),
        Some(RunResult::Succeeded) => Some(Refused::NothingToRetry),
        Some(_) => None,
    };
    let again: Vec<StepName> = (0..state.steps.len())
        .filter(|place| state.steps[*place].phase.finished() != Some(RunResult::Succeeded))
        .map(|place| state.name(place).clone())
        .collect();
    if let Some(why) = refused.or_else(|| again.is_empty().then_some(Refused::NothingToRetry)) {
        deciding.refuse(why);
        return Ok(());
    }
    let (cause, round) = (state.last_fact, state.round + 1);
    deciding.actor = actor;
    let cause = deciding.emit(RunFact::Reopened(Reopened { round }), cause)?;
    for steps in again.chunks(NAMES_IN_A_FACT) {
        deciding.emit(RunFact::Reset(StepsReset { steps: steps.to_vec() }), cause)?;
    }
    deciding.actor = Actor::System;
    Ok(())
}
