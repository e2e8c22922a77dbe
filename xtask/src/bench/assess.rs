//! The survey of a repository beside `git log` for the same information.
//!
//! Both are run in turn, once to warm up and then a few times, and the medians are compared. What `git log` is asked
//! for is what the survey reads: what all commits say of themselves, files and lines of what came to trunk in the window
//! of 90 days, and files of what came to trunk in 400 days. The survey also looks into the files of the
//! newest commit, which `git log` does not; that part is shown on its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::generated;
use crate::command::Program;
use crate::workspace;

const USAGE: &str = "cargo xtask bench assess [--made COMMITS] [--folder FOLDER] [--rounds N] [REPOSITORY...]";

/// What is printed by a run of the survey.
struct Run {
    /// Until the history is read.
    history: Duration,
    all: Duration,
    /// The most memory it had, in MiB.
    memory: f64,
}

/// Runs the bench.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    let (mut repositories, mut made, mut rounds) = (Vec::new(), Vec::new(), 5);
    let mut folder = std::env::temp_dir();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("`{argument}` needs a value\nusage: {USAGE}"))
        };
        let number = |text: &String| {
            text.parse::<u64>()
                .map_err(|_| format!("`{text}` is no number\nusage: {USAGE}"))
        };
        match argument.as_str() {
            "--made" => made.push(number(value()?)?),
            "--rounds" => rounds = number(value()?)?.max(1),
            "--folder" => folder = PathBuf::from(value()?),
            option if option.starts_with('-') => return Err(format!("there is no `{option}`\nusage: {USAGE}")),
            repository => repositories.push(PathBuf::from(repository)),
        }
    }
    if made.is_empty() && repositories.is_empty() {
        made = vec![40_000, 1_000_000];
    }
    let root = workspace::root();
    Program::new(
        "cargo",
        &[
            "build",
            "--release",
            "--locked",
            "--package",
            "survey",
            "--example",
            "survey",
        ],
        &root,
    )
    .run()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let survey = root.join(target).join("release/examples/survey");
    for count in made {
        repositories.push(generate(&folder, count)?);
    }
    println!(
        "\n| repository | commits | git log, s | survey: history, s | ratio | with files, s | memory, MiB |\n|---|---|---|---|---|---|---|"
    );
    for repository in &repositories {
        println!("{}", compare(&survey, repository, rounds)?);
    }
    Ok(())
}

/// A made repository, which is kept for the next time.
fn generate(folder: &Path, count: u64) -> Result<PathBuf, String> {
    let path = folder.join(format!("made-{count}.git"));
    if path.join("made").exists() {
        return Ok(path);
    }
    let shown = path.to_str().ok_or("the folder has a name that is no text")?;
    Program::new(
        "git",
        &["init", "--quiet", "--bare", "--initial-branch=main", shown],
        folder,
    )
    .run()?;
    Program::new("git", &["fast-import", "--quiet", "--done"], &path)
        .run_writing(|out| generated::write(count, out))?;
    // As a clone has it: one pack, with the commits in a row.
    Program::new("git", &["repack", "-a", "-d", "-q"], &path).run()?;
    std::fs::write(path.join("made"), "").map_err(|error| format!("cannot write in `{shown}`: {error}"))?;
    Ok(path)
}

fn compare(survey: &Path, repository: &Path, rounds: u64) -> Result<String, String> {
    let git = |arguments: &[&str]| Program::new("git", arguments, repository);
    let trunk = git(&["rev-parse", "--abbrev-ref", "HEAD"]).output()?.trim().to_owned();
    let count = git(&["rev-list", "--count", "--branches", "--remotes", "--tags"]).output()?;
    let newest = git(&["log", "-1", "--format=%ct", &trunk]).output()?;
    let newest: u64 = newest.trim().parse().map_err(|_| "the newest commit has no time")?;
    let day = newest / 86_400;
    let last = git(&["log", "-1", "--date=format-local:%Y-%m-%d", "--format=%cd", &trunk])
        .variable("TZ", "UTC")
        .output()?;
    let since = |days: u64| format!("--since={}", (day + 1) * 86_400 - days * 86_400);
    let (window, year) = (since(90), since(400));
    let told = "--format=%H%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B%x00";
    let logs: [Vec<&str>; 3] = [
        vec!["log", "--branches", "--remotes", "--tags", told],
        vec![
            "log",
            "--first-parent",
            "-m",
            "--raw",
            "--numstat",
            "--format=%H",
            &window,
            &trunk,
        ],
        vec!["log", "--first-parent", "-m", "--raw", "--format=%H", &year, &trunk],
    ];
    let (mut of_git, mut of_survey) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut total = Duration::ZERO;
        for log in &logs {
            let start = Instant::now();
            git(log).discard()?;
            total += start.elapsed();
        }
        let run = run(survey, repository, last.trim())?;
        // The first round brings everything into the memory of the system.
        if round > 0 {
            of_git.push(total);
            of_survey.push(run);
        }
    }
    let git = median(of_git.iter().map(Duration::as_secs_f64));
    let history = median(of_survey.iter().map(|run| run.history.as_secs_f64()));
    let all = median(of_survey.iter().map(|run| run.all.as_secs_f64()));
    let memory = of_survey.iter().map(|run| run.memory).fold(0.0, f64::max);
    let name = repository.display();
    let ratio = history / git;
    Ok(format!(
        "| `{name}` | {} | {git:.2} | {history:.2} | {ratio:.2} | {all:.2} | {memory:.0} |",
        count.trim(),
    ))
}

fn run(survey: &Path, repository: &Path, at: &str) -> Result<Run, String> {
    let program = survey.to_str().ok_or("the folder has a name that is no text")?;
    let told = Program::new(program, &[".", "--quiet", "--at", at], repository).complaint()?;
    let number = |text: &str| text.trim().trim_end_matches(" s").parse::<f64>().unwrap_or_default();
    let mut run = Run {
        history: Duration::ZERO,
        all: Duration::ZERO,
        memory: 0.0,
    };
    for line in told.lines() {
        if let Some((_, at)) = line.strip_prefix("Changes: ").and_then(|rest| rest.split_once(" at ")) {
            run.history = Duration::from_secs_f64(number(at));
        }
        if let Some(rest) = line.strip_prefix("all: ")
            && let Some((time, memory)) = rest.split_once(", at most ")
        {
            run.all = Duration::from_secs_f64(number(time));
            run.memory = number(memory.split(' ').next().unwrap_or_default()) / 1024.0;
        }
    }
    Ok(run)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
