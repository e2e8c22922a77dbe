//! What a domain hands in: the action that performs one kind of step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use facts::{Digest, NewFact, RunId, StepName, Trust};
use pipeline::EffectClass;
use pipeline::plan::Resources;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::log::LogSink;
use crate::request::RunRequest;

/// Performs one kind of step.
#[async_trait]
pub trait StepAction: Send + Sync {
    /// The kind of step it performs, as plans name it.
    fn kind(&self) -> &'static str;

    /// Whether a performed step mostly waits (for a person, for time to pass): it then takes no
    /// place among the limited number of steps that work at the same time.
    fn waits(&self) -> bool {
        false
    }

    /// Performs the step until it is done.
    ///
    /// It is told to stop through [`StepContext::cancel`] and should then end soon with
    /// [`StepResult::Cancelled`]; the engine gives up on it after a while. When the engine stops,
    /// the future is dropped without being cancelled. Unless the step's class is `effect`, it may be
    /// performed again after a crash: doing it twice with the same [`StepContext::effect_key`] must
    /// leave the same as doing it once.
    async fn perform(&self, step: StepContext) -> ActionOutcome;

    /// Called after a restart for an attempt that was open: what became of it?
    ///
    /// An action whose work outlives the server re-attaches here and waits for the outcome. All
    /// others keep the default, and the attempt is lost.
    async fn resume(&self, step: StepContext) -> Resumed {
        let _ = step;
        Resumed::Lost
    }

    /// Looks whether the effect of the step's last attempt is in the world, without changing
    /// anything. Asked for steps of class `effect` whose attempt was lost or is to be repeated.
    async fn observe(&self, step: StepContext) -> Observation {
        let _ = step;
        Observation::Unknown {
            reason: "this kind of step cannot be observed".to_owned(),
        }
    }
}

/// What an action is told about the step it performs.
#[derive(Debug, Clone)]
pub struct StepContext {
    /// The run.
    pub run: RunId,
    /// The kind of run, such as `build`.
    pub kind: String,
    /// The step.
    pub step: StepName,
    /// Which attempt it is, from 1. Attempts of a rerun go on counting.
    pub attempt: u32,
    /// `RUN/STEP`: names the effect, the same for each attempt.
    pub effect_key: String,
    /// What was asked for, with the whole plan.
    pub request: Arc<RunRequest>,
    /// The step's input, in the action's own shape.
    pub input: Value,
    /// What the needed steps put out.
    pub outputs_of_needs: BTreeMap<StepName, Value>,
    /// What a repetition would do to the world.
    pub effect: EffectClass,
    /// What it says it takes of the machine.
    pub resources: Option<Resources>,
    /// How long the attempt may take. The engine enforces it by cancelling; an action whose work
    /// outlives the server may enforce it as well.
    pub timeout: Option<Duration>,
    /// Where to write what people should read.
    pub log: LogSink,
    /// Cancelled when the step must end.
    pub cancel: CancellationToken,
    /// How far the event behind the run is trusted.
    pub trust: Trust,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct ActionOutcome {
    /// The result.
    pub result: StepResult,
    /// What the step gives to those that need it; an object, or null.
    pub outputs: Value,
    /// Whether another attempt may help. Where it may, the step's retries decide.
    pub retry: bool,
    /// The digest of the kept log, when the action has kept one itself. Otherwise the engine keeps
    /// what was written to the attempt's log file.
    pub log: Option<Digest>,
    /// Facts to publish in the same commit as the outcome, such as verdicts. They must not be of
    /// the run's own stream.
    pub facts: Vec<NewFact>,
}

/// The result of one attempt, with what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepResult {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed {
        /// Why, for people.
        message: String,
        /// The exit code, where there is one.
        code: Option<i32>,
    },
    /// It took longer than it may.
    TimedOut,
    /// It was told to stop, and did.
    Cancelled,
    /// Nobody can say whether it was done: a person is asked.
    Unknown {
        /// What is not known and why.
        reason: String,
    },
    /// Its processes are gone and nobody saw their end. A step of class `effect` is observed; any
    /// other is attempted again.
    Lost,
}

impl ActionOutcome {
    /// It succeeded and puts out `outputs`.
    pub fn succeeded(outputs: Value) -> Self {
        Self::ended(StepResult::Succeeded, outputs)
    }

    /// It failed, and trying again would not help.
    pub fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::ended(StepResult::Failed { message, code: None }, Value::Null)
    }

    /// It failed for a reason that may pass.
    pub fn failed_for_now(message: impl Into<String>) -> Self {
        Self {
            retry: true,
            ..Self::failed(message)
        }
    }

    /// It was told to stop, and did.
    pub fn cancelled() -> Self {
        Self::ended(StepResult::Cancelled, Value::Null)
    }

    /// Nobody can say whether it was done.
    pub fn unknown(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::ended(StepResult::Unknown { reason }, Value::Null)
    }

    /// Its processes are gone and nobody saw their end.
    pub fn lost() -> Self {
        Self::ended(StepResult::Lost, Value::Null)
    }

    /// An outcome with nothing but a result and outputs.
    pub fn ended(result: StepResult, outputs: Value) -> Self {
        Self {
            result,
            outputs,
            retry: false,
            log: None,
            facts: Vec::new(),
        }
    }

    /// The same outcome, publishing `facts` in the same commit.
    #[must_use]
    pub fn publishing(mut self, facts: impl IntoIterator<Item = NewFact>) -> Self {
        self.facts.extend(facts);
        self
    }
}

/// What became of an attempt that was open when the server stopped.
#[derive(Debug, Clone)]
pub enum Resumed {
    /// It ended, then or since.
    Outcome(ActionOutcome),
    /// It is gone. A step of class `effect` is observed; any other is attempted again.
    Lost,
    /// Nobody can say: a person is asked.
    Unknown {
        /// What is not known and why.
        reason: String,
    },
}

/// What the world says about the effect of a step.
#[derive(Debug, Clone)]
pub enum Observation {
    /// It is done.
    Done {
        /// What the step gives to those that need it.
        outputs: Value,
    },
    /// It is not done: it may be attempted again.
    NotDone,
    /// It cannot be seen: a person is asked.
    Unknown {
        /// What is not known and why.
        reason: String,
    },
}
