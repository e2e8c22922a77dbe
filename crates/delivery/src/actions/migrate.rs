//! Brings the database's schema forward with the package's migrations.

use std::ops::ControlFlow;

use async_trait::async_trait;
use database::engine::engine_of;
use database::{EngineError, MigrateError, MigrationSet, Progress, Runner};
use engine::{ActionOutcome, StepAction, StepContext};
use serde_json::json;

use super::{ActionParts, context, rejected};
use crate::plan::MIGRATE;
use crate::ports::PortError;

/// The action [`MIGRATE`].
pub(super) struct Migrate(pub(super) ActionParts);

#[async_trait]
impl StepAction for Migrate {
    fn kind(&self) -> &'static str {
        MIGRATE
    }

    fn waits(&self) -> bool {
        true
    }

    async fn perform(&self, step: StepContext) -> ActionOutcome {
        self.migrate(&step).await.unwrap_or_else(|outcome| outcome)
    }
}

impl Migrate {
    async fn migrate(&self, step: &StepContext) -> Result<ActionOutcome, ActionOutcome> {
        let context = context(step)?;
        let for_now = |error: PortError| ActionOutcome::failed_for_now(error.to_string());
        let document = self
            .0
            .packages
            .document(context.intent.package)
            .await
            .map_err(for_now)?;
        let Some(needs) = document.database.clone() else {
            return Err(ActionOutcome::failed("the package needs no database"));
        };
        let folder = self
            .0
            .packages
            .folder(context.intent.package)
            .await
            .map_err(for_now)?
            .join(&needs.migrations);
        let location = self
            .0
            .databases
            .location(&context.component_name, context.environment(), needs.engine)
            .map_err(|error| ActionOutcome::failed(error.to_string()))?;
        let (log, cancel, clock) = (step.log.clone(), step.cancel.clone(), self.0.clock.clone());
        let migrated = tokio::task::spawn_blocking(move || {
            let set = MigrationSet::scan(&folder).map_err(|error| Trouble::Package(error.to_string()))?;
            let engine = engine_of(needs.engine.as_str(), &location)?;
            let mut progress = |progress: Progress| {
                log.out(&line(&progress));
                // Between two statements is a safe place to stop: the journal knows how far it came.
                if cancel.is_cancelled() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let report = Runner::new(engine, clock).apply(&set, &mut progress)?;
            if report.ran.is_empty() {
                log.out("the schema is up to date");
            }
            Ok::<_, Trouble>(report)
        });
        match migrated.await {
            Ok(Ok(report)) => {
                let version = report.schema.map(|version| version.to_string());
                Ok(ActionOutcome::succeeded(
                    json!({ "schema": { "main": version }, "ran": report.ran }),
                ))
            }
            Ok(Err(_)) if step.cancel.is_cancelled() => Err(ActionOutcome::cancelled()),
            Ok(Err(trouble)) => Err(trouble.outcome()),
            Err(panic) => Err(ActionOutcome::failed(format!("the migration stopped: {panic}"))),
        }
    }
}

/// Why migrations were not applied.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Package(String),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Trouble {
    fn outcome(&self) -> ActionOutcome {
        match self {
            // The package's own scripts are wrong: the same package fails again.
            Self::Package(_) | Self::Migrate(MigrateError::Problems(_) | MigrateError::Run(_)) => {
                rejected(self.to_string())
            }
            Self::Migrate(MigrateError::NoUndo(_)) => ActionOutcome::failed(self.to_string()),
            Self::Migrate(MigrateError::Engine(_)) | Self::Engine(_) => ActionOutcome::failed_for_now(self.to_string()),
        }
    }
}

fn line(progress: &Progress) -> String {
    match progress {
        Progress::Migration(planned) => planned.file.to_string(),
        Progress::Statement {
            file,
            number,
            of,
            line,
            summary,
        } => {
            format!("{file}:{line}: statement {number} of {of}: {summary}")
        }
        Progress::Done { file } => format!("{file} is applied"),
    }
}
