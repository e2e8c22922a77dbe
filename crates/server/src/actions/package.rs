//! The action `package`: puts the package together from the workspace.

use std::sync::Arc;

use artifact::{BlobStore, Platform, Recipe, RecipeFile};
use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use pipeline::plan::{PACKAGE, PackageInput};
use serde_json::json;

use super::workspace::Workspaces;
use crate::changes::Repositories;

/// The action `package`.
pub struct PackageAction {
    store: Arc<BlobStore>,
    workspaces: Arc<Workspaces>,
    repositories: Arc<Repositories>,
}

impl PackageAction {
    /// An action that stores packages in `store`.
    pub fn new(store: Arc<BlobStore>, workspaces: Arc<Workspaces>, repositories: Arc<Repositories>) -> Self {
        Self {
            store,
            workspaces,
            repositories,
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
            .workspaces
            .ready(step.run, component, &commit)
            .await
            .map_err(|error| for_now(error.to_string()))?;
        let info = self
            .repositories
            .commit(component, &commit)
            .await
            .map_err(|error| for_now(error.to_string()))?;
        let recipe = Recipe {
            component: step.request.component,
            component_name: component.clone(),
            commit,
            commit_time: info.committed_at,
            definition: step.request.definition,
            platform: Platform::here(),
            document: json!(input.document),
            files: input
                .files
                .into_iter()
                .map(|file| RecipeFile {
                    from: file.from,
                    to: file.to,
                })
                .collect(),
        };
        let store = self.store.clone();
        let built = tokio::task::spawn_blocking(move || artifact::package::build(&store, &workspace, &recipe)).await;
        let package = match built {
            Ok(Ok(package)) => package,
            Ok(Err(error)) if error.is_full() => return Err(for_now(error.to_string())),
            Ok(Err(error)) => return Err(ActionOutcome::failed(error.to_string())),
            Err(panic) => return Err(ActionOutcome::failed(format!("packaging stopped: {panic}"))),
        };
        let size: u64 = package.manifest.layers.iter().map(|layer| layer.size).sum();
        step.log.out(&format!("package {} ({size} bytes)", package.digest));
        Ok(ActionOutcome::succeeded(
            json!({ "package": package.digest, "size": size }),
        ))
    }
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
