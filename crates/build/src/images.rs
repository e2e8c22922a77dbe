//! The containers of steps and their services: images found, and what is seen in them.

use std::path::Path;

use engine::{ActionOutcome, StepContext};
use executor::{Container, Pull, Service};
use pipeline::plan::{ImagePull, ImageUse, RunInput, ServiceUse};

use crate::run::{RunAction, shell};

impl RunAction {
    /// A service of a step: its image, fetched where that is wanted, and its variables.
    pub(crate) async fn service(
        &self,
        step: &StepContext,
        input: &RunInput,
        service: &ServiceUse,
        workspace: &Path,
    ) -> Result<Service, ActionOutcome> {
        let container = match &service.image {
            Some(image) => Some(self.container(step, image, workspace).await?),
            None => None,
        };
        let mut variables = match container {
            Some(_) => self.variables.in_container(),
            None => self.variables.all().clone(),
        };
        variables.extend(service.variables.clone());
        // The step's own shell may be one of its image.
        let is_beside = input.image.is_none() && container.is_none();
        Ok(Service {
            name: service.name.clone(),
            script: service.run.clone(),
            shell: shell(input.shell.as_deref().filter(|_| is_beside)),
            folder: workspace.to_owned(),
            container,
            port: service.port,
            variables,
            ready: service.ready.clone(),
            within_ms: service.within_seconds.saturating_mul(1000),
        })
    }

    /// The container of a step: its image, fetched where that is wanted, and the workspace in it.
    pub(crate) async fn container(
        &self,
        step: &StepContext,
        image: &ImageUse,
        workspace: &Path,
    ) -> Result<Container, ActionOutcome> {
        let pull = match image.pull {
            ImagePull::Missing => Pull::Missing,
            ImagePull::Always => Pull::Always,
            ImagePull::Never => Pull::Never,
        };
        let found = tokio::select! {
            found = self.executor.image(&image.name, pull) => found,
            () = step.cancel.cancelled() => return Err(ActionOutcome::cancelled()),
        };
        let found = found.map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?;
        self.kept.has_image(step.run, &image.name, &found.digest);
        Ok(Container {
            image: found,
            user: image.user.clone(),
            folders: vec![workspace.to_owned()],
        })
    }
}
