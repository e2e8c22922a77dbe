//! A model of the engine and the target: runs that are recorded with what is submitted together with
//! them, go on step by step, and end somehow.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use engine::RunRequest;
use facts::{Actor, Digest, EnvironmentName, FactId, NewFact, RunId, Stream, Timestamp, Trust};
use ledger::{Append, Ledger as _};
use serde_json::json;

use super::ledger::Seen;
use super::random::Random;
use crate::context::DeploymentContext;
use crate::decide::{RunEnded, RunResult, StepEnded};
use crate::driver::DeliveryError;
use crate::driver::runs::Runs;
use crate::kinds::DeploymentIntended;
use crate::plan::{ADMIT, ANALYZE, CONFIGURE, MIGRATE, ROLL_OUT, VERIFY};

/// The kind under which the model records that a run was asked for.
pub(crate) const REQUESTED: &str = "simulated.requested";
/// The kind under which the model records that a run has ended.
pub(crate) const FINISHED: &str = "simulated.finished";

/// What the model's engine knows of ended runs.
pub(crate) type Ends = Arc<Mutex<HashMap<RunId, RunEnded>>>;

pub(crate) struct ModelRuns {
    pub(crate) ledger: Seen,
    pub(crate) ends: Ends,
}

pub(crate) fn run_fact(run: RunId, version: u64, kind: &str, body: serde_json::Value, now: Timestamp) -> NewFact {
    let stream = Stream::new("run", run);
    NewFact {
        id: FactId::derived(now, &stream, version, 0),
        stream,
        kind: kind.to_owned(),
        kind_version: 1,
        occurred_at: now,
        actor: Actor::System,
        on_behalf_of: None,
        trust: Trust::Trusted,
        cause: None,
        correlation: None,
        external_key: None,
        body,
    }
}

#[async_trait]
impl Runs for ModelRuns {
    async fn submit(&self, request: RunRequest, mut together: Append) -> Result<(), DeliveryError> {
        let now = together
            .facts
            .first()
            .map_or(Timestamp::UNIX_EPOCH, |fact| fact.occurred_at);
        let mut requested = run_fact(request.run, 1, REQUESTED, request.context, now);
        requested.external_key = Some(format!("run:{}", request.key));
        together.facts.insert(0, requested);
        together.subjects.push(Stream::new("run", request.run));
        self.ledger.append(together).await?;
        Ok(())
    }

    async fn ended(&self, run: RunId) -> Result<Option<RunEnded>, DeliveryError> {
        self.ledger.head().await?;
        Ok(self.ends.lock().unwrap().get(&run).cloned())
    }
}

/// What stands in the environments, whatever anybody believes.
#[derive(Default)]
pub(crate) struct ModelTarget {
    /// The last generation that was applied, and what it brought.
    pub(crate) there: BTreeMap<EnvironmentName, (u64, Digest)>,
}

impl ModelTarget {
    fn apply(&mut self, intent: &DeploymentIntended) -> Result<(), String> {
        if let Some((generation, package)) = self.there.get(&intent.environment) {
            if *generation > intent.generation {
                return Err(format!("generation {} after {generation}", intent.generation));
            }
            if *generation == intent.generation && *package != intent.package {
                return Err(format!("generation {generation} brings two packages"));
            }
        }
        let there = (intent.generation, intent.package);
        self.there.insert(intent.environment.clone(), there);
        Ok(())
    }
}

/// A run that goes on.
pub(crate) struct Work {
    pub(crate) intent: DeploymentIntended,
    steps: Vec<StepEnded>,
}

const STEPS: [&str; 6] = [ADMIT, MIGRATE, CONFIGURE, ROLL_OUT, ANALYZE, VERIFY];

impl Work {
    pub(crate) fn begin(context: &serde_json::Value) -> Self {
        let context: DeploymentContext = serde_json::from_value(context.clone()).expect("a deployment's context");
        Self {
            intent: context.intent,
            steps: Vec::new(),
        }
    }

    /// Performs the next step; says how the run ended when it did.
    pub(crate) fn go_on(
        &mut self,
        target: &mut ModelTarget,
        random: &mut Random,
        calm: bool,
    ) -> Result<Option<RunEnded>, String> {
        let action = STEPS[self.steps.len()];
        let fate = if calm { 100 } else { random.below(100) };
        if fate == 0 {
            return Ok(Some(self.end(RunResult::Cancelled)));
        }
        if action == ROLL_OUT {
            target.apply(&self.intent)?;
        }
        let mut step = StepEnded {
            action: action.to_owned(),
            began: true,
            succeeded: false,
            timed_out: false,
            message: None,
            outputs: json!(null),
        };
        let result = match fate {
            1..=2 => Some(RunResult::Cancelled),
            3 => Some(RunResult::Unknown),
            4..=7 => Some(RunResult::Failed),
            8 => {
                step.timed_out = true;
                Some(RunResult::Failed)
            }
            9..=13 if action != ADMIT && action != CONFIGURE => {
                step.outputs = json!({ "rejected": true });
                Some(RunResult::Failed)
            }
            _ => {
                step.succeeded = true;
                step.outputs = match action {
                    MIGRATE => json!({ "schema": { "main": self.intent.generation.to_string() } }),
                    CONFIGURE => json!({ "configuration": Digest::of(self.intent.package.to_string()) }),
                    _ => json!({}),
                };
                None
            }
        };
        self.steps.push(step);
        let result = result.or((self.steps.len() == STEPS.len()).then_some(RunResult::Succeeded));
        Ok(result.map(|result| self.end(result)))
    }

    fn end(&self, result: RunResult) -> RunEnded {
        let rest = STEPS[self.steps.len()..].iter().map(|action| StepEnded {
            action: (*action).to_owned(),
            began: false,
            succeeded: false,
            timed_out: false,
            message: None,
            outputs: json!(null),
        });
        RunEnded {
            run: self.intent.run,
            result,
            reason: None,
            steps: self.steps.iter().cloned().chain(rest).collect(),
        }
    }
}
