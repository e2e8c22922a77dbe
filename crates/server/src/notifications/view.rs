//! The followed view of what can be told: each fact that is an event, and what rules ask about.

use delivery::kinds::{DeliveryFact, DeploymentResult};
use engine::RunResult;
use engine::kinds::{AttemptFinished, Next, RunFact, StepObserved};
use facts::{Fact, StepName};
use ledger::{Column, FoldError, Folding, Row, Rows, Table, Value, View};
use notification::Event;
use serde_json::json;

use crate::changes::BUILD;

/// The table of events.
pub(super) const HAPPENINGS: &str = "happenings";
const RUNS: &str = "happening_runs";
const LINES: &str = "happening_lines";
const DEPLOYMENTS: &str = "happening_deployments";
const PLACES: &str = "happening_places";

const TABLES: &[Table] = &[
    Table {
        name: HAPPENINGS,
        columns: &[
            Column::integer("seq"),
            // In the order in which they are told: of two about one fact the first counts.
            Column::integer("rank"),
            Column::text("event"),
            Column::text("fact"),
            Column::integer("at"),
            Column::text("component"),
            Column::text("environment").nullable(),
            Column::text("line").nullable(),
            Column::text("run").nullable(),
            Column::text("commit").nullable(),
            Column::text("package").nullable(),
            Column::text("before").nullable(),
            Column::text("reasons"),
            Column::text("trust"),
        ],
        key: &["seq", "rank"],
        indexes: &[],
    },
    Table {
        name: RUNS,
        columns: &[
            Column::text("run"),
            Column::text("component"),
            Column::text("kind"),
            Column::text("commit").nullable(),
            Column::text("line").nullable(),
            Column::text("environment").nullable(),
            Column::text("trust"),
        ],
        key: &["run"],
        indexes: &[],
    },
    Table {
        name: LINES,
        columns: &[
            Column::text("component"),
            Column::text("line"),
            Column::integer("broken"),
        ],
        key: &["component", "line"],
        indexes: &[],
    },
    Table {
        name: DEPLOYMENTS,
        columns: &[
            Column::text("deployment"),
            Column::text("package"),
            Column::text("before").nullable(),
            Column::text("run"),
        ],
        key: &["deployment"],
        indexes: &[],
    },
    Table {
        name: PLACES,
        columns: &[
            Column::text("component"),
            Column::text("environment"),
            Column::text("failed"),
            Column::text("reasons"),
        ],
        key: &["component", "environment"],
        indexes: &[],
    },
];

/// The view.
#[derive(Debug, Clone, Copy, Default)]
pub struct HappeningsView;

impl View for HappeningsView {
    fn name(&self) -> &'static str {
        "happenings"
    }

    fn version(&self) -> u32 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn folding(&self) -> Folding {
        Folding::Followed
    }

    fn apply(&self, fact: &Fact, rows: &mut dyn Rows) -> Result<(), FoldError> {
        match RunFact::read(&fact.new)? {
            Some(RunFact::Requested(body)) => {
                return rows.put(
                    RUNS,
                    Row::new()
                        .with("run", fact.stream().key())
                        .with("component", body.component.to_string())
                        .with("kind", body.kind)
                        .with("commit", body.commit.map(|commit| commit.to_string()))
                        .with("line", body.line.map(|line| line.to_string()))
                        .with("environment", body.environment.map(|name| name.to_string()))
                        .with("trust", body.trust.to_string()),
                );
            }
            Some(RunFact::Finished(body)) => return finished(fact, rows, body.result, body.reason),
            Some(
                RunFact::AttemptFinished(AttemptFinished {
                    step,
                    message,
                    next: Next::Ask,
                    ..
                })
                | RunFact::Observed(StepObserved {
                    step,
                    message,
                    next: Next::Ask,
                    ..
                }),
            ) => return asked(fact, rows, &step, message),
            Some(_) => return Ok(()),
            None => {}
        }
        match DeliveryFact::read(fact.kind(), &fact.new.body)? {
            Some(DeliveryFact::Intended(body)) => {
                let mut before = body.from.package.map(|package| package.to_string());
                rows.put(
                    DEPLOYMENTS,
                    Row::new()
                        .with("deployment", body.deployment.to_string())
                        .with("package", body.package.to_string())
                        .with("before", before.clone())
                        .with("run", body.run.to_string()),
                )?;
                if !body.purpose.is_return() {
                    return Ok(());
                }
                let mut reasons = body.reasons;
                // What failed there is what it goes back from.
                let place = [Value::from(fact.stream().key()), Value::from(body.environment.as_str())];
                if let Some(row) = rows.get(PLACES, &place)? {
                    before = Some(row.text("failed")?.to_owned());
                    reasons.extend(row.json::<Vec<String>>("reasons")?);
                    rows.delete(PLACES, &place)?;
                }
                let event = happening(fact, 0, Event::PackageReturned, fact.stream().key())
                    .with("environment", body.environment.as_str())
                    .with("run", body.run.to_string())
                    .with("package", body.package.to_string())
                    .with("before", before.filter(|before| *before != body.package.to_string()))
                    .with("reasons", json!(reasons).to_string());
                rows.put(HAPPENINGS, event)
            }
            Some(DeliveryFact::Finished(body)) => {
                let key = [Value::from(body.deployment.to_string())];
                let Some(deployment) = rows.get(DEPLOYMENTS, &key)? else {
                    return Ok(());
                };
                rows.delete(DEPLOYMENTS, &key)?;
                let place = [Value::from(fact.stream().key()), Value::from(body.environment.as_str())];
                let event = match body.result {
                    DeploymentResult::Succeeded => Event::DeploymentDone,
                    DeploymentResult::Rejected | DeploymentResult::Failed | DeploymentResult::Unknown => {
                        Event::DeploymentFailed
                    }
                    DeploymentResult::Cancelled => return Ok(()),
                };
                if event == Event::DeploymentFailed && body.disturbed {
                    let failed = Row::new()
                        .with("component", fact.stream().key())
                        .with("environment", body.environment.as_str())
                        .with("failed", deployment.text("package")?)
                        .with("reasons", json!(body.reasons).to_string());
                    rows.put(PLACES, failed)?;
                } else {
                    rows.delete(PLACES, &place)?;
                }
                let reasons = if event == Event::DeploymentDone {
                    Vec::new()
                } else {
                    body.reasons
                };
                let event = happening(fact, 0, event, fact.stream().key())
                    .with("environment", body.environment.as_str())
                    .with("run", deployment.text("run")?)
                    .with("package", deployment.text("package")?)
                    .with("before", deployment.optional_text("before")?.map(str::to_owned))
                    .with("reasons", json!(reasons).to_string());
                rows.put(HAPPENINGS, event)
            }
            _ => Ok(()),
        }
    }
}

/// An event, as far as its fact alone says.
fn happening(fact: &Fact, rank: i64, event: Event, component: &str) -> Row {
    Row::new()
        .with("seq", fact.seq)
        .with("rank", rank)
        .with("event", event.as_str())
        .with("fact", fact.new.id.to_string())
        .with("at", fact.new.occurred_at)
        .with("component", component)
        .with("reasons", "[]")
        .with("trust", "trusted")
}

/// The same, about a run.
fn about_run(fact: &Fact, rank: i64, event: Event, run: &Row) -> Result<Row, FoldError> {
    Ok(happening(fact, rank, event, run.text("component")?)
        .with("run", run.text("run")?)
        .with("commit", run.optional_text("commit")?.map(str::to_owned))
        .with("line", run.optional_text("line")?.map(str::to_owned))
        .with("environment", run.optional_text("environment")?.map(str::to_owned))
        .with("trust", run.text("trust")?))
}

/// A run is over: a build tells of its line.
fn finished(fact: &Fact, rows: &mut dyn Rows, result: RunResult, reason: Option<String>) -> Result<(), FoldError> {
    let Some(run) = rows.get(RUNS, &[Value::from(fact.stream().key())])? else {
        return Ok(());
    };
    if run.text("kind")? != BUILD {
        return Ok(());
    }
    let failed = match result {
        RunResult::Succeeded => false,
        RunResult::Failed | RunResult::TimedOut | RunResult::Unknown => true,
        RunResult::Cancelled | RunResult::Skipped => return Ok(()),
    };
    let reasons = json!(Vec::from_iter(reason)).to_string();
    // Builds of what is not trusted say nothing about a line.
    if run.text("trust")? == "trusted"
        && let Some(line) = run.optional_text("line")?
    {
        let component = run.text("component")?;
        let key = [Value::from(component), Value::from(line)];
        let was_broken = match rows.get(LINES, &key)? {
            Some(row) => row.integer("broken")? != 0,
            None => false,
        };
        let state = Row::new().with("component", component).with("line", line);
        rows.put(LINES, state.with("broken", failed))?;
        if failed != was_broken {
            let event = if failed {
                Event::LineBroken
            } else {
                Event::LineRecovered
            };
            rows.put(
                HAPPENINGS,
                about_run(fact, 0, event, &run)?.with("reasons", reasons.clone()),
            )?;
        }
    }
    if failed {
        rows.put(
            HAPPENINGS,
            about_run(fact, 1, Event::RunFailed, &run)?.with("reasons", reasons),
        )?;
    }
    Ok(())
}

/// A step asks a person.
fn asked(fact: &Fact, rows: &mut dyn Rows, step: &StepName, message: Option<String>) -> Result<(), FoldError> {
    let Some(run) = rows.get(RUNS, &[Value::from(fact.stream().key())])? else {
        return Ok(());
    };
    let mut reasons = vec![format!("Was the step `{step}` done? Nobody can see it.")];
    reasons.extend(message);
    rows.put(
        HAPPENINGS,
        about_run(fact, 0, Event::AnswerWaits, &run)?.with("reasons", json!(reasons).to_string()),
    )
}
