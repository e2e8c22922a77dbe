//! Conditions and gates.
//!
//! A [`Condition`] is a CEL expression that is compiled once and evaluated against JSON variables,
//! within a fixed budget of work and without any way to ask for the time. A gate is a named condition
//! that lets a package into an environment or holds it back, with a reason. Nothing here does I/O or
//! knows where the variables come from.

mod charge;
pub mod condition;
pub mod gate;
mod message;
pub mod nearest;
pub mod scope;
mod size;

pub use condition::{Condition, ConditionCache, ConditionError, EvaluationError};
pub use gate::{Gate, GateInput, GateReason, GateVerdict, evaluate};
pub use scope::Scope;
