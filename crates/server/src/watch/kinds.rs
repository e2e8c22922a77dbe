//! The fact that says that a rule was broken.

use facts::{Position, Stream};
use serde::{Deserialize, Serialize};

/// The kind of [`Broken`].
pub const BROKEN: &str = "invariant.broken";

/// The stream of what was found.
pub fn stream() -> Stream {
    Stream::new("invariants", "all")
}

/// What the fact claims: a rule that a fact breaks is told once.
pub fn claim(broken: &Broken) -> String {
    format!("invariant:{}/{}", broken.rule, broken.position)
}

/// A fact stands in the ledger that breaks a rule of the protocol: the program has a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The rule, as docs/reliability.md names it.
    pub rule: String,
    /// The position of the fact that breaks it.
    pub position: Position,
    /// Its stream.
    pub stream: String,
    /// What does not hold.
    pub text: String,
}
