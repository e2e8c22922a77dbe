//! What is said about a local run: while it goes, when it has ended, and before it begins.

use std::path::PathBuf;
use std::time::Duration;

use build::around::Around;
use build::reports::TestReport;
use engine::query::StepRow;
use engine::{RunResult, State};
use facts::{StepName, Timestamp};
use local::{Foreseen, Local, NO_COMMIT};

use super::document::{self, RunDocument};
use super::follow::Ended;
use super::{Modules, Wanted};
use crate::cli::LocalRunArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::show;
use crate::show::paint::{Tone, clean, clean_log, paint, short};
use crate::show::screen::Line;
use crate::show::time::{between, length};
use crate::tools;

/// How many lines of a failed step's log are shown.
const LAST_LINES: usize = 40;
/// The most of a log's end that is read to show them, in bytes.
const LAST_BYTES: u64 = 256 * 1024;
/// How many files that are not committed are named.
const MOST_NAMED: usize = 3;
/// The column in which times stand.
const NAMES: usize = 24;

/// What is built, in a line.
pub(super) fn heading(wanted: &Wanted) -> Line {
    let here = &wanted.here;
    let line = Line::default().with(Tone::Strong, &here.component.name);
    let Some(changed) = &here.changed else {
        return line.with(Tone::Quiet, "  no commit yet");
    };
    let line = line.with(Tone::Quiet, format!("  at {}", short(here.component.commit.as_str())));
    let named: Vec<String> = changed.iter().take(MOST_NAMED).map(|path| clean(path)).collect();
    match (changed.len(), named.join(", ")) {
        (0, _) => line,
        (1, name) => line.with(Tone::Waiting, format!("  with {name}, which is not committed")),
        (many, names) if many <= MOST_NAMED => {
            line.with(Tone::Waiting, format!("  with {names}, which are not committed"))
        }
        (many, names) => line.with(
            Tone::Waiting,
            format!("  with {many} files that are not committed: {names}, …"),
        ),
    }
}

/// How long a step took, or takes by now.
fn took(step: &StepRow, now: Timestamp) -> Option<Duration> {
    let from = step.started_at?;
    Some(between(from, step.finished_at.unwrap_or(now)))
}

/// The time that a kept result saved, in milliseconds.
fn kept(step: &StepRow) -> Option<u64> {
    step.outputs.as_ref()?.pointer("/kept/took_ms")?.as_u64()
}

/// The words for the time that was saved; none where it is not worth any.
fn saved_time(milliseconds: u64) -> String {
    match milliseconds {
        0..100 => String::new(),
        _ => format!("  saved {}", length(Duration::from_millis(milliseconds))),
    }
}

/// The image that a step ran in, by which engine, and what ran beside it.
fn around(step: &StepRow) -> Option<String> {
    let around = Around::of_outputs(step.outputs.as_ref()?)?;
    let inside = around
        .container
        .map(|container| format!("  in {} by {}", container.image, container.engine));
    let names: Vec<String> = around.services.into_iter().map(|served| served.name).collect();
    let beside = (!names.is_empty()).then(|| format!("  beside {}", names.join(" and ")));
    Some(clean(&inside.into_iter().chain(beside).collect::<String>()))
}

/// The folders that its line forbids to keep.
fn unkept(step: &StepRow) -> Option<String> {
    let folders = step.outputs.as_ref()?.get("unkept")?.as_array()?;
    let folders: Vec<&str> = folders.iter().filter_map(|folder| folder.as_str()).collect();
    Some(clean(&format!(
        "  {} began empty: the line forbids caches",
        folders.join(", ")
    )))
}

/// Why a step ran, each reason a line.
fn why(step: &StepRow) -> Vec<String> {
    let reasons = step.outputs.as_ref().and_then(|outputs| outputs.get("why"));
    let reasons = reasons.and_then(|reasons| reasons.as_array()).into_iter().flatten();
    reasons
        .filter_map(|reason| reason.as_str())
        .map(str::to_owned)
        .collect()
}

/// A step that is over, in a line.
pub(super) fn step(step: &StepRow, say_why: bool, modules: &Modules) -> Line {
    let now = step.finished_at.unwrap_or_default();
    let (sign, tone) = match step.result {
        Some(RunResult::Succeeded) if kept(step).is_some() => ("↺", Tone::Good),
        Some(RunResult::Succeeded) => ("✓", Tone::Good),
        Some(RunResult::Skipped | RunResult::Cancelled) => ("–", Tone::Quiet),
        Some(RunResult::Unknown) => ("?", Tone::Waiting),
        _ => ("✗", Tone::Bad),
    };
    let line = Line::default()
        .with(tone, sign)
        .with(Tone::Plain, " ")
        .with(
            if tone == Tone::Quiet { Tone::Quiet } else { Tone::Plain },
            step.step.as_str(),
        )
        .up_to(NAMES);
    let time = took(step, now).map(length).unwrap_or_default();
    let line = match (step.result, kept(step)) {
        (Some(RunResult::Succeeded), Some(saved)) => line
            .with(Tone::Quiet, format!("{:>8}", "kept"))
            .with(Tone::Quiet, saved_time(saved)),
        (Some(RunResult::Succeeded), None) => {
            let line = line.with(Tone::Plain, format!("{time:>8}"));
            let notes = [around(step), unkept(step)];
            notes
                .into_iter()
                .flatten()
                .fold(line, |line, note| line.with(Tone::Quiet, note))
        }
        (_, _) => line
            .with(Tone::Plain, format!("{time:>8}"))
            .with(tone, format!("  {}", reason(step))),
    };
    let line = match modules.get(&step.step) {
        Some(module) => line.with(Tone::Quiet, format!("  from {}", clean(module))),
        None => line,
    };
    let tests = step.outputs.as_ref().and_then(TestReport::of_outputs);
    let line = match tests.filter(|tests| step.result == Some(RunResult::Succeeded) && tests.tests > 0) {
        Some(tests) => line.with(Tone::Quiet, format!("  {}", tests.in_words())),
        None => line,
    };
    let reasons = why(step);
    match reasons.split_first() {
        Some((first, rest)) if say_why => {
            let more = if rest.is_empty() {
                String::new()
            } else {
                format!("; {}", rest.join("; "))
            };
            line.with(Tone::Quiet, format!("  {first}{more}"))
        }
        _ => line,
    }
}

/// Why a step did not succeed. What to do about it is said below all steps.
fn reason(step: &StepRow) -> String {
    let message = step.message.as_deref().unwrap_or("did not succeed");
    clean(message.split("\nhint: ").next().unwrap_or(message))
}

/// The picture of a run that goes: what is over in short, what works with the last it said, what waits.
pub(super) fn drawn(
    steps: &[StepRow],
    now: Timestamp,
    size: (usize, usize),
    local: &Local,
    modules: &Modules,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let over: Vec<&StepRow> = steps.iter().filter(|step| step.state == State::Finished).collect();
    let working: Vec<&StepRow> = steps.iter().filter(|step| step.state == State::Running).collect();
    let room = size.1.saturating_sub(2 * working.len() + 4).max(3);
    if over.len() > room {
        let line = format!("  {} steps are over", over.len() - room);
        lines.push(Line::default().with(Tone::Quiet, line));
    }
    for done in &over[over.len().saturating_sub(room)..] {
        lines.push(step(done, false, modules));
    }
    for busy in &working {
        let time = took(busy, now).map(length).unwrap_or_default();
        let line = Line::default()
            .with(Tone::Busy, "◐")
            .with(Tone::Plain, " ")
            .with(Tone::Strong, busy.step.as_str())
            .up_to(NAMES)
            .with(Tone::Busy, format!("{time:>8}"));
        let line = match busy.attempt {
            0 | 1 => line,
            more => line.with(Tone::Waiting, format!("  attempt {more}")),
        };
        let log = local.log(busy.run, &busy.step, busy.attempt);
        let said = last_lines(&log, 1).pop().unwrap_or_default();
        lines.push(line.with(Tone::Quiet, format!("  {}", said.trim())));
    }
    let turns = steps
        .first()
        .map(|step| local.engine.waiting(step.run))
        .unwrap_or_default();
    let waits = |step: &StepRow| turns.iter().find(|turn| turn.step.as_ref() == Some(&step.step));
    for (step, turn) in steps.iter().filter_map(|step| Some((step, waits(step)?))).take(8) {
        let by = turn.by.as_ref().map_or("another run", |step| step.as_str());
        let line = Line::default()
            .with(Tone::Quiet, "○")
            .with(Tone::Plain, format!(" {}", step.step));
        let text = format!("waits for {by} in the group {}", turn.group);
        lines.push(line.up_to(NAMES).with(Tone::Quiet, text));
    }
    let waiting: Vec<&str> = steps
        .iter()
        .filter(|step| !matches!(step.state, State::Finished | State::Running) && waits(step).is_none())
        .map(|step| step.step.as_str())
        .collect();
    if !waiting.is_empty() {
        let some: Vec<&str> = waiting.iter().take(8).copied().collect();
        let more = waiting.len() - some.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let text = format!("○ {}{more}", some.join(", "));
        lines.push(Line::default().with(Tone::Quiet, text));
    }
    lines
}

/// The last lines of a log, without their times, and without what services beside the step said: that stands with
/// the services.
fn last_lines(log: &std::path::Path, count: usize) -> Vec<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut bytes = Vec::new();
    let read = std::fs::File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        file.take(LAST_BYTES).read_to_end(&mut bytes)
    });
    if read.is_err() {
        return Vec::new();
    }
    let own = executor::logs::lines(&bytes).filter(|line| !is_of_service(&line.text));
    let lines: Vec<String> = own.map(|line| line.text).collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

/// Whether a line of a step's log is what a service said, such as `throughline: db | ready`.
fn is_of_service(line: &str) -> bool {
    let said = line
        .strip_prefix("throughline: ")
        .and_then(|rest| rest.split_once(" | "));
    said.is_some_and(|(name, _)| facts::StepName::new(name).is_ok())
}

/// Says how a run ended.
///
/// # Errors
/// When it did not succeed, with the exit code for it.
pub(super) fn ended(
    wanted: &Wanted,
    ended: &Ended,
    package: Result<Option<artifact::Package>, Failure>,
    local: &Local,
    args: &LocalRunArgs,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let log = |step: &StepRow| -> Option<PathBuf> {
        let path = local.log(step.run, &step.step, step.attempt);
        path.exists().then_some(path)
    };
    let (package, trouble) = match package {
        Ok(package) => (package, None),
        Err(failure) => (None, Some(failure)),
    };
    if args.json.json {
        printer.document(&RunDocument::of(wanted, ended, package.as_ref(), &log))?;
    } else {
        for failed in ended.steps.iter().filter(|step| {
            matches!(
                step.result,
                Some(RunResult::Failed | RunResult::TimedOut | RunResult::Unknown)
            )
        }) {
            tell_log(failed, log(failed), printer);
        }
        for step in ended
            .steps
            .iter()
            .filter(|step| step.result != Some(RunResult::Succeeded))
        {
            if let Some(around) = step.outputs.as_ref().and_then(Around::of_outputs) {
                printer.say(show::run::around_of(step.step.as_str(), &around).trim_end());
            }
        }
        for step in &ended.steps {
            let report = step.outputs.as_ref().and_then(TestReport::of_outputs);
            // Where all is well the counts beside the step are enough.
            if let Some(report) = report.filter(|report| report.failed > 0 || !report.notes.is_empty()) {
                printer.say(show::run::tests(step.step.as_str(), &report).trim_end());
            }
        }
        if let Some(package) = &package {
            let size: u64 = package.manifest.layers.iter().map(|layer| layer.size).sum();
            let digest = paint(Tone::Strong, &package.digest.to_string());
            printer.say("");
            printer.say(&format!("package {digest}  {}", bytes(size)));
        }
        printer.say("");
        printer.say(&summary(ended).painted(usize::MAX));
    }
    if let Some(failure) = trouble {
        return Err(failure);
    }
    match ended.succeeded() {
        true => Ok(()),
        false if ended.interrupted => Err(Failure::told(Exit::Interrupted)),
        false => Err(Failure::told(Exit::Failed)),
    }
}

fn tell_log(failed: &StepRow, log: Option<PathBuf>, printer: &mut Printer) {
    printer.say("");
    let name = paint(Tone::Strong, failed.step.as_str());
    let lines = log
        .as_deref()
        .map(|log| last_lines(log, LAST_LINES))
        .unwrap_or_default();
    let Some(log) = log.filter(|_| !lines.is_empty()) else {
        // What has no log says all there is in its message, which stands above but for what to do.
        match failed
            .message
            .as_deref()
            .and_then(|message| message.split_once("hint: "))
        {
            Some((before, hint)) => {
                // Some stand in brackets.
                let hint = match before.ends_with('(') {
                    true => hint.strip_suffix(')').unwrap_or(hint),
                    false => hint,
                };
                printer.hint(&format!("{name}: {}", clean(hint)));
            }
            None => printer.say(&format!("{name} said nothing.")),
        }
        return;
    };
    let path = paint(Tone::Quiet, &log.display().to_string());
    printer.say(&format!("{name} said at last  {path}"));
    let bar = paint(Tone::Bad, "│");
    for line in &lines {
        printer.say(&format!("{bar} {}", clean_log(line)));
    }
    if let Some(program) = tools::not_found(lines.iter().map(String::as_str)) {
        match tools::remedy(program) {
            Some(remedy) => printer.hint(&format!("`{program}` is not on this machine: {remedy}")),
            None => printer.hint(&format!(
                "`{program}` was not found: does a step before this one install it, or must it be on the machine?"
            )),
        }
    }
}

fn summary(ended: &Ended) -> Line {
    let count = |result: RunResult| ended.steps.iter().filter(|step| step.result == Some(result)).count();
    let put_back = ended.steps.iter().filter(|step| kept(step).is_some()).count();
    let saved: u64 = ended.steps.iter().filter_map(kept).sum();
    let run = ended.run.started_at.zip(ended.run.finished_at);
    let time = run.map(|(from, to)| length(between(from, to))).unwrap_or_default();
    let line = match ended.succeeded() {
        true => Line::default().with(Tone::Good, "✓ done"),
        false if ended.interrupted => Line::default().with(Tone::Waiting, "– interrupted"),
        false => Line::default().with(Tone::Bad, "✗ failed"),
    };
    let mut parts = vec![format!("in {time}")];
    for (number, words) in [
        (count(RunResult::Succeeded) - put_back, "run"),
        (put_back, "kept"),
        (count(RunResult::Failed) + count(RunResult::TimedOut), "failed"),
        (count(RunResult::Skipped) + count(RunResult::Cancelled), "not run"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {words}"));
        }
    }
    if saved >= 1_000 {
        parts.push(format!("{} saved", length(Duration::from_millis(saved))));
    }
    line.with(Tone::Quiet, format!("  {}", parts.join(" · ")))
}

/// A size as people read it.
fn bytes(size: u64) -> String {
    match size {
        0..1_024 => format!("{size} B"),
        1_024..1_048_576 => format!("{:.1} KiB", size as f64 / 1_024.0),
        _ => format!("{:.1} MiB", size as f64 / 1_048_576.0),
    }
}

/// Says what a run would do.
///
/// # Errors
/// When the output cannot be written.
pub(super) fn foreseen(
    wanted: &Wanted,
    foreseen: &[(StepName, Foreseen)],
    json: bool,
    printer: &mut Printer,
) -> Result<(), Failure> {
    if json {
        return printer.document(&document::plan(wanted, foreseen));
    }
    printer.say(&heading(wanted).painted(usize::MAX));
    let modules = wanted.modules();
    for (name, what) in foreseen {
        let (sign, tone, text) = match what {
            Foreseen::Kept => (
                "↺",
                Tone::Good,
                "kept: nothing that it depends on has changed".to_owned(),
            ),
            Foreseen::Runs(reasons) if reasons.is_empty() => ("●", Tone::Busy, "runs".to_owned()),
            Foreseen::Runs(reasons) => ("●", Tone::Busy, format!("runs: {}", reasons.join("; "))),
            Foreseen::Depends(need) => ("○", Tone::Quiet, format!("depends on what `{need}` leaves")),
            Foreseen::DependsOnPackages(names) => {
                ("○", Tone::Quiet, format!("depends on {}", document::packages(names)))
            }
            Foreseen::Conditional => (
                "○",
                Tone::Quiet,
                "has a condition, which is looked at in time".to_owned(),
            ),
        };
        let line = Line::default()
            .with(tone, sign)
            .with(Tone::Plain, format!(" {name}"))
            .up_to(NAMES)
            .with(Tone::Quiet, text);
        let line = match modules.get(name) {
            Some(module) => line.with(Tone::Quiet, format!("  from {}", clean(module))),
            None => line,
        };
        printer.data(&format!(
            "{}\n",
            line.painted(printer.sight.width.unwrap_or(usize::MAX))
        ))?;
    }
    Ok(())
}

/// The commit, where there is one.
pub(super) fn commit(wanted: &Wanted) -> Option<String> {
    let commit = wanted.here.component.commit.as_str();
    (commit != NO_COMMIT).then(|| commit.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_a_step_are_its_own_and_not_those_of_its_services() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let said = "1 o ok\n2 e Error: it was refused\n3 e throughline: db | FATAL: no\n3 e throughline: the disk is full | x\n3 e throughline: db | bye\n";
        std::fs::write(&log, said).unwrap();
        assert_eq!(
            last_lines(&log, 2),
            ["Error: it was refused", "throughline: the disk is full | x"]
        );
    }
}
