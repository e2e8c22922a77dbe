//! The targets of environments, as the policy names them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use delivery::ports::{PortError, Targets};
use facts::EnvironmentName;
use pipeline::environments::Target as TargetPolicy;
use target::{CommandSettings, CommandTarget, Placement, ProcessSettings, ProcessTarget, Target, TargetError, Turns};

use crate::policy::Current;

/// How long the commands `apply` and `stop` of a target may take.
const APPLY: Duration = Duration::from_secs(1_800);
/// How long the commands `observe` and `weight` of a target may take.
const OBSERVE: Duration = Duration::from_secs(60);

/// The targets of the environments in force.
pub struct EnvironmentTargets {
    process: ProcessTarget,
    folder: PathBuf,
    turns: Turns,
    variables: BTreeMap<String, String>,
    current: Current,
}

impl EnvironmentTargets {
    /// Targets whose state is below the data folder, with this program as the keeper of processes.
    pub fn new(data: &Path, program: PathBuf, variables: BTreeMap<String, String>, current: Current) -> Self {
        Self {
            process: ProcessTarget::new(ProcessSettings::new(data, program)),
            folder: data.join("targets"),
            turns: Turns::default(),
            variables,
            current,
        }
    }

    /// Finds what an earlier server left running.
    pub async fn resume(&self) -> Vec<(Placement, Result<(), TargetError>)> {
        self.process.resume().await
    }

    /// The target of the environment; `None` when the environment is not there any more.
    pub fn target(&self, environment: &EnvironmentName) -> Option<Arc<dyn Target>> {
        let environments = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        Some(match &environments.get(environment)?.target {
            TargetPolicy::Process { .. } => Arc::new(self.process.clone()),
            TargetPolicy::Command {
                apply,
                observe,
                weight,
                stop,
            } => {
                let settings = CommandSettings {
                    folder: self.folder.join("command"),
                    apply: apply.clone(),
                    observe: observe.clone(),
                    weight: weight.clone(),
                    stop: Some(stop.clone()),
                    apply_timeout: APPLY,
                    observe_timeout: OBSERVE,
                    variables: self.variables.clone(),
                };
                Arc::new(CommandTarget::beside(settings, self.turns.clone()))
            }
        })
    }

    /// Ends the processes of every placement.
    ///
    /// # Errors
    /// The first that went wrong; the others are stopped all the same.
    pub async fn stop_all(&self) -> Result<(), TargetError> {
        self.process.stop_all().await
    }
}

impl Targets for EnvironmentTargets {
    fn of(&self, environment: &EnvironmentName) -> Result<Arc<dyn Target>, PortError> {
        let found = self.target(environment);
        found.ok_or_else(|| PortError(format!("there is no environment `{environment}` any more")))
    }
}
