//! Questions about runs, answered from the inline view.

use facts::{
    Actor, Commit, ComponentId, ComponentName, Digest, EnvironmentName, Position, ReleaseLine, RunId, StepName,
    Timestamp, Trust,
};
use ledger::{Cursor, Direction, Ledger, LedgerError, Op, Row, RowError, Select};
use serde_json::Value;

use crate::kinds::claim_of;
use crate::result::{RunResult, State};
use crate::view::{ATTEMPTS, QUESTIONS, RUNS, STEPS};

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row does not hold what it should.
    #[error("the view of runs is damaged: {0}\nhint: `throughline ledger rebuild` folds it again")]
    Row(#[from] RowError),
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// Whose run it is.
    pub component: ComponentId,
    /// The component's name when the run was asked for.
    pub component_name: ComponentName,
    /// What kind of run it is.
    pub kind: String,
    /// Its claim.
    pub key: String,
    /// The commit it is about.
    pub commit: Option<Commit>,
    /// The release line it is about.
    pub line: Option<ReleaseLine>,
    /// The environment it changes.
    pub environment: Option<EnvironmentName>,
    /// Where it is: waiting, running or finished.
    pub state: State,
    /// How it ended.
    pub result: Option<RunResult>,
    /// Why, where it did not succeed.
    pub reason: Option<String>,
    /// How far the event behind it is trusted.
    pub trust: Trust,
    /// Who asked for it.
    pub actor: Actor,
    /// Who wants it to end.
    pub cancelled_by: Option<Actor>,
    /// How many steps it has.
    pub steps: u64,
    /// Which time it is gone through, from 1.
    pub round: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The digest of its definition.
    pub definition: Digest,
    /// What was handed to its actions.
    pub context: Value,
}

/// A step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRow {
    /// The run.
    pub run: RunId,
    /// Its name.
    pub step: StepName,
    /// Its place in the plan, from 0.
    pub position: u64,
    /// The kind of action.
    pub action: String,
    /// What it needs.
    pub needs: Vec<StepName>,
    /// Where it is.
    pub state: State,
    /// How it ended.
    pub result: Option<RunResult>,
    /// Its last attempt; 0 before the first.
    pub attempt: u32,
    /// When its first attempt of this round began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its next attempt begins.
    pub due_at: Option<Timestamp>,
    /// What is to be said about it.
    pub message: Option<String>,
    /// What it put out.
    pub outputs: Option<Value>,
    /// The digest of the kept log of its last attempt.
    pub log: Option<Digest>,
}

/// An attempt of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepName,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// How it ended; `None` while it is open.
    pub result: Option<RunResult>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What is to be said about it.
    pub message: Option<String>,
    /// The exit code.
    pub code: Option<i64>,
    /// The digest of its kept log.
    pub log: Option<Digest>,
    /// Nobody saw its end.
    pub lost: bool,
}

/// A step that waits for a person's answer: was it done?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionRow {
    /// The run.
    pub run: RunId,
    /// The step.
    pub step: StepName,
    /// What is not known and why.
    pub message: Option<String>,
    /// Since when.
    pub asked_at: Timestamp,
}

/// Which runs are meant; what is `None` is not asked about.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this component.
    pub component: Option<ComponentId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// About this commit.
    pub commit: Option<Commit>,
    /// Changing this environment.
    pub environment: Option<EnvironmentName>,
    /// In this state.
    pub state: Option<State>,
    /// With this result.
    pub result: Option<RunResult>,
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The position of the ledger they are of.
    pub as_of: Position,
    /// Where to go on, if there is more.
    pub next: Option<Cursor>,
}

/// The run with this id.
///
/// # Errors
/// When the ledger cannot be read. So for all questions here.
pub async fn run(ledger: &dyn Ledger, run: RunId) -> Result<Option<RunRow>, QueryError> {
    let found = ledger
        .select(Select::from(RUNS).filter("id", Op::Eq, run.to_string()))
        .await?;
    Ok(found.rows.first().map(run_row).transpose()?)
}

/// The run that claimed this key.
///
/// # Errors
/// See [`run`].
pub async fn run_by_key(ledger: &dyn Ledger, key: &str) -> Result<Option<RunId>, QueryError> {
    let fact = ledger.find_claim(&claim_of(key)).await?;
    Ok(fact.and_then(|fact| fact.stream().key().parse().ok()))
}

/// The newest runs first.
///
/// # Errors
/// See [`run`].
pub async fn runs(
    ledger: &dyn Ledger,
    filter: &RunFilter,
    limit: usize,
    after: Option<Cursor>,
) -> Result<Page<RunRow>, QueryError> {
    let mut select = Select::from(RUNS)
        .order("requested_at", Direction::Desc)
        .order("id", Direction::Desc);
    let equal = [
        ("component", filter.component.map(|id| id.to_string())),
        ("kind", filter.kind.clone()),
        ("commit", filter.commit.as_ref().map(ToString::to_string)),
        ("environment", filter.environment.as_ref().map(ToString::to_string)),
        ("state", filter.state.map(|state| state.to_string())),
        ("result", filter.result.map(|result| result.to_string())),
    ];
    for (column, value) in equal {
        if let Some(value) = value {
            select = select.filter(column, Op::Eq, value);
        }
    }
    let found = ledger.select(select.limit(limit).after(after)).await?;
    Ok(Page {
        rows: found.rows.iter().map(run_row).collect::<Result<_, _>>()?,
        as_of: found.as_of,
        next: found.next,
    })
}

/// The runs that are not finished, oldest first.
///
/// # Errors
/// See [`run`].
pub async fn open_runs(ledger: &dyn Ledger) -> Result<Vec<RunId>, QueryError> {
    let open = State::ALL
        .iter()
        .filter(|state| **state != State::Finished)
        .map(|state| state.as_str());
    let found = ledger.select(Select::from(RUNS).any_of("state", open)).await?;
    let mut runs: Vec<RunId> = found.rows.iter().map(|row| row.parse("id")).collect::<Result<_, _>>()?;
    runs.sort();
    Ok(runs)
}

/// All steps of a run, in the plan's order.
///
/// # Errors
/// See [`run`].
pub async fn steps(ledger: &dyn Ledger, run: RunId) -> Result<Page<StepRow>, QueryError> {
    let select = Select::from(STEPS)
        .filter("run", Op::Eq, run.to_string())
        .order("position", Direction::Asc);
    let found = ledger.select(select).await?;
    let mut rows: Vec<StepRow> = found.rows.iter().map(step_row).collect::<Result<_, _>>()?;
    mark_ready(&mut rows);
    Ok(Page {
        rows,
        as_of: found.as_of,
        next: None,
    })
}

/// One step of a run; where it waits it is not said whether it is ready.
///
/// # Errors
/// See [`run`].
pub async fn step(ledger: &dyn Ledger, run: RunId, step: &StepName) -> Result<Option<StepRow>, QueryError> {
    let select = Select::from(STEPS)
        .filter("run", Op::Eq, run.to_string())
        .filter("step", Op::Eq, step.as_str());
    let found = ledger.select(select).await?;
    Ok(found.rows.first().map(step_row).transpose()?)
}

/// The attempts of a run, or of one step of it, in order.
///
/// # Errors
/// See [`run`].
pub async fn attempts(ledger: &dyn Ledger, run: RunId, step: Option<&StepName>) -> Result<Vec<AttemptRow>, QueryError> {
    let mut select = Select::from(ATTEMPTS).filter("run", Op::Eq, run.to_string());
    if let Some(step) = step {
        select = select.filter("step", Op::Eq, step.as_str());
    }
    let found = ledger.select(select).await?;
    Ok(found.rows.iter().map(attempt_row).collect::<Result<_, _>>()?)
}

/// The steps that wait for a person's answer, longest waiting first.
///
/// # Errors
/// See [`run`].
pub async fn questions(ledger: &dyn Ledger) -> Result<Vec<QuestionRow>, QueryError> {
    let found = ledger.select(Select::from(QUESTIONS)).await?;
    let mut rows: Vec<QuestionRow> = found.rows.iter().map(question_row).collect::<Result<_, _>>()?;
    rows.sort_by_key(|row| row.asked_at);
    Ok(rows)
}

/// A waiting step whose needs are all finished is ready. No fact says so: it follows.
fn mark_ready(rows: &mut [StepRow]) {
    let finished: std::collections::HashSet<StepName> = rows
        .iter()
        .filter(|row| row.state == State::Finished)
        .map(|row| row.step.clone())
        .collect();
    for row in rows.iter_mut().filter(|row| row.state == State::Waiting) {
        if row.needs.iter().all(|need| finished.contains(need)) {
            row.state = State::Ready;
        }
    }
}

/// Reads a row of the table of runs.
///
/// # Errors
/// When the row has another shape.
pub fn run_row(row: &Row) -> Result<RunRow, RowError> {
    Ok(RunRow {
        id: row.parse("id")?,
        component: row.parse("component")?,
        component_name: row.parse("component_name")?,
        kind: row.text("kind")?.to_owned(),
        key: row.text("key")?.to_owned(),
        commit: row.optional_parse("commit")?,
        line: row.optional_parse("line")?,
        environment: row.optional_parse("environment")?,
        state: row.parse("state")?,
        result: row.optional_parse("result")?,
        reason: row.optional_text("reason")?.map(str::to_owned),
        trust: if row.text("trust")? == "trusted" {
            Trust::Trusted
        } else {
            Trust::Untrusted
        },
        actor: row.parse("actor")?,
        cancelled_by: row.optional_parse("cancelled_by")?,
        steps: row.natural("steps")?,
        round: row.natural("round")?,
        requested_at: row.timestamp("requested_at")?,
        started_at: row.optional_timestamp("started_at")?,
        finished_at: row.optional_timestamp("finished_at")?,
        definition: row.parse("definition")?,
        context: row.json("context")?,
    })
}

fn step_row(row: &Row) -> Result<StepRow, RowError> {
    Ok(StepRow {
        run: row.parse("run")?,
        step: row.parse("step")?,
        position: row.natural("position")?,
        action: row.text("action")?.to_owned(),
        needs: row.json("needs")?,
        state: row.parse("state")?,
        result: row.optional_parse("result")?,
        attempt: number(row, "attempt")?,
        started_at: row.optional_timestamp("started_at")?,
        finished_at: row.optional_timestamp("finished_at")?,
        due_at: row.optional_timestamp("due_at")?,
        message: row.optional_text("message")?.map(str::to_owned),
        outputs: row.optional_json("outputs")?,
        log: row.optional_parse("log")?,
    })
}

fn attempt_row(row: &Row) -> Result<AttemptRow, RowError> {
    Ok(AttemptRow {
        run: row.parse("run")?,
        step: row.parse("step")?,
        attempt: number(row, "attempt")?,
        result: row.optional_parse("result")?,
        started_at: row.timestamp("started_at")?,
        finished_at: row.optional_timestamp("finished_at")?,
        message: row.optional_text("message")?.map(str::to_owned),
        code: row.optional_integer("code")?,
        log: row.optional_parse("log")?,
        lost: row.boolean("lost")?,
    })
}

fn question_row(row: &Row) -> Result<QuestionRow, RowError> {
    Ok(QuestionRow {
        run: row.parse("run")?,
        step: row.parse("step")?,
        message: row.optional_text("message")?.map(str::to_owned),
        asked_at: row.timestamp("asked_at")?,
    })
}

fn number(row: &Row, column: &str) -> Result<u32, RowError> {
    Ok(u32::try_from(row.natural(column)?).unwrap_or(u32::MAX))
}
