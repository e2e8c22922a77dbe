//! Starts, shifts and stops instances, phase by phase.

use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use facts::Digest;
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
        let phases = phases(input.shape, context.instances, &context.canary());
        // The phase up to which an earlier attempt of this step came.
        let mut reached = input.first_phase;
        for (phase, shapes) in (input.first_phase..).zip(&phases) {
            if step.cancel.is_cancelled() {
                return Err(ActionOutcome::cancelled());
            }
            if phase < reached {
                continue;
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
            let applied = tokio::select! {
                applied = target.apply(&desired, &progress) => applied,
                // What it was about is over: the way back has a generation of its own.
                () = step.cancel.cancelled() => return Err(ActionOutcome::cancelled()),
            };
            match applied {
                Ok(seen) => observed = Some(seen),
                // Each phase begins after the one before was done: what is older is done.
                Err(TargetError::Stale { accepted, .. })
                    if accepted.generation == desired.stamp.generation
                        && (input.first_phase..).zip(&phases).any(|(own, _)| own == accepted.phase) =>
                {
                    step.log.out(&format!(
                        "phase {phase} was done before; it goes on at phase {}",
                        accepted.phase
                    ));
                    reached = accepted.phase;
                }
                Err(error) => return Err(failed(error, &desired, context.intent.package)),
            }
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

fn failed(error: TargetError, desired: &Desired, new: Digest) -> ActionOutcome {
    let does_not_come_up = match &error {
        TargetError::Refused(Refused::Unhealthy { package, .. }) => Some(*package),
        TargetError::Refused(Refused::CouldNotStart { group, .. }) => {
            let group = desired.groups.iter().find(|own| own.name == *group);
            group.map(|group| group.package)
        }
        _ => None,
    };
    match does_not_come_up {
        // The package itself does not come up: another try on a quieter machine, then it is bad.
        Some(package) if package == new => ActionOutcome {
            retry: true,
            ..rejected(error.to_string())
        },
        // An instance of the earlier package does not: that says nothing about the new one.
        _ if error.may_pass() => ActionOutcome::failed_for_now(error.to_string()),
        _ => ActionOutcome::failed(error.to_string()),
    }
}
