//! The followed view of what is to be said of commits.
//!
//! A repository has a row here while its commits' states are said somewhere; only of its runs anything is kept.

use engine::RunResult;
use engine::kinds::RunFact;
use facts::{Fact, Trust};
use forge::State;
use ledger::{Column, FoldError, Folding, Row, Rows, Table, Value, View};
use serde::Deserialize as _;

use super::kinds::{STATUSES_CHANGED, StatusesChanged};
use crate::changes::BUILD;
use crate::changes::kinds::{COMPONENT_PLACED, ComponentPlaced};

/// The table of repositories whose commits' states are said somewhere.
pub(super) const TARGETS: &str = "status_targets";
/// The table of what is to be said, in the order in which it happened.
pub(super) const STATES: &str = "status_states";
const RUNS: &str = "status_runs";
const PLACES: &str = "status_places";

/// The kind of runs that deploy, as delivery names it.
const DEPLOYMENT: &str = "deployment";

const TABLES: &[Table] = &[
    Table {
        name: TARGETS,
        columns: &[Column::text("repository"), Column::text("said")],
        key: &["repository"],
        indexes: &[],
    },
    Table {
        name: STATES,
        columns: &[
            Column::integer("seq"),
            Column::text("repository"),
            Column::text("component"),
            Column::text("run"),
            Column::text("commit"),
            Column::text("environment").nullable(),
            Column::text("state"),
        ],
        key: &["seq"],
        indexes: &[],
    },
    Table {
        name: RUNS,
        columns: &[
            Column::text("run"),
            Column::text("repository"),
            Column::text("component"),
            Column::text("commit"),
            Column::text("environment").nullable(),
        ],
        key: &["run"],
        indexes: &[],
    },
    Table {
        name: PLACES,
        columns: &[Column::text("component"), Column::text("repository")],
        key: &["component"],
        indexes: &[],
    },
];

/// The view.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatusesView;

impl View for StatusesView {
    fn name(&self) -> &'static str {
        "statuses"
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
        match fact.kind() {
            COMPONENT_PLACED => {
                let placed = ComponentPlaced::deserialize(&fact.new.body)?;
                let row = Row::new()
                    .with("component", fact.stream().key())
                    .with("repository", placed.repository.to_string());
                return rows.put(PLACES, row);
            }
            STATUSES_CHANGED => {
                let repository = fact.stream().key();
                return match StatusesChanged::deserialize(&fact.new.body)?.said {
                    Some(said) => {
                        let row = Row::new().with("repository", repository);
                        rows.put(TARGETS, row.with("said", serde_json::to_string(&said)?))
                    }
                    None => rows.delete(TARGETS, &[Value::from(repository)]),
                };
            }
            _ => {}
        }
        let state = match RunFact::read(&fact.new)? {
            Some(RunFact::Requested(body)) => {
                let about = match body.kind.as_str() {
                    BUILD => None,
                    DEPLOYMENT => body.environment.map(|name| name.to_string()),
                    _ => return Ok(()),
                };
                let component = body.component.to_string();
                let place = rows.get(PLACES, &[Value::from(component.as_str())])?;
                let repository = match place {
                    Some(place) => place.text("repository")?.to_owned(),
                    None => component.clone(),
                };
                // What is not trusted has no state that others may take for one of the line.
                let (Some(commit), Trust::Trusted) = (body.commit, body.trust) else {
                    return Ok(());
                };
                if rows.get(TARGETS, &[Value::from(repository.as_str())])?.is_none() {
                    return Ok(());
                }
                let row = Row::new()
                    .with("run", fact.stream().key())
                    .with("repository", repository)
                    .with("component", component)
                    .with("commit", commit.as_str())
                    .with("environment", about);
                rows.put(RUNS, row)?;
                State::Pending
            }
            Some(RunFact::Started(_) | RunFact::Reopened(_)) => State::Running,
            Some(RunFact::Finished(body)) => match body.result {
                RunResult::Succeeded => State::Success,
                RunResult::Failed | RunResult::TimedOut => State::Failure,
                RunResult::Cancelled | RunResult::Skipped => State::Cancelled,
                RunResult::Unknown => State::Error,
            },
            _ => return Ok(()),
        };
        let Some(run) = rows.get(RUNS, &[Value::from(fact.stream().key())])? else {
            return Ok(());
        };
        let row = Row::new()
            .with("seq", fact.seq)
            .with("repository", run.text("repository")?)
            .with("component", run.text("component")?)
            .with("run", run.text("run")?)
            .with("commit", run.text("commit")?)
            .with("environment", run.optional_text("environment")?.map(str::to_owned))
            .with("state", state.as_str());
        rows.put(STATES, row)
    }
}
