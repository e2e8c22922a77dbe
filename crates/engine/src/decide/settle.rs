//! What follows by itself: steps whose needs are all finished become ready or are skipped, and a run
//! whose steps are all finished is finished.

use std::collections::BTreeMap;

use facts::StepName;

use super::{Action, Deciding, condition};
use crate::kinds::{Finished, RunFact, StepsSettled};
use crate::mutation::{self, Mutation};
use crate::result::RunResult;
use crate::state::{Impossible, Phase};

/// How many steps one fact names at most.
pub(super) const NAMES_IN_A_FACT: usize = 1_000;

/// Looks at all steps whose last need has come, until nothing follows any more.
pub(super) fn settle(deciding: &mut Deciding<'_>) -> Result<(), Impossible> {
    while !deciding.state.undecided.is_empty() {
        let undecided = std::mem::take(&mut deciding.state.undecided);
        let mut settled: BTreeMap<(RunResult, String), Vec<StepName>> = BTreeMap::new();
        for place in undecided {
            let step = &deciding.state.steps[place];
            if step.phase != Phase::Waiting || (step.missing > 0 && !mutation::is(Mutation::BeginTooEarly)) {
                continue;
            }
            if let Some(end) = look(deciding, place) {
                settled.entry(end).or_default().push(deciding.state.name(place).clone());
            }
        }
        for ((result, message), steps) in settled {
            settle_all(deciding, &steps, result, &message)?;
        }
    }
    finish(deciding)
}

/// Decides about one step; says its result and why when it ends here.
fn look(deciding: &mut Deciding<'_>, place: usize) -> Option<(RunResult, String)> {
    if deciding.state.cancelling {
        let doubt = deciding.state.steps[place].doubt;
        return Some(if doubt {
            (
                RunResult::Unknown,
                "the run was cancelled before the step was observed".to_owned(),
            )
        } else {
            (RunResult::Skipped, "the run was cancelled".to_owned())
        });
    }
    match condition::holds(deciding.state, place) {
        condition::Holds::Yes => {}
        condition::Holds::No(why) => return Some((RunResult::Skipped, why)),
        condition::Holds::Broken(why) => return Some((RunResult::Failed, why)),
    }
    if deciding.state.steps[place].doubt {
        deciding.state.enter(place, Phase::Looking);
        let attempt = deciding.attempt(place);
        deciding.act(Action::Observe(attempt));
    } else {
        deciding.state.enter(place, Phase::Ready);
    }
    None
}

/// Records that these steps ended without an attempt.
pub(super) fn settle_all(
    deciding: &mut Deciding<'_>,
    steps: &[StepName],
    result: RunResult,
    message: &str,
) -> Result<(), Impossible> {
    let cause = deciding.state.last_fact;
    for steps in steps.chunks(NAMES_IN_A_FACT) {
        let body = StepsSettled {
            steps: steps.to_vec(),
            result,
            message: message.to_owned(),
        };
        deciding.emit(RunFact::Settled(body), cause)?;
    }
    Ok(())
}

/// Finishes the run if nothing is left.
fn finish(deciding: &mut Deciding<'_>) -> Result<(), Impossible> {
    let state = &deciding.state;
    if state.unfinished > 0 || state.result.is_some() {
        return Ok(());
    }
    let body = match &state.request.plan {
        Err(broken) => {
            let hint = broken
                .hint
                .as_ref()
                .map(|hint| format!("\nhint: {hint}"))
                .unwrap_or_default();
            Finished {
                result: RunResult::Failed,
                reason: Some(format!("{broken}{hint}")),
            }
        }
        Ok(_) => {
            let all = state.steps.len() == state.count(RunResult::Succeeded);
            let some = |result| state.count(result) > 0;
            let result = match () {
                () if state.cancelling && !all => RunResult::Cancelled,
                () if some(RunResult::Failed) => RunResult::Failed,
                () if some(RunResult::TimedOut) => RunResult::TimedOut,
                () if some(RunResult::Unknown) => RunResult::Unknown,
                () if some(RunResult::Cancelled) => RunResult::Cancelled,
                () => RunResult::Succeeded,
            };
            let reason = match &state.trouble {
                _ if result == RunResult::Cancelled && state.cancelling => Some(match &state.superseded {
                    Some((group, by)) => format!("run {by}, which is newer, took its turn in the group `{group}`"),
                    None => "somebody cancelled it".to_owned(),
                }),
                Some((place, message)) => Some(format!("step `{}`: {message}", state.name(*place))),
                None => None,
            };
            Finished { result, reason }
        }
    };
    let cause = state.last_fact;
    deciding.emit(RunFact::Finished(body), cause)?;
    Ok(())
}
