//! Durable runs: a plan's steps are performed once, whatever crashes in between.
//!
//! A run is a stream of facts. The pure core folds them into a state and
//! decides what follows from an input: further facts, and actions that are taken only after the
//! facts are durable and that can be derived again from the facts alone. The driver is small: it
//! carries inputs in, appends facts, and performs actions. What a step *does* is not here: domains
//! hand in a [`StepAction`] for each kind of step.
//!
//! What lives here: the fact kinds of runs, their fold, the decisions, the inline views `runs`,
//! `steps`, `attempts` and `questions`, the sharing of places between runs, and recovery. What does
//! not: processes, packages, environments, HTTP.

pub mod action;
mod attempt;
pub mod decide;
mod driver;
pub mod engine;
#[cfg(test)]
mod example;
pub mod groups;
pub mod invariants;
pub mod kinds;
pub mod log;
mod mutation;
pub mod open_run;
pub mod places;
pub mod query;
pub mod request;
pub mod result;
#[cfg(test)]
mod simulation;
mod standby;
pub mod state;
mod step;
pub mod view;

pub use action::{ActionOutcome, Observation, Resumed, StepAction, StepContext, StepResult};
pub use engine::{Engine, GRACE, Ports, SubmitError, Submitted, WishError};
pub use log::{LogSink, LogStore};
pub use request::{BrokenDefinition, RunRequest};
pub use result::{RunResult, State};
pub use state::{Impossible, RunState};
pub use view::RunsView;
