//! Runs one of the package's own checks against the environment.

use async_trait::async_trait;
use engine::{ActionOutcome, Resumed, StepAction, StepContext, StepResult};
use facts::published::Judgement;
use serde_json::json;

use super::{ActionParts, context, placement};
use crate::plan::{VERIFY, VerifyInput};
use crate::ports::PortError;
use crate::verdict::verdict;

/// The action [`VERIFY`].
pub(super) struct Verify(pub(super) ActionParts);

#[async_trait]
impl StepAction for Verify {
    fn kind(&self) -> &'static str {
        VERIFY
    }

    fn waits(&self) -> bool {
        true
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.verify(&step).await.unwrap_or_else(|outcome| outcome)
    }

    async fn resume(&self, step: StepContext) -> Resumed {
        // A check only looks: it is simply run again.
        let _ = step;
        Resumed::Lost
    }
}

impl Verify {
    async fn verify(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let input: VerifyInput = serde_json::from_value(step.input.clone())
            .map_err(|error| ActionOutcome::failed(format!("the step's input does not fit: {error}")))?;
        let for_now = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let target = self.0.targets.of(context.environment()).map_err(for_now)?;
        let observed = target
            .observe(&placement(step, &context))
            .await
            .map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?;
        let mut variables = vec![
            ("THROUGHLINE_ENVIRONMENT".to_owned(), context.environment().to_string()),
            ("THROUGHLINE_VERSION".to_owned(), context.version.to_string()),
            ("THROUGHLINE_PACKAGE".to_owned(), context.intent.package.to_string()),
        ];
        variables.extend(observed.url.map(|url| ("THROUGHLINE_URL".to_owned(), url)));
        let folder = self.0.packages.folder(context.intent.package).await.map_err(for_now)?;
        let mut outcome = self
            .0
            .scripts
            .perform(step.clone(), &input.script, folder, variables)
            .await;
        let (judgement, reason) = match &outcome.result {
            StepResult::Succeeded => (Judgement::Pass, format!("the check `{}` succeeded", input.name)),
            StepResult::Failed { message, .. } => {
                (Judgement::Fail, format!("the check `{}` failed: {message}", input.name))
            }
            StepResult::TimedOut => (Judgement::Fail, format!("the check `{}` took too long", input.name)),
            StepResult::Cancelled | StepResult::Lost | StepResult::Unknown { .. } => return Ok(outcome),
        };
        if judgement == Judgement::Fail {
            outcome.outputs = json!({ "rejected": true });
            outcome.retry = true;
            if let StepResult::Failed { message, .. } = &mut outcome.result {
                message.clone_from(&reason);
            }
        }
        let about = format!("verify {}", input.name);
        let fact = verdict(
            step,
            &context,
            &about,
            judgement,
            vec![reason],
            json!(null),
            self.0.clock.now(),
        );
        Ok(outcome.publishing([fact]))
    }
}
