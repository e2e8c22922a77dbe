//! The work of a laptop beside the tools a person would take for it: `make`, `ninja`, Turborepo, Nx.
//!
//! All get the same work: a number of tasks, each of which copies a small file of its own into another. They are run in
//! turn, once to warm up and then a few times, and the medians are compared. Who needs long for a round gets fewer.

mod document;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::figures;
use super::figures::{cannot, load, median, ms};
use super::projects::{self, Work};
use super::tools::{self, Peer};
use crate::command::Program;

const USAGE: &str = "cargo xtask bench laptop [--tasks N] [--rounds N] [--patience SECONDS] [--folder FOLDER] \
                     [--only PEER]... [--program FILE] [--write]";

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
    /// For so long a tool is run round after round; at least one round is taken.
    patience: Duration,
    folder: PathBuf,
    only: Vec<String>,
    /// A program that is built already.
    program: Option<PathBuf>,
    /// The figures go into the bench's document.
    write: bool,
}

/// What a tool took.
struct Measured {
    version: String,
    rounds: usize,
    /// The medians, by situation.
    times: Vec<Duration>,
}

/// Runs the bench.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    let program = match &asked.program {
        Some(program) => program.clone(),
        None => figures::built(&["throughline"])?.join("throughline"),
    };
    std::fs::create_dir_all(&asked.folder).map_err(|error| cannot(&asked.folder, &error))?;

    let loads = (load(), Instant::now());
    let alone = alone(&program, &asked)?;
    println!("\n{alone}");

    let peers = tools::all(&program, &asked.folder);
    let wanted = peers
        .into_iter()
        .filter(|peer| asked.only.is_empty() || asked.only.iter().any(|name| name == peer.name));
    let mut rows = Vec::new();
    for peer in wanted {
        println!("{}: {} tasks", peer.name, asked.tasks);
        let measured = measure(&peer, &asked);
        peer.stop(&asked.folder);
        rows.push((peer.name, measured));
    }
    let beside = table(&rows, &asked);
    println!("\n{beside}");
    if asked.write {
        document::write(&asked, &[alone, beside], [&loads.0, &load()], loads.1.elapsed())?;
    }
    Ok(())
}

fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked {
        tasks: 1_000,
        rounds: 5,
        patience: Duration::from_secs(60),
        folder: std::env::temp_dir().join("throughline-bench-laptop"),
        only: Vec::new(),
        program: None,
        write: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--write" {
            asked.write = true;
            continue;
        }
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
            "--patience" => asked.patience = Duration::from_secs(number()? as u64),
            "--folder" => asked.folder = PathBuf::from(value),
            "--program" => asked.program = Some(PathBuf::from(value)),
            "--only" => asked.only.push(value.clone()),
            option => return Err(format!("there is no `{option}`\nusage: {USAGE}")),
        }
    }
    Ok(asked)
}

/// What only Throughline does: the start of a command, and the check of a definition.
fn alone(program: &Path, asked: &Asked) -> Result<String, String> {
    let folder = asked.folder.join("check");
    projects::throughline(&folder, Work::copies(asked.tasks))?;
    let shown = program.to_string_lossy();
    let check = format!("`check`, {} steps", asked.tasks);
    let commands: [(&str, &[&str]); 3] = [
        ("start: `--version`", &["--version"]),
        ("start: `settings`", &["settings"]),
        (&check, &["check"]),
    ];
    let mut table = "| Throughline | median, ms | longest, ms |\n|---|---|---|\n".to_owned();
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
        let _ = writeln!(table, "| {name} | {:.1} | {:.1} |", ms(median(&mut times)), ms(longest));
    }
    Ok(table)
}

/// The medians of a tool. The first round warms up; where there was time for one alone, it counts.
fn measure(peer: &Peer, asked: &Asked) -> Result<Measured, String> {
    let version = peer.version()?;
    let folder = asked.folder.join(peer.name);
    let mut times = vec![Vec::new(); Situation::ALL.len()];
    let (begin, mut rounds) = (Instant::now(), 0);
    while rounds <= asked.rounds && (rounds == 0 || begin.elapsed() < asked.patience) {
        peer.prepare(&folder, Work::copies(asked.tasks))?;
        for (situation, times) in Situation::ALL.iter().zip(&mut times) {
            match situation {
                Situation::First | Situation::Unchanged => {}
                Situation::OneChanged => projects::change(&folder, 0, rounds)?,
                Situation::Removed => projects::remove_outputs(&folder)?,
            }
            let start = Instant::now();
            peer.run(&folder)?;
            times.push(start.elapsed());
            println!("  {}: {:.0} ms", situation.name(), ms(start.elapsed()));
            projects::holds(&folder, asked.tasks)
                .map_err(|wrong| format!("{}, {}: {wrong}", peer.name, situation.name()))?;
        }
        rounds += 1;
    }
    let warm = usize::from(rounds > 1);
    Ok(Measured {
        version,
        rounds: rounds - warm,
        times: times.iter_mut().map(|times| median(&mut times[warm..])).collect(),
    })
}

type Row = (&'static str, Result<Measured, String>);

/// The table, with each time beside that of Throughline in the same situation.
fn table(rows: &[Row], asked: &Asked) -> String {
    let ours = rows.iter().find(|(name, _)| *name == tools::OURS);
    let ours = ours.and_then(|(_, measured)| Some(&measured.as_ref().ok()?.times));
    let mut table = format!(
        "| {} tasks, ms (times that of Throughline) | version | rounds | {} |\n|---|---|---{}|\n",
        asked.tasks,
        Situation::ALL.map(Situation::name).join(" | "),
        "|---".repeat(Situation::ALL.len())
    );
    for (name, measured) in rows {
        let _ = match measured {
            Err(wrong) => writeln!(
                table,
                "| {name} | {} | |{}",
                wrong.lines().collect::<Vec<_>>().join(" "),
                " |".repeat(Situation::ALL.len())
            ),
            Ok(Measured { version, rounds, times }) => {
                let cells = times.iter().enumerate().map(|(place, time)| match ours {
                    Some(ours) => format!("{:.0} ({:.2})", ms(*time), ms(*time) / ms(ours[place])),
                    None => format!("{:.0}", ms(*time)),
                });
                let cells = cells.collect::<Vec<_>>().join(" | ");
                writeln!(table, "| {name} | {version} | {rounds} | {cells} |")
            }
        };
    }
    table
}
