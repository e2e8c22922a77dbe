//! How mature the delivery of something is, from evidence.
//!
//! A [`Model`] is data: practices with rules in CEL over the [`evidence`] vocabulary. [`Profile::of`]
//! is a pure function of evidence, model and what people stated: the same input gives the same bytes.
//! Nothing here does I/O, reads a clock, or ranks anybody.

pub mod advice;
pub mod document;
pub mod level;
pub mod model;
pub mod next;
pub mod profile;
pub mod rule;
pub mod sarif;
pub mod statements;
pub mod words;

pub use document::Assessment;
pub use level::{Class, Level, Verdict};
pub use model::Model;
pub use profile::Profile;
pub use rule::{Rule, Truth, Weighed};
pub use statements::Statements;
