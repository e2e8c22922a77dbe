//! The inline view of runs: the tables `runs`, `steps`, `attempts` and `questions`.
//!
//! It commits with the facts. Taking in a fact costs a few rows, however many steps a run has; only
//! facts that name many steps cost a row for each.

use facts::Fact;
use ledger::{Column, FoldError, Row, Rows, Table, Value, View};

use crate::kinds::{Next, RunFact};
use crate::result::{RunResult, State};

/// The table of runs.
pub const RUNS: &str = "runs";
/// The table of steps.
pub const STEPS: &str = "steps";
/// The table of attempts.
pub const ATTEMPTS: &str = "attempts";
/// The table of steps that wait for a person's answer.
pub const QUESTIONS: &str = "questions";

const TABLES: &[Table] = &[
    Table {
        name: RUNS,
        columns: &[
            Column::text("id"),
            Column::text("component"),
            Column::text("component_name"),
            Column::text("kind"),
            Column::text("key"),
            Column::text("commit").nullable(),
            Column::text("line").nullable(),
            Column::text("environment").nullable(),
            Column::text("state"),
            Column::text("result").nullable(),
            Column::text("reason").nullable(),
            Column::text("trust"),
            Column::text("actor"),
            Column::text("cancelled_by").nullable(),
            Column::integer("steps"),
            Column::integer("round"),
            Column::integer("requested_at"),
            Column::integer("started_at").nullable(),
            Column::integer("finished_at").nullable(),
            Column::text("definition"),
            Column::text("context"),
        ],
        key: &["id"],
        indexes: &[
            &["state", "id"],
            &["requested_at"],
            &["component", "requested_at"],
            &["commit"],
            &["environment", "requested_at"],
        ],
    },
    Table {
        name: STEPS,
        columns: &[
            Column::text("run"),
            Column::text("step"),
            Column::integer("position"),
            Column::text("action"),
            Column::text("needs"),
            Column::text("state"),
            Column::text("result").nullable(),
            Column::integer("attempt"),
            Column::integer("started_at").nullable(),
            Column::integer("finished_at").nullable(),
            Column::integer("due_at").nullable(),
            Column::text("message").nullable(),
            Column::text("outputs").nullable(),
            Column::text("log").nullable(),
        ],
        key: &["run", "step"],
        indexes: &[&["run", "position"]],
    },
    Table {
        name: ATTEMPTS,
        columns: &[
            Column::text("run"),
            Column::text("step"),
            Column::integer("attempt"),
            Column::text("result").nullable(),
            Column::integer("started_at"),
            Column::integer("finished_at").nullable(),
            Column::text("message").nullable(),
            Column::integer("code").nullable(),
            Column::text("log").nullable(),
            Column::integer("lost"),
        ],
        key: &["run", "step", "attempt"],
        indexes: &[],
    },
    Table {
        name: QUESTIONS,
        columns: &[
            Column::text("run"),
            Column::text("step"),
            Column::text("message").nullable(),
            Column::integer("asked_at"),
        ],
        key: &["run", "step"],
        indexes: &[],
    },
];

/// The view of runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunsView;

impl View for RunsView {
    fn name(&self) -> &'static str {
        "runs"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        if fact.stream().kind() != "run" {
            return Ok(());
        }
        let Some(read) = RunFact::read(&fact.new)? else {
            return Ok(());
        };
        Folding {
            fact,
            run: Value::from(fact.stream().key()),
            rows,
        }
        .apply(&read)
    }
}

/// One fact on its way into the tables.
struct Folding<'a> {
    fact: &'a Fact,
    run: Value,
    rows: &'a mut dyn Rows,
}

impl Folding<'_> {
    fn apply(&mut self, read: &RunFact) -> Result<(), FoldError> {
        let at = self.fact.new.occurred_at;
        match read {
            RunFact::Requested(body) => {
                let row = Row::new()
                    .with("id", self.run.clone())
                    .with_text("component", body.component)
                    .with_text("component_name", &body.component_name)
                    .with("kind", &body.kind)
                    .with("key", &body.key)
                    .with("commit", body.commit.as_ref().map(ToString::to_string))
                    .with("line", body.line.as_ref().map(ToString::to_string))
                    .with("environment", body.environment.as_ref().map(ToString::to_string))
                    .with("state", State::Waiting.as_str())
                    .with_text("trust", body.trust)
                    .with_text("actor", self.fact.new.actor)
                    .with("steps", body.steps)
                    .with("round", 1)
                    .with("requested_at", at)
                    .with_text("definition", body.definition)
                    .with_json("context", &body.context)?;
                self.rows.put(RUNS, row)
            }
            RunFact::Planned(body) => {
                for (position, step) in (body.first..).zip(&body.steps) {
                    let row = Row::new()
                        .with("run", self.run.clone())
                        .with("step", step.name.as_str())
                        .with("position", position)
                        .with("action", &step.action)
                        .with_json("needs", &step.needs)?
                        .with("state", State::Waiting.as_str())
                        .with("attempt", 0);
                    self.rows.put(STEPS, row)?;
                }
                Ok(())
            }
            RunFact::Started(_) => self.run(|row| {
                row.set("state", State::Running.as_str());
                row.set("started_at", at);
            }),
            RunFact::AttemptStarted(body) => {
                self.step(body.step.as_str(), |row| {
                    if row.optional_timestamp("started_at")?.is_none() {
                        row.set("started_at", at);
                    }
                    row.set("state", State::Running.as_str());
                    row.set("attempt", body.attempt);
                    row.set("due_at", Value::Null);
                    row.set("message", Value::Null);
                    row.set("log", Value::Null);
                    Ok(())
                })?;
                let row = Row::new()
                    .with("run", self.run.clone())
                    .with("step", body.step.as_str())
                    .with("attempt", body.attempt)
                    .with("started_at", at)
                    .with("lost", false);
                self.rows.put(ATTEMPTS, row)
            }
            RunFact::AttemptFinished(body) => {
                let log = body.log.map(|log| log.to_string());
                let key = [self.run.clone(), body.step.as_str().into(), body.attempt.into()];
                let mut attempt = self.get(ATTEMPTS, &key)?;
                attempt.set("result", body.result.as_str());
                attempt.set("finished_at", at);
                attempt.set("message", body.message.clone());
                attempt.set("code", body.code.map(i64::from));
                attempt.set("log", log.clone());
                attempt.set("lost", body.lost);
                self.rows.put(ATTEMPTS, attempt)?;
                let outputs = outputs(&body.outputs)?;
                self.follow(
                    body.step.as_str(),
                    body.next,
                    body.message.as_deref(),
                    outputs,
                    Some(log.into()),
                )
            }
            RunFact::Observed(body) => {
                let outputs = outputs(&body.outputs)?;
                self.follow(body.step.as_str(), body.next, body.message.as_deref(), outputs, None)
            }
            RunFact::Resolved(body) => {
                let key = [self.run.clone(), body.step.as_str().into()];
                self.rows.delete(QUESTIONS, &key)?;
                let said = if body.done {
                    "a person said that it is done"
                } else {
                    "a person said that it is not done"
                };
                self.follow(body.step.as_str(), body.next, Some(said), Value::Null, None)
            }
            RunFact::Settled(body) => {
                for step in &body.steps {
                    if body.result == RunResult::Unknown {
                        let key = [self.run.clone(), step.as_str().into()];
                        self.rows.delete(QUESTIONS, &key)?;
                    }
                    let next = Next::Finished { result: body.result };
                    self.follow(step.as_str(), next, Some(&body.message), Value::Null, None)?;
                }
                Ok(())
            }
            RunFact::GroupEntered(_) | RunFact::Superseded(_) => Ok(()),
            RunFact::CancelRequested(_) => {
                let actor = self.fact.new.actor.to_string();
                self.run(|row| row.set("cancelled_by", actor))
            }
            RunFact::Reopened(body) => self.run(|row| {
                row.set("state", State::Running.as_str());
                row.set("round", body.round);
                for column in ["result", "reason", "finished_at", "cancelled_by"] {
                    row.set(column, Value::Null);
                }
            }),
            RunFact::Reset(body) => {
                for step in &body.steps {
                    self.step(step.as_str(), |row| {
                        row.set("state", State::Waiting.as_str());
                        for column in [
                            "result",
                            "started_at",
                            "finished_at",
                            "due_at",
                            "message",
                            "outputs",
                            "log",
                        ] {
                            row.set(column, Value::Null);
                        }
                        Ok(())
                    })?;
                }
                Ok(())
            }
            RunFact::Finished(body) => self.run(|row| {
                row.set("state", State::Finished.as_str());
                row.set("result", body.result.as_str());
                row.set("reason", body.reason.clone());
                row.set("finished_at", at);
            }),
        }
    }

    /// What a fact says follows for a step.
    fn follow(
        &mut self,
        step: &str,
        next: Next,
        message: Option<&str>,
        outputs: Value,
        log: Option<Value>,
    ) -> Result<(), FoldError> {
        let at = self.fact.new.occurred_at;
        self.step(step, |row| {
            row.set("message", message.map(str::to_owned));
            if let Some(log) = log {
                row.set("log", log);
            }
            match next {
                Next::Finished { result } => {
                    row.set("state", State::Finished.as_str());
                    row.set("result", result.as_str());
                    row.set("finished_at", at);
                    row.set("due_at", Value::Null);
                    row.set("outputs", outputs);
                }
                Next::Again { at } => {
                    row.set("state", State::Backoff.as_str());
                    row.set("due_at", at);
                }
                Next::Ask => {
                    row.set("state", State::Asking.as_str());
                    row.set("due_at", Value::Null);
                }
            }
            Ok(())
        })?;
        if next == Next::Ask {
            let row = Row::new()
                .with("run", self.run.clone())
                .with("step", step)
                .with("message", message.map(str::to_owned))
                .with("asked_at", at);
            self.rows.put(QUESTIONS, row)?;
        }
        Ok(())
    }

    fn get(&mut self, table: &'static str, key: &[Value]) -> Result<Row, FoldError> {
        self.rows.get(table, key)?.ok_or_else(|| {
            FoldError::Contradiction(format!(
                "{} {} has no row in `{table}`",
                self.fact.stream(),
                self.fact.kind()
            ))
        })
    }

    fn run(&mut self, change: impl FnOnce(&mut Row)) -> Result<(), FoldError> {
        let key = [self.run.clone()];
        let mut row = self.get(RUNS, &key)?;
        change(&mut row);
        self.rows.put(RUNS, row)
    }

    fn step(&mut self, step: &str, change: impl FnOnce(&mut Row) -> Result<(), FoldError>) -> Result<(), FoldError> {
        let mut row = self.get(STEPS, &[self.run.clone(), step.into()])?;
        change(&mut row)?;
        self.rows.put(STEPS, row)
    }
}

fn outputs(outputs: &serde_json::Value) -> Result<Value, serde_json::Error> {
    if outputs.is_null() {
        Ok(Value::Null)
    } else {
        Value::json(outputs)
    }
}
