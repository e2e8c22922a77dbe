//! The story as it is drawn on a terminal while it goes on: a pure function of the story and the time.

use std::time::Duration;

use facts::Timestamp;

use super::canary::Numbers;
use super::story::{Chapter, Outcome, Story, is_finished};
use crate::show::change::{sign, words};
use crate::show::paint::{Tone, short};
use crate::show::screen::{Line, wrapped};
use crate::show::time::{between, length};
use crate::wire::{Place, Run, Station, StationState, StepLine};

/// What is drawn around the story.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The time.
    pub now: Timestamp,
    /// Since the start.
    pub elapsed: Duration,
    /// The pages to open.
    pub pages: String,
    /// How many columns there are.
    pub columns: usize,
}

/// The whole picture.
pub(super) fn draw(story: &Story, frame: &Frame) -> Vec<Line> {
    let mut lines = vec![
        Line::indented(2)
            .with(Tone::Strong, "Throughline demo")
            .with(Tone::Quiet, "   one repository, three commits, one path to production")
            .up_to(frame.columns.saturating_sub(13))
            .with(Tone::Quiet, length(frame.elapsed)),
    ];
    for (index, chapter) in story.chapters.iter().enumerate() {
        lines.push(Line::default());
        lines.extend(drawn_chapter(index + 1, chapter, story, frame));
    }
    lines.push(Line::default());
    lines.extend(load(story));
    lines.push(
        Line::indented(2)
            .with(Tone::Quiet, "pages  ")
            .with(Tone::Busy, &frame.pages),
    );
    lines
}

fn turning(frame: &Frame) -> &'static str {
    const SIGNS: [&str; 4] = ["◐", "◓", "◑", "◒"];
    SIGNS[(frame.elapsed.as_millis() / 250 % 4) as usize]
}

fn drawn_chapter(number: usize, chapter: &Chapter, story: &Story, frame: &Frame) -> Vec<Line> {
    let Some(change) = &chapter.change else {
        let (mark, tone, state) = match chapter.commit {
            Some(_) => (turning(frame), Tone::Busy, "pushed"),
            None => ("○", Tone::Quiet, "to come"),
        };
        return vec![
            Line::indented(2)
                .with(tone, mark)
                .with(Tone::Quiet, format!(" {number}  {}", chapter.sample.title()))
                .with(Tone::Quiet, format!("  {state}: {}", chapter.sample.role)),
        ];
    };
    let state = change.change.state.as_str();
    let (mark, tone) = match sign(state) {
        (_, Tone::Busy) => (turning(frame), Tone::Busy),
        other => other,
    };
    let version = chapter
        .version()
        .map_or_else(|| short(&change.change.commit).to_owned(), str::to_owned);
    let mut lines = vec![
        Line::indented(2)
            .with(tone, mark)
            .with(Tone::Strong, format!(" {version}"))
            .with(Tone::Plain, format!("  {}", chapter.sample.title()))
            .with(tone, format!("  {}", words(state))),
    ];
    let stations = change.stations.iter().filter(|station| station.place != Place::Commit);
    lines.extend(wrapped(
        stations.map(|station| drawn_station(station, frame)).collect(),
        6,
        frame.columns,
    ));
    for run in chapter.runs.iter().filter(|run| !is_finished(&run.run)) {
        lines.extend(steps(run, frame));
    }
    let analysed = story
        .analysis()
        .is_some_and(|run| chapter.runs.iter().any(|one| one.run.id == run));
    if analysed && let Some(said) = &story.canary {
        match Numbers::read(said) {
            Some(numbers) => lines.extend(numbers.lines(8)),
            None => lines.push(Line::indented(8).with(Tone::Quiet, said)),
        }
    }
    if chapter.outcome() == Some(Outcome::RolledBack)
        && let Some(reason) = chapter.verdict("fail")
    {
        for sentence in reason.split("; ") {
            lines.push(Line::indented(6).with(Tone::Bad, sentence));
        }
    }
    lines
}

/// How long something took, or takes until now.
fn time(started: Option<Timestamp>, ended: Option<Timestamp>, now: Timestamp) -> Option<String> {
    Some(length(between(started?, ended.unwrap_or(now))))
}

fn drawn_station(station: &Station, frame: &Frame) -> Line {
    let name = match &station.place {
        Place::Commit => "commit",
        Place::Run => "build",
        Place::Package => "package",
        Place::Environment(name) => name.as_str(),
    };
    let (mark, tone) = match station.state {
        StationState::Reached | StationState::Proven | StationState::Passed => ("✓", Tone::Good),
        StationState::Underway => (turning(frame), Tone::Busy),
        StationState::Waiting => ("◇", Tone::Waiting),
        StationState::Failed => ("✗", Tone::Bad),
        StationState::Returned => ("↩", Tone::Bad),
        StationState::NotYet | StationState::NotComing => ("○", Tone::Quiet),
    };
    let took = match station.state {
        StationState::NotYet | StationState::NotComing | StationState::Waiting => None,
        _ if station.place == Place::Package => None,
        _ => time(station.started_at, station.reached_at, frame.now),
    };
    let quiet = matches!(station.state, StationState::NotYet | StationState::NotComing);
    let line = Line::default()
        .with(tone, mark)
        .with(if quiet { Tone::Quiet } else { Tone::Plain }, format!(" {name}"));
    match took {
        Some(took) => line.with(Tone::Quiet, format!(" {took}")),
        None => line,
    }
}

fn steps(run: &Run, frame: &Frame) -> Vec<Line> {
    let heading = match (run.run.kind.as_str(), &run.run.environment) {
        ("return", Some(name)) => format!("return of {name}"),
        (_, Some(name)) => name.clone(),
        (kind, None) => kind.to_owned(),
    };
    let mut parts = vec![Line::default().with(Tone::Quiet, format!("{heading}:"))];
    parts.extend(run.steps.iter().map(|step| drawn_step(step, frame)));
    wrapped(parts, 8, frame.columns)
}

fn drawn_step(step: &StepLine, frame: &Frame) -> Line {
    let (mark, tone) = match (step.state.as_str(), step.result.as_deref()) {
        ("finished", Some("succeeded")) => ("✓", Tone::Good),
        ("finished", Some("skipped")) => ("–", Tone::Quiet),
        ("finished", _) => ("✗", Tone::Bad),
        ("running", _) => (turning(frame), Tone::Busy),
        ("backoff" | "asking", _) => ("◇", Tone::Waiting),
        _ => ("○", Tone::Quiet),
    };
    let name = if tone == Tone::Quiet { Tone::Quiet } else { Tone::Plain };
    let line = Line::default().with(tone, mark).with(name, format!(" {}", step.name));
    match time(step.started_at, step.finished_at, frame.now) {
        Some(took) => line.with(Tone::Quiet, format!(" {took}")),
        None => line,
    }
}

/// `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn load(story: &Story) -> Vec<Line> {
    let Some(load) = &story.load else {
        return vec![Line::indented(2).with(Tone::Quiet, "load   begins when production answers")];
    };
    let totals = &load.totals;
    let failed = |number: u64| {
        (
            if number == 0 { Tone::Quiet } else { Tone::Bad },
            format!("{} failed", grouped(number)),
        )
    };
    let (tone, text) = failed(totals.failed);
    let mut lines = vec![
        Line::indented(2)
            .with(Tone::Quiet, "load   ")
            .with(Tone::Plain, format!("{:.0} requests/s on production", load.rate))
            .with(Tone::Quiet, format!("   {} sent   ", grouped(totals.sent)))
            .with(tone, text),
    ];
    for chapter in &story.chapters {
        let Some(package) = chapter.package().map(|package| package.to_string()) else {
            continue;
        };
        let Some(count) = totals.by_package.get(&package) else {
            continue;
        };
        let (tone, text) = failed(count.failed);
        lines.push(
            Line::indented(9)
                .with(Tone::Plain, chapter.version().unwrap_or_default())
                .with(
                    Tone::Quiet,
                    format!("  {}  {} sent   ", short(&package), grouped(count.sent)),
                )
                .with(tone, text),
        );
    }
    lines
}
