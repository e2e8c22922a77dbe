//! The action `package`: puts the package together from the workspace.

use std::sync::Arc;

use artifact::{BlobStore, Platform, Recipe};
use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use pipeline::plan::{PACKAGE, PackageInput};
use serde_json::json;

use crate::choose::choose;
use crate::ports::{Commits, Workspace};

/// The action `package`.
pub struct PackageAction {
    store: Arc<BlobStore>,
    workspace: Arc<dyn Workspace>,
    commits: Arc<dyn Commits>,
}

impl PackageAction {
    /// An action that stores packages in `store`.
    pub fn new(store: Arc<BlobStore>, workspace: Arc<dyn Workspace>, commits: Arc<dyn Commits>) -> Self {
        Self {
            store,
            workspace,
            commits,
        }
    }

    async fn package(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let input: PackageInput = serde_json::from_value(step.input.clone())
            .map_err(|error| ActionOutcome::failed(format!("the step's input does not fit: {error}")))?;
        let commit = step
            .request
            .commit
            .clone()
            .ok_or_else(|| ActionOutcome::failed("the run has no commit"))?;
        let component = &step.request.component_name;
        let for_now = |reason: String| ActionOutcome::failed_for_now(reason);
        let workspace = self
            .workspace
            .ready(step.run, component, &commit)
            .await
            .map_err(|error| for_now(error.to_string()))?;
        let commit_time = self.commits.committed_at(component, &commit).await.map_err(for_now)?;
        let recipe = Recipe {
            component: step.request.component,
            component_name: component.clone(),
            commit,
            commit_time,
            definition: step.request.definition,
            platform: Platform::here(),
            document: json!(&input.document),
            files: Vec::new(),
        };
        let store = self.store.clone();
        let built = tokio::task::spawn_blocking(move || {
            let files = choose(&workspace, &input.files).map_err(|error| Trouble::Package(error.to_string()))?;
            let recipe = Recipe { files, ..recipe };
            artifact::package::build(&store, &workspace, &recipe).map_err(|error| {
                if error.is_full() {
                    Trouble::Full(error.to_string())
                } else {
                    Trouble::Package(error.to_string())
                }
            })
        });
        let package = match built.await {
            Ok(Ok(package)) => package,
            Ok(Err(Trouble::Full(error))) => return Err(for_now(error)),
            Ok(Err(Trouble::Package(error))) => return Err(ActionOutcome::failed(error)),
            Err(panic) => return Err(ActionOutcome::failed(format!("packaging stopped: {panic}"))),
        };
        let size: u64 = package.manifest.layers.iter().map(|layer| layer.size).sum();
        step.log.out(&format!("package {} ({size} bytes)", package.digest));
        Ok(ActionOutcome::succeeded(
            json!({ "package": package.digest, "size": size }),
        ))
    }
}

/// Why a package was not put together.
enum Trouble {
    /// There is no room for it: another try may go better.
    Full(String),
    /// Its files are not as the definition says: the same files fail again.
    Package(String),
}

#[async_trait]
impl StepAction for PackageAction {
    fn kind(&self) -> &'static str {
        PACKAGE
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.package(&step).await.unwrap_or_else(|outcome| outcome)
    }
}
