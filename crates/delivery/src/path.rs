//! The environments in their order, and what each asks for: the organisation's policy in the form
//! decisions use.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use facts::{Digest, EnvironmentName, ReleaseLine};
use policy::Gate;
use serde::{Deserialize, Serialize};

/// The path: environments, each after those it depends on.
#[derive(Debug, Clone)]
pub struct Path {
    environments: Vec<EnvironmentPolicy>,
    /// The digest of the file it was read from.
    pub revision: Digest,
}

/// What one environment asks for.
#[derive(Debug, Clone)]
pub struct EnvironmentPolicy {
    /// Its name.
    pub name: EnvironmentName,
    /// The environments in which a package must be proven first.
    pub after: Vec<EnvironmentName>,
    /// The release lines that may come here; none named means all.
    pub lines: Vec<ReleaseLine>,
    /// How long a package runs verified before it counts as proven.
    pub soak: Duration,
    /// Who has to approve.
    pub approvals: Vec<ApprovalRule>,
    /// Conditions over the candidate and the environment.
    pub gates: Vec<Gate>,
    /// How a package replaces the one before.
    pub strategy: Strategy,
    /// How many instances run when nothing is going on.
    pub instances: u32,
    /// Where users reach it; the target chooses a free port, for good, where none is given.
    pub address: Option<SocketAddr>,
}

/// A number of approvals in a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRule {
    /// The role.
    pub role: String,
    /// How many different people.
    pub of: u32,
}

/// How a package replaces the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Strategy {
    /// One instance after another.
    Rolling,
    /// All new instances first, then all traffic at once.
    BlueGreen,
    /// A few new instances beside the old ones, judged before the rest follows.
    Canary(Canary),
}

/// How a canary is run and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Instances of the canary, and as many of its baseline.
    pub instances: u32,
    /// Percent of the requests that go to the canary, and as many to its baseline; at most 50.
    pub weight: u32,
    /// By how much the error rate may exceed the baseline's, as a share.
    pub margin: f64,
    /// The probability of a wrong verdict that is accepted, over all that is judged together.
    pub alpha: f64,
    /// Requests that the baseline must have seen before anything is said.
    pub minimum_requests: u64,
    /// How long it may wait for a verdict.
    pub deadline: Duration,
    /// Whether the package goes on when the deadline passes without a verdict.
    pub on_deadline: OnDeadline,
    /// How latency is judged, where it is.
    pub latency: Option<Latency>,
}

/// What happens when the deadline passes without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnDeadline {
    /// Back to what was there.
    Return,
    /// On to everybody.
    GoOn,
}

/// How latency is judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Which quantile.
    pub quantile: f64,
    /// By how much it may exceed the baseline's.
    pub margin: Duration,
}

impl Default for Canary {
    fn default() -> Self {
        Self {
            instances: 1,
            weight: 20,
            margin: 0.01,
            alpha: 0.05,
            minimum_requests: 50,
            deadline: Duration::from_secs(600),
            on_deadline: OnDeadline::Return,
            latency: None,
        }
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
        self.environments.iter().any(|policy| policy.lines.is_empty() || policy.lines.contains(line))
    }

    /// The environments that no other comes after: where the path ends.
    pub fn ends(&self) -> Vec<EnvironmentName> {
        let is_last =
            |policy: &&EnvironmentPolicy| !self.environments.iter().any(|other| other.after.contains(&policy.name));
        self.environments.iter().filter(is_last).map(|policy| policy.name.clone()).collect()
    }
}
