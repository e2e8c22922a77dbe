//! The world was asked about the effect of a step whose attempt was lost or is to be repeated.

use facts::StepName;

use super::Deciding;
use crate::action::Observation;
use crate::kinds::{Next, RunFact, Seen, StepObserved};
use crate::result::RunResult;
use crate::state::{Impossible, Phase};

/// Done is done; not done may be attempted again; otherwise a person is asked.
pub(super) fn observed(
    deciding: &mut Deciding<'_>,
    step: &StepName,
    attempt: u32,
    observation: &Observation,
) -> Result<(), Impossible> {
    let Ok(place) = deciding.state.place(step) else {
        return Ok(());
    };
    if deciding.state.steps[place].phase != Phase::Looking || deciding.state.steps[place].attempt != attempt {
        return Ok(());
    }
    let cancelling = deciding.state.cancelling;
    let (seen, message, outputs, next) = match observation {
        Observation::Done { outputs } => {
            let next = Next::Finished {
                result: RunResult::Succeeded,
            };
            (Seen::Done, None, outputs.clone(), next)
        }
        Observation::NotDone if cancelling => {
            let next = Next::Finished {
                result: RunResult::Cancelled,
            };
            (Seen::NotDone, None, serde_json::Value::Null, next)
        }
        Observation::NotDone => (
            Seen::NotDone,
            None,
            serde_json::Value::Null,
            Next::Again { at: deciding.now() },
        ),
        Observation::Unknown { reason } => {
            let next = if cancelling {
                Next::Finished {
                    result: RunResult::Unknown,
                }
            } else {
                Next::Ask
            };
            (Seen::Unknown, Some(reason.clone()), serde_json::Value::Null, next)
        }
    };
    let cause = deciding.cause(place);
    let body = StepObserved {
        step: step.clone(),
        attempt,
        seen,
        message,
        outputs,
        next,
    };
    deciding.emit(RunFact::Observed(body), cause)?;
    Ok(())
}
