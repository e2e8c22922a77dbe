//! The page of a run.

use std::sync::Arc;

use access::{Action, Resource};
use axum::Extension;
use axum::extract::{Path, Query, State};
use build::rebuild::REBUILD;
use build::reports::TestReport;
use engine::groups::Waiting;
use engine::query::{AttemptRow, RunRow, StepRow};
use facts::StepName;
use facts::published::Judgement;
use maud::Markup;
use pages::links;
use pages::model::{
    Around, Attempt, Broken, Button, ButtonWeight, FailedCase, ImageLine, LogView, Question, Rebuilt, RebuiltFile,
    RunLine, RunPage, ServiceLine, Step, Tests,
};
use serde::Deserialize;

use super::names::{self, Components};
use super::visit::Visit;
use super::{Memory, logs, runs};
use crate::api::planned::AsPlanned;
use crate::api::rebuilds;
use crate::api::runs::{parse, run_of};
use crate::changes::{BUILD, TAG};
use crate::house::House;
use crate::problem::Problem;
use crate::wire::PackagedFile;

/// How many entries that differ a page shows.
const DIFFERING: usize = 200;
/// How many steps a page shows.
const SHOWN: usize = 400;

/// Which log is open.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Open {
    step: Option<String>,
    attempt: Option<u32>,
}

/// The page.
pub(super) async fn show(
    State(house): State<Arc<House>>,
    Extension(memory): Extension<Arc<Memory>>,
    visit: Visit,
    Path(run): Path<String>,
    Query(open): Query<Open>,
) -> Result<Markup, Problem> {
    let row = run_of(&house, &visit.caller, &run).await?;
    let steps = engine::query::steps(&*house.ledger, row.id).await?.rows;
    let attempts = engine::query::attempts(&*house.ledger, row.id, None).await?;
    let first = AsPlanned::read(&house, row.id).await?;
    let components = Components::all(&house).await?;
    let lines = runs::lines((&house, &memory, &components), std::slice::from_ref(&row)).await?;
    let Some(line) = lines.into_iter().next() else {
        return Err(Problem::not_found(format!("there is no run {}", row.id)));
    };
    let log = opened(&house, &row, &steps, &attempts, &open).await?;
    let may_resolve = visit.may(Action::Resolve, &Resource::Component(row.component_name.clone()));
    let waiting = match row.result {
        None => house.engine.waits(row.id).await?,
        Some(_) => Vec::new(),
    };
    let line = waits(line, &waiting);
    let broken = match &first.broken {
        Some(broken) => Some(excerpted(&house, &row, broken).await),
        None => None,
    };
    let page = RunPage {
        run: line,
        commit: row.commit.clone(),
        trust: row.trust,
        definition: Some(row.definition),
        usually: names::run_usually(&house, &row).await?,
        broken,
        rebuilt: rebuilt(&house, &row).await?,
        steps: steps
            .iter()
            .take(SHOWN)
            .map(|one| step(one, &attempts, &first, &waiting, may_resolve))
            .collect(),
        more_steps: steps.len().saturating_sub(SHOWN),
        log,
        actions: actions(&visit, &row),
    };
    Ok(pages::run::page(&visit.frame, &page))
}

/// What a rebuild came to, once it is judged.
async fn rebuilt(house: &House, row: &RunRow) -> Result<Option<Rebuilt>, Problem> {
    if row.kind != REBUILD {
        return Ok(None);
    }
    let told = rebuilds::told(house, row.clone()).await?;
    let result = match told.result.as_deref() {
        None => return Ok(None),
        Some("pass") => Judgement::Pass,
        Some("fail") => Judgement::Fail,
        Some(_) => Judgement::Unknown,
    };
    let side = |file: &PackagedFile| {
        let mut parts = vec![
            file.size
                .map_or_else(|| file.kind.clone(), |size| format!("{size} bytes")),
        ];
        parts.extend(file.executable.filter(|yes| *yes).map(|_| "executable".to_owned()));
        parts.extend(file.target.as_ref().map(|target| format!("to {target}")));
        parts.extend(file.digest.map(|digest| digest.short()));
        parts.join(", ")
    };
    Ok(Some(Rebuilt {
        result,
        reasons: told
            .reasons
            .iter()
            .map(|reason| super::guard::sentence(reason))
            .collect(),
        stands: told.package,
        rebuilt: told.rebuilt,
        more: told.files.len().saturating_sub(DIFFERING),
        files: told
            .files
            .into_iter()
            .take(DIFFERING)
            .map(|file| RebuiltFile {
                how: match file.change.as_str() {
                    "added" => "only came out now".to_owned(),
                    "removed" => "did not come out".to_owned(),
                    _ => file.how.join(", "),
                },
                stands: file.before.as_ref().map(side),
                rebuilt: file.after.as_ref().map(side),
                path: file.path,
            })
            .collect(),
    }))
}

/// What is wrong with the definition, with the line it is about.
async fn excerpted(house: &House, row: &RunRow, broken: &engine::BrokenDefinition) -> Broken {
    let store = house.store.clone();
    let definition = row.definition;
    let read = tokio::task::spawn_blocking(move || store.read(&definition, 4 * 1024 * 1024).ok()).await;
    let text = read.ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
    let line = usize::try_from(broken.line).ok().and_then(|line| line.checked_sub(1));
    let excerpt = text
        .zip(line)
        .and_then(|(text, line)| text.lines().nth(line).map(str::to_owned));
    Broken {
        file: broken.file.clone(),
        line: broken.line,
        column: broken.column,
        message: broken.message.clone(),
        hint: broken.hint.clone(),
        excerpt: excerpt.map(|text| text.chars().take(240).collect()),
    }
}

/// Whether an attempt has a log to look at.
fn has_log(attempt: &AttemptRow) -> bool {
    attempt.log.is_some() || attempt.result.is_none()
}

/// The log to show: the one asked for; of a run that went wrong the one that says why.
async fn opened(
    house: &House,
    row: &RunRow,
    steps: &[StepRow],
    attempts: &[AttemptRow],
    open: &Open,
) -> Result<Option<LogView>, Problem> {
    let wanted = match &open.step {
        Some(name) => Some(parse::<StepName>(name)?),
        None if row.state == engine::State::Finished => steps
            .iter()
            .find(|step| {
                matches!(
                    step.result,
                    Some(engine::RunResult::Failed | engine::RunResult::TimedOut)
                )
            })
            .map(|step| step.step.clone()),
        None => None,
    };
    let Some(step) = wanted else { return Ok(None) };
    let of_step = attempts
        .iter()
        .filter(|attempt| attempt.step == step && has_log(attempt));
    let found = match open.attempt.filter(|_| open.step.is_some()) {
        Some(number) => of_step.into_iter().find(|attempt| attempt.attempt == number),
        None => of_step.max_by_key(|attempt| attempt.attempt),
    };
    match found {
        Some(attempt) => Ok(Some(logs::view(house, attempt).await?)),
        None => Ok(None),
    }
}

/// A run that waits for another one in its group says so.
fn waits(line: RunLine, waiting: &[Waiting]) -> RunLine {
    let whole = waiting.iter().find(|waiting| waiting.step.is_none());
    RunLine {
        reason: line
            .reason
            .or_else(|| Some(super::guard::sentence(&whole?.to_string()))),
        ..line
    }
}

fn step(row: &StepRow, attempts: &[AttemptRow], first: &AsPlanned, waiting: &[Waiting], may_resolve: bool) -> Step {
    let waits = waiting.iter().find(|waiting| waiting.step.as_ref() == Some(&row.step));
    let own = attempts
        .iter()
        .filter(|attempt| attempt.step == row.step)
        .map(|attempt| Attempt {
            number: attempt.attempt,
            progress: match attempt.result {
                None => names::progress(engine::State::Running, None, None),
                result => names::progress(engine::State::Finished, result, None),
            },
            started_at: attempt.started_at,
            finished_at: attempt.finished_at,
            message: attempt.message.clone(),
            has_log: has_log(attempt),
        });
    let question = (row.state == engine::State::Asking).then(|| Question {
        text: format!("Was `{}` done?", row.step).replace('`', ""),
        seen: row.message.clone(),
        answers: if may_resolve { answers(row) } else { Vec::new() },
    });
    Step {
        name: row.step.clone(),
        action: row.action.clone(),
        module: first.module(&row.step),
        needs: row.needs.clone(),
        progress: names::progress(row.state, row.result, row.due_at),
        started_at: row.started_at,
        finished_at: row.finished_at,
        message: row
            .message
            .clone()
            .or_else(|| waits.map(ToString::to_string))
            .or_else(|| not_isolated(row))
            .filter(|_| question.is_none()),
        attempts: own.collect(),
        attempts_allowed: first.allowed.get(&row.step).copied().unwrap_or(1),
        tests: tests(row),
        around: row.outputs.as_ref().and_then(around),
        question,
        usually: None,
    }
}

/// What the tests of a step say.
fn tests(row: &StepRow) -> Option<Tests> {
    let report = TestReport::of_outputs(row.outputs.as_ref()?)?;
    let failed = |case: build::reports::FailedCase| FailedCase {
        name: case.name,
        suite: case.suite,
        message: case.message,
        file: case.file,
    };
    Some(Tests {
        words: report.in_words(),
        failed: report.failed,
        failures: report.failures.into_iter().map(failed).collect(),
        notes: report.notes,
    })
}

/// What a step ran in and beside.
fn around(outputs: &serde_json::Value) -> Option<Around> {
    let image = |contained: executor::Contained| ImageLine {
        name: contained.image,
        digest: contained.digest,
        engine: contained.engine,
    };
    let around = build::around::Around::of_outputs(outputs)?;
    let service = |served: executor::Served| ServiceLine {
        did: build::around::did(&served, pages::time::length),
        is_well: served.ready_ms.is_some() && served.ended.is_none(),
        name: served.name,
        image: served.container.map(image),
        last: served.last,
    };
    Some(Around {
        image: around.container.map(image),
        limits: around.limits,
        services: around.services.into_iter().map(service).collect(),
    })
}

/// A step that ran beside others without isolation, although that was wanted.
fn not_isolated(row: &StepRow) -> Option<String> {
    let isolation = row.outputs.as_ref()?.get("isolation")?.as_str()?;
    let reason = isolation.strip_prefix("unavailable: ")?;
    Some(format!("ran without isolation from other steps: {reason}"))
}

fn answers(row: &StepRow) -> Vec<Button> {
    let answer = |label: &str, done: &str| Button {
        label: label.to_owned(),
        path: links::resolve(row.run, &row.step),
        fields: vec![("done".to_owned(), done.to_owned())],
        weight: ButtonWeight::Plain,
        asks: None,
    };
    vec![answer("It was done", "yes"), answer("It was not", "no")]
}

/// What the viewer may do to the run: builds are developers', deployments are operators'.
fn actions(visit: &Visit, row: &RunRow) -> Vec<Button> {
    let may = match &row.environment {
        Some(environment) => visit.may(
            Action::Deploy,
            &Resource::Placement(row.component_name.clone(), environment.clone()),
        ),
        None => visit.may(Action::Run, &Resource::Component(row.component_name.clone())),
    };
    if !may {
        return Vec::new();
    }
    let open = row.state != engine::State::Finished;
    let button = |label: &str, path: String, weight| Button {
        label: label.to_owned(),
        path,
        fields: Vec::new(),
        weight,
        asks: None,
    };
    if open && row.cancelled_by.is_none() {
        return vec![button("Cancel", links::cancel(row.id), ButtonWeight::Danger)];
    }
    if !open
        && [BUILD, TAG].contains(&row.kind.as_str())
        && row.steps > 0
        && row.result != Some(engine::RunResult::Succeeded)
    {
        return vec![button("Try again", links::retry(row.id), ButtonWeight::Primary)];
    }
    Vec::new()
}
