//! Judges the canary beside its baseline until the evidence, or the deadline, decides.

use std::time::Duration;

use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use facts::Timestamp;
use facts::published::Judgement;
use serde_json::json;
use statistics::Histogram;
use target::{Evidence, GroupEvidence};

use super::{ActionParts, context, placement, rejected};
use crate::judge::{Answers, CanaryVerdict, RouteAnswers, judge};
use crate::plan::ANALYZE;
use crate::ports::PortError;
use crate::shape::{BASELINE, CANARY};
use crate::verdict::verdict;

/// The pause between two looks. The intervals are valid at every look, so its length decides only
/// how soon a verdict is seen.
const LOOK: Duration = Duration::from_millis(250);
/// How often the log tells how things stand, in looks.
const LOOKS_PER_LINE: u32 = 8;

/// The action [`ANALYZE`].
pub(super) struct Analyze(pub(super) ActionParts);

#[async_trait]
impl StepAction for Analyze {
    fn kind(&self) -> &'static str {
        ANALYZE
    }

    fn waits(&self) -> bool {
        true
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.analyze(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

impl Analyze {
    async fn analyze(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let for_now = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let target = self.0.targets.of(context.environment()).map_err(for_now)?;
        let placement = placement(step, &context);
        let policy = context.canary();
        // The canary's start is what its roll-out recorded, so that a restart of the server neither
        // forgets evidence nor gives the canary more time.
        let started_at = step
            .outputs_of_needs
            .values()
            .find_map(|outputs| outputs.get("since")?.as_str()?.parse::<Timestamp>().ok())
            .unwrap_or_else(|| self.0.clock.now());
        for look in 0_u32.. {
            let evidence = target
                .evidence(&placement)
                .await
                .map_err(|error| ActionOutcome::failed_for_now(error.to_string()))?;
            let now = self.0.clock.now();
            let canary = answers(evidence.as_ref(), CANARY);
            let baseline = answers(evidence.as_ref(), BASELINE);
            let verdict = judge(&policy, canary, baseline, started_at, now)
                .map_err(|error| ActionOutcome::failed(format!("the canary cannot be judged: {error}")))?;
            if verdict.judgement != Judgement::Wait {
                return Ok(self.decided(step, &context, &verdict, now));
            }
            if look % LOOKS_PER_LINE == 0 {
                step.log.out(&verdict.reasons.join("; "));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = step.cancel.cancelled() => return Err(ActionOutcome::cancelled()),
            }
        }
        Err(ActionOutcome::failed("the canary was looked at for too long"))
    }

    fn decided(
        &self,
        step: &StepContext,
        context: &crate::context::DeploymentContext,
        decided: &CanaryVerdict,
        now: Timestamp,
    ) -> ActionOutcome {
        for reason in &decided.reasons {
            step.log.out(&format!("{}: {reason}", decided.judgement));
        }
        let reasons = decided.reasons.clone();
        let fact = verdict(step, context, "canary", decided.judgement, reasons, json!(decided), now);
        let reason = decided.reasons.first().cloned().unwrap_or_default();
        let outcome = match decided.judgement {
            Judgement::Pass => ActionOutcome::succeeded(json!({ "judgement": "pass" })),
            // The evidence says it is bad: never again. A deadline without evidence only goes back.
            Judgement::Fail => rejected(format!("the canary failed: {reason}")),
            Judgement::Wait | Judgement::Unknown => ActionOutcome::failed(format!("the canary did not pass: {reason}")),
        };
        outcome.publishing([fact])
    }
}

/// What a group answered; nothing where the target knows nothing of it.
fn answers(evidence: Option<&Evidence>, group: &str) -> Answers {
    let found = evidence.and_then(|evidence| evidence.groups.iter().find(|found| found.group == group));
    match found {
        None => Answers {
            requests: 0,
            errors: 0,
            latency: Histogram::new(Vec::new()),
            routes: Vec::new(),
        },
        Some(GroupEvidence {
            requests,
            errors,
            latency,
            routes,
            ..
        }) => Answers {
            requests: *requests,
            errors: *errors,
            latency: Histogram {
                bounds_us: latency.bounds_us.clone(),
                counts: latency.counts.clone(),
            },
            routes: routes
                .iter()
                .map(|route| RouteAnswers {
                    route: route.route.clone(),
                    requests: route.requests,
                    errors: route.errors,
                })
                .collect(),
        },
    }
}
