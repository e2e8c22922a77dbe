//! What the driver needs of whoever drives runs: the engine, or in simulations a model of it.

use std::sync::Arc;

use async_trait::async_trait;
use engine::{Engine, RunRequest, SubmitError};
use facts::{Clock, RunId};
use ledger::{Append, Ledger};

use super::{DeliveryError, Parts};
use crate::decide::{RunEnded, RunResult, StepEnded};
use crate::ports::{Commits, Packages};

/// Drives runs.
#[async_trait]
pub(crate) trait Runs: Send + Sync {
    /// Records the request of a run and `together` in one commit, under the conditions of `together`;
    /// from then on the run is driven.
    async fn submit(&self, request: RunRequest, together: Append) -> Result<(), DeliveryError>;

    /// How the run ended; `None` while it goes on.
    async fn ended(&self, run: RunId) -> Result<Option<RunEnded>, DeliveryError>;
}

/// What one component's decisions reach.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) runs: Arc<dyn Runs>,
    pub(crate) packages: Arc<dyn Packages>,
    pub(crate) commits: Arc<dyn Commits>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl From<Parts> for Reach {
    fn from(parts: Parts) -> Self {
        let Parts {
            ledger,
            engine,
            packages,
            commits,
            clock,
        } = parts;
        Self {
            runs: Arc::new(EngineRuns {
                engine,
                ledger: ledger.clone(),
            }),
            ledger,
            packages,
            commits,
            clock,
        }
    }
}

/// Runs as the engine drives them.
struct EngineRuns {
    engine: Arc<Engine>,
    ledger: Arc<dyn Ledger>,
}

#[async_trait]
impl Runs for EngineRuns {
    async fn submit(&self, request: RunRequest, together: Append) -> Result<(), DeliveryError> {
        match self.engine.submit(request, together).await {
            Ok(_) => Ok(()),
            Err(SubmitError::Append(error)) => Err(error.into()),
            Err(error) => Err(DeliveryError::Engine(error.to_string())),
        }
    }

    async fn ended(&self, run: RunId) -> Result<Option<RunEnded>, DeliveryError> {
        let Some(row) = engine::query::run(&*self.ledger, run).await? else {
            return Ok(None);
        };
        if row.state != engine::State::Finished {
            return Ok(None);
        }
        let result = match row.result {
            Some(engine::RunResult::Succeeded) => RunResult::Succeeded,
            Some(engine::RunResult::Cancelled) => RunResult::Cancelled,
            Some(engine::RunResult::Unknown) => RunResult::Unknown,
            _ => RunResult::Failed,
        };
        let steps = engine::query::steps(&*self.ledger, run).await?.rows;
        let steps = steps.into_iter().map(|step| StepEnded {
            action: step.action,
            began: step.started_at.is_some(),
            succeeded: step.result == Some(engine::RunResult::Succeeded),
            timed_out: step.result == Some(engine::RunResult::TimedOut),
            message: step.message,
            outputs: step.outputs.unwrap_or_default(),
        });
        Ok(Some(RunEnded {
            run,
            result,
            reason: row.reason,
            steps: steps.collect(),
        }))
    }
}
