//! Where requests may go, as data that is set from outside.

use std::fmt;
use std::net::SocketAddr;

use facts::{Digest, InstanceId};
use serde::{Deserialize, Serialize};

/// The order of intentions for one placement. An older one never undoes a newer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Counts the deployments of the placement.
    pub generation: u64,
    /// Counts the phases of one deployment, such as the weights of a canary.
    pub phase: u32,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.phase)
    }
}

/// All groups that requests may go to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// By whose intention; a table with an older stamp than the one set is refused.
    pub stamp: Stamp,
    /// The groups; none means that nothing is served.
    pub groups: Vec<TableGroup>,
}

/// Instances that serve the same package and configuration under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableGroup {
    /// Such as `stable`, `baseline`, `canary`.
    pub name: String,
    /// What runs.
    pub package: Digest,
    /// With which configuration.
    pub configuration: Digest,
    /// Its share of the requests, relative to the sum over all groups; 0 gets none.
    pub weight: u32,
    /// Its instances.
    pub backends: Vec<Backend>,
}

/// One instance that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Which instance; its connections and counts are kept from table to table.
    pub instance: InstanceId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether its health check holds; others are asked only where no healthy one is left.
    pub healthy: bool,
}
