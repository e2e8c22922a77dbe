//! The action `package`: puts the package together from the workspace.

use std::sync::Arc;

use artifact::{BlobStore, Package, Platform, Recipe};
use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use facts::ComponentName;
use pipeline::plan::{PACKAGE, PackageInput};
use serde_json::json;

use crate::choose::choose;
use crate::ports::{Commits, Workspace};
use crate::workspace::what_is_gone;

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
        let name = step.request.component_name.clone();
        let package = match self.put_together(step, input, self.store.clone(), name).await {
            Ok(package) => package,
            Err(Trouble::Full(error)) => return Err(ActionOutcome::failed_for_now(error)),
            Err(Trouble::Package(error)) => return Err(ActionOutcome::failed(error)),
        };
        let size: u64 = package.manifest.layers.iter().map(|layer| layer.size).sum();
        step.log.out(&format!("package {} ({size} bytes)", package.digest));
        Ok(ActionOutcome::succeeded(
            json!({ "package": package.digest, "size": size }),
        ))
    }

    /// The package of the step's run in `store`, of a component that is called `name` in it.
    pub(crate) async fn put_together(
        &self,
        step: &StepContext,
        input: PackageInput,
        store: Arc<BlobStore>,
        name: ComponentName,
    ) -> Result<Package, Trouble> {
        let commit = step.request.commit.clone();
        let commit = commit.ok_or_else(|| Trouble::Package("the run has no commit".to_owned()))?;
        let component = &step.request.component_name;
        if let Some(gone) = what_is_gone(&*self.workspace, step) {
            return Err(Trouble::Full(gone));
        }
        let workspace = self
            .workspace
            .ready(step.run, component, &commit)
            .await
            .map_err(|error| Trouble::Full(error.to_string()))?;
        let commit_time = self
            .commits
            .committed_at(component, &commit)
            .await
            .map_err(Trouble::Full)?;
        let recipe = Recipe {
            component: step.request.component,
            component_name: name,
            commit,
            commit_time,
            definition: step.request.definition,
            platform: Platform::here(),
            document: json!(&input.document),
            files: Vec::new(),
        };
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
        built
            .await
            .unwrap_or_else(|panic| Err(Trouble::Package(format!("packaging stopped: {panic}"))))
    }
}

/// Why a package was not put together.
pub(crate) enum Trouble {
    /// There is no room for it, or the workspace is not there: another try may go better.
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
