//! `cargo xtask fuzz`: readers of foreign bytes under a search that is guided by what code was reached.
//!
//! Each target of the folder `fuzz` states what has to hold whatever the bytes are. libFuzzer changes inputs, keeps
//! those that reach code which none before did, and goes on from them; what it keeps stays in the build folder for the
//! next time. It begins with files of this repository and with the words of a format. The property tests of the suite
//! hold the same with inputs drawn by chance, every time; this looks for longer, where it is asked to.

mod seeds;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::command::Program;
use crate::workspace;

const USAGE: &str = "cargo xtask fuzz [--seconds N] [--target NAME]...";

/// For how long each target is searched.
const SECONDS: u64 = 60;
/// The largest input, in bytes: what is wrong with a long one is nearly always wrong with a short one.
const LARGEST: &str = "4096";
/// An input that takes longer, in seconds, is a finding.
const SLOWEST: &str = "10";

/// Counters in every branch, and in comparisons, so that the search learns what was nearly equal.
const COUNTERS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    seconds: u64,
    /// Names of targets; none are all.
    targets: Vec<String>,
}

/// What came of a target.
struct Searched {
    target: String,
    /// How often it was run.
    runs: u64,
    /// How many edges between pieces of code were reached.
    edges: u64,
    /// What was found: the file with the input.
    found: Option<PathBuf>,
}

/// Searches, as many targets at a time as there are processors. Fails when something is found.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    let root = workspace::root();
    let folder = workspace::build_folder(&root).join("fuzz");
    let targets = chosen(&targets(&root)?, &asked.targets)?;
    let programs = build(&root, &folder)?;

    let waiting = Mutex::new(targets.into_iter().rev().collect::<Vec<_>>());
    let done = Mutex::new(Vec::new());
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(target) = next(&waiting) {
                    let searched = search(&root, &folder, &programs, &target, asked.seconds);
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push(searched);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|searched| searched.as_ref().map_or_else(Clone::clone, |it| it.target.clone()));
    told(done)
}

fn next(waiting: &Mutex<Vec<String>>) -> Option<String> {
    waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop()
}

/// Prints the table, and says what was found.
fn told(done: Vec<Result<Searched, String>>) -> Result<(), String> {
    let mut table = String::from("\n| target | runs | edges reached |\n|---|--:|--:|\n");
    let mut wrong = String::new();
    for searched in done {
        match searched {
            Ok(it) => {
                let _ = writeln!(table, "| {} | {} | {} |", it.target, it.runs, it.edges);
                if let Some(input) = it.found {
                    let _ = write!(wrong, "\n  {}: {}", it.target, input.display());
                }
            }
            Err(error) => {
                let _ = write!(wrong, "\n  {error}");
            }
        }
    }
    println!("{table}");
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("not everything held:{wrong}")),
    }
}

fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked {
        seconds: SECONDS,
        targets: Vec::new(),
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest
            .next()
            .ok_or_else(|| format!("`{argument}` needs a value: {USAGE}"))?;
        match argument.as_str() {
            "--seconds" => {
                asked.seconds = match value.parse() {
                    Ok(seconds) if seconds > 0 => seconds,
                    _ => return Err(format!("`{value}` is no number of seconds")),
                }
            }
            "--target" => asked.targets.push(value.clone()),
            _ => return Err(format!("`{argument}` is not known: {USAGE}")),
        }
    }
    Ok(asked)
}

/// The names of all targets, sorted.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz/targets");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}

fn chosen(all: &[String], wanted: &[String]) -> Result<Vec<String>, String> {
    if let Some(name) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no target `{name}`: there is {}", all.join(", ")));
    }
    Ok(if wanted.is_empty() {
        all.to_vec()
    } else {
        wanted.to_vec()
    })
}

/// Compiles the targets; where their programs are.
fn build(root: &Path, folder: &Path) -> Result<PathBuf, String> {
    // With a platform that is named, what runs while compiling is compiled without counters.
    let platform = platform(root)?;
    let manifest = root.join("fuzz/Cargo.toml");
    let target = folder.join("target");
    Program::new(
        "cargo",
        &[
            "build",
            "--release",
            "--locked",
            "--target",
            &platform,
            "--manifest-path",
            &manifest.to_string_lossy(),
        ],
        root,
    )
    .variable("CARGO_TARGET_DIR", &target)
    .variable("RUSTFLAGS", COUNTERS.join(" "))
    .run()?;
    Ok(target.join(platform).join("release"))
}

/// What this machine is called as a platform.
fn platform(root: &Path) -> Result<String, String> {
    let told = Program::new("rustc", &["-vV"], root).output()?;
    let line = told.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned)
        .ok_or_else(|| format!("rustc does not say its platform: {told}"))
}

/// Searches one target for so long, from the seeds and from what was kept.
fn search(root: &Path, folder: &Path, programs: &Path, target: &str, seconds: u64) -> Result<Searched, String> {
    let own = folder.join(target);
    let (kept, begun, found) = (own.join("kept"), own.join("seeds"), own.join("found"));
    for each in [&kept, &begun, &found] {
        std::fs::create_dir_all(each).map_err(|error| format!("cannot make {}: {error}", each.display()))?;
    }
    let words = seeds::write(root, target, &begun)?;
    let before = files(&found);
    let log = own.join("log");
    let mut arguments = vec![
        kept.to_string_lossy().into_owned(),
        begun.to_string_lossy().into_owned(),
        format!("-artifact_prefix={}/", found.display()),
        format!("-max_total_time={seconds}"),
        format!("-max_len={LARGEST}"),
        format!("-timeout={SLOWEST}"),
        "-print_final_stats=1".to_owned(),
    ];
    if let Some(words) = words {
        arguments.push(format!("-dict={}", words.display()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = Program::new(&programs.join(target).to_string_lossy(), &arguments, root).run_into(&log);
    let told = std::fs::read_to_string(&log).map_err(|error| format!("{target}: {}: {error}", log.display()))?;
    let new = files(&found).into_iter().find(|file| !before.contains(file));
    match (ended, new) {
        (Err(why), None) => Err(format!("{target}: {why}")),
        (ended, found) => {
            if let Err(why) = ended {
                println!("{why}");
            }
            Ok(Searched {
                target: target.to_owned(),
                runs: last_number(&told, "stat::number_of_executed_units:").unwrap_or(0),
                edges: last_number(&told, " cov:").unwrap_or(0),
                found,
            })
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The number behind the last `name` of a text.
fn last_number(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(name)?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let asked = read(&words("--seconds 5 --target masks --target facts")).unwrap();
        assert_eq!((asked.seconds, asked.targets), (5, words("masks facts")));
        assert_eq!(read(&[]).unwrap().seconds, SECONDS);
        for wrong in ["--seconds", "--seconds 0", "--seconds x", "--minutes 5"] {
            assert!(read(&words(wrong)).is_err(), "{wrong}");
        }
        assert!(
            chosen(&words("facts masks"), &words("mask"))
                .unwrap_err()
                .contains("facts, masks")
        );
    }

    #[test]
    fn the_last_figures_of_a_search_count() {
        let told = "#2 INITED cov: 12 ft: 3\n#512 NEW    cov: 340 ft: 7\nstat::number_of_executed_units: 1024\n";
        assert_eq!(last_number(told, " cov:"), Some(340));
        assert_eq!(last_number(told, "stat::number_of_executed_units:"), Some(1024));
        assert_eq!(last_number(told, "stat::peak_rss_mb:"), None);
    }

    #[test]
    fn every_target_is_compiled_and_begins_with_something() {
        let root = workspace::root();
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let names = targets(&root).unwrap();
        assert!(!names.is_empty());
        for name in names {
            assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
            assert!(seeds::of(&name).is_some(), "{name} has no seeds");
        }
    }
}
