//! Looks at the package and at the way back before anything is touched.

use ::database::{CanReturn, MigrationSet, Runner, can_return};
use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use facts::Digest;
use pipeline::document::DatabaseEngine;
use serde_json::json;

use super::database::{dialect, reach};
use super::{ActionParts, context, placement};
use crate::context::DeploymentContext;
use crate::judge::requests_for_a_pass;
use crate::path::Strategy;
use crate::plan::ADMIT;
use crate::ports::PortError;

/// The action [`ADMIT`].
pub(super) struct Admit(pub(super) ActionParts);

#[async_trait]
impl StepAction for Admit {
    fn kind(&self) -> &'static str {
        ADMIT
    }

    fn waits(&self) -> bool {
        true
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.admit(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

impl Admit {
    async fn admit(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let failed = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let intent = &context.intent;
        self.0
            .packages
            .verify(intent.package)
            .await
            .map_err(|error| ActionOutcome::failed(error.to_string()))?;
        step.log
            .out(&format!("package {} is whole, digest for digest", intent.package));
        self.overtaken(step, &context).await?;
        let mut needed = None;
        if let (Strategy::Canary(canary), Some(_), false) =
            (&context.strategy, intent.from.package, intent.purpose.is_return())
        {
            let requests = requests_for_a_pass(canary).map_err(|error| {
                ActionOutcome::failed(format!(
                    "the canary of {} cannot be judged: {error}",
                    context.environment()
                ))
            })?;
            step.log.out(&format!(
                "the canary needs about {requests} requests, and its baseline as many, to pass with a margin of {} \
                 percentage points at alpha {}",
                canary.margin * 100.0,
                canary.alpha
            ));
            needed = Some(requests);
        }
        if let Some(from) = intent.from.package {
            let verdict = self.way_back(step, &context, from).await.map_err(failed)?;
            for reason in verdict.iter().flat_map(|verdict| &verdict.reasons) {
                step.log.out(reason);
            }
            if let Some(verdict) = verdict.filter(|verdict| !verdict.possible) {
                return Err(ActionOutcome::failed(format!(
                    "there would be no way back: {}",
                    verdict
                        .reasons
                        .first()
                        .map_or("the schema changes for good", String::as_str)
                )));
            }
        }
        Ok(ActionOutcome::succeeded(json!({ "requests_needed": needed })))
    }

    /// Refuses a generation that the target has seen already: the facts are older than the world then, as after a backup
    /// was put back, or somebody else deploys there. Nothing was touched yet, so nothing has to be brought back.
    async fn overtaken(&self, step: &StepContext, context: &DeploymentContext) -> Result<(), ActionOutcome> {
        let (environment, generation) = (context.environment(), context.intent.generation);
        let target = self.0.targets.of(environment);
        let target = target.map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?;
        match target.overtaken(&placement(step, context), generation).await {
            Ok(None) => Ok(()),
            Ok(Some(stamp)) => Err(ActionOutcome::failed(format!(
                "{environment} was brought to generation {} already, and this would be {generation}: these facts are older \
                 than what was done there, or another server deploys there too; nothing was changed\n\
                 hint: look at what runs there; `throughline promote` takes the next generation each time, and goes on once \
                 that is above {}",
                stamp.generation, stamp.generation
            ))),
            Err(error) => Err(ActionOutcome::failed_for_now(error.to_string())),
        }
    }

    /// Whether the package that runs now works on the schema that the deployment leaves behind; for
    /// a return, whether the package that comes back works on the schema as it is.
    async fn way_back(
        &self,
        step: &StepContext,
        context: &DeploymentContext,
        from: Digest,
    ) -> Result<Option<CanReturn>, PortError> {
        let intent = &context.intent;
        let (older, newer) = if intent.purpose.is_return() {
            (intent.package, from)
        } else {
            (from, intent.package)
        };
        let (Some((other, older)), Some((engine, newer))) =
            (self.migrations(older).await?, self.migrations(newer).await?)
        else {
            return Ok(None);
        };
        if other != engine {
            step.log.out(&format!(
                "one package needs a database of kind {other}, the other one of kind {engine}: nothing is known of the way back"
            ));
            return Ok(None);
        }
        let database = reach(&self.0, context, engine).await?;
        let clock = self.0.clock.clone();
        let verdict = tokio::task::spawn_blocking(move || {
            let engine = database.engine().map_err(|error| error.to_string())?;
            let applied = Runner::new(engine, clock)
                .applied()
                .map_err(|error| error.to_string())?;
            Ok(can_return(&older, &newer, &applied))
        });
        verdict
            .await
            .map_err(|error| PortError(error.to_string()))?
            .map(Some)
            .map_err(PortError)
    }

    async fn migrations(&self, package: Digest) -> Result<Option<(DatabaseEngine, MigrationSet)>, PortError> {
        let Some(needs) = self.0.packages.document(package).await?.database.clone() else {
            return Ok(None);
        };
        let folder = self.0.packages.folder(package).await?.join(&needs.migrations);
        let set = MigrationSet::scan(dialect(needs.engine), &folder).map_err(|error| PortError(error.to_string()))?;
        Ok(Some((needs.engine, set)))
    }
}
