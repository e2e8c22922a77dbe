//! The decisions of delivery: pure functions from state, policy and time to facts.

mod advance;
mod ask;
mod finish;
#[cfg(test)]
mod tests;

pub use advance::{Decision, advance, candidates};
pub use ask::{AskError, accept, approve, promote, roll_back, unbar};
pub use finish::{RunEnded, RunResult, StepEnded, finish};
