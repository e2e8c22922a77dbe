//! What the actions of one deployment are told: frozen when it begins, so that a policy that changes
//! on the way changes nothing about it.

use facts::{Commit, ComponentName, EnvironmentName, Version};
use serde::{Deserialize, Serialize};

use crate::kinds::DeploymentIntended;
use crate::path::{Canary, EnvironmentPolicy, Strategy};
use crate::state::Package;

/// The context of a deployment's run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentContext {
    /// What is intended.
    pub intent: DeploymentIntended,
    /// The component's name.
    pub component_name: ComponentName,
    /// The package's version.
    pub version: Version,
    /// The package's commit.
    pub commit: Commit,
    /// How the package replaces the one before.
    pub strategy: Strategy,
    /// How many instances run when nothing is going on.
    pub instances: u32,
    /// Where users reach it.
    #[serde(default)]
    pub address: Option<std::net::SocketAddr>,
}

impl DeploymentContext {
    /// The context of an intent under the policy in force.
    pub fn new(intent: &DeploymentIntended, package: &Package, policy: &EnvironmentPolicy) -> Self {
        Self {
            intent: intent.clone(),
            component_name: package.component_name.clone(),
            version: package.version.clone(),
            commit: package.commit.clone(),
            strategy: policy.strategy.clone(),
            instances: policy.target.instances(),
            address: policy.address,
        }
    }

    /// Where.
    pub fn environment(&self) -> &EnvironmentName {
        &self.intent.environment
    }

    /// How a canary is run and judged; the defaults where the strategy has none.
    pub fn canary(&self) -> Canary {
        match &self.strategy {
            Strategy::Canary(canary) => canary.clone(),
            Strategy::Rolling | Strategy::BlueGreen => Canary::default(),
        }
    }
}
