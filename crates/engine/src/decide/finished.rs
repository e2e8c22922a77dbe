//! An attempt ended: the step is finished, is attempted again, or a person is asked.

use std::time::Duration;

use facts::StepName;
use pipeline::EffectClass;

use super::{Deciding, superseded};
use crate::action::{ActionOutcome, StepResult};
use crate::kinds::{AttemptFinished, Next, RunFact, stream_of};
use crate::mutation::{self, Mutation};
use crate::result::RunResult;
use crate::state::{Impossible, Phase, later};

/// How often an attempt of one step may be lost before the step counts as failed. Losing attempts is
/// the fault of the machine and is not counted among the retries of the plan; but a step that takes
/// the machine down must not do so for ever.
pub(super) const MOST_LOSSES: u32 = 20;

/// Decides what follows. Outcomes that come twice or too late change nothing.
pub(super) fn finished(
    deciding: &mut Deciding<'_>,
    step: &StepName,
    attempt: u32,
    outcome: &ActionOutcome,
) -> Result<(), Impossible> {
    let Ok(place) = deciding.state.place(step) else {
        return Ok(());
    };
    let Phase::Running { overdue, .. } = deciding.state.steps[place].phase else {
        return Ok(());
    };
    let open = deciding.state.steps[place].attempt;
    if open != attempt && !mutation::is(Mutation::TakeLateOutcomes) {
        return Ok(());
    }
    // The run's own stream is the engine's alone.
    let stream = stream_of(deciding.state.request.run);
    let refused = ActionOutcome::failed("its outcome publishes facts in the run's own stream");
    let outcome = match outcome.facts.iter().any(|fact| fact.stream == stream) {
        true => &refused,
        false => outcome,
    };
    let mut body = match outcome.result {
        StepResult::Lost => lost(deciding, place, outcome),
        _ => ended(deciding, place, overdue, outcome),
    };
    body.attempt = open;
    let cause = deciding.cause(place);
    deciding.emit(RunFact::AttemptFinished(body), cause)?;
    if !mutation::is(Mutation::DropPublishedFacts) {
        deciding.decision.facts.extend(outcome.facts.iter().cloned());
    }
    Ok(())
}

/// The attempt's end was seen.
fn ended(deciding: &Deciding<'_>, place: usize, overdue: bool, outcome: &ActionOutcome) -> AttemptFinished {
    let limit = deciding.state.timeout(place);
    let superseded = deciding.state.steps[place].superseded;
    let (result, message, code) = match &outcome.result {
        StepResult::Succeeded => (RunResult::Succeeded, None, None),
        StepResult::Failed { message, code } => (RunResult::Failed, Some(message.clone()), *code),
        StepResult::Unknown { reason } => (RunResult::Unknown, Some(reason.clone()), None),
        StepResult::Cancelled if superseded => (RunResult::Cancelled, Some(superseded::MESSAGE.to_owned()), None),
        // Nobody but the deadline stops an attempt of a run that is not cancelled.
        StepResult::Cancelled if overdue || (limit.is_some() && !deciding.state.cancelling) => {
            (RunResult::TimedOut, Some(took_too_long(limit)), None)
        }
        StepResult::TimedOut => (RunResult::TimedOut, Some(took_too_long(limit)), None),
        StepResult::Lost => (RunResult::Unknown, None, None),
        StepResult::Cancelled => (RunResult::Cancelled, Some("it was told to stop".to_owned()), None),
    };
    let may_repeat = outcome.retry || result == RunResult::TimedOut;
    let next = match result {
        RunResult::Unknown if !deciding.state.cancelling => Next::Ask,
        RunResult::Failed | RunResult::TimedOut if may_repeat && !deciding.state.cancelling && !superseded => {
            let failures = match mutation::is(Mutation::RetryForEver) {
                false => deciding.state.steps[place].failures + 1,
                true => 1,
            };
            match deciding.state.planned(place).retries.delay_after(failures) {
                Some(delay) => Next::Again {
                    at: later(deciding.now(), delay),
                },
                None => Next::Finished { result },
            }
        }
        _ => Next::Finished { result },
    };
    AttemptFinished {
        step: deciding.state.name(place).clone(),
        attempt: 0,
        result,
        message,
        code,
        outputs: outcome.outputs.clone(),
        log: outcome.log,
        lost: false,
        next,
    }
}

/// Nobody saw the attempt's end. What only computes is repeated; an effect is observed first.
fn lost(deciding: &Deciding<'_>, place: usize, outcome: &ActionOutcome) -> AttemptFinished {
    let effect = deciding.state.planned(place).effect == EffectClass::Effect;
    let losses = deciding.state.steps[place].losses + 1;
    let now = deciding.now();
    let next = if mutation::is(Mutation::LostIsDone) {
        Next::Finished {
            result: RunResult::Succeeded,
        }
    } else if effect {
        if losses > MOST_LOSSES {
            Next::Ask
        } else {
            Next::Again { at: now }
        }
    } else if deciding.state.cancelling || deciding.state.steps[place].superseded {
        Next::Finished {
            result: RunResult::Cancelled,
        }
    } else if losses > MOST_LOSSES {
        Next::Finished {
            result: RunResult::Failed,
        }
    } else {
        Next::Again {
            at: later(now, pause_after_loss(losses)),
        }
    };
    let message = if losses > MOST_LOSSES {
        format!("attempts were lost {losses} times: does the step take the machine down?")
    } else {
        "the attempt was lost when its processes or the server ended".to_owned()
    };
    AttemptFinished {
        step: deciding.state.name(place).clone(),
        attempt: 0,
        result: RunResult::Unknown,
        message: Some(message),
        code: None,
        outputs: serde_json::Value::Null,
        log: outcome.log,
        lost: true,
        next,
    }
}

/// None after the first loss, then 1 s, 2 s, 4 s and so on up to a minute.
fn pause_after_loss(losses: u32) -> Duration {
    match losses {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_secs(1u64 << (losses - 2).min(6)).min(Duration::from_secs(60)),
    }
}

fn took_too_long(limit: Option<Duration>) -> String {
    match limit {
        Some(limit) => format!("it took longer than the {} s it may", limit.as_secs()),
        None => "it took longer than it may".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_a_loss_doubles_from_the_second_on_and_is_a_minute_at_most() {
        let seconds: Vec<u64> = (0..=10).map(|losses| pause_after_loss(losses).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause_after_loss(u32::MAX), Duration::from_secs(60));
        assert_eq!(pause_after_loss(1), Duration::ZERO);
    }

    #[test]
    fn what_took_too_long_is_said_with_its_limit_where_there_is_one() {
        assert_eq!(
            took_too_long(Some(Duration::from_secs(3))),
            "it took longer than the 3 s it may"
        );
        assert_eq!(took_too_long(None), "it took longer than it may");
    }
}
