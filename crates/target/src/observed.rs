//! What a placement is.

use facts::Digest;
use proxy::Stamp;
use serde::{Deserialize, Serialize};

use crate::desired::Desired;

/// What was seen of a placement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The stamp of the last intention that was applied to its end; `None` when there was none. An
    /// intention that failed or is under way does not show here.
    #[serde(default)]
    pub stamp: Option<Stamp>,
    /// The groups that serve.
    #[serde(default)]
    pub groups: Vec<ObservedGroup>,
    /// Where requests come in.
    #[serde(default)]
    pub url: Option<String>,
}

impl Observed {
    /// Whether it shows that an intention was applied to its end: by its stamp, or where no stamp is kept by groups
    /// that run what is wanted, all of them well.
    pub fn shows(&self, desired: &Desired) -> bool {
        if let Some(stamp) = self.stamp {
            return stamp == desired.stamp;
        }
        let is_wanted = |seen: &ObservedGroup| {
            desired.groups.iter().any(|group| {
                group.name == seen.name
                    && group.package == seen.package
                    && group.configuration == seen.configuration
                    && (group.instances, group.weight) == (seen.instances, seen.weight)
                    && seen.healthy >= seen.instances
            })
        };
        self.groups.len() == desired.groups.len() && self.groups.iter().all(is_wanted)
    }
}

/// What was seen of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedGroup {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub package: Digest,
    /// With which configuration.
    pub configuration: Digest,
    /// How many instances are wanted.
    pub instances: u32,
    /// How many of them are well.
    pub healthy: u32,
    /// Its share of the requests, relative to the sum over all groups.
    pub weight: u32,
    /// How often an instance of it was started again after it had ended by itself.
    #[serde(default)]
    pub restarts: u64,
}
