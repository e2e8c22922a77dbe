//! Judges the canary beside its baseline until the evidence, or the deadline, decides.

use std::time::Duration;

use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use facts::published::Judgement;
use facts::{Digest, Timestamp};
use serde_json::json;
use statistics::Histogram;
use target::{Evidence, GroupEvidence, RouteEvidence};

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
            // A target that cannot say for a moment is asked again; the deadline holds all the same.
            let evidence = target.evidence(&placement).await.unwrap_or_else(|error| {
                step.log.out(&format!("nothing could be seen at this look: {error}"));
                None
            });
            let now = self.0.clock.now();
            let (canary, baseline) = both(evidence.as_ref(), context.intent.package, context.intent.from.package);
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
            Judgement::Fail => rejected(reason),
            Judgement::Wait | Judgement::Unknown => ActionOutcome::failed(format!("the canary did not pass: {reason}")),
        };
        outcome.publishing([fact])
    }
}

/// What canary and baseline answered, each only while it runs what it should. A group of which
/// nothing is known has answered nothing, in the buckets of the other.
fn both(evidence: Option<&Evidence>, new: Digest, old: Option<Digest>) -> (Answers, Answers) {
    let group = |name: &str, package: Option<Digest>| {
        let groups = &evidence?.groups;
        groups
            .iter()
            .find(|found| found.group == name && Some(found.package) == package)
    };
    let (canary, baseline) = (group(CANARY, Some(new)), group(BASELINE, old));
    let buckets = canary.or(baseline).map(|known| known.latency.bounds_us.clone());
    let answers = |group: Option<&GroupEvidence>| match group {
        Some(group) => answers(group),
        None => Answers::none(buckets.clone().unwrap_or_default()),
    };
    (answers(canary), answers(baseline))
}

fn answers(group: &GroupEvidence) -> Answers {
    let route = |route: &RouteEvidence| RouteAnswers {
        route: route.route.clone(),
        requests: route.requests,
        errors: route.errors,
    };
    Answers {
        requests: group.requests,
        errors: group.errors,
        latency: Histogram {
            bounds_us: group.latency.bounds_us.clone(),
            counts: group.latency.counts.clone(),
        },
        routes: group.routes.iter().map(route).collect(),
    }
}
