//! The environments in their order, and what each asks for, as decisions use them.

use std::collections::BTreeMap;

use facts::{Digest, EnvironmentName, ReleaseLine};
use pipeline::Environments;

pub use pipeline::environments::{
    Approval as ApprovalRule, Canary, Environment as EnvironmentPolicy, Latency, OnDeadline, Strategy,
    Target as TargetPolicy,
};

/// The path: environments, each after those it depends on.
#[derive(Debug, Clone)]
pub struct Path {
    environments: Vec<EnvironmentPolicy>,
    /// The digest of the file it was read from.
    pub revision: Digest,
}

impl From<&Environments> for Path {
    fn from(environments: &Environments) -> Self {
        Self::new(environments.iter().cloned().collect(), environments.revision())
    }
}

impl Path {
    /// A path of these environments; they are put into an order in which each comes after those it
    /// depends on. A dependency that is not there, or that goes in a circle, is left out of the
    /// order's reckoning: the reader of the file has refused it before.
    pub fn new(environments: Vec<EnvironmentPolicy>, revision: Digest) -> Self {
        let mut waiting: BTreeMap<EnvironmentName, EnvironmentPolicy> = environments
            .into_iter()
            .map(|policy| (policy.name.clone(), policy))
            .collect();
        let mut ordered = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let ready = waiting
                .values()
                .find(|policy| policy.after.iter().all(|earlier| !waiting.contains_key(earlier)))
                .or_else(|| waiting.values().next())
                .map(|policy| policy.name.clone());
            if let Some(policy) = ready.and_then(|name| waiting.remove(&name)) {
                ordered.push(policy);
            }
        }
        Self {
            environments: ordered,
            revision,
        }
    }

    /// The environments, each after those it depends on.
    pub fn environments(&self) -> &[EnvironmentPolicy] {
        &self.environments
    }

    /// The environment of that name.
    pub fn get(&self, name: &EnvironmentName) -> Option<&EnvironmentPolicy> {
        self.environments.iter().find(|policy| policy.name == *name)
    }

    /// Whether packages of this release line go anywhere.
    pub fn delivers(&self, line: &ReleaseLine) -> bool {
        self.environments.iter().any(|policy| takes(policy, line))
    }

    /// The environments that no other comes after: where the path ends.
    pub fn ends(&self) -> Vec<EnvironmentName> {
        let is_last =
            |policy: &&EnvironmentPolicy| !self.environments.iter().any(|other| other.after.contains(&policy.name));
        self.environments
            .iter()
            .filter(is_last)
            .map(|policy| policy.name.clone())
            .collect()
    }
}

/// Whether packages of this release line may come to the environment. Where it names no lines, the
/// main line is meant: a branch that somebody pushes is not delivered by accident.
pub fn takes(policy: &EnvironmentPolicy, line: &ReleaseLine) -> bool {
    if policy.lines.is_empty() {
        matches!(line.as_str(), "main" | "master")
    } else {
        policy.lines.contains(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(file: &str) -> Path {
        Path::from(&Environments::parse(file, "environments.yaml").unwrap())
    }

    const BRANCHING: &str = "throughline: 1
environments:
  staging:
    lines: [main]
    target: { kind: process }
  europe:
    after: [staging]
    lines: [release/2.x]
    target: { kind: process }
  asia:
    after: [staging]
    target: { kind: process }
";

    #[test]
    fn a_line_is_delivered_where_any_environment_takes_it() {
        let path = path(BRANCHING);
        for (line, expected) in [
            ("main", true),
            ("release/2.x", true),
            ("master", true),
            ("topic", false),
        ] {
            assert_eq!(path.delivers(&ReleaseLine::new(line).unwrap()), expected, "{line}");
        }
        assert!(!Path::new(Vec::new(), path.revision).delivers(&ReleaseLine::new("main").unwrap()));
    }

    #[test]
    fn a_path_ends_where_nothing_comes_after() {
        let path = path(BRANCHING);
        let mut ends: Vec<_> = path.ends().iter().map(ToString::to_string).collect();
        ends.sort();
        assert_eq!(ends, ["asia", "europe"]);
        assert_eq!(Path::new(Vec::new(), path.revision).ends(), []);
    }
}
