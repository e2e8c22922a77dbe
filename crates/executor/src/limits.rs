//! How much of the machine an attempt may take, and who holds it to that.

use serde::{Deserialize, Serialize};

/// The most that an attempt may take; what is absent is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Processors, such as 1.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How an attempt was held to its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Held {
    /// All of its processes together, by the container's control group.
    ControlGroup,
    /// Each of its processes by itself: one may have the memory that all were to have, and what cannot
    /// be limited so is not limited.
    EachProcess {
        /// Why it is not better.
        reason: String,
        /// Which limits do not hold at all.
        missing: Vec<String>,
    },
}

impl Held {
    /// What is held of these limits without a control group.
    pub(crate) fn each_process(limits: &Limits, cpus_held: bool, reason: String) -> Self {
        let missing = [
            ("cpus", limits.cpus.is_some() && !cpus_held),
            ("pids", limits.pids.is_some()),
        ];
        Self::EachProcess {
            reason,
            missing: missing
                .into_iter()
                .filter(|(_, missing)| *missing)
                .map(|(name, _)| name.to_owned())
                .collect(),
        }
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ControlGroup => f.write_str("control group"),
            Self::EachProcess { reason, missing } if missing.is_empty() => {
                write!(f, "each process by itself: {reason}")
            }
            Self::EachProcess { reason, missing } => {
                write!(f, "each process by itself, without {}: {reason}", missing.join(" and "))
            }
        }
    }
}

/// The limits that a single process can be held to: the resource, its name among the options of
/// container engines, and how much. Memory is what a process writes to, so that a program that reserves
/// room without using it is not refused. A limit on the number of processes would count all those of the
/// user.
pub(crate) fn rlimits(limits: &Limits) -> Vec<(process::Resource, &'static str, u64)> {
    let memory = limits
        .memory_bytes
        .map(|bytes| (process::Resource::Data, "data", bytes));
    memory.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_named() {
        let limits = Limits {
            cpus: Some(1.0),
            memory_bytes: Some(1),
            pids: Some(10),
        };
        let held = Held::each_process(&limits, false, "no control groups".into());
        assert_eq!(
            held.to_string(),
            "each process by itself, without cpus and pids: no control groups"
        );
        let held = Held::each_process(&Limits { pids: None, ..limits }, true, "no control groups".into());
        assert_eq!(held.to_string(), "each process by itself: no control groups");
        assert_eq!(rlimits(&limits).len(), 1);
        assert!(Limits::default().is_none() && !limits.is_none());
    }
}
