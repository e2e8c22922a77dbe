//! Why a command failed, as a person is told: what failed, and what to do next.

use crate::exit::Exit;

/// A command's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code that the command ends with.
    pub exit: Exit,
    /// What failed and on what, in lower case; empty where all was said already.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure that is told as `message`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// A failure about which nothing more is to be said.
    pub const fn told(exit: Exit) -> Self {
        Self {
            exit,
            message: String::new(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
