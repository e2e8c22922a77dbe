//! What can go wrong at a target.

use std::path::PathBuf;

use proxy::Stamp;
use serde::{Deserialize, Serialize};

/// Why an intention was not carried out, as the target says it; it travels between processes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Refused {
    /// A newer intention was accepted before.
    #[error("the intention {asked} is older than {accepted}, which was accepted before")]
    Stale {
        /// The stamp of the refused intention.
        asked: Stamp,
        /// The newest stamp accepted.
        accepted: Stamp,
    },
    /// The same stamp was used for something else.
    #[error("the stamp {stamp} was used before for something else")]
    Reused {
        /// The stamp.
        stamp: Stamp,
    },
    /// A newer intention, or the wish to stop, came while this one was carried out.
    #[error("it was given up for {by}, which came in between")]
    Superseded {
        /// What came.
        by: String,
    },
    /// An instance never got well; traffic is where it was.
    #[error(
        "an instance of group `{group}` ({package}) did not get healthy: {reason}{}",
        tail(log_tail)
    )]
    Unhealthy {
        /// The group.
        group: String,
        /// What it runs.
        package: facts::Digest,
        /// What was seen last.
        reason: String,
        /// The last lines that the instance wrote, without secrets.
        log_tail: String,
    },
    /// An instance could not be started at all; traffic is where it was.
    #[error("an instance of group `{group}` cannot be started: {reason}")]
    CouldNotStart {
        /// The group.
        group: String,
        /// Why.
        reason: String,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {reason} (hint: free the port, or state another `address` for the environment)"
    )]
    Address {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// The process that keeps the placement could not write or read its files.
    #[error("the placement's state cannot be kept: {reason}")]
    State {
        /// What and why.
        reason: String,
    },
    /// The process that keeps the placement gives it to a newer one; to be asked again.
    #[error("the placement is being handed over")]
    HandedOver,
}

fn tail(log: &str) -> String {
    if log.trim().is_empty() {
        "; it wrote nothing".to_owned()
    } else {
        format!("; its last lines:\n{}", log.trim_end())
    }
}

/// What can go wrong at a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// What is wanted makes no sense.
    #[error("this cannot be applied: {reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// A newer intention was accepted before; nothing was done.
    #[error("the intention {asked} is older than {accepted}, which was accepted before")]
    Stale {
        /// The stamp of the refused intention.
        asked: Stamp,
        /// The newest stamp accepted.
        accepted: Stamp,
    },
    /// The target refused or could not do it.
    #[error("{0}")]
    Refused(Refused),
    /// The process that keeps the placement cannot be started or asked.
    #[error("the proxy of the placement cannot be reached: {reason} (hint: its log is {})", log.display())]
    Unreachable {
        /// Why.
        reason: String,
        /// Where it writes.
        log: PathBuf,
    },
    /// Files of the placement cannot be written or read.
    #[error("cannot use {}: {source}", path.display())]
    Files {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A command of the user failed.
    #[error("the command `{what}` of the target failed: {reason}{}", tail(output))]
    Command {
        /// Which: `apply`, `observe`, `weight` or `stop`.
        what: &'static str,
        /// How.
        reason: String,
        /// The last lines it wrote.
        output: String,
    },
}

impl From<Refused> for TargetError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Stale { asked, accepted } => Self::Stale { asked, accepted },
            other => Self::Refused(other),
        }
    }
}

impl TargetError {
    /// Whether trying the same again may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Invalid { .. } | Self::Stale { .. } => false,
            Self::Refused(refused) => !matches!(refused, Refused::Reused { .. } | Refused::Superseded { .. }),
            Self::Unreachable { .. } | Self::Files { .. } | Self::Command { .. } => true,
        }
    }
}
