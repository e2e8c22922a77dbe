//! Rebuilds: commits built again to see whether the same package comes out.

use std::sync::Arc;

use artifact::BlobStore;
use build::Published;
use build::beside::BESIDE;
use build::rebuild::{self, COMPARE, REBUILD, REPRODUCIBLE};
use engine::query::{RunFilter, RunRow};
use engine::{BrokenDefinition, Engine, RunRequest, RunResult, State};
use facts::published::Judgement;
use facts::{Actor, Clock, Digest, Entropy, RunId};
use ledger::{Append, Ledger};
use pipeline::Definition;
use pipeline::definition::modules::LARGEST_KEPT;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::builds::DEFINITION;
use super::register::Component;
use crate::error::ServerError;

/// How many ended rebuilds are looked at after a restart.
const RECOVERED: usize = 100;

/// What a rebuild is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildContext {
    /// The package that stands.
    pub package: Digest,
    /// The run that built it.
    pub build: RunId,
}

/// Builds again.
pub struct Rebuilds {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    engine: Arc<Engine>,
    store: Arc<BlobStore>,
}

impl Rebuilds {
    /// Rebuilds driven by `engine`.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        engine: Arc<Engine>,
        store: Arc<BlobStore>,
    ) -> Self {
        Self {
            ledger,
            clock,
            entropy,
            engine,
            store,
        }
    }

    /// Builds again what `build` built, and compares it with `package`. While a rebuild of it goes on, it
    /// is that one.
    ///
    /// # Errors
    /// When something cannot be read or recorded.
    pub async fn ask(
        &self,
        component: &Component,
        build: &RunRow,
        package: Digest,
        actor: Actor,
    ) -> Result<RunId, ServerError> {
        let filter = RunFilter {
            component: Some(component.id),
            kind: Some(REBUILD.to_owned()),
            commit: build.commit.clone(),
            ..RunFilter::default()
        };
        let newest = engine::query::runs(&*self.ledger, &filter, 1, None).await?.rows;
        if let Some(open) = newest.first().filter(|run| run.state != State::Finished) {
            return Ok(open.id);
        }
        let (store, digest) = (self.store.clone(), build.definition);
        let text = tokio::task::spawn_blocking(move || store.read(&digest, LARGEST_KEPT)).await;
        let text = text.map_err(|panic| ServerError::Internal(panic.to_string()))??;
        // It was read when it was built; a newer program may see it otherwise.
        let plan = match Definition::parse_kept(&text, DEFINITION) {
            Ok(definition) => {
                // What the build had beside it, the rebuild has too.
                let steps = engine::query::steps(&*self.ledger, build.id).await?.rows;
                let brought = steps.into_iter().find(|step| step.action == BESIDE);
                let beside = brought.and_then(|step| step.outputs?.get_mut("beside").map(serde_json::Value::take));
                let beside = beside.map(serde_json::from_value).transpose()?.unwrap_or_default();
                Ok(rebuild::plan(&build::beside::with(definition.plan(), beside), package))
            }
            Err(diagnostics) => {
                let first = diagnostics.first();
                Err(BrokenDefinition {
                    file: first.file.clone(),
                    line: first.line,
                    column: first.column,
                    message: first.message.clone(),
                    hint: first.hint.clone(),
                })
            }
        };
        let run = RunId::new(self.clock.now(), &*self.entropy);
        let request = RunRequest {
            run,
            kind: REBUILD.to_owned(),
            key: format!("rebuild:{run}"),
            component: component.id,
            component_name: component.name.clone(),
            commit: build.commit.clone(),
            line: build.line.clone(),
            environment: None,
            definition: build.definition,
            trust: build.trust,
            actor,
            cause: None,
            context: json!(RebuildContext {
                package,
                build: build.id
            }),
            plan,
        };
        crashpoint::reach("server.rebuild.before");
        let submitted = self.engine.submit(request, Append::unconditional(Vec::new())).await;
        let submitted = submitted.map_err(|error| ServerError::Engine(error.to_string()))?;
        Ok(submitted.run)
    }

    /// A rebuild is over: when it did not come to compare, that nobody knows is its verdict. Saying it
    /// twice changes nothing. One that somebody cancelled says nothing.
    ///
    /// # Errors
    /// When something cannot be read or recorded.
    pub async fn ended(&self, run: &RunRow) -> Result<(), ServerError> {
        let went_wrong = !matches!(run.result, None | Some(RunResult::Succeeded | RunResult::Cancelled));
        let Ok(context) = serde_json::from_value::<RebuildContext>(run.context.clone()) else {
            return Ok(());
        };
        if run.kind != REBUILD || !went_wrong {
            return Ok(());
        }
        let steps = engine::query::steps(&*self.ledger, run.id).await?.rows;
        let compared = steps.iter().filter(|step| step.action == COMPARE);
        let judged = |step: &engine::query::StepRow| {
            step.outputs
                .as_ref()
                .is_some_and(|outputs| outputs.get("verdict").is_some())
        };
        if compared.into_iter().any(judged) {
            return Ok(());
        }
        let why = run.reason.as_deref().unwrap_or("nothing is known of it");
        let why = why.lines().next().unwrap_or(why);
        let verdict = Published {
            about: REPRODUCIBLE,
            result: Judgement::Unknown,
            reasons: vec![format!("the rebuild did not come to its end: {why}")],
            numbers: json!({}),
            evidence: Vec::new(),
        };
        let at = run.finished_at.unwrap_or(run.requested_at);
        // Attempts that compare count from 1.
        let fact = verdict.fact(context.package, run.id, at, 0);
        crashpoint::reach("server.rebuild.unknown");
        self.ledger.append(Append::unconditional(vec![fact])).await?;
        Ok(())
    }

    /// Looks at the newest rebuilds again, for those that ended while nobody looked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn recover(&self) -> Result<(), ServerError> {
        let filter = RunFilter {
            kind: Some(REBUILD.to_owned()),
            state: Some(State::Finished),
            ..RunFilter::default()
        };
        for run in engine::query::runs(&*self.ledger, &filter, RECOVERED, None).await?.rows {
            self.ended(&run).await?;
        }
        Ok(())
    }
}
