//! Brings the database's schema forward with the package's migrations.

use std::ops::ControlFlow;
use std::time::Duration;

use ::database::engine::RunError;
use ::database::{EngineError, MigrateError, MigrationSet, Options, Progress, Runner};
use async_trait::async_trait;
use engine::{ActionOutcome, StepAction, StepContext};
use serde_json::json;

use super::database::{dialect, reach};
use super::{ActionParts, context, rejected};
use crate::plan::MIGRATE;
use crate::ports::PortError;

/// How long to wait for another deployment that migrates the same database. It may build an index.
const LOCK_WAIT: Duration = Duration::from_secs(30 * 60);

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
        let database = reach(&self.0, &context, needs.engine).await.map_err(for_now)?;
        let (log, cancel, clock) = (step.log.clone(), step.cancel.clone(), self.0.clock.clone());
        let migrated = tokio::task::spawn_blocking(move || {
            let set = MigrationSet::scan(dialect(needs.engine), &folder)
                .map_err(|error| Trouble::Package(error.to_string()))?;
            let engine = database.engine()?;
            let mut progress = |progress: Progress| {
                if let Some(line) = line(&progress) {
                    log.out(&line);
                }
                // Between two statements is a safe place to stop: the journal knows how far it came.
                if cancel.is_cancelled() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            let options = Options {
                lock_wait: LOCK_WAIT,
                ..Options::default()
            };
            let report = Runner::new(engine, clock)
                .with_options(options)
                .apply(&set, &mut progress)?;
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
            // What others hold, they let go of.
            Self::Migrate(MigrateError::Run(RunError::Blocked { .. })) => {
                ActionOutcome::failed_for_now(self.to_string())
            }
            // Somebody has to look.
            Self::Migrate(MigrateError::Run(RunError::Unseen { .. }) | MigrateError::NoUndo(_)) => {
                ActionOutcome::failed(self.to_string())
            }
            // The package's own scripts are wrong: the same package fails again.
            Self::Package(_) | Self::Migrate(MigrateError::Problems(_) | MigrateError::Run(_)) => {
                rejected(self.to_string())
            }
            Self::Migrate(MigrateError::Engine(error)) | Self::Engine(error) => match error {
                EngineError::Address(_) | EngineError::Pooler { .. } | EngineError::Newer { .. } => {
                    ActionOutcome::failed(self.to_string())
                }
                EngineError::Open { .. }
                | EngineError::Locked { .. }
                | EngineError::LockLost { .. }
                | EngineError::Journal(_)
                | EngineError::Store(_) => ActionOutcome::failed_for_now(self.to_string()),
            },
        }
    }
}

/// What the log says of it.
fn line(progress: &Progress) -> Option<String> {
    Some(match progress {
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
        Progress::Waiting { reason } => reason.clone(),
        Progress::Note { text } => text.clone(),
        Progress::StillWaiting => return None,
    })
}
