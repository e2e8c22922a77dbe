//! Verdicts as published facts.

use engine::StepContext;
use facts::published::{Judgement, VERDICT_RECORDED, VerdictRecorded};
use facts::{Actor, FactId, NewFact, Stream, Timestamp, Trust};
use serde_json::json;

use crate::context::DeploymentContext;

/// The stream of all verdicts on a subject.
pub fn verdict_stream(subject: facts::Digest) -> Stream {
    Stream::new("verdict", subject)
}

/// The fact of a verdict on the deployment's package, to be published with the step's outcome.
pub(crate) fn verdict(
    step: &StepContext,
    context: &DeploymentContext,
    about: &str,
    result: Judgement,
    reasons: Vec<String>,
    numbers: serde_json::Value,
    now: Timestamp,
) -> NewFact {
    let subject = context.intent.package;
    let place = format!("{}/{}/{about}", step.effect_key, step.attempt);
    NewFact {
        stream: verdict_stream(subject),
        id: FactId::derived(now, &Stream::new("step", place), 1, 0),
        kind: VERDICT_RECORDED.to_owned(),
        kind_version: 1,
        occurred_at: now,
        actor: Actor::Run(step.run),
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: Some(step.run.to_string()),
        external_key: None,
        body: json!(VerdictRecorded {
            subject,
            about: about.to_owned(),
            environment: Some(context.environment().clone()),
            result,
            reasons,
            numbers,
            evidence: Vec::new(),
            policy: Some(context.intent.policy),
            valid_until: None,
        }),
    }
}
