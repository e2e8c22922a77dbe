//! Applies plans.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use facts::Clock;
use serde::Serialize;

use crate::engine::{Applied, Engine, EngineError, EntryState, Event, RunError, Script};
use crate::journal::Journal;
use crate::migration::{Migration, MigrationKey, MigrationSet, SchemaVersion};
use crate::pass::{Pass, Patience};
use crate::plan::{self, Order, Plan, PlannedMigration, Problem};

/// How a runner works.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What to do with versions below the highest one applied.
    pub order: Order,
    /// How long to wait for another runner.
    pub lock_wait: Duration,
    /// How often what is blocked by others is tried again.
    pub patience: Patience,
}

impl Default for Options {
    /// Strict order; ten seconds; some minutes.
    fn default() -> Self {
        Self {
            order: Order::Strict,
            lock_wait: Duration::from_secs(10),
            patience: Patience::default(),
        }
    }
}

/// What is about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A file begins, or goes on where it stopped.
    Migration(PlannedMigration),
    /// A statement of it is about to run.
    Statement {
        /// The file.
        file: String,
        /// The statement, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Its line.
        line: u32,
        /// Its first words.
        summary: String,
    },
    /// Others are in the way: another run, or long transactions.
    Waiting {
        /// Who or what, in a sentence.
        reason: String,
    },
    /// They still are: said again and again, so that the waiting can be ended.
    StillWaiting,
    /// Something worth knowing.
    Note {
        /// A sentence.
        text: String,
    },
    /// A file is through.
    Done {
        /// The file.
        file: String,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What ran, in order.
    pub ran: Vec<MigrationKey>,
    /// The highest version that is applied now.
    pub schema: Option<SchemaVersion>,
}

/// What is applied and what is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// What the journal says.
    pub applied: Applied,
    /// What is to be done.
    pub plan: Plan,
}

/// Why migrations were not applied, or not all.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The package and the journal do not fit; nothing was done.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    /// There is no script that takes this version back; nothing was done.
    #[error(
        "version {0} has no undo script\n  hint: write a `U{0}__….sql`, or a new migration that takes the change back"
    )]
    NoUndo(MigrationKey),
    /// A script did not run to its end; the journal says how far it came.
    #[error(transparent)]
    Run(RunError),
    /// The database failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<RunError> for MigrateError {
    /// Keeps apart what is wrong with a script and what is wrong with the database.
    fn from(error: RunError) -> Self {
        match error {
            RunError::Engine(error) => Self::Engine(error),
            error => Self::Run(error),
        }
    }
}

/// The longest pause between two looks at the lock.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Applies migrations to one database.
pub struct Runner {
    engine: Box<dyn Engine>,
    clock: Arc<dyn Clock>,
    options: Options,
}

impl Runner {
    /// A runner on `engine` with the default options.
    pub fn new(engine: Box<dyn Engine>, clock: Arc<dyn Clock>) -> Self {
        Self {
            engine,
            clock,
            options: Options::default(),
        }
    }

    /// The same with other options.
    #[must_use]
    pub fn with_options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// What the journal says. Changes nothing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn applied(&mut self) -> Result<Applied, MigrateError> {
        if !self.engine.is_there() {
            return Ok(Applied::default());
        }
        // One transaction, so that all tables are of one moment.
        self.engine.begin_reading()?;
        let result = self.read();
        self.engine.roll_back();
        Ok(result?)
    }

    fn read(&mut self) -> Result<Applied, EngineError> {
        let engine = self.engine.as_mut();
        let journal = Journal::of(engine)?;
        if !journal.is_there(engine)? {
            return Ok(Applied::default());
        }
        let mut entries = journal.entries(engine)?;
        entries.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Applied { entries })
    }

    /// The highest version that is applied: what the environment's state says about the schema.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn schema_state(&mut self) -> Result<Option<SchemaVersion>, MigrateError> {
        Ok(self.applied()?.last_version().cloned())
    }

    /// What is applied and what [`Runner::apply`] would do. Changes nothing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn status(&mut self, set: &MigrationSet) -> Result<Status, MigrateError> {
        let applied = self.applied()?;
        let plan = plan::plan(set, &applied, self.options.order);
        Ok(Status { applied, plan })
    }

    /// Applies what is pending, or goes on where an earlier run stopped. Called again after success it
    /// does nothing.
    ///
    /// `progress` hears what is about to happen; with `Break` it stops before that.
    ///
    /// # Errors
    /// When the package and the journal do not fit (nothing is done then), a statement fails, or the
    /// database does.
    pub fn apply(
        &mut self,
        set: &MigrationSet,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Report, MigrateError> {
        self.locked(progress, |runner, progress| {
            let Status { plan, .. } = runner.status(set)?;
            if !plan.problems.is_empty() {
                return Err(MigrateError::Problems(plan.problems));
            }
            let mut ran = Vec::new();
            for step in plan.steps {
                if let Some(migration) = set.get(&step.key) {
                    let done = step.done;
                    ran.push(step.key.clone());
                    runner.run(migration, None, step, done, progress)?;
                }
            }
            runner.report(ran)
        })
    }

    /// Takes back, in reverse order, every applied version above `keep` (all of them for `None`).
    ///
    /// # Errors
    /// As [`Runner::apply`]; and when a version has no undo script (nothing is done then).
    pub fn undo(
        &mut self,
        set: &MigrationSet,
        keep: Option<&SchemaVersion>,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Report, MigrateError> {
        self.locked(progress, |runner, progress| {
            let applied = runner.applied()?;
            let mut steps = Vec::new();
            for entry in applied.entries.iter().rev() {
                let MigrationKey::Version(version) = &entry.key else {
                    continue;
                };
                if keep.is_some_and(|keep| version <= keep) || entry.state == EntryState::Undone {
                    continue;
                }
                let (Some(script), Some(forward)) = (set.undo(&entry.key), set.get(&entry.key)) else {
                    return Err(MigrateError::NoUndo(entry.key.clone()));
                };
                let done = match entry.state {
                    EntryState::Undoing if plan::begins_with(script, entry) => entry.done.len(),
                    EntryState::Undoing => {
                        return Err(MigrateError::Problems(vec![Problem::ChangedMidway {
                            file: script.file.clone(),
                            key: entry.key.clone(),
                            done: entry.done.len(),
                        }]));
                    }
                    // Begun and nothing of it took effect: nothing to take back.
                    EntryState::Open if entry.done.is_empty() => continue,
                    _ => 0,
                };
                steps.push((script, forward, done));
            }
            let mut ran = Vec::new();
            for (script, forward, done) in steps {
                ran.push(script.key.clone());
                runner.run(script, Some(forward), plan::planned(script, done), done, progress)?;
            }
            runner.report(ran)
        })
    }

    fn locked<T>(
        &mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
        work: impl FnOnce(&mut Self, &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<T, MigrateError>,
    ) -> Result<T, MigrateError> {
        self.lock(progress)?;
        let result = work(self, progress);
        self.engine.unlock();
        result
    }

    /// Takes the lock. It is asked for again and again: whoever waited for it within the database would be in
    /// the way of statements that wait for everybody else, such as `CREATE INDEX CONCURRENTLY`.
    fn lock(&mut self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<(), EngineError> {
        let since = Instant::now();
        let (mut told, mut pause) = (false, Duration::from_millis(20));
        while !self.engine.try_lock()? {
            let answer = if told {
                progress(Progress::StillWaiting)
            } else {
                let reason = format!(
                    "another run is migrating {}: waiting for it to end",
                    self.engine.location()
                );
                progress(Progress::Waiting { reason })
            };
            told = true;
            let left = self.options.lock_wait.saturating_sub(since.elapsed());
            if left.is_zero() || answer.is_break() {
                let location = self.engine.location();
                return Err(EngineError::Locked { location });
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    fn report(&mut self, ran: Vec<MigrationKey>) -> Result<Report, MigrateError> {
        let schema = self.schema_state()?;
        Ok(Report { ran, schema })
    }

    fn run(
        &mut self,
        migration: &Migration,
        takes_back: Option<&Migration>,
        step: PlannedMigration,
        done: usize,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), MigrateError> {
        let stopped = |number| RunError::Stopped {
            file: migration.file.clone(),
            number,
        };
        if progress(Progress::Migration(step)).is_break() {
            return Err(stopped(done + 1).into());
        }
        let script = Script {
            migration,
            takes_back,
            done,
        };
        self.engine.refresh()?;
        let journal = Journal::of(self.engine.as_mut())?;
        let mut on_event = |event| match event {
            Event::Statement(index) => match migration.statements.get(index) {
                None => ControlFlow::Continue(()),
                Some(statement) => progress(Progress::Statement {
                    file: migration.file.clone(),
                    number: index + 1,
                    of: migration.statements.len(),
                    line: statement.line,
                    summary: statement.summary(),
                }),
            },
            Event::Waiting(reason) => progress(Progress::Waiting { reason }),
            Event::StillWaiting => progress(Progress::StillWaiting),
            Event::Note(text) => progress(Progress::Note { text }),
        };
        let mut pass = Pass {
            engine: self.engine.as_mut(),
            journal,
            script: &script,
            clock: self.clock.as_ref(),
            patience: self.options.patience,
            on_event: &mut on_event,
        };
        pass.run()?;
        // The file is through whatever the listener answers; a wish to stop is heard at the next one.
        let _ = progress(Progress::Done {
            file: migration.file.clone(),
        });
        Ok(())
    }
}
