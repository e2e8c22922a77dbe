//! The document of the bench: what it says between its markers is of the last run that was asked to write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use super::Asked;
use super::matrix::{Cell, Figure, Measured, Row};
use super::server::OURS;
use super::{picture, tools::LAPTOP};
use crate::bench::figures::cannot;
use crate::command::Program;
use crate::workspace;

const DOCUMENT: &str = "docs/performance.md";
const PICTURE: &str = "docs/images/performance.svg";
const BEGIN: &str = "<!-- The figures of `cargo xtask bench engine --write` begin here; do not edit. -->";
const END: &str = "<!-- The figures end here. -->";

/// The tables of a run.
pub struct Tables {
    /// What stands above them.
    pub about: String,
    /// The matrix, its gaps, and the peers.
    pub shared: String,
    /// What only Throughline does.
    pub alone: Vec<String>,
}

/// What is said about the run: when, of what, on what.
pub fn about(asked: &Asked, loads: [&str; 2], took: Duration) -> Result<String, String> {
    let root = workspace::root();
    let said = |program: &str, arguments: &[&str]| {
        let said = Program::new(program, arguments, &root).output();
        said.map(|said| said.trim().to_owned())
    };
    let date = said("date", &["-u", "+%F"])?;
    let commit = match &asked.built {
        None => format!("of commit {}", said("git", &["rev-parse", "--short=12", "HEAD"])?),
        Some(_) => "that was built before".to_owned(),
    };
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(format!(
        "{date}, the release build {commit}, {processors} processors ({}), load {} before and {} after, {} s in all. Each figure is the median of up to {} rounds.",
        model.map_or("of unknown kind", |(_, model)| model),
        loads[0],
        loads[1],
        took.as_secs(),
        asked.rounds,
    ))
}

/// A number with as many digits as say something.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A count with its thousands apart.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The matrix. Each figure stands beside how many times as much it is as that of the server in the same row.
pub fn matrix(all: &[Measured], rows: &[Row]) -> String {
    let ours = all.iter().find(|measured| measured.about.name == OURS);
    let ours = |row: Row| {
        ours.and_then(|measured| measured.cells.get(&row)?.as_ref().ok())
            .copied()
    };
    let mut gaps: Vec<String> = Vec::new();
    let mut text = "| peer |".to_owned();
    for row in rows {
        let steps = ours(*row).map_or(String::new(), |figure| match figure.steps {
            0 => String::new(),
            steps => format!(" ({})", count(steps)),
        });
        let _ = write!(text, " {}{steps} |", row.title());
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(rows.len()));
    for measured in all {
        let _ = write!(text, "| {} |", measured.about.name);
        for row in rows {
            let said = match measured.cells.get(row) {
                None => String::new(),
                Some(Ok(figure)) => figure_cell(figure, ours(*row), measured.about.name == OURS),
                Some(Err(why)) => format!("– [{}]", place(&mut gaps, why)),
            };
            let _ = write!(text, " {said} |");
        }
        text.push('\n');
    }
    text.push_str("\nIn brackets: how many times as long as the server (of durable facts) it took, and over how many steps where they were fewer.\n");
    if !gaps.is_empty() {
        text.push_str("\nWhy there is no figure:\n\n");
        for (number, gap) in gaps.iter().enumerate() {
            let _ = writeln!(text, "{}. {gap}", number + 1);
        }
    }
    text.push_str("\n| peer | version | how it was set | what is durable when a step is done |\n|---|---|---|---|\n");
    for measured in all {
        let version = match &measured.version {
            Ok(version) => version.clone(),
            Err(wrong) => format!("none: {}", one_line(wrong)),
        };
        let about = &measured.about;
        let _ = writeln!(
            text,
            "| {} | {version} | {} | {} |",
            about.name, about.settings, about.durable
        );
    }
    text
}

fn figure_cell(figure: &Figure, ours: Option<Figure>, is_ours: bool) -> String {
    let mut said = short(figure.value);
    let mut more = Vec::new();
    if let Some(ours) = ours {
        if !is_ours {
            more.push(format!("×{}", short(figure.value / ours.value)));
        }
        if figure.steps != ours.steps {
            more.push(format!("{} steps", count(figure.steps)));
        }
    }
    if !more.is_empty() {
        let _ = write!(said, " ({})", more.join(", "));
    }
    said
}

/// Which number a reason has.
fn place(gaps: &mut Vec<String>, why: &str) -> usize {
    let why = one_line(&without_folders(why, &workspace::root(), &std::env::temp_dir()));
    match gaps.iter().position(|gap| *gap == why) {
        Some(place) => place + 1,
        None => {
            gaps.push(why);
            gaps.len()
        }
    }
}

/// What was said, with the folders of the machine that ran it left out: they say nothing to others.
fn without_folders(text: &str, root: &Path, temporary: &Path) -> String {
    [root, temporary].iter().fold(text.to_owned(), |text, folder| {
        text.replace(&format!("{}/", folder.display()), "")
    })
}

/// A text on one line, without what a table is made of, and not too long.
fn one_line(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// A goal: the peer's figure and how many times as much (or as little) Throughline may take.
struct Goal {
    said: &'static str,
    row: Row,
    of: &'static str,
    beside: &'static [&'static str],
    /// At most so many times the fastest of those beside it.
    most: f64,
}

const GOALS: &[Goal] = &[
    Goal {
        said: "durable chain: 2 times ninja at most (1.5 wished for)",
        row: Row::Chain,
        of: OURS,
        beside: &["ninja"],
        most: 2.0,
    },
    Goal {
        said: "durable chain: faster than DBOS and Restate",
        row: Row::Chain,
        of: OURS,
        beside: &["DBOS", "Restate"],
        most: 1.0,
    },
    Goal {
        said: "durable fan-out: 1.5 times ninja at most",
        row: Row::Fan,
        of: OURS,
        beside: &["ninja"],
        most: 1.5,
    },
    Goal {
        said: "a step: 20 times faster than Prefect, Dagster, Airflow and Buildbot",
        row: Row::Chain,
        of: OURS,
        beside: &["Prefect", "Dagster", "Airflow", "Buildbot"],
        most: 0.05,
    },
    Goal {
        said: "kept: 2 times ninja's no-op at most",
        row: Row::Kept,
        of: LAPTOP,
        beside: &["ninja"],
        most: 2.0,
    },
    Goal {
        said: "kept: 5 times faster than Turborepo and Nx",
        row: Row::Kept,
        of: LAPTOP,
        beside: &["Turborepo", "Nx"],
        most: 0.2,
    },
];

/// The goals that are ratios, and how they were met.
pub fn goals(all: &[Measured]) -> String {
    let cells: BTreeMap<&str, &BTreeMap<Row, Cell>> = all
        .iter()
        .map(|measured| (measured.about.name, &measured.cells))
        .collect();
    let value = |name: &str, row: Row| Some(cells.get(name)?.get(&row)?.as_ref().ok()?.value);
    let mut text = "| goal | measured | met |\n|---|---|---|\n".to_owned();
    for goal in GOALS {
        let others = goal
            .beside
            .iter()
            .filter_map(|name| Some((*name, value(name, goal.row)?)));
        let fastest = others.min_by(|left, right| left.1.total_cmp(&right.1));
        let (said, met) = match (value(goal.of, goal.row), fastest) {
            (Some(ours), Some((name, fastest))) => {
                let ratio = ours / fastest;
                let said = format!(
                    "{} ms, {name} {} ms: {} times",
                    short(ours),
                    short(fastest),
                    short(ratio)
                );
                (said, if ratio <= goal.most { "yes" } else { "**no**" })
            }
            _ => ("–".to_owned(), "not measured"),
        };
        let _ = writeln!(text, "| {} ({}) | {said} | {met} |", goal.said, goal.of);
    }
    text
}

/// Writes figures and picture in place of those of the last time.
pub fn write(tables: &Tables, all: &[Measured]) -> Result<(), String> {
    let root = workspace::root();
    let path = root.join(DOCUMENT);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {DOCUMENT}: {error}"))?;
    let text = filled(&text, &joined(tables)).ok_or_else(|| format!("{DOCUMENT} has no `{BEGIN}` before a `{END}`"))?;
    std::fs::write(&path, text).map_err(|error| cannot(&path, &error))?;
    let path = root.join(PICTURE);
    std::fs::write(&path, picture::draw(all)).map_err(|error| cannot(&path, &error))?;
    println!("\nwritten to {DOCUMENT} and {PICTURE}");
    Ok(())
}

/// All tables one after another.
pub fn joined(tables: &Tables) -> String {
    let mut parts = vec![tables.about.clone(), tables.shared.clone()];
    parts.extend(tables.alone.iter().cloned());
    parts
        .iter()
        .map(|part| part.trim_end())
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// The document with these figures; `None` where it has no place for them.
fn filled(text: &str, figures: &str) -> Option<String> {
    let (above, rest) = text.split_once(BEGIN)?;
    let (_, below) = rest.split_once(END)?;
    Some(format!("{above}{BEGIN}\n\n{figures}\n\n{END}{below}"))
}

#[cfg(test)]
mod tests {
    use super::super::matrix::About;
    use super::*;

    fn measured(name: &'static str, cells: &[(Row, Cell)]) -> Measured {
        Measured {
            about: About {
                name,
                settings: "as it is",
                durable: "none",
            },
            version: Ok("1.0".to_owned()),
            cells: cells.iter().cloned().collect(),
        }
    }

    fn figure(value: f64, steps: usize) -> Cell {
        Ok(Figure {
            value,
            steps,
            rounds: 3,
        })
    }

    #[test]
    fn reasons_are_told_without_the_folders_of_a_machine() {
        let said = "`/tmp/bench/bin/python /home/ann/house/bench/work.py /tmp` took too long";
        let told = without_folders(said, Path::new("/home/ann/house"), Path::new("/tmp"));
        assert_eq!(told, "`bench/bin/python bench/work.py /tmp` took too long");
    }

    #[test]
    fn a_cell_says_its_figure_beside_ours_and_a_gap_its_reason_once() {
        let all = [
            measured(
                OURS,
                &[(Row::Chain, figure(2.0, 1_000)), (Row::Fan, figure(1.0, 10_000))],
            ),
            measured(
                "slow",
                &[(Row::Chain, figure(50.0, 100)), (Row::Fan, Err("no\nroom".to_owned()))],
            ),
            measured(
                "none",
                &[
                    (Row::Chain, Err("no room".to_owned())),
                    (Row::Fan, Err("other".to_owned())),
                ],
            ),
        ];
        let text = matrix(&all, &[Row::Chain, Row::Fan]);
        assert!(text.contains("| slow | 50.0 (×25.0, 100 steps) | – [1] |"), "{text}");
        assert!(text.contains("| none | – [1] | – [2] |"), "{text}");
        assert!(text.contains("1. no room\n2. other\n"), "{text}");
        assert!(text.contains("ms a step (10,000)"), "{text}");
    }

    #[test]
    fn goals_are_judged_by_the_fastest_of_those_that_were_measured() {
        let all = [
            measured(OURS, &[(Row::Chain, figure(3.0, 10))]),
            measured("ninja", &[(Row::Chain, figure(2.0, 10))]),
            measured("DBOS", &[(Row::Chain, figure(4.0, 10))]),
            measured("Restate", &[(Row::Chain, figure(2.5, 10))]),
        ];
        let text = goals(&all);
        let line = |start: &str| text.lines().find(|line| line.contains(start)).unwrap().to_owned();
        assert!(line("2 times ninja").ends_with("1.50 times | yes |"), "{text}");
        assert!(
            line("faster than DBOS").ends_with("Restate 2.50 ms: 1.20 times | **no** |"),
            "{text}"
        );
        assert!(line("20 times faster").ends_with("| – | not measured |"), "{text}");
    }

    #[test]
    fn figures_take_the_place_of_those_before_and_what_is_around_them_stays() {
        let text = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nwhy\n");
        let new = filled(&text, "new").unwrap();
        assert_eq!(new, format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nwhy\n"));
        assert_eq!(filled("# Title\n", "new"), None);
        assert!(filled(include_str!("../../../../docs/performance.md"), "new").is_some());
    }
}
