//! States and results: two enums, because where something is and how it ended are two questions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a run or a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something it needs is not finished.
    Waiting,
    /// Everything it needs is there; it waits for a place.
    Ready,
    /// An attempt is open.
    Running,
    /// An attempt ended and another will follow.
    Backoff,
    /// A person is asked whether it was done.
    Asking,
    /// It has a result.
    Finished,
}

/// How a run, a step or an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    /// It did what it should.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// It was not begun.
    Skipped,
    /// It took longer than it may.
    TimedOut,
    /// Nobody can say.
    Unknown,
}

/// A text that is not the state or result it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: one of {known} is expected")]
pub struct WordError {
    text: String,
    what: &'static str,
    known: &'static str,
}

macro_rules! words {
    ($name:ident, $what:literal, $known:literal, $($variant:ident = $word:literal),*) => {
        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word for it in facts, views and the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(WordError { text: text.chars().take(80).collect(), what: $what, known: $known }),
                }
            }
        }
    };
}

words!(
    State,
    "state",
    "waiting, ready, running, backoff, asking, finished",
    Waiting = "waiting",
    Ready = "ready",
    Running = "running",
    Backoff = "backoff",
    Asking = "asking",
    Finished = "finished"
);
words!(
    RunResult,
    "result",
    "succeeded, failed, cancelled, skipped, timed-out, unknown",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
    Skipped = "skipped",
    TimedOut = "timed-out",
    Unknown = "unknown"
);
