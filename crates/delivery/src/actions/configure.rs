//! Renders the configuration and says what changes.

use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use pipeline::difference;
use serde_json::json;

use super::launch::configured;
use super::{ActionParts, context};
use crate::plan::CONFIGURE;
use crate::ports::PortError;

/// The action [`CONFIGURE`].
pub(super) struct Configure(pub(super) ActionParts);

#[async_trait]
impl StepAction for Configure {
    fn kind(&self) -> &'static str {
        CONFIGURE
    }

    fn waits(&self) -> bool {
        true
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.configure(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

impl Configure {
    async fn configure(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let for_now = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let document = self
            .0
            .packages
            .document(context.intent.package)
            .await
            .map_err(for_now)?;
        let new = configured(&document, &context).map_err(|error| ActionOutcome::failed(error.to_string()))?;
        let changes = match context.intent.from.package {
            Some(package) => {
                let document = self.0.packages.document(package).await.map_err(for_now)?;
                difference(&configured(&document, &context).map_err(for_now)?, &new)
            }
            None => Vec::new(),
        };
        for change in &changes {
            let name = &change.setting;
            step.log.out(&match (&change.before, &change.after) {
                (Some(before), Some(after)) => format!("~ {name}: {before} -> {after}"),
                (None, Some(after)) => format!("+ {name} = {after}"),
                (Some(before), None) => format!("- {name} = {before}"),
                (None, None) => continue,
            });
        }
        if changes.is_empty() {
            step.log.out("the configuration is the same");
        }
        Ok(ActionOutcome::succeeded(
            json!({ "configuration": new.digest, "changes": changes }),
        ))
    }
}
