//! The fact kinds of a run and the shapes of their bodies.
//!
//! All facts of one run stand in the stream `run/RUN`. A shape here never changes: a new shape is a
//! new version of the kind, with an upcaster and a fixture of its own.

use facts::{
    Commit, ComponentId, ComponentName, Digest, EnvironmentName, ReleaseLine, RunId, StepName, Timestamp, Trust,
};
use facts::{NewFact, Stream};
use pipeline::PlannedStep;
use pipeline::plan::Concurrency;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::request::BrokenDefinition;
use crate::result::RunResult;

/// The version of every kind here.
pub const VERSION: u16 = 1;

/// What the names of the streams of runs begin with.
pub const STREAM: &str = "run";

/// The stream that holds all facts of a run.
pub fn stream_of(run: RunId) -> Stream {
    Stream::new(STREAM, run)
}

/// The external key by which the fact `run.requested` claims the key of a request.
pub fn claim_of(key: &str) -> String {
    format!("run:{key}")
}

/// A fact of a run, read.
#[derive(Debug, Clone, PartialEq)]
pub enum RunFact {
    /// Somebody asked for the run.
    Requested(Requested),
    /// A part of its plan.
    Planned(Planned),
    /// Its first attempt begins.
    Started(Started),
    /// An attempt of a step begins: the claim that stands before anything is done.
    AttemptStarted(AttemptStarted),
    /// An attempt ended, and what follows for the step.
    AttemptFinished(AttemptFinished),
    /// The world was asked about the effect of a step's last attempt.
    Observed(StepObserved),
    /// A person said whether a step was done.
    Resolved(StepResolved),
    /// Steps ended without an attempt.
    Settled(StepsSettled),
    /// A step, or the whole run, enters a group: the claim that stands before it begins.
    GroupEntered(GroupEntered),
    /// A newer run takes the turn of a step, or of the whole run, in a group.
    Superseded(Superseded),
    /// Somebody wants the run to end.
    CancelRequested(CancelRequested),
    /// Somebody wants what did not succeed to be attempted again.
    Reopened(Reopened),
    /// Steps that begin again after the run was reopened.
    Reset(StepsReset),
    /// Nothing is left to do.
    Finished(Finished),
}

macro_rules! kinds {
    ($($variant:ident($body:ty) = $name:literal, $constant:ident;)*) => {
        $(
            #[doc = concat!("The kind of [`", stringify!($body), "`].")]
            pub const $constant: &str = $name;
        )*

        /// All kinds of facts of runs.
        pub const ALL: &[&str] = &[$($name),*];

        impl RunFact {
            /// Reads a fact; `None` when its kind is not one of a run's.
            ///
            /// # Errors
            /// When the body does not have its kind's shape.
            pub fn read(fact: &NewFact) -> Result<Option<Self>, serde_json::Error> {
                Ok(match fact.kind.as_str() {
                    $($name => Some(Self::$variant(<$body>::deserialize(&fact.body)?)),)*
                    _ => None,
                })
            }

            /// The name of its kind.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// Its body as a JSON document.
            pub fn body(&self) -> Value {
                match self {
                    $(Self::$variant(body) => serde_json::to_value(body).unwrap_or(Value::Null),)*
                }
            }
        }
    };
}

kinds! {
    Requested(Requested) = "run.requested", REQUESTED;
    Planned(Planned) = "run.planned", PLANNED;
    Started(Started) = "run.started", STARTED;
    AttemptStarted(AttemptStarted) = "attempt.started", ATTEMPT_STARTED;
    AttemptFinished(AttemptFinished) = "attempt.finished", ATTEMPT_FINISHED;
    Observed(StepObserved) = "step.observed", OBSERVED;
    Resolved(StepResolved) = "step.resolved", RESOLVED;
    Settled(StepsSettled) = "steps.settled", SETTLED;
    GroupEntered(GroupEntered) = "group.entered", GROUP_ENTERED;
    Superseded(Superseded) = "run.superseded", SUPERSEDED;
    CancelRequested(CancelRequested) = "run.cancel-requested", CANCEL_REQUESTED;
    Reopened(Reopened) = "run.reopened", REOPENED;
    Reset(StepsReset) = "steps.reset", RESET;
    Finished(Finished) = "run.finished", FINISHED;
}

/// The body of `run.requested`. Who asked, the trust and the cause stand in the envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Requested {
    /// What kind of run it is.
    pub kind: String,
    /// The claim.
    pub key: String,
    /// Whose run it is.
    pub component: ComponentId,
    /// The component's name at that time.
    pub component_name: ComponentName,
    /// The commit it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Commit>,
    /// The release line it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<ReleaseLine>,
    /// The environment it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// The digest of the definition.
    pub definition: Digest,
    /// How far the event behind it is trusted.
    pub trust: Trust,
    /// Handed to the actions as it is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub context: Value,
    /// How many steps the plan has; the facts `run.planned` that follow in the same commit hold
    /// them. 0 when the definition is broken.
    pub steps: u64,
    /// What is wrong with the definition, where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenDefinition>,
    /// The group that the whole run is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Box<Concurrency>>,
}

/// The body of `run.planned`: a part of the plan, so that no fact grows with the number of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The place in the plan of the first of these steps, from 0.
    pub first: u64,
    /// The steps, in the plan's order.
    pub steps: Vec<PlannedStep>,
}

/// The body of `run.started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {}

/// The body of `attempt.started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// The step.
    pub step: StepName,
    /// Which attempt it is, dense from 1.
    pub attempt: u32,
}

/// The body of `attempt.finished`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptFinished {
    /// The step.
    pub step: StepName,
    /// The attempt.
    pub attempt: u32,
    /// The attempt's own result; `unknown` when it was lost.
    pub result: RunResult,
    /// What is to be said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The exit code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// What the step puts out.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outputs: Value,
    /// The digest of the kept log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Digest>,
    /// The attempt was lost: nobody saw its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// What follows for the step.
    pub next: Next,
}

/// What follows for a step after an attempt, an observation or an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Next {
    /// The step is finished.
    Finished {
        /// The step's result.
        result: RunResult,
    },
    /// It is attempted again; a step of class `effect` is observed before.
    Again {
        /// Not before then.
        at: Timestamp,
    },
    /// A person is asked whether it was done.
    Ask,
}

/// The body of `step.observed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepObserved {
    /// The step.
    pub step: StepName,
    /// Its last attempt, whose effect was looked for.
    pub attempt: u32,
    /// What was seen.
    pub seen: Seen,
    /// Why nothing could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the step puts out, when it is done.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outputs: Value,
    /// What follows for the step.
    pub next: Next,
}

/// What the world said about the effect of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// It is done.
    Done,
    /// It is not done.
    NotDone,
    /// It cannot be seen.
    Unknown,
}

/// The body of `step.resolved`. Who said it stands in the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResolved {
    /// The step.
    pub step: StepName,
    /// Its last attempt, which was asked about.
    pub attempt: u32,
    /// Whether it was done.
    pub done: bool,
    /// What follows for the step.
    pub next: Next,
}

/// The body of `steps.settled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepsSettled {
    /// The steps.
    pub steps: Vec<StepName>,
    /// Their result.
    pub result: RunResult,
    /// Why.
    pub message: String,
}

/// The body of `group.entered`. Its external key claims the turn, so that no two can have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntered {
    /// What the group is called, within the component and the trust of the run.
    pub group: String,
    /// Which turn of the group it is, from 1.
    pub turn: u64,
    /// The step; absent for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
}

/// The body of `run.superseded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    /// What the group is called.
    pub group: String,
    /// The newer run.
    pub by: RunId,
    /// The step that ends; absent for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
}

/// The body of `run.cancel-requested`. Who wants it stands in the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequested {}

/// The body of `run.reopened`. Who wants it stands in the envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reopened {
    /// Which time the run is gone through now, from 2.
    pub round: u32,
}

/// The body of `steps.reset`; follows `run.reopened` in the same commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepsReset {
    /// The steps that begin again.
    pub steps: Vec<StepName>,
}

/// The body of `run.finished`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// The run's result.
    pub result: RunResult,
    /// Why, where it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
