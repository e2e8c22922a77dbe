//! What a placement should look like.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use facts::{ComponentId, ComponentName, Digest, EnvironmentName};
use proxy::Stamp;
use serde::{Deserialize, Serialize};

use crate::error::TargetError;
use crate::secret::LaunchSecret;

/// One component in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Placement {
    /// Which component, whatever it is called.
    pub component: ComponentId,
    /// What it is called today.
    pub component_name: ComponentName,
    /// In which environment.
    pub environment: EnvironmentName,
}

/// What is wanted of a placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Where.
    pub placement: Placement,
    /// The place of this intention in their order.
    pub stamp: Stamp,
    /// Where requests come in; `None` keeps the one it has, or takes a free one for good.
    #[serde(default)]
    pub address: Option<SocketAddr>,
    /// The groups, each with a name of its own.
    pub groups: Vec<Group>,
}

/// Instances that run the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Such as `stable`, `baseline`, `canary`, `next`.
    pub name: String,
    /// What they run.
    pub package: Digest,
    /// The digest of the configuration they run with.
    pub configuration: Digest,
    /// How many of them.
    pub instances: u32,
    /// Their share of the requests, relative to the sum over all groups.
    pub weight: u32,
    /// How one is started.
    pub launch: Launch,
}

/// How an instance is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The unpacked package: the working folder.
    pub folder: PathBuf,
    /// The program and its arguments; a program with a `/` in it is looked up in the folder.
    pub command: Vec<String>,
    /// Variables it gets.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Secrets it gets: each as a file in the folder that `THROUGHLINE_SECRETS` names, and as a
    /// variable where that is wanted. Never written with the rest.
    #[serde(skip)]
    pub secrets: Vec<LaunchSecret>,
    /// The variable that tells the port to listen on, on 127.0.0.1.
    pub port_variable: String,
    /// How to see that it is well.
    pub health: HealthCheck,
    /// How long it may take to end after SIGTERM; then it is killed.
    pub stop_grace_ms: u64,
}

/// How to see that an instance is well: `GET path` is answered with a status below 400.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The path to ask for.
    pub path: String,
    /// How long between two questions to a running instance.
    pub interval_ms: u64,
    /// How long an answer may take.
    pub timeout_ms: u64,
    /// How long a new instance may take until it is well.
    pub deadline_ms: u64,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval_ms: 2_000,
            timeout_ms: 2_000,
            deadline_ms: 60_000,
        }
    }
}

/// Instances of one placement at most: beyond this a mistake is likelier than a wish.
const INSTANCES: u32 = 1_000;

impl Desired {
    /// Checks what can be seen without looking at the world.
    ///
    /// # Errors
    /// [`TargetError::Invalid`] with the reason.
    pub fn check(&self) -> Result<(), TargetError> {
        let invalid = |reason: String| Err(TargetError::Invalid { reason });
        let mut total = 0_u32;
        for (place, group) in self.groups.iter().enumerate() {
            let name = &group.name;
            if self.groups.iter().take(place).any(|other| other.name == *name) {
                return invalid(format!("the group `{name}` is there twice"));
            }
            if group.launch.command.is_empty() {
                return invalid(format!("the group `{name}` has no command"));
            }
            if !group.launch.health.path.starts_with('/') {
                return invalid(format!("the health path of the group `{name}` does not begin with `/`"));
            }
            if let Some(secret) = group.launch.secrets.iter().find(|secret| !secret.has_plain_name()) {
                return invalid(format!("the secret name `{}` is no file name", secret.name));
            }
            total = total.saturating_add(group.instances);
        }
        if total > INSTANCES {
            return invalid(format!("{total} instances are more than {INSTANCES}"));
        }
        Ok(())
    }

    /// Whether both want the same to run with the same weights; where the packages lie and what the
    /// secrets are does not matter.
    pub fn wants_the_same(&self, other: &Self) -> bool {
        fn wanted(desired: &Desired) -> Vec<(&str, Digest, Digest, u32, u32)> {
            let groups = desired.groups.iter();
            groups
                .map(|g| (g.name.as_str(), g.package, g.configuration, g.instances, g.weight))
                .collect()
        }
        self.placement.component == other.placement.component
            && self.placement.environment == other.placement.environment
            && wanted(self) == wanted(other)
    }

    /// Whether both run the same and only the shares of the requests differ.
    pub fn differs_in_weights_alone(&self, other: &Self) -> bool {
        let mut same_weights = other.clone();
        for (group, own) in same_weights.groups.iter_mut().zip(&self.groups) {
            group.weight = own.weight;
        }
        self.wants_the_same(&same_weights) && !self.wants_the_same(other)
    }

    /// The whole as JSON, the secrets of each group as `launch.secrets`.
    pub(crate) fn with_secrets(&self) -> serde_json::Result<Vec<u8>> {
        let mut document = serde_json::to_value(self)?;
        let groups = document.get_mut("groups").and_then(serde_json::Value::as_array_mut);
        for (document, group) in groups.into_iter().flatten().zip(&self.groups) {
            if let Some(launch) = document.get_mut("launch").and_then(serde_json::Value::as_object_mut) {
                launch.insert("secrets".to_owned(), serde_json::to_value(&group.launch.secrets)?);
            }
        }
        serde_json::to_vec(&document)
    }
}
