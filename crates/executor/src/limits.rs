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
    /// Each that there is, by its name and in words.
    fn amounts(&self) -> Vec<(&'static str, String)> {
        let plural = |count: f64, one: &str, many: &str| format!("{count} {}", if count == 1.0 { one } else { many });
        let cpus = self.cpus.map(|cpus| ("cpus", plural(cpus, "processor", "processors")));
        let memory = self.memory_bytes.map(|bytes| {
            let mebibytes = bytes as f64 / f64::from(1 << 20);
            let amount = match mebibytes {
                1024.0.. => format!("{} GiB", (mebibytes / 102.4).round() / 10.0),
                _ => format!("{} MiB", (mebibytes * 10.0).round() / 10.0),
            };
            ("memory", format!("{amount} of memory"))
        });
        let pids = self
            .pids
            .map(|pids| ("pids", plural(pids as f64, "process", "processes")));
        cpus.into_iter().chain(memory).chain(pids).collect()
    }

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

impl Held {
    /// What held of these limits and how, in words.
    pub fn told(&self, limits: &Limits) -> String {
        let amounts = |wanted: &dyn Fn(&str) -> bool| {
            let all = limits.amounts();
            let chosen = all.iter().filter(|(name, _)| wanted(name));
            chosen
                .map(|(_, amount)| amount.clone())
                .collect::<Vec<_>>()
                .join(" and ")
        };
        match self {
            Self::ControlGroup => format!("{} for all processes together", amounts(&|_| true)),
            Self::EachProcess { reason, missing } => {
                let is_missing = |name: &str| missing.iter().any(|missing| missing == name);
                let (held, not) = (amounts(&|name| !is_missing(name)), amounts(&is_missing));
                match (held.is_empty(), not.is_empty()) {
                    (false, true) => format!("{held} for each process by itself: {reason}"),
                    (false, false) => format!("{held} for each process by itself, and {not} not held: {reason}"),
                    (true, _) => format!("{not} not held: {reason}"),
                }
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
            memory_bytes: Some(512 << 20),
            pids: Some(10),
        };
        let held = Held::each_process(&limits, false, "no control groups".into());
        assert_eq!(
            held.told(&limits),
            "512 MiB of memory for each process by itself, and 1 processor and 10 processes not held: no control groups"
        );
        let fewer = Limits { pids: None, ..limits };
        let held = Held::each_process(&fewer, true, "no control groups".into());
        assert_eq!(
            held.told(&fewer),
            "1 processor and 512 MiB of memory for each process by itself: no control groups"
        );
        let cpus = Limits {
            memory_bytes: None,
            cpus: Some(0.5),
            ..fewer
        };
        let held = Held::each_process(&cpus, false, "no control groups".into());
        assert_eq!(held.told(&cpus), "0.5 processors not held: no control groups");
        let more = Limits {
            memory_bytes: Some(1536 << 20),
            ..limits
        };
        assert_eq!(
            Held::ControlGroup.told(&more),
            "1 processor and 1.5 GiB of memory and 10 processes for all processes together"
        );
        assert_eq!(rlimits(&limits).len(), 1);
        assert!(Limits::default().is_none() && !limits.is_none());
    }
}
