//! Looks at the package and at the way back before anything is touched.

use async_trait::async_trait;
use database::{CanReturn, MigrationSet, can_return};
use engine::{ActionOutcome, StepAction, StepContext};
use facts::Digest;
use serde_json::json;

use super::{ActionParts, context};
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

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.admit(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

impl Admit {
    async fn admit(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let failed = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let intent = &context.intent;
        self.0.packages.verify(intent.package).await.map_err(|error| ActionOutcome::failed(error.to_string()))?;
        step.log.line(&format!("package {} is whole, digest for digest", intent.package));
        let mut needed = None;
        if let (Strategy::Canary(canary), Some(_), false) =
            (&context.strategy, intent.from.package, intent.purpose.is_return())
        {
            let requests = requests_for_a_pass(canary).map_err(|error| {
                ActionOutcome::failed(format!("the canary of {} cannot be judged: {error}", context.environment()))
            })?;
            step.log.line(&format!(
                "the canary needs about {requests} requests, and its baseline as many, to pass with a margin of {} \
                 percentage points at alpha {}",
                canary.margin * 100.0,
                canary.alpha
            ));
            needed = Some(requests);
        }
        if let Some(from) = intent.from.package {
            let verdict = self.way_back(from, intent.package, intent.purpose.is_return()).await.map_err(failed)?;
            for reason in verdict.iter().flat_map(|verdict| &verdict.reasons) {
                step.log.line(reason);
            }
            if let Some(verdict) = verdict.filter(|verdict| !verdict.possible) {
                return Err(ActionOutcome::failed(format!(
                    "there would be no way back: {}",
                    verdict.reasons.first().map_or("the schema changes for good", String::as_str)
                )));
            }
        }
        Ok(ActionOutcome::succeeded(json!({ "requests_needed": needed })))
    }

    /// Whether the package that runs now works on the schema that the deployment leaves behind; for
    /// a return, whether the package that comes back works on the schema as it is.
    async fn way_back(&self, from: Digest, to: Digest, is_return: bool) -> Result<Option<CanReturn>, PortError> {
        let (older, newer) = if is_return { (to, from) } else { (from, to) };
        let (Some(older), Some(newer)) = (self.migrations(older).await?, self.migrations(newer).await?) else {
            return Ok(None);
        };
        Ok(Some(can_return(&older, &newer)))
    }

    async fn migrations(&self, package: Digest) -> Result<Option<MigrationSet>, PortError> {
        let Some(needs) = self.0.packages.document(package).await?.database.clone() else {
            return Ok(None);
        };
        let folder = self.0.packages.folder(package).await?.join(&needs.migrations);
        MigrationSet::scan(&folder).map(Some).map_err(|error| PortError(error.to_string()))
    }
}
