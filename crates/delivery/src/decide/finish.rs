//! What the end of a deployment's run means for its environment.

use facts::published::StateVector;
use facts::{Digest, RunId};

use crate::kinds::{DeliveryFact, DeploymentFinished, DeploymentIntended, DeploymentResult, PackageBarred};
use crate::mutation::{self, Mutation};
use crate::plan::{ANALYZE, CONFIGURE, MIGRATE, ROLL_OUT, VERIFY};

/// How the run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunResult {
    /// Every step succeeded.
    Succeeded,
    /// A step failed.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// A step's end is not known.
    Unknown,
}

/// How a step came to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct StepEnded {
    /// The kind of action it performed.
    pub action: String,
    /// Whether it began at all.
    pub began: bool,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Whether it took longer than it may.
    pub timed_out: bool,
    /// What it says about its failure.
    pub message: Option<String>,
    /// What it reported.
    pub outputs: serde_json::Value,
}

/// The end of a deployment's run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnded {
    /// The run.
    pub run: RunId,
    /// How it ended.
    pub result: RunResult,
    /// What the run says about its end, where it did not succeed.
    pub reason: Option<String>,
    /// Its steps, in the plan's order.
    pub steps: Vec<StepEnded>,
}

/// Decides what is recorded when the run of `intent` has ended: the deployment's end, and a bar when
/// the package was judged and found bad.
pub fn finish(intent: &DeploymentIntended, ended: &RunEnded) -> Vec<DeliveryFact> {
    let disturbed = ended.steps.iter().any(|step| step.action == ROLL_OUT && step.began);
    let failed = ended.steps.iter().find(|step| step.began && !step.succeeded);
    let result = match ended.result {
        RunResult::Succeeded => DeploymentResult::Succeeded,
        RunResult::Cancelled => DeploymentResult::Cancelled,
        RunResult::Unknown => DeploymentResult::Unknown,
        RunResult::Failed if failed.is_some_and(is_rejection) => DeploymentResult::Rejected,
        RunResult::Failed => DeploymentResult::Failed,
    };
    let reasons: Vec<String> = match (result, failed) {
        (DeploymentResult::Succeeded, _) => vec!["deployed and verified".to_owned()],
        (DeploymentResult::Cancelled, Some(step)) => vec![format!("cancelled during the step `{}`", step.action)],
        (DeploymentResult::Cancelled, None) => vec!["cancelled".to_owned()],
        (_, Some(step)) => vec![
            step.message
                .clone()
                .unwrap_or_else(|| format!("the step `{}` failed", step.action)),
        ],
        (_, None) => vec![
            ended
                .reason
                .clone()
                .unwrap_or_else(|| "the run did not succeed".to_owned()),
        ],
    };
    let mut facts = vec![
        DeploymentFinished {
            deployment: intent.deployment,
            environment: intent.environment.clone(),
            generation: intent.generation,
            result,
            state: state_after(intent, ended, result),
            disturbed: disturbed && result != DeploymentResult::Succeeded,
            reasons: reasons.clone(),
        }
        .into(),
    ];
    if result == DeploymentResult::Rejected && !intent.purpose.is_return() && !mutation::is(Mutation::ForgetToBar) {
        facts.push(
            PackageBarred {
                package: intent.package,
                environment: intent.environment.clone(),
                deployment: intent.deployment,
                reasons,
            }
            .into(),
        );
    }
    facts
}

/// Whether the failure of this step says that the package is bad, and not just that something around
/// it went wrong. A step says so by `"rejected": true` among its outputs. A check that never ends is
/// stopped from outside and can say nothing; it did not succeed all the same.
fn is_rejection(step: &StepEnded) -> bool {
    if step.action == VERIFY && step.timed_out {
        return true;
    }
    matches!(step.action.as_str(), ANALYZE | VERIFY | ROLL_OUT | MIGRATE)
        && step.outputs.get("rejected").and_then(serde_json::Value::as_bool) == Some(true)
}

fn state_after(intent: &DeploymentIntended, ended: &RunEnded, result: DeploymentResult) -> StateVector {
    let output = |action: &str, key: &str| {
        ended
            .steps
            .iter()
            .filter(|step| step.action == action)
            .find_map(|step| step.outputs.get(key))
            .filter(|value| !value.is_null())
    };
    let mut state = intent.from.clone();
    // The schema stays where the migrations left it, whatever became of the package.
    if let Some(serde_json::Value::Object(schema)) = output(MIGRATE, "schema") {
        for (database, version) in schema {
            if let Some(version) = version.as_str() {
                state.schema.insert(database.clone(), version.to_owned());
            }
        }
    }
    if result == DeploymentResult::Succeeded {
        state.package = Some(intent.package);
        state.configuration = output(CONFIGURE, "configuration")
            .and_then(serde_json::Value::as_str)
            .and_then(|text| text.parse::<Digest>().ok());
    }
    state
}
