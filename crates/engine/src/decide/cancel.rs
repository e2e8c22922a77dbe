//! Somebody wants the run to end: what runs is told to stop, the rest is skipped.

use facts::{Actor, StepName};

use super::settle::settle_all;
use super::{Action, Deciding, Refused};
use crate::kinds::{CancelRequested, RunFact};
use crate::mutation::{self, Mutation};
use crate::result::RunResult;
use crate::state::{Impossible, Phase};

/// Ends the run as soon as what runs has stopped. A second wish is met by the first; open attempts
/// are told again.
pub(super) fn cancel(deciding: &mut Deciding<'_>, actor: Actor) -> Result<(), Impossible> {
    if deciding.state.result.is_some() {
        deciding.refuse(Refused::Finished);
        return Ok(());
    }
    if !deciding.state.cancelling {
        let cause = deciding.state.last_fact;
        deciding.actor = actor;
        deciding.emit(RunFact::CancelRequested(CancelRequested {}), cause)?;
        deciding.actor = Actor::System;
    }
    stop_everything(deciding)
}

/// Tells what works to stop, and ends what does not.
pub(super) fn stop_everything(deciding: &mut Deciding<'_>) -> Result<(), Impossible> {
    let (mut skipped, mut stopped, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for place in 0..deciding.state.steps.len() {
        let step = &deciding.state.steps[place];
        let name: StepName = deciding.state.name(place).clone();
        match step.phase {
            Phase::Running { .. } if mutation::is(Mutation::CancelStopsNothing) => {}
            Phase::Running { .. } => {
                let attempt = deciding.attempt(place);
                deciding.act(Action::Stop(attempt));
            }
            // Its observation is awaited: it says whether the effect is there.
            Phase::Looking | Phase::Finished(_) => {}
            Phase::Backoff { .. } if step.doubt => observe(deciding, place),
            Phase::Backoff { .. } => stopped.push(name),
            Phase::Asking => unknown.push(name),
            Phase::Waiting | Phase::Ready if step.doubt => unknown.push(name),
            Phase::Waiting | Phase::Ready => skipped.push(name),
        }
    }
    settle_all(deciding, &skipped, RunResult::Skipped, "the run was cancelled")?;
    settle_all(
        deciding,
        &stopped,
        RunResult::Cancelled,
        "the run was cancelled before the next attempt",
    )?;
    settle_all(
        deciding,
        &unknown,
        RunResult::Unknown,
        "the run was cancelled before anybody said whether it was done",
    )
}

/// Asks the world now instead of when the pause is over.
fn observe(deciding: &mut Deciding<'_>, place: usize) {
    deciding.state.enter(place, Phase::Looking);
    let attempt = deciding.attempt(place);
    deciding.act(Action::Observe(attempt));
}
