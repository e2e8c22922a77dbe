//! The fact that tells what a sweep removed.

use facts::{Stream, Timestamp};
use serde::{Deserialize, Serialize};

/// The kind of [`Swept`].
pub const SWEPT: &str = "retention.swept";

/// The stream of sweeps.
pub fn stream() -> Stream {
    Stream::new("retention", "sweeps")
}

/// How much of one sort was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Removed {
    /// How many.
    pub count: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl Removed {
    /// One more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What was kept long enough was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Logs of attempts that ended before are gone, but for those of the newest runs.
    pub logs_before: Timestamp,
    /// Logs of steps.
    pub logs: Removed,
    /// Folders of runs: workspaces, outcomes and logs as files.
    pub runs: Removed,
    /// Folders kept from run to run.
    pub caches: Removed,
    /// Blobs that nothing needs.
    pub blobs: Removed,
}

impl Swept {
    /// Whether anything was removed.
    pub fn is_something(&self) -> bool {
        [self.logs, self.runs, self.caches, self.blobs]
            .iter()
            .any(|removed| removed.count > 0)
    }
}
