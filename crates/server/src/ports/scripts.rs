//! The scripts of deployments, run as the steps of builds are.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use build::RunAction;
use delivery::ports::Scripts;
use engine::{ActionOutcome, StepContext};

/// Scripts run by the action of builds.
pub struct StepScripts(Arc<RunAction>);

impl StepScripts {
    /// Scripts that `action` runs.
    pub fn new(action: Arc<RunAction>) -> Self {
        Self(action)
    }
}

#[async_trait]
impl Scripts for StepScripts {
    async fn perform(
        &self,
        step: StepContext,
        script: &str,
        folder: PathBuf,
        variables: Vec<(String, String)>,
    ) -> ActionOutcome {
        self.0.run_script(step, script, folder, variables).await
    }
}
