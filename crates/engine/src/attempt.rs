//! Performing, resuming and observing: the domain's action runs in a task of its own, and what comes
//! of it goes to the run's inbox.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use pipeline::EffectClass;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::action::{ActionOutcome, Observation, Resumed, StepAction, StepContext};
use crate::decide::{Attempt, Input};
use crate::engine::{Inner, Message};
use crate::log::{LogSink, log_path};
use crate::state::RunState;

/// What goes on for an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Work {
    /// It is performed or resumed.
    Attempt,
    /// Its effect is looked for.
    Observation,
}

/// Work that goes on. Dropping it ends the work here; what outlives the server lives on.
#[derive(Debug)]
pub(crate) struct Live {
    cancel: CancellationToken,
    task: AbortHandle,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Live {
    /// Tells the work to stop.
    pub(crate) fn stop(&self) {
        self.cancel.cancel();
    }

    /// Begins the work; its end comes as a message.
    pub(crate) fn begin(
        inner: &Arc<Inner>,
        state: &RunState,
        work: Work,
        attempt: &Attempt,
        resume: bool,
        sender: UnboundedSender<Message>,
    ) -> Option<Self> {
        let place = state.place(&attempt.step).ok()?;
        let planned = state.planned(place);
        let request = state.request();
        let cancel = CancellationToken::new();
        let path = log_path(&inner.runs_folder, request.run, &attempt.step, attempt.number);
        let context = StepContext {
            run: request.run,
            kind: request.kind.clone(),
            step: attempt.step.clone(),
            attempt: attempt.number,
            effect_key: format!("{}/{}", request.run, attempt.step),
            request: Arc::clone(request),
            input: planned.input.clone(),
            outputs_of_needs: state.outputs_of_needs(place),
            effect: planned.effect,
            resources: planned.resources,
            timeout: state.timeout(place),
            log: LogSink::new(path, Arc::clone(&inner.clock)),
            cancel: cancel.clone(),
            trust: request.trust,
        };
        let action = inner.actions.get(planned.action.as_str()).cloned();
        let kind = planned.action.clone();
        let inner = Arc::clone(inner);
        let task = tokio::spawn(async move {
            let (step, attempt) = (context.step.clone(), context.attempt);
            let input = match work {
                Work::Attempt => {
                    crashpoint::reach("engine.perform.before");
                    let mut outcome = end_of(&inner, action, &kind, context.clone(), resume).await;
                    crashpoint::reach("engine.perform.after");
                    keep_log(&inner, &context, &mut outcome).await;
                    Input::Finished { step, attempt, outcome }
                }
                Work::Observation => {
                    let observation = observe(action, &kind, context).await;
                    Input::Observed {
                        step,
                        attempt,
                        observation,
                    }
                }
            };
            let _ = sender.send(Message { input, answer: None });
        });
        Some(Self {
            cancel,
            task: task.abort_handle(),
        })
    }
}

/// Performs or resumes until the end, or until the grace after a cancellation is over.
async fn end_of(
    inner: &Inner,
    action: Option<Arc<dyn StepAction>>,
    kind: &str,
    context: StepContext,
    resume: bool,
) -> ActionOutcome {
    let Some(action) = action else {
        return ActionOutcome::failed(no_action(kind));
    };
    let (cancel, effect) = (context.cancel.clone(), context.effect);
    let grace = inner.grace;
    let given_up = async move {
        cancel.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    let performed = async move {
        if !resume {
            return action.perform(context).await;
        }
        match action.resume(context).await {
            Resumed::Outcome(outcome) => outcome,
            Resumed::Lost => ActionOutcome::lost(),
            Resumed::Unknown { reason } => ActionOutcome::unknown(reason),
        }
    };
    tokio::select! {
        end = AssertUnwindSafe(performed).catch_unwind() => end.unwrap_or_else(|panic| panicked(&*panic, effect)),
        () = given_up => ActionOutcome::cancelled(),
    }
}

async fn observe(action: Option<Arc<dyn StepAction>>, kind: &str, context: StepContext) -> Observation {
    let Some(action) = action else {
        return Observation::Unknown {
            reason: no_action(kind),
        };
    };
    let observed = AssertUnwindSafe(action.observe(context)).catch_unwind().await;
    observed.unwrap_or_else(|panic| Observation::Unknown {
        reason: format!("looking for the effect panicked: {}", words_of(&*panic)),
    })
}

/// Keeps what was written to the attempt's log. A log that cannot be kept is not worth an outcome.
async fn keep_log(inner: &Inner, context: &StepContext, outcome: &mut ActionOutcome) {
    let Some(logs) = inner.logs.as_ref().filter(|_| outcome.log.is_none()) else {
        return;
    };
    let path = context.log.path();
    if !std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return;
    }
    match logs.keep(path).await {
        Ok(digest) => outcome.log = Some(digest),
        Err(error) => {
            warn!(run = %context.run, step = %context.step, "the log of attempt {} is not kept: {error}", context.attempt);
        }
    }
}

fn no_action(kind: &str) -> String {
    format!("this server has no action `{kind}`\nhint: was the run asked for by a newer version?")
}

/// A panic is a fault of the action. What it did to the world before, nobody knows.
fn panicked(panic: &(dyn std::any::Any + Send), effect: EffectClass) -> ActionOutcome {
    let reason = format!("the action panicked: {}", words_of(panic));
    match effect {
        EffectClass::Effect => ActionOutcome::unknown(reason),
        EffectClass::Pure | EffectClass::Idempotent => ActionOutcome::failed(reason),
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}
