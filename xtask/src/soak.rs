//! `cargo xtask soak`: what takes too long for every change. Kills of the real program at random, every crash
//! point, histories of fresh seeds, and beside all of it servers under steady load that are measured.
//!
//! The test suite plays a sample of each; here the same tests play much more, for an hour or as long as it is
//! asked for. `--write` puts the figures into the document that speaks of them.

mod document;
mod flat;
mod part;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::workspace;
use flat::Samples;
use part::{PARTS, Part, Played, Programs};

const USAGE: &str = "cargo xtask soak [--minutes N] [--write]";

/// Kills on each store that are played whatever time there is.
const KILLS: usize = 150;
/// Kills on each store in each further turn.
const MORE_KILLS: usize = 30;
/// The time from which on every crash point is played, which takes ten minutes of it.
const TIME_FOR_POINTS: Duration = Duration::from_secs(30 * 60);

/// What is asked for.
struct Asked {
    time: Duration,
    write: bool,
}

/// A server under steady load.
struct Steady {
    store: &'static str,
    test: &'static str,
    samples: PathBuf,
}

/// Runs everything; what fails stops nothing else.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    let root = workspace::root();
    let folder = workspace::build_folder(&root).join("soak");
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let programs = Programs::build(&root)?;

    let begun = Instant::now();
    let steady = ["sqlite", "postgresql"].map(|store| Steady {
        store: if store == "sqlite" { "SQLite" } else { "PostgreSQL" },
        test: if store == "sqlite" {
            "steady_load::a_server_under_steady_load_goes_on_and_is_whole"
        } else {
            "steady_load::a_server_under_steady_load_goes_on_and_is_whole_with_facts_in_postgresql"
        },
        samples: folder.join(format!("{store}.samples")),
    });
    let mut failed = Vec::new();
    let mut played = Played::default();
    std::thread::scope(|scope| {
        let loads = steady.each_ref().map(|load| {
            let (programs, folder, time) = (&programs, &folder, asked.time);
            scope.spawn(move || go(load, programs, folder, time))
        });
        failed = play(&programs, &folder, begun + asked.time, &mut played);
        for (load, running) in steady.iter().zip(loads) {
            let ended = running.join().unwrap_or_else(|_| Err("it panicked".to_owned()));
            if let Err(wrong) = ended {
                println!("failed: steady load on {}: {wrong}", load.store);
                failed.push(format!("steady load on {}", load.store));
            }
        }
    });

    let mut tables = vec![played.table()];
    for load in &steady {
        let (table, grown) = judged(load);
        tables.push(table);
        failed.extend(grown);
    }
    for table in &tables {
        println!("\n{table}");
    }
    if asked.write {
        document::write(&root, &tables, begun.elapsed(), &failed)?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join("; ")))
    }
}

fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked {
        time: Duration::from_secs(60 * 60),
        write: false,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--write" => asked.write = true,
            "--minutes" => {
                let value = rest.next().map(String::as_str).unwrap_or_default();
                let minutes = value.parse::<u64>().ok().filter(|minutes| *minutes > 0);
                let minutes = minutes.ok_or_else(|| format!("`{value}` is no number above 0\nusage: {USAGE}"))?;
                asked.time = Duration::from_secs(minutes * 60);
            }
            option => return Err(format!("there is no `{option}`\nusage: {USAGE}")),
        }
    }
    Ok(asked)
}

/// The parts in turn until the time is up; those of the first turn in full. What failed is told.
fn play(programs: &Programs, folder: &Path, until: Instant, played: &mut Played) -> Vec<String> {
    let mut failed = Vec::new();
    for turn in 0.. {
        for part in PARTS {
            let left = until.saturating_duration_since(Instant::now());
            let size = match part {
                Part::Points if turn > 0 => continue,
                Part::Points if left < TIME_FOR_POINTS => {
                    println!("\nthere is no time for every crash point");
                    continue;
                }
                Part::Points => 1,
                Part::Kills { .. } if turn == 0 => KILLS,
                Part::Kills { .. } => MORE_KILLS,
                Part::Seeds { .. } => part::SEEDS,
            };
            if turn > 0 && left.is_zero() {
                return failed;
            }
            if let Err(wrong) = part.play(programs, folder, turn, size, played) {
                println!("failed: {wrong}");
                failed.push(format!("{} in turn {turn}", part.name()));
            }
        }
    }
    failed
}

/// Runs a server under steady load for so long.
fn go(load: &Steady, programs: &Programs, folder: &Path, time: Duration) -> Result<(), String> {
    programs
        .play("throughline", "it", load.test)?
        .variable("STEADY_SECONDS", time.as_secs().to_string())
        .variable("STEADY_SAMPLES", &load.samples)
        .run_into(&folder.join(format!("steady-{}.log", load.store)))
}

/// The table of a server under steady load, and what of it was not flat.
fn judged(load: &Steady) -> (String, Vec<String>) {
    let text = std::fs::read_to_string(&load.samples).unwrap_or_default();
    let samples = match Samples::read(&text) {
        Ok(samples) => samples,
        Err(wrong) => {
            let table = format!("{}: the samples cannot be read: {wrong}\n", load.store);
            return (table, vec![format!("samples of {}", load.store)]);
        }
    };
    let mut table = format!(
        "| a server on {} under steady load, {} samples | second third | last third | allowed | |\n|---|---|---|---|---|\n",
        load.store,
        samples.count()
    );
    let mut grown = Vec::new();
    for judgement in samples.judge() {
        let said = if !judgement.is_known {
            "too short to say"
        } else if judgement.is_flat() {
            "flat"
        } else {
            grown.push(format!("{} on {} grows", judgement.measure, load.store));
            "**GROWS**"
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {said} |",
            judgement.measure,
            judgement.shown(judgement.second),
            judgement.shown(judgement.last),
            judgement.shown(judgement.allowed)
        );
    }
    (table, grown)
}
