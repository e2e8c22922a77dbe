//! A newer run takes a turn in a group: what waits ends, what works is told to stop.

use super::settle::settle_all;
use super::{Action, Deciding, cancel};
use crate::groups::CalledOff;
use crate::kinds::{RunFact, Superseded};
use crate::result::RunResult;
use crate::state::{Impossible, Phase};

/// What people are told of a step that ends so.
pub(super) const MESSAGE: &str = "a newer run took its turn";

/// Ends the step, or the whole run. What is in the world without anybody knowing is left alone: it is
/// observed, and then ends by itself.
pub(super) fn superseded(deciding: &mut Deciding<'_>, off: &CalledOff) -> Result<(), Impossible> {
    let state = &deciding.state;
    if state.result.is_some() || state.cancelling {
        return Ok(());
    }
    let cause = state.last_fact;
    let fact = RunFact::Superseded(Superseded {
        group: off.group.clone(),
        by: off.by,
        step: off.step.clone(),
    });
    let Some(step) = &off.step else {
        deciding.emit(fact, cause)?;
        return cancel::stop_everything(deciding);
    };
    let Ok(place) = state.place(step) else { return Ok(()) };
    let (phase, doubt, before) = {
        let step = &state.steps[place];
        (step.phase, step.doubt, step.superseded)
    };
    if before || doubt {
        return Ok(());
    }
    match phase {
        Phase::Running { .. } => {
            deciding.emit(fact, cause)?;
            let attempt = deciding.attempt(place);
            deciding.act(Action::Stop(attempt));
            Ok(())
        }
        Phase::Waiting | Phase::Ready | Phase::Backoff { .. } => {
            deciding.emit(fact, cause)?;
            let message = format!("{MESSAGE} in the group `{}`", off.group);
            settle_all(deciding, std::slice::from_ref(step), RunResult::Cancelled, &message)
        }
        Phase::Looking | Phase::Asking | Phase::Finished(_) => Ok(()),
    }
}
