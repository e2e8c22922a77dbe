//! A person says whether a step was done.

use facts::{Actor, StepName};

use super::{Deciding, Refused};
use crate::kinds::{Next, RunFact, StepResolved};
use crate::result::RunResult;
use crate::state::{Impossible, Phase};

/// Done counts as success; not done is attempted again.
pub(super) fn resolve(
    deciding: &mut Deciding<'_>,
    step: &StepName,
    done: bool,
    actor: Actor,
) -> Result<(), Impossible> {
    let Ok(place) = deciding.state.place(step) else {
        deciding.refuse(Refused::NoStep(step.clone()));
        return Ok(());
    };
    if deciding.state.steps[place].phase != Phase::Asking {
        deciding.refuse(Refused::NotAsking(step.clone()));
        return Ok(());
    }
    let next = if done {
        Next::Finished {
            result: RunResult::Succeeded,
        }
    } else {
        Next::Again { at: deciding.now() }
    };
    let attempt = deciding.state.steps[place].attempt;
    let cause = deciding.cause(place);
    deciding.actor = actor;
    deciding.emit(
        RunFact::Resolved(StepResolved {
            step: step.clone(),
            attempt,
            done,
            next,
        }),
        cause,
    )?;
    deciding.actor = Actor::System;
    Ok(())
}
