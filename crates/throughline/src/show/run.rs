//! Runs, steps, and lines of logs.

use build::around::{Around, did};
use build::reports::TestReport;
use facts::{RunId, Timestamp};

use super::paint::{Table, Tone, clean, clean_log, paint, short};
use super::time::{between, length};
use crate::printer::Sight;
use crate::wire::{Run, RunLine, Runs};

/// Sign, tone and words of a state and a result.
fn look(state: &str, result: Option<&str>) -> (&'static str, Tone, String) {
    let (sign, tone) = match (state, result) {
        (_, Some("succeeded")) => ("●", Tone::Good),
        (_, Some("failed" | "timed-out")) => ("✗", Tone::Bad),
        (_, Some("unknown")) | ("asking", None) => ("?", Tone::Waiting),
        (_, Some("cancelled" | "skipped")) => ("–", Tone::Quiet),
        ("running", None) => ("◐", Tone::Busy),
        ("backoff", None) => ("◇", Tone::Waiting),
        _ => ("○", Tone::Quiet),
    };
    let words = match (state, result) {
        (_, Some(result)) => result.replace('-', " "),
        ("asking", None) => "asks a person".to_owned(),
        ("backoff", None) => "tries again soon".to_owned(),
        (state, None) => state.replace('-', " "),
    };
    (sign, tone, words)
}

fn lasted(from: Option<Timestamp>, to: Option<Timestamp>, sight: &Sight) -> String {
    from.map(|from| length(between(from, to.unwrap_or(sight.now))))
        .unwrap_or_default()
}

/// What a run is about: `1.2.0 to production`, `main`.
fn subject(run: &RunLine) -> String {
    match (&run.environment, &run.line) {
        (Some(environment), _) => environment.clone(),
        (None, Some(line)) => line.clone(),
        (None, None) => String::new(),
    }
}

/// How many failed cases are shown.
const SHOWN_CASES: usize = 10;
/// How many lines of what one says are shown.
const SHOWN_LINES: usize = 6;

/// The last digits of a run's id: enough to name it.
pub fn short_run(run: RunId) -> String {
    let id = run.to_string();
    id[id.len() - 8..].to_owned()
}

/// A list of runs.
pub fn runs(runs: &Runs, sight: &Sight) -> String {
    if runs.runs.is_empty() {
        return "No run.\n".to_owned();
    }
    let one_component = runs.runs.windows(2).all(|pair| pair[0].component == pair[1].component);
    let mut table = Table::new(&["", "RUN", "KIND", "COMPONENT", "WHERE", "COMMIT", "TOOK", "WHEN", "WHY"]).flexible(8);
    for run in &runs.runs {
        let (sign, tone, words) = look(&run.state, run.result.as_deref());
        let reason = if run.result.as_deref() == Some("succeeded") {
            None
        } else {
            run.reason.clone()
        };
        table.row([
            (tone, format!("{sign} {words}")),
            (Tone::Plain, short_run(run.id)),
            (Tone::Plain, run.kind.clone()),
            (
                Tone::Plain,
                if one_component {
                    String::new()
                } else {
                    run.component.clone()
                },
            ),
            (Tone::Strong, subject(run)),
            (
                Tone::Quiet,
                run.commit.as_deref().map(short).unwrap_or_default().to_owned(),
            ),
            (Tone::Plain, lasted(run.started_at, run.finished_at, sight)),
            (Tone::Quiet, sight.ago(run.requested_at)),
            (Tone::Plain, reason.unwrap_or_default()),
        ]);
    }
    let mut text = table.render(sight.width);
    if runs.next.is_some() {
        text.push_str(&paint(Tone::Quiet, "There are older ones: --limit shows more."));
        text.push('\n');
    }
    text
}

/// One run with its steps.
pub fn run(run: &Run, sight: &Sight) -> String {
    let line = &run.run;
    let (sign, tone, words) = look(&line.state, line.result.as_deref());
    let place = if subject(line).is_empty() {
        String::new()
    } else {
        format!(" · {}", clean(&subject(line)))
    };
    let mut text = format!(
        "{}  {}\n",
        paint(
            Tone::Strong,
            &format!("{} of {}{place}", clean(&line.kind), clean(&line.component))
        ),
        paint(tone, &format!("{sign} {words}"))
    );
    let mut second = vec![line.id.to_string()];
    second.extend(line.commit.as_deref().map(|commit| clean(short(commit))));
    second.push(sight.ago(line.requested_at));
    let took = lasted(line.started_at, line.finished_at, sight);
    if !took.is_empty() {
        second.push(format!(
            "{} {took}",
            if line.finished_at.is_some() { "took" } else { "for" }
        ));
    }
    text.push_str(&paint(Tone::Quiet, &second.join(" · ")));
    text.push('\n');
    text.push_str(&super::change::page(run.page.as_deref()));
    if let Some(reason) = line
        .reason
        .as_ref()
        .filter(|_| line.result.as_deref() != Some("succeeded"))
    {
        text.push_str(&format!("{}\n", clean(reason)));
    }
    text.push('\n');
    let mut table = Table::new(&["", "", "", "", "", "", ""]).indented(2).flexible(6);
    for step in &run.steps {
        let (sign, tone, words) = look(&step.state, step.result.as_deref());
        let attempts = match step.attempts.len() {
            0 | 1 => String::new(),
            several => format!("attempt {several}"),
        };
        let module = step.modules.last();
        let module = module
            .map(|module| format!("from {}", module.words))
            .unwrap_or_default();
        let message = match (&step.message, step.attempts.last().and_then(|attempt| attempt.code)) {
            (Some(message), _) if step.result.as_deref() != Some("succeeded") => message.clone(),
            (None, Some(code)) if code != 0 => format!("exit code {code}"),
            _ => String::new(),
        };
        table.row([
            (tone, sign.to_owned()),
            (Tone::Strong, step.name.clone()),
            (tone, words),
            (Tone::Quiet, lasted(step.started_at, step.finished_at, sight)),
            (Tone::Quiet, attempts),
            (Tone::Quiet, module),
            (Tone::Plain, message),
        ]);
    }
    text.push_str(&table.render(sight.width));
    for step in &run.steps {
        if let Some(around) = Around::of_outputs(&step.outputs) {
            text.push_str(&around_of(&step.name, &around));
        }
    }
    for step in &run.steps {
        if let Some(report) = TestReport::of_outputs(&step.outputs) {
            text.push_str(&tests(&step.name, &report));
        }
    }
    for step in run.steps.iter().filter(|step| step.state == "asking") {
        text.push('\n');
        text.push_str(&format!(
            "Nobody knows whether {} was done. Look, then say:\n",
            paint(Tone::Strong, &clean(&step.name))
        ));
        let command = format!(
            "throughline resolve {} {} --done",
            short_run(line.id),
            clean(&step.name)
        );
        text.push_str(&format!("  {}   or --not-done\n", paint(Tone::Busy, &command)));
    }
    if let Some(failed) = run
        .steps
        .iter()
        .find(|step| matches!(step.result.as_deref(), Some("failed" | "timed-out")))
    {
        let command = format!("throughline logs {} {}", short_run(line.id), clean(&failed.name));
        text.push_str(&format!("\nWhat it said: {}\n", paint(Tone::Busy, &command)));
    }
    text
}

/// A line of a log, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was written.
    pub at: Option<Timestamp>,
    /// Whether it came on standard error.
    pub is_error: bool,
    /// What it says.
    pub text: &'a str,
}

impl<'a> LogLine<'a> {
    /// Takes `<unix ms> <o|e> text` apart; a line of another shape is all text.
    pub fn parse(line: &'a str) -> Self {
        let mut parts = line.splitn(3, ' ');
        let parsed = (|| {
            let at = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
            let is_error = match parts.next()? {
                "o" => false,
                "e" => true,
                _ => return None,
            };
            Some(Self {
                at: Some(at),
                is_error,
                text: parts.next().unwrap_or_default(),
            })
        })();
        parsed.unwrap_or(Self {
            at: None,
            is_error: false,
            text: line,
        })
    }

    /// The line as it is printed, behind the name of its step where that is given.
    pub fn show(&self, step: Option<(&str, usize)>, times: bool, sight: &Sight) -> String {
        let mut text = String::new();
        if let Some((step, width)) = step {
            text.push_str(&paint(Tone::Quiet, &format!("{step:<width$} │ ")));
        }
        if times {
            let time = self
                .at
                .map(|at| at.to_zoned(sight.zone.clone()).strftime("%H:%M:%S%.3f").to_string());
            text.push_str(&paint(
                Tone::Quiet,
                &format!(
                    "{:<12} {} ",
                    time.unwrap_or_default(),
                    if self.is_error { "!" } else { " " }
                ),
            ));
        }
        text.push_str(&clean_log(self.text));
        text.push('\n');
        text
    }
}

/// What a step ran in and beside: its image, its limits, its services.
pub fn around_of(step: &str, around: &Around) -> String {
    let mut text = format!("\n{}\n", paint(Tone::Strong, &clean(step)));
    let mut line = |what: &str, told: &str| text.push_str(&format!("  {} {told}\n", paint(Tone::Quiet, what)));
    if let Some(container) = &around.container {
        let by = paint(Tone::Quiet, &format!("by {}", clean(&container.engine)));
        line("in    ", &format!("{} {by}", image(container)));
    }
    if let Some(limits) = &around.limits {
        line("limits", &clean(limits));
    }
    for served in &around.services {
        let is_well = served.ready_ms.is_some() && served.ended.is_none();
        let (sign, tone) = if is_well {
            ("✓", Tone::Good)
        } else {
            ("✗", Tone::Bad)
        };
        let from = served
            .container
            .as_ref()
            .map(|container| format!(" in {}", image(container)));
        let told = format!(
            "{} {}{}, {}",
            paint(tone, sign),
            clean(&served.name),
            from.unwrap_or_default(),
            clean(&did(served, super::time::length))
        );
        line("beside", &told);
        for said in &served.last {
            line("       ", &format!("  {}", clean(said)));
        }
    }
    text
}

/// An image with its digest in short.
fn image(container: &executor::Contained) -> String {
    let digest: String = container.digest.chars().take("sha256:".len() + 12).collect();
    format!("{} ({})", clean(&container.image), clean(&digest))
}

/// What the tests of a step say: the counts, the cases that failed, and what could not be read.
pub fn tests(step: &str, report: &TestReport) -> String {
    let mut text = format!(
        "\n{} {}\n",
        paint(Tone::Strong, &clean(step)),
        clean(&report.in_words())
    );
    for case in report.failures.iter().take(SHOWN_CASES) {
        let suite = case.suite.as_deref().filter(|suite| !case.name.contains(suite));
        let about: Vec<String> = suite.into_iter().chain(case.file.as_deref()).map(clean).collect();
        let about = paint(Tone::Quiet, &about.join("  "));
        text.push_str(&format!("  {} {}  {about}\n", paint(Tone::Bad, "✗"), clean(&case.name)));
        let message = case.message.iter().flat_map(|message| message.lines());
        for line in message
            .map(str::trim_end)
            .filter(|line| !line.trim().is_empty())
            .take(SHOWN_LINES)
        {
            text.push_str(&format!("    {}\n", clean(line)));
        }
    }
    let shown = report.failures.len().min(SHOWN_CASES) as u64;
    if report.failed > shown {
        text.push_str(&format!(
            "  {}\n",
            paint(Tone::Quiet, &format!("and {} more", report.failed - shown))
        ));
    }
    for note in &report.notes {
        text.push_str(&format!("  {} {}\n", paint(Tone::Waiting, "!"), clean(note)));
    }
    text
}
