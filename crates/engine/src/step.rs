//! Where one step of an open run is, as the core sees it.

use facts::{FactId, Timestamp};
use serde_json::Value;

use crate::result::RunResult;

/// Where a step is, as the core sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Needs are missing, or the step has not been looked at since the last one came.
    Waiting,
    /// Derived: it may begin as soon as there is a place.
    Ready,
    /// Derived: the world is being asked whether the last attempt's effect is there.
    Looking,
    /// An attempt is open.
    Running {
        /// When it began.
        since: Timestamp,
        /// Derived: it took longer than it may and was told to stop.
        overdue: bool,
    },
    /// Another attempt follows, not before `at`.
    Backoff {
        /// Not before then.
        at: Timestamp,
    },
    /// A person is asked.
    Asking,
    /// It has a result.
    Finished(RunResult),
}

impl Phase {
    pub(crate) fn finished(self) -> Option<RunResult> {
        match self {
            Self::Finished(result) => Some(result),
            _ => None,
        }
    }
}

/// What is known about one step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub phase: Phase,
    /// The last attempt; 0 before the first.
    pub attempt: u32,
    /// Attempts of this round that failed.
    pub failures: u32,
    /// Attempts of this round that were lost.
    pub losses: u32,
    /// Needs that are not finished.
    pub missing: usize,
    /// The step's effect may be in the world without anybody knowing: it must be observed, or a
    /// person asked, before another attempt.
    pub doubt: bool,
    pub outputs: Value,
    /// The turn that it has in its group.
    pub turn: Option<u64>,
    /// A newer run took its turn in the group.
    pub superseded: bool,
    /// The last fact about it.
    pub last_fact: Option<FactId>,
}
