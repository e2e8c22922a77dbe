//! Starts, shifts and stops instances, phase by phase.

use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use serde_json::json;
use target::{Desired, Group, Refused, Stamp, TargetError};

use super::launch::prepare;
use super::{ActionParts, context, placement, rejected};
use crate::plan::{ROLL_OUT, RollOutInput};
use crate::ports::PortError;
use crate::shape::{Side, phases};

/// The action [`ROLL_OUT`].
pub(super) struct RollOut(pub(super) ActionParts);

#[async_trait]
impl StepAction for RollOut {
    fn kind(&self) -> &'static str {
        ROLL_OUT
    }

    fn waits(&self) -> bool {
        true
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.roll_out(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

impl RollOut {
    async fn roll_out(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let input: RollOutInput = serde_json::from_value(step.input.clone())
            .map_err(|error| ActionOutcome::failed(format!("the step's input does not fit: {error}")))?;
        let for_now = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let target = self.0.targets.of(context.environment()).map_err(for_now)?;
        let new = prepare(&self.0, &context, context.intent.package)
            .await
            .map_err(for_now)?;
        let from = context
            .intent
            .from
            .package
            .filter(|from| *from != context.intent.package);
        let old = match from {
            Some(package) => Some((package, prepare(&self.0, &context, package).await.map_err(for_now)?)),
            None => None,
        };
        let placement = placement(step, &context);
        let mut observed = None;
        for (phase, shapes) in (input.first_phase..).zip(phases(input.shape, context.instances, &context.canary())) {
            if step.cancel.is_cancelled() {
                return Err(ActionOutcome::cancelled());
            }
            let groups: Vec<Group> = shapes
                .iter()
                .filter_map(|shape| {
                    let (package, prepared) = match shape.side {
                        Side::New => (context.intent.package, &new),
                        Side::Old => old.as_ref().map(|(package, prepared)| (*package, prepared))?,
                    };
                    Some(Group {
                        name: shape.name.to_owned(),
                        package,
                        configuration: prepared.configuration,
                        instances: shape.instances,
                        weight: shape.weight,
                        launch: prepared.launch.clone(),
                    })
                })
                .collect();
            let desired = Desired {
                placement: placement.clone(),
                stamp: Stamp {
                    generation: context.intent.generation,
                    phase,
                },
                address: context.address,
                groups,
            };
            crashpoint::reach("delivery.apply.before");
            let progress = |line: String| step.log.out(&line);
            observed = Some(target.apply(&desired, &progress).await.map_err(failed)?);
            crashpoint::reach("delivery.apply.after");
        }
        let url = observed.as_ref().and_then(|observed| observed.url.clone());
        if let Some(url) = &url {
            step.log.out(&format!("{} answers at {url}", context.environment()));
        }
        Ok(ActionOutcome::succeeded(
            json!({ "url": url, "since": self.0.clock.now() }),
        ))
    }
}

fn failed(error: TargetError) -> ActionOutcome {
    match error {
        // The package itself does not come up: another try on a quieter machine, then it is bad.
        TargetError::Refused(Refused::Unhealthy { .. } | Refused::CouldNotStart { .. }) => ActionOutcome {
            retry: true,
            ..rejected(error.to_string())
        },
        _ if error.may_pass() => ActionOutcome::failed_for_now(error.to_string()),
        _ => ActionOutcome::failed(error.to_string()),
    }
}
