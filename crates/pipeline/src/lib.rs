//! The two files and what they turn into.
//!
//! Here live [`plan`] (the steps the engine drives) and [`document`] (what a package carries for its
//! deployments). Nothing here reads a file, a clock or the environment: texts come in, checked values
//! go out.

pub mod document;
pub mod plan;

pub use document::PackageDocument;
pub use plan::{EffectClass, Plan, PlannedStep};
