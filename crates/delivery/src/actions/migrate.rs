//! Brings the database's schema forward with the package's migrations.

use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};

use super::{ActionParts, context};
use crate::plan::MIGRATE;
use crate::ports::PortError;

/// The action [`MIGRATE`].
pub(super) struct Migrate(pub(super) ActionParts);

#[async_trait]
impl StepAction for Migrate {
    fn kind(&self) -> &'static str {
        MIGRATE
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.migrate(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

impl Migrate {
    async fn migrate(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let for_now = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let document = self.0.packages.document(context.intent.package).await.map_err(for_now)?;
        let Some(needs) = document.database.clone() else {
            return Err(ActionOutcome::failed("the package needs no database"));
        };
        let folder = self.0.packages.folder(context.intent.package).await.map_err(for_now)?;
        self.0
            .databases
            .migrate(step, &context.component_name, context.environment(), needs.engine, folder.join(&needs.migrations))
            .await
    }
}
