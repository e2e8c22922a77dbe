//! The work of a laptop beside the tools a person would take for it: `make`, `ninja`, Turborepo, Nx.
//!
//! All get the same work: a number of tasks, each of which copies a small file of its own into another. They are run in
//! turn, once to warm up and then a few times, and the medians are compared.

mod peers;
mod projects;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::command::Program;
use crate::workspace;
use peers::Peer;

const USAGE: &str =
    "cargo xtask bench laptop [--tasks N] [--rounds N] [--folder FOLDER] [--only PEER]... [--program FILE]";

/// What the files are like when a tool is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Situation {
    /// Nothing was ever done.
    First,
    /// Everything is done, and nothing has changed.
    Unchanged,
    /// One file of all has changed.
    OneChanged,
    /// Everything is done, and all that was made is gone from the folder.
    Removed,
}

impl Situation {
    const ALL: [Self; 4] = [Self::First, Self::Unchanged, Self::OneChanged, Self::Removed];

    fn name(self) -> &'static str {
        match self {
            Self::First => "first run",
            Self::Unchanged => "unchanged",
            Self::OneChanged => "one file changed",
            Self::Removed => "outputs removed",
        }
    }
}

/// What is asked for.
struct Asked {
    tasks: usize,
    rounds: usize,
    folder: PathBuf,
    only: Vec<String>,
    /// A program that is built already.
    program: Option<PathBuf>,
}

/// Runs the bench.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    let program = match &asked.program {
        Some(program) => program.clone(),
        None => built()?,
    };
    std::fs::create_dir_all(&asked.folder).map_err(|error| cannot(&asked.folder, &error))?;

    println!("\n| Throughline | median, ms | longest, ms |\n|---|---|---|");
    alone(&program, &asked)?;

    let peers = peers::all(&program, &asked.folder);
    let wanted = peers
        .into_iter()
        .filter(|peer| asked.only.is_empty() || asked.only.iter().any(|name| name == peer.name));
    let mut rows = Vec::new();
    for peer in wanted {
        println!("\n{}: {} tasks, {} rounds", peer.name, asked.tasks, asked.rounds);
        let version = peer.version();
        let cells = version.and_then(|version| Ok((version, measure(&peer, &asked)?)));
        peer.stop(&asked.folder);
        rows.push((peer.name, cells));
    }
    table(&rows, &asked);
    Ok(())
}

/// The release build of this very tree.
fn built() -> Result<PathBuf, String> {
    let root = workspace::root();
    let build = ["build", "--release", "--locked", "--package", "throughline"];
    Program::new("cargo", &build, &root).run()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(root.join(target).join("release/throughline"))
}

fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked {
        tasks: 1_000,
        rounds: 5,
        folder: std::env::temp_dir().join("throughline-bench-laptop"),
        only: Vec::new(),
        program: None,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest
            .next()
            .ok_or_else(|| format!("`{argument}` needs a value\nusage: {USAGE}"))?;
        let number = || {
            let number = value.parse::<usize>().ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("`{value}` is no number above 0\nusage: {USAGE}"))
        };
        match argument.as_str() {
            "--tasks" => asked.tasks = number()?,
            "--rounds" => asked.rounds = number()?,
            "--folder" => asked.folder = PathBuf::from(value),
            "--program" => asked.program = Some(PathBuf::from(value)),
            "--only" => asked.only.push(value.clone()),
            option => return Err(format!("there is no `{option}`\nusage: {USAGE}")),
        }
    }
    Ok(asked)
}

/// What only Throughline does: the start of a command, and the check of a definition.
fn alone(program: &Path, asked: &Asked) -> Result<(), String> {
    let folder = asked.folder.join("check");
    projects::throughline(&folder, asked.tasks)?;
    let shown = program.to_string_lossy();
    let check = format!("`check`, {} steps", asked.tasks);
    let commands: [(&str, &[&str]); 3] = [
        ("start: `--version`", &["--version"]),
        ("start: `settings`", &["settings"]),
        (&check, &["check"]),
    ];
    for (name, arguments) in commands {
        let mut times = Vec::new();
        for round in 0..=asked.rounds * 4 {
            let start = Instant::now();
            Program::new(&shown, arguments, &folder).discard()?;
            if round > 0 {
                times.push(start.elapsed());
            }
        }
        let longest = times.iter().max().copied().unwrap_or_default();
        println!("| {name} | {:.1} | {:.1} |", ms(median(&mut times)), ms(longest));
    }
    Ok(())
}

/// The medians of a peer, by situation.
fn measure(peer: &Peer, asked: &Asked) -> Result<Vec<Duration>, String> {
    let folder = asked.folder.join(peer.name);
    let mut times = vec![Vec::new(); Situation::ALL.len()];
    for round in 0..=asked.rounds {
        peer.prepare(&folder, asked.tasks)?;
        for (situation, times) in Situation::ALL.iter().zip(&mut times) {
            match situation {
                Situation::First | Situation::Unchanged => {}
                Situation::OneChanged => projects::change_one(&folder, round)?,
                Situation::Removed => projects::remove_outputs(&folder)?,
            }
            let start = Instant::now();
            peer.run(&folder)?;
            if round > 0 {
                times.push(start.elapsed());
            }
            projects::holds(&folder, asked.tasks)
                .map_err(|wrong| format!("{}, {}: {wrong}", peer.name, situation.name()))?;
        }
    }
    Ok(times.iter_mut().map(|times| median(times)).collect())
}

type Row = (&'static str, Result<(String, Vec<Duration>), String>);

/// The table, with each time beside that of Throughline in the same situation.
fn table(rows: &[Row], asked: &Asked) {
    let ours = rows.iter().find(|(name, _)| *name == peers::OURS);
    let ours = ours
        .and_then(|(_, cells)| cells.as_ref().ok())
        .map(|(_, times)| times.clone());
    println!("\n{} tasks, ms (times that of Throughline)\n", asked.tasks);
    println!(
        "| | version | {} |\n|---|---{}|",
        Situation::ALL.map(Situation::name).join(" | "),
        "|---".repeat(Situation::ALL.len())
    );
    for (name, cells) in rows {
        match cells {
            Err(wrong) => println!(
                "| {name} | {} |{}",
                wrong.lines().collect::<Vec<_>>().join(" "),
                " |".repeat(4)
            ),
            Ok((version, times)) => {
                let cells: Vec<String> = times
                    .iter()
                    .enumerate()
                    .map(|(place, time)| match &ours {
                        Some(ours) => format!("{:.0} ({:.2})", ms(*time), ms(*time) / ms(ours[place])),
                        None => format!("{:.0}", ms(*time)),
                    })
                    .collect();
                println!("| {name} | {version} | {} |", cells.join(" | "));
            }
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub(super) fn cannot(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
