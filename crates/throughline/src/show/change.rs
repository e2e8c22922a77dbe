//! A change's way, and lists of changes.

use std::time::Duration;

use super::paint::{Table, Tone, clean, paint, short, width};
use super::run::short_run;
use super::section;
use super::time::{between, length, roughly};
use crate::printer::Sight;
use crate::wire::{Change, ChangeLine, Changes, Place, Station, StationState, Verdict, Waiting};

/// The sign and tone of a change's state in lists.
pub fn sign(state: &str) -> (&'static str, Tone) {
    match state {
        "in-production" => ("●", Tone::Good),
        "building" | "deploying" => ("◐", Tone::Busy),
        "waiting" | "held" => ("◇", Tone::Waiting),
        "build-failed" | "failed" => ("✗", Tone::Bad),
        "rolled-back" => ("↩", Tone::Bad),
        "superseded" | "cancelled" => ("–", Tone::Quiet),
        _ => ("○", Tone::Plain),
    }
}

/// A state as words: `in production`.
pub fn words(state: &str) -> String {
    state.replace('-', " ")
}

struct Look {
    sign: &'static str,
    tone: Tone,
    words: &'static str,
}

const fn look(state: StationState) -> Look {
    let (sign, tone, words) = match state {
        StationState::NotYet => ("○", Tone::Quiet, "not yet"),
        StationState::Waiting => ("◇", Tone::Waiting, "waits"),
        StationState::Underway => ("◐", Tone::Busy, "under way"),
        StationState::Reached => ("●", Tone::Good, "here"),
        StationState::Proven => ("●", Tone::Good, "proven"),
        StationState::Passed => ("●", Tone::Quiet, "was here"),
        StationState::Failed => ("✗", Tone::Bad, "failed"),
        StationState::Returned => ("↩", Tone::Bad, "went back"),
        StationState::NotComing => ("·", Tone::Quiet, "not coming"),
    };
    Look { sign, tone, words }
}

/// What a station's state is called there: a commit "came", a run "succeeded".
fn station_words(station: &Station) -> &'static str {
    match (&station.place, station.state) {
        (Place::Commit, StationState::Reached | StationState::Proven | StationState::Passed) => "came",
        (Place::Run, StationState::Reached | StationState::Proven | StationState::Passed) => "succeeded",
        (Place::Package, StationState::Reached | StationState::Proven | StationState::Passed) => "made",
        (_, state) => look(state).words,
    }
}

fn place(station: &Station) -> String {
    match &station.place {
        Place::Commit => "commit".to_owned(),
        Place::Run => "build".to_owned(),
        Place::Package => "package".to_owned(),
        Place::Environment(name) => clean(name),
    }
}

/// Times of a station: when, how long, how long it usually takes.
fn timing(station: &Station, sight: &Sight) -> String {
    let usually = station.usually_seconds.map(|seconds| match seconds {
        0 => "usually under 1 s".to_owned(),
        _ => format!("usually {}", length(Duration::from_secs(seconds))),
    });
    let mut parts = Vec::new();
    match station.state {
        StationState::Reached | StationState::Proven | StationState::Passed => {
            parts.extend(station.reached_at.map(|at| sight.clock(at)));
            if let (Some(from), Some(to)) = (station.started_at, station.reached_at)
                && station.place != Place::Commit
                && from != to
            {
                parts.push(format!("took {}", length(between(from, to))));
            }
        }
        StationState::Underway => {
            parts.extend(
                station
                    .started_at
                    .map(|at| format!("for {}", length(between(at, sight.now)))),
            );
            parts.extend(usually);
        }
        StationState::Waiting | StationState::NotYet => {
            parts.extend(
                station
                    .started_at
                    .map(|at| format!("for {}", length(between(at, sight.now)))),
            );
            parts.extend(usually);
        }
        StationState::Failed | StationState::Returned => {
            parts.extend(station.reached_at.or(station.started_at).map(|at| sight.clock(at)));
        }
        StationState::NotComing => {}
    }
    parts.join(", ")
}

/// The way of a change from the commit to its users, what it waits for, and the verdicts on it.
pub fn change(change: &Change, sight: &Sight) -> String {
    let mut text = head(&change.change, sight);
    text.push_str(&page(change.page.as_deref()));
    text.push('\n');
    text.push_str(&way(change, sight));
    if let Some(reasons) = &change.never_again {
        section(&mut text, "Never again");
        text.push_str(&format!(
            "  {} this package is not deployed any more\n",
            paint(Tone::Bad, "✗")
        ));
        for reason in reasons {
            text.push_str(&wrapped(&clean(reason), 4, sight));
        }
    }
    text.push_str(&ties(change, sight));
    text.push_str(&next(change, sight));
    let told: Vec<&Verdict> = change
        .verdicts
        .iter()
        .filter(|verdict| !verdict.reasons.is_empty())
        .collect();
    if !told.is_empty() {
        section(&mut text, "Verdicts");
        for verdict in told {
            text.push_str(&one_verdict(verdict, sight));
        }
    }
    let stuck = change
        .stations
        .iter()
        .rev()
        .find(|station| matches!(station.state, StationState::Failed | StationState::Returned));
    if let Some(run) = stuck.and_then(|station| station.run) {
        let command = format!("throughline runs {}", short_run(run));
        text.push_str(&format!("\nWhat happened: {}\n", paint(Tone::Busy, &command)));
    }
    text
}

/// What it depends on in other repositories, and what depends on it there.
fn ties(change: &Change, sight: &Sight) -> String {
    let mut text = String::new();
    if !change.depends_on.is_empty() {
        section(&mut text, "Depends on");
    }
    for on in &change.depends_on {
        let name = match (&on.component, &on.commit) {
            (Some(component), Some(commit)) => format!("{} {}", clean(component), clean(short(commit))),
            _ => clean(&on.said),
        };
        text.push_str(&format!(
            "  {}  {}\n",
            paint(Tone::Strong, &name),
            paint(Tone::Quiet, &clean(&on.what))
        ));
        for place in &on.environments {
            let (sign, tone) = if place.met {
                ("✓", Tone::Good)
            } else {
                ("◇", Tone::Waiting)
            };
            let told = wrapped(&clean(&place.what), 6, sight);
            text.push_str(&format!("    {} {}", paint(tone, sign), told.trim_start()));
        }
    }
    if !change.depended_on_by.is_empty() {
        section(&mut text, "Others depend on it");
    }
    for by in &change.depended_on_by {
        text.push_str(&format!("  {} {}\n", clean(&by.component), clean(short(&by.commit))));
    }
    text
}

fn head(line: &ChangeLine, sight: &Sight) -> String {
    let (sign, tone) = sign(&line.state);
    let version = line
        .version
        .as_deref()
        .map_or_else(|| short(&line.commit).to_owned(), clean);
    let mut text = format!(
        "{} {}  {}\n",
        paint(Tone::Strong, &format!("{} {version}", clean(&line.component))),
        paint(tone, &format!("{sign} {}", words(&clean(&line.state)))),
        paint(Tone::Plain, &clean(&line.title)),
    );
    let mut second = vec![clean(short(&line.commit)), format!("on {}", clean(&line.branch))];
    second.extend(line.author.as_deref().map(|author| format!("by {}", clean(author))));
    second.push(sight.ago(line.arrived_at));
    text.push_str(&paint(Tone::Quiet, &second.join(" · ")));
    text.push('\n');
    text
}

/// The address of a page, on a line of its own, so that terminals open it.
pub(super) fn page(page: Option<&str>) -> String {
    page.map(|page| format!("{}\n", paint(Tone::Busy, &clean(page))))
        .unwrap_or_default()
}

/// The stations, one below the other.
fn way(change: &Change, sight: &Sight) -> String {
    let mut text = String::new();
    let places: Vec<String> = change.stations.iter().map(place).collect();
    let place_width = places.iter().map(|place| width(place)).max().unwrap_or(0);
    let words_width = change
        .stations
        .iter()
        .map(|station| width(station_words(station)))
        .max()
        .unwrap_or(0);
    for (index, station) in change.stations.iter().enumerate() {
        let look = look(station.state);
        let last = index + 1 == change.stations.len();
        // The line to the next station is drawn full as far as the change has come.
        let reached_next = change.stations.get(index + 1).is_some_and(|next| {
            !matches!(
                next.state,
                StationState::NotYet | StationState::Waiting | StationState::NotComing
            )
        });
        let rail = match (last, reached_next) {
            (true, _) => " ".to_owned(),
            (false, true) => paint(Tone::Good, "│"),
            (false, false) => paint(Tone::Quiet, "┊"),
        };
        let name = format!("{:<place_width$}", places[index]);
        let name_tone = if matches!(station.state, StationState::NotYet | StationState::NotComing) {
            Tone::Quiet
        } else {
            Tone::Strong
        };
        let words = format!("{:<words_width$}", station_words(station));
        let mut detail = timing(station, sight);
        if station.place == Place::Package
            && let Some(package) = &change.change.package
        {
            let digest = format!("sha256:{}", package.short());
            detail = if detail.is_empty() {
                digest
            } else {
                format!("{detail}, {digest}")
            };
        }
        let line = format!(
            "  {}  {}  {}  {}",
            paint(look.tone, look.sign),
            paint(name_tone, &name),
            paint(look.tone, &words),
            paint(Tone::Quiet, &detail)
        );
        text.push_str(trimmed(&line));
        text.push('\n');
        if let Some(note) = &station.note {
            let indent = place_width + 2;
            let width = sight.width.map(|width| width.saturating_sub(5 + indent));
            let (problem, hint) = note.split_once("\nhint: ").unwrap_or((note, ""));
            let hint = if hint.is_empty() {
                String::new()
            } else {
                format!("hint: {hint}")
            };
            let parts = [problem, &hint].into_iter().filter(|text| !text.is_empty());
            for part in parts.flat_map(|text| lines(&clean(text), width)) {
                text.push_str(trimmed(&format!("  {rail}  {}{part}", " ".repeat(indent))));
                text.push('\n');
            }
        }
        if !last {
            text.push_str(&format!("  {rail}\n"));
        }
    }
    text
}

fn trimmed(line: &str) -> &str {
    // An empty last column leaves spaces, which never stand behind a colour's end.
    line.trim_end()
}

/// The next gate: what is missing, whom it waits for, what to type.
fn next(change: &Change, sight: &Sight) -> String {
    let mut text = String::new();
    let mut environments: Vec<&str> = change
        .waiting
        .iter()
        .map(|waiting| waiting.environment.as_str())
        .collect();
    environments.dedup();
    for environment in environments {
        text.push('\n');
        text.push_str(&paint(
            Tone::Strong,
            &format!("Next: the gate of {}", clean(environment)),
        ));
        text.push('\n');
        for waiting in change
            .waiting
            .iter()
            .filter(|waiting| waiting.environment == environment)
        {
            text.push_str(&one_waiting(&change.change, waiting, sight));
        }
    }
    if let Some(seconds) = usually_left(&change.stations, sight) {
        let last = change.stations.last().map(place).unwrap_or_default();
        text.push_str(&format!(
            "\nUsually in {last} in about {} from here.\n",
            roughly(seconds)
        ));
    }
    text
}

fn one_waiting(line: &ChangeLine, waiting: &Waiting, sight: &Sight) -> String {
    let mut text = format!(
        "  {} {}: {}\n",
        paint(Tone::Waiting, "◇"),
        clean(&waiting.gate),
        clean(&waiting.what)
    );
    let whom = match (&waiting.whom, waiting.until) {
        (Some(whom), _) => format!("waits for {}", paint(Tone::Strong, &clean(whom))),
        (None, Some(until)) => format!("goes on by itself at {} ({})", sight.clock(until), sight.ago(until)),
        (None, None) => "goes on by itself".to_owned(),
    };
    text.push_str(&format!("    {whom}\n"));
    if waiting.gate == "approval" || waiting.gate.starts_with("approval") {
        let name = line.version.as_deref().unwrap_or_else(|| short(&line.commit));
        let command = format!("throughline approve {} {}", clean(name), clean(&waiting.environment));
        text.push_str(&format!("    {}\n", paint(Tone::Busy, &command)));
    }
    text
}

/// How long the rest of the way usually takes, where nobody has to do anything and it is known.
fn usually_left(stations: &[Station], sight: &Sight) -> Option<u64> {
    let mut left = 0;
    let mut begun = false;
    for station in stations {
        let usually = station.usually_seconds;
        match station.state {
            StationState::Underway => {
                begun = true;
                let gone = station.started_at.map_or(0, |at| between(at, sight.now).as_secs());
                left += usually?.saturating_sub(gone);
            }
            StationState::NotYet if begun => left += usually?,
            StationState::Reached | StationState::Proven | StationState::Passed => {}
            _ => return None,
        }
    }
    begun.then_some(left)
}

fn one_verdict(verdict: &Verdict, sight: &Sight) -> String {
    let (sign, tone) = match verdict.result.as_str() {
        "pass" => ("✓", Tone::Good),
        "fail" => ("✗", Tone::Bad),
        "wait" => ("◇", Tone::Waiting),
        _ => ("?", Tone::Waiting),
    };
    let place = verdict
        .environment
        .as_deref()
        .map(|name| format!(" in {}", clean(name)))
        .unwrap_or_default();
    let mut text = format!(
        "  {} {}{place}: {}  {}\n",
        paint(tone, sign),
        clean(&verdict.about),
        paint(tone, &clean(&verdict.result)),
        paint(Tone::Quiet, &sight.clock(verdict.recorded_at)),
    );
    for reason in &verdict.reasons {
        text.push_str(&wrapped(&clean(reason), 4, sight));
    }
    text
}

pub(super) fn wrapped(text: &str, indent: usize, sight: &Sight) -> String {
    lines(text, sight.width.map(|width| width.saturating_sub(indent)))
        .iter()
        .map(|line| format!("{}{line}\n", " ".repeat(indent)))
        .collect()
}

/// `text` in lines of at most `columns` columns, broken at spaces.
fn lines(text: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns.map(|columns| columns.max(20)) else {
        return vec![text.to_owned()];
    };
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut line = lines.pop().unwrap_or_default();
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        lines.push(line);
    }
    lines
}

/// A list of changes, newest first.
pub fn changes(changes: &Changes, sight: &Sight) -> String {
    if changes.changes.is_empty() {
        let text = paint(Tone::Quiet, "○ no change yet; push a commit, and its way shows here");
        return format!("  {text}\n");
    }
    let one_component = changes
        .changes
        .windows(2)
        .all(|pair| pair[0].component == pair[1].component);
    let mut table = Table::new(&["", "", "", "", "", ""]).indented(2).flexible(4);
    for line in &changes.changes {
        let (sign, tone) = sign(&line.state);
        let name = line.version.clone().unwrap_or_else(|| line.branch.clone());
        let component = if one_component {
            String::new()
        } else {
            line.component.clone()
        };
        table.row([
            (tone, format!("{sign} {}", words(&line.state))),
            (Tone::Strong, name),
            (Tone::Quiet, short(&line.commit).to_owned()),
            (Tone::Plain, component),
            (Tone::Plain, line.title.clone()),
            (Tone::Quiet, sight.ago(line.arrived_at)),
        ]);
    }
    table.render(sight.width)
}
